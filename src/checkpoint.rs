//! Checkpoints and weight files, in the safetensors format.
//!
//! A checkpoint is one consistent set, in a folder of its own that appears whole or not at all. A
//! run's folder holds
//!
//! ```text
//! checkpoints/step-000500/model.safetensors        the weights
//! checkpoints/step-000500/optimizer.safetensors    Adam's moments, m/<weight> and v/<weight>; none of frozen ones
//! model.safetensors                                the newest weights: the same file once more
//! best.safetensors                                 those of the best validation accuracy
//! config.toml                                      for people
//! lock                                             held while a run uses the folder
//! ```
//!
//! The metadata of each safetensors file holds the step, the configuration, the validation accuracy
//! if it was measured, what tells the training digits from others, and a checksum of the whole file. All tensors are little-endian f32. Random
//! numbers follow from the configuration's seed and the step, so there is no more to keep.

pub mod atomic;
mod error;
mod lock;
mod names;
mod own;
mod read;
mod run;
mod write;

pub use error::CheckpointError;
pub use lock::Lock;
pub use read::{Tensor, WeightFile};
pub use run::{best_accuracy, clear, go_back, holds_a_model, holds_step, load, publish, save};
pub use write::{Reader, TensorSource, to_bytes};

use std::path::{Path, PathBuf};

use crate::config::Config;

/// File name of the weights, in a checkpoint's folder and, of the newest, in the run's.
pub const MODEL_FILE: &str = "model.safetensors";
/// File name of the weights of the best validation accuracy in a run's folder.
pub const BEST_FILE: &str = "best.safetensors";
/// File name of Adam's moments in a checkpoint's folder.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// File name of the readable configuration in a run's folder.
pub const CONFIG_FILE: &str = "config.toml";
/// The folder of checkpoints in a run's folder.
pub const CHECKPOINTS: &str = "checkpoints";

/// `format` in the metadata; files without it come from other programs.
const FORMAT: &str = "inception-wgpu";
/// `version` in the metadata, to be raised when older programs could not read the file any more. The
/// checksum is to stay as it is, or they would take a later file for a damaged one.
const VERSION: &str = "1";
/// Stands in the place of the checksum while it is taken.
const BLANK: &str = "00000000";

/// The checksum as it stands in a header: CRC-32 of the file with [`BLANK`] in its place.
fn checksum_entry(sum: &str) -> String {
    format!("\"checksum\":\"{sum}\"")
}

/// What weights are of.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Steps done when they were saved.
    pub step: u64,
    /// The configuration of the run.
    pub config: Config,
    /// Share of the validation rows classified rightly (0 to 1), if it was measured at that step.
    pub validation_accuracy: Option<f64>,
    /// What tells the digits of the training file from others, if it is known:
    /// [`Dataset::fingerprint`](crate::data::Dataset::fingerprint).
    pub training_data: Option<String>,
    /// The same of the test file.
    pub test_data: Option<String>,
}

/// A checkpoint read whole.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its folder.
    pub dir: PathBuf,
    /// The weights.
    pub model: WeightFile,
    /// Adam's moments.
    pub optimizer: WeightFile,
    /// What they are of.
    pub origin: Origin,
}

impl Checkpoint {
    /// Opens the checkpoint in the folder `dir`.
    ///
    /// # Errors
    /// [`CheckpointError`] when a file is missing, damaged or of another program, or when the two
    /// files were not saved together.
    pub fn open(dir: &Path) -> Result<Checkpoint, CheckpointError> {
        let model = WeightFile::open(&dir.join(MODEL_FILE))?;
        let optimizer = WeightFile::open(&dir.join(OPTIMIZER_FILE))?;
        let origin = own(&model)?.clone();
        let other = own(&optimizer)?;
        let torn = |model: String, optimizer: String| {
            Err(CheckpointError::Torn { dir: dir.into(), model, optimizer })
        };
        if origin.step != other.step {
            return torn(format!("step {}", origin.step), format!("step {}", other.step));
        }
        if origin != *other {
            return torn("one configuration".into(), "another".into());
        }
        Ok(Checkpoint { dir: dir.into(), model, optimizer, origin })
    }
}

fn own(file: &WeightFile) -> Result<&Origin, CheckpointError> {
    file.origin().ok_or_else(|| CheckpointError::Foreign { path: file.path().into() })
}

/// Names and shapes of Adam's moments for these weights, of which none is frozen: every `m/<weight>`, then every
/// `v/<weight>`, in the weights' order.
pub fn optimizer_tensors(weights: &[(String, Vec<usize>)]) -> Vec<(String, Vec<usize>)> {
    let prefixed = |prefix| {
        let name =
            move |(name, shape): &(String, Vec<usize>)| (format!("{prefix}/{name}"), shape.clone());
        weights.iter().map(name)
    };
    prefixed("m").chain(prefixed("v")).collect()
}
