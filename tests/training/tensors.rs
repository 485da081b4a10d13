//! Named tensors in safetensors files, as f64.

use std::collections::BTreeMap;
use std::path::Path;

use inception::config::{Config, Init};
use inception::model::initial_values;
use inception::train::Recordings;
use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView};

use crate::common::Random;

/// Shape and values by name.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

/// All tensors of a file.
pub fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tensors = file.tensors().into_iter();
    tensors.map(|(name, view)| (name, (view.shape().to_vec(), values(&view)))).collect()
}

fn values(view: &TensorView) -> Vec<f64> {
    let bytes = view.data();
    let words = bytes.as_chunks::<4>().0.iter();
    match view.dtype() {
        Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        Dtype::F32 => words.map(|&b| f32::from_le_bytes(b).into()).collect(),
        Dtype::I32 => words.map(|&b| i32::from_le_bytes(b).into()).collect(),
        Dtype::U8 => bytes.iter().map(|&b| b.into()).collect(),
        other => panic!("a tensor of {other:?}"),
    }
}

/// The `config` entry of a file's metadata.
pub fn config(path: &Path) -> serde_json::Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
    let metadata = header.metadata().as_ref().expect("metadata");
    serde_json::from_str(&metadata["config"]).expect("JSON")
}

/// Writes tensors as f32, under these names alone, as another program would.
pub fn write(path: &Path, tensors: &Tensors) {
    let bytes: BTreeMap<&String, Vec<u8>> =
        tensors.iter().map(|(name, (_, values))| (name, f32_bytes(values))).collect();
    let views = tensors.iter().map(|(name, (shape, _))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).expect("a view");
        (name, view)
    });
    safetensors::serialize_to_file(views, None, path).expect("the file is written");
}

pub fn f32_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()
}

pub fn wide(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
}

/// Weights of a usual size, and biases that matter.
pub fn random_weights(config: &Config) -> Tensors {
    let mut random = Random(11);
    let parameters = Recordings::training_alone(config, 1).parameters().into_iter();
    let values = parameters.map(|(name, shape)| {
        let mut around = |middle: f32, far: f32| {
            (0..shape[0]).map(|_| middle + far * random.float()).collect::<Vec<f32>>()
        };
        let values = match name.split('_').next() {
            Some("b" | "beta" | "mean") => around(0.0, 0.1),
            Some("gamma" | "variance") => around(1.0, 0.3),
            _ => initial_values(&name, &shape, Init::He, 3),
        };
        (name, (shape, values.into_iter().map(f64::from).collect()))
    });
    values.collect()
}
