//! What can go wrong with checkpoint and weight files.

use std::path::{Path, PathBuf};

use super::{MODEL_FILE, OPTIMIZER_FILE};
use crate::config::{Config, ConfigError};
use crate::foreign::shown;
use crate::network::Shaped;

/// What can go wrong with checkpoint and weight files.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refuses.
    #[error("cannot {action} {}: {why}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// The file is shorter or longer than its header says.
    #[error(
        "{} has {actual} bytes where its header promises {expected}: it is {}; copy or download it again",
        path.display(), if actual < expected { "cut short" } else { "followed by something else" }
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that it has.
        actual: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// The file does not begin with a safetensors header.
    #[error("{} is not a safetensors file, or its header is damaged: {why}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with the header.
        why: String,
    },
    /// The file was written by a later version of this program.
    #[error(
        "{} is of format version {version:?}, and this program reads version 1; use a newer program",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it states.
        version: String,
    },
    /// The metadata of one of our own files lacks something, or holds nonsense.
    #[error("{}: the metadata entry `{key}` {why}; the file is damaged, use another checkpoint", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The entry.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Training cannot go on from weights alone.
    #[error(
        "{} was not saved by this program, so training cannot be resumed from it; start anew with it as initial weights",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The two files of a checkpoint were not saved together.
    #[error(
        "the checkpoint {} is put together of two: {MODEL_FILE} is of {model} and {OPTIMIZER_FILE} of \
         {optimizer}; use another checkpoint",
        dir.display()
    )]
    Torn {
        /// The checkpoint's folder.
        dir: PathBuf,
        /// What the weights are of.
        model: String,
        /// What Adam's moments are of.
        optimizer: String,
    },
    /// The file's bytes are not those that were written.
    #[error(
        "{} is damaged: its checksum is {actual} and should be {stated}; use another checkpoint or copy \
         of it",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// The checksum that the file states, hexadecimal.
        stated: String,
        /// The one it has.
        actual: String,
    },
    /// A folder in which no training has left weights.
    #[error(
        "{} holds no {MODEL_FILE}; name a folder that `inception train --out` has saved a model in, or \
         a model's file",
        dir.display()
    )]
    NoModel {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder of a run holds nothing to go on from.
    #[error(
        "{} holds no checkpoint to resume; start anew without --resume, or name the --out of an earlier run",
        run.display()
    )]
    None {
        /// The run's folder.
        run: PathBuf,
    },
    /// There are checkpoints, but each is damaged.
    #[error(
        "no checkpoint in {} is whole: {}", run.display(),
        damaged.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    NoneWhole {
        /// The run's folder.
        run: PathBuf,
        /// What is wrong with each, the newest first.
        damaged: Vec<CheckpointError>,
    },
    /// Another process uses the run's folder.
    #[error(
        "{} is in use by another run{}; wait for its end, or name another --out", run.display(),
        by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default()
    )]
    InUse {
        /// The run's folder.
        run: PathBuf,
        /// Which process and since when, if that can be known.
        by: Option<String>,
    },
    /// A folder is no longer known to be the run's that holds it.
    #[error("{} may be another run's by now, so nothing more is written there: {why}", run.display())]
    Taken {
        /// The run's folder.
        run: PathBuf,
        /// What was found there instead of the run's lock.
        why: String,
    },
    /// The file's tensors are not by name those of the model.
    #[error(
        "{} does not fit this model: {why}; {}", path.display(),
        described.as_deref().unwrap_or("check the names and the number of modules (maps)")
    )]
    Names {
        /// The file.
        path: PathBuf,
        /// Which tensors are missing, which are too many, and what might be meant.
        why: String,
        /// What to do about it where the model is no tutorial's: [`CheckpointError::of`].
        described: Option<String>,
    },
    /// A tensor with other dimensions than the model's.
    #[error(
        "{}: tensor {name} has shape {}, and this model needs {expected:?}; {}",
        path.display(), shown(format!("{actual:?}")), described.as_deref().unwrap_or(
            "use the sizes (maps, reduce1x1, num_fc1, module) that the file was made with"
        )
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in the file.
        actual: Vec<usize>,
        /// The model's.
        expected: Vec<usize>,
        /// What to do about it where the model is no tutorial's: [`CheckpointError::of`].
        described: Option<String>,
    },
    /// A tensor of other numbers than f32.
    #[error("{}: tensor {name} is of type {dtype}, and only F32 can be used; convert it first", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A tensor with an infinite number or NaN, or a negative second moment or variance.
    #[error(
        "{}: tensor {name} holds {value} at flat index {index}; {}", path.display(),
        match (value.is_finite(), name.starts_with("variance_")) {
            (true, true) => "a variance of batch normalisation cannot be negative, the file is damaged",
            (true, false) => "second moments must not be negative, the file is damaged",
            _ => "only finite numbers can be used, the training that made it had diverged",
        }
    )]
    Value {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Where in the tensor, counted row-major from 0.
        index: usize,
        /// The number.
        value: f32,
    },
    /// A tensor cannot be saved.
    #[error("cannot save tensor {name} to {}: {why}", path.display())]
    Source {
        /// The file that was being written.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A tensor is not saved, since no training could go on from it.
    #[error(
        "cannot save tensor {name} to {}: it holds {value} at flat index {index}; the training has \
         diverged, try a lower learning rate",
        path.display()
    )]
    Diverged {
        /// The file that was being written.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Where in the tensor, counted row-major from 0.
        index: usize,
        /// The number.
        value: f32,
    },
    /// The configuration cannot be saved.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl CheckpointError {
    /// Whether it speaks of damaged or missing files, so that an older checkpoint may do instead;
    /// not so of files that this program is not allowed to read or too old for.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            CheckpointError::Io { why, .. } => why.kind() != std::io::ErrorKind::PermissionDenied,
            CheckpointError::Version { .. } => false,
            _ => true,
        }
    }

    /// In words of the model's description, where it has one: what does not fit there has no flags.
    #[must_use]
    pub fn of(mut self, config: &Config) -> CheckpointError {
        let Some(network) = &config.network else { return self };
        match &mut self {
            CheckpointError::Names { described, .. } => {
                let advice = "check the names of the layers in the network's description";
                *described = Some(advice.into());
            }
            CheckpointError::Shape { name, described, .. } => {
                // Moments are called by their variables.
                let variable = name.rsplit('/').next().unwrap_or_default();
                let has = |layer: &Shaped| layer.variables.iter().any(|(name, _)| name == variable);
                let layer = network.shapes().into_iter().flatten().find(has);
                *described = layer.map(|layer| {
                    format!(
                        "change layer {} in the network's description to what the file was made with, or \
                         what that layer gets",
                        layer.place
                    )
                });
            }
            _ => {}
        }
        self
    }

    pub(crate) fn io(action: &'static str, path: &Path, why: std::io::Error) -> CheckpointError {
        let path = path.into();
        CheckpointError::Io { action, path, why }
    }
}
