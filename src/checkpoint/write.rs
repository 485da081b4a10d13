//! Saving a checkpoint.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use super::atomic::{publish, stage, temporary, write_file};
use super::read::{bad_value, values};
use super::{CONFIG_FILE, CheckpointError, FORMAT, MODEL_FILE, OPTIMIZER_FILE, VERSION};
use crate::config::Config;

/// A tensor to be saved. Its numbers are asked for only when they are to be written, and dropped
/// then, so that no more than one tensor at a time is in memory.
pub struct TensorSource<'a> {
    /// The name, not repeated within a file.
    pub name: String,
    /// The dimensions; their product is the number of elements.
    pub shape: Vec<usize>,
    /// Gives the elements, row-major, as little-endian f32; or says why it cannot.
    pub read: Box<dyn Fn() -> Result<Vec<u8>, String> + 'a>,
}

impl fmt::Debug for TensorSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TensorSource({}, {:?})", self.name, self.shape)
    }
}

/// Saves a checkpoint to the folder `dir`, which is made if need be, in place of any older one.
///
/// All is written under temporary names before anything is renamed, the model last. So whatever
/// fails while writing leaves the older checkpoint as it was.
///
/// # Errors
/// [`CheckpointError`] when a file cannot be written, or a tensor cannot be read, has the wrong
/// length or holds numbers that are not finite.
pub fn save(
    dir: &Path,
    step: u64,
    config: &Config,
    weights: &[TensorSource],
    optimizer: &[TensorSource],
) -> Result<(), CheckpointError> {
    config.validate()?;
    let toml = config.to_toml()?;
    let metadata = json!({
        "format": FORMAT,
        "version": VERSION,
        "step": step.to_string(),
        "config": config.to_json()?,
    });
    std::fs::create_dir_all(dir).map_err(|why| CheckpointError::io("make the folder", dir, why))?;
    let (model_path, optimizer_path) = (dir.join(MODEL_FILE), dir.join(OPTIMIZER_FILE));
    stage_tensors(&optimizer_path, &metadata, optimizer)?;
    let rest = stage_tensors(&model_path, &metadata, weights)
        .and_then(|()| write_file(&dir.join(CONFIG_FILE), toml.as_bytes()));
    if rest.is_err() {
        let _ = std::fs::remove_file(temporary(&optimizer_path));
        let _ = std::fs::remove_file(temporary(&model_path));
        return rest;
    }
    publish(&optimizer_path)?;
    publish(&model_path)
}

/// Writes a safetensors file under its temporary name.
///
/// Not by `safetensors::serialize_to_file`: its tensors cannot fail to be read, it does not sync,
/// and it writes the metadata in random order, so that equal checkpoints would differ in bytes.
fn stage_tensors(
    path: &Path,
    metadata: &Value,
    tensors: &[TensorSource],
) -> Result<(), CheckpointError> {
    let refuse = |name: &str, why: &str| CheckpointError::Source {
        path: path.into(),
        name: name.into(),
        why: why.into(),
    };
    let mut header = BTreeMap::from([("__metadata__", metadata.clone())]);
    let mut lengths = Vec::with_capacity(tensors.len());
    let mut offset = 0_usize;
    for tensor in tensors {
        let name = tensor.name.as_str();
        let shape = tensor.shape.iter();
        let length = shape.copied().try_fold(4, usize::checked_mul);
        let end = length.and_then(|length| offset.checked_add(length));
        let (Some(length), Some(end)) = (length, end) else {
            return Err(refuse(name, "its shape is too large"));
        };
        let info = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]});
        if header.insert(name, info).is_some() {
            return Err(refuse(name, "the name is used twice or reserved"));
        }
        lengths.push(length);
        offset = end;
    }
    let mut header = serde_json::to_vec(&header)
        .map_err(|why| refuse("(header)", &format!("it cannot be written as JSON: {why}")))?;
    // The format wants the numbers to begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');

    stage(path, |out| {
        let failed = |why| CheckpointError::io("write", &temporary(path), why);
        out.write_all(&(header.len() as u64).to_le_bytes())
            .and_then(|()| out.write_all(&header))
            .map_err(failed)?;
        for (tensor, length) in tensors.iter().zip(lengths) {
            let bytes = (tensor.read)().map_err(|why| refuse(&tensor.name, &why))?;
            if bytes.len() != length {
                let why = format!(
                    "its shape {:?} takes {length} bytes, and {} were given",
                    tensor.shape,
                    bytes.len()
                );
                return Err(refuse(&tensor.name, &why));
            }
            if let Some(index) = bad_value(&tensor.name, &bytes) {
                let value = values(&bytes).nth(index).unwrap_or(f32::NAN);
                let (path, name) = (path.into(), tensor.name.clone());
                return Err(CheckpointError::Diverged { path, name, index, value });
            }
            out.write_all(&bytes).map_err(failed)?;
        }
        Ok(())
    })
}
