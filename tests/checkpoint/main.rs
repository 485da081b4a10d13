//! Checkpoints and weight files: round trips, and what is said about damaged ones.

use std::fs;
use std::path::{Path, PathBuf};

use inception::checkpoint::{
    CheckpointError, Origin, Reader, TensorSource, optimizer_tensors, save,
};
use inception::config::{Config, Preset};
use serde_json::Value;

#[path = "../common/mod.rs"]
mod common;

mod damage;
mod lock;
mod run;
mod save;
mod taken;

type Named = Vec<(String, Vec<usize>)>;

fn weights() -> Named {
    let list: [(&str, &[usize]); 3] = [("W_fc1", &[2, 3]), ("b_fc1", &[3]), ("W_fc2", &[3, 1])];
    let named = list.iter().map(|(n, s)| (n.to_string(), s.to_vec()));
    named.collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Other numbers in every tensor and element.
fn numbers(index: usize, shape: &[usize]) -> Vec<f32> {
    let n = shape.iter().product();
    (0..n).map(|i: usize| index as f32 + i as f32 / 7.0).collect()
}

/// A source that gives these bytes in two parts.
fn gives(data: Vec<u8>) -> Reader<'static> {
    Box::new(move |part| {
        let (one, two) = data.split_at(data.len() / 8 * 4);
        part(one);
        part(two);
        Ok(())
    })
}

fn sources(named: &Named) -> Vec<TensorSource<'static>> {
    let source = |(index, (name, shape)): (usize, &(String, Vec<usize>))| TensorSource {
        name: name.clone(),
        shape: shape.clone(),
        read: gives(bytes(&numbers(index, shape))),
    };
    named.iter().enumerate().map(source).collect()
}

fn quick() -> Config {
    Config::preset(Preset::Quick)
}

fn origin(step: u64) -> Origin {
    Origin {
        step,
        config: quick(),
        validation_accuracy: None,
        training_data: None,
        test_data: None,
    }
}

/// What `save` asks: nobody takes the folder here.
fn held() -> Result<(), CheckpointError> {
    Ok(())
}

/// Saves a checkpoint of this origin in the folder of a run; gives its own folder.
fn save_as(run: &Path, origin: &Origin) -> PathBuf {
    let moments = optimizer_tensors(&weights());
    save(run, origin, sources(&weights()), sources(&moments), held).expect("saves");
    run.join("checkpoints").join(format!("step-{:06}", origin.step))
}

fn save_to(run: &Path, step: u64) -> PathBuf {
    save_as(run, &origin(step))
}

fn files_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A safetensors file put together by hand. A checksum of zeros is made right.
fn craft(path: &Path, header: &Value, data: &[u8]) {
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    if header.contains(r#""checksum":"00000000""#) {
        common::sign(&mut file);
    }
    fs::write(path, file).unwrap();
}
