//! Checkpoints and weight files, in the safetensors format.
//!
//! A checkpoint is a folder: `model.safetensors` (the weights), `optimizer.safetensors` (Adam's
//! moments, named `m/<weight>` and `v/<weight>`) and `config.toml` (for people; the configuration
//! that counts is in the metadata of the other two). All tensors are little-endian f32.

pub mod atomic;
mod error;
mod names;
mod read;
mod write;

pub use error::CheckpointError;
pub use read::{Tensor, WeightFile};
pub use write::{TensorSource, save};

use std::path::Path;

use crate::config::Config;

/// File name of the weights in a checkpoint folder.
pub const MODEL_FILE: &str = "model.safetensors";
/// File name of Adam's moments in a checkpoint folder.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// File name of the readable configuration in a checkpoint folder.
pub const CONFIG_FILE: &str = "config.toml";

/// `format` in the metadata; files without it come from other programs.
const FORMAT: &str = "inception-wgpu";
/// `version` in the metadata, to be raised when older programs could not read the file any more.
const VERSION: &str = "1";

/// A checkpoint read whole.
#[derive(Debug)]
pub struct Checkpoint {
    /// The weights.
    pub model: WeightFile,
    /// Adam's moments.
    pub optimizer: WeightFile,
    /// Steps done when it was saved.
    pub step: u64,
    /// The configuration of the run.
    pub config: Config,
}

/// Opens the checkpoint in the folder `dir`, to go on training from it.
///
/// # Errors
/// [`CheckpointError`] when a file is missing, damaged or of another program, or when the two files
/// were not saved together.
pub fn load(dir: &Path) -> Result<Checkpoint, CheckpointError> {
    let model = WeightFile::open(&dir.join(MODEL_FILE))?;
    let optimizer = WeightFile::open(&dir.join(OPTIMIZER_FILE))?;
    let (step, config) = own(&model)?;
    let (optimizer_step, optimizer_config) = own(&optimizer)?;
    if step != optimizer_step {
        return Err(CheckpointError::Torn {
            dir: dir.into(),
            model: format!("step {step}"),
            optimizer: format!("step {optimizer_step}"),
        });
    }
    if config != optimizer_config {
        return Err(CheckpointError::Torn {
            dir: dir.into(),
            model: "one configuration".into(),
            optimizer: "another".into(),
        });
    }
    let config = config.clone();
    Ok(Checkpoint { model, optimizer, step, config })
}

fn own(file: &WeightFile) -> Result<(u64, &Config), CheckpointError> {
    let both = file.step().zip(file.config());
    both.ok_or_else(|| CheckpointError::Foreign { path: file.path().into() })
}

/// Names and shapes of Adam's moments for these weights: every `m/<weight>`, then every
/// `v/<weight>`, in the weights' order.
pub fn optimizer_tensors(weights: &[(String, Vec<usize>)]) -> Vec<(String, Vec<usize>)> {
    let prefixed = |prefix| {
        let name =
            move |(name, shape): &(String, Vec<usize>)| (format!("{prefix}/{name}"), shape.clone());
        weights.iter().map(name)
    };
    prefixed("m").chain(prefixed("v")).collect()
}
