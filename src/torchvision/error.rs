//! Why a state dict cannot be imported.

use std::path::PathBuf;

use crate::checkpoint::CheckpointError;
use crate::foreign::shown;

/// Why a state dict cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read, or a tensor has bad numbers.
    #[error(transparent)]
    File(CheckpointError),
    /// It is of another kind.
    #[error(
        "{0}; PyTorch writes such files by safetensors.torch.save_file(model.state_dict(), \
         \"googlenet.safetensors\")"
    )]
    NoStateDict(CheckpointError),
    /// It has not the tensors of that model.
    #[error(
        "{} is no state dict of torchvision's GoogLeNet: {why}; save that of \
         torchvision.models.googlenet, under its own names",
        path.display()
    )]
    Names {
        /// The file.
        path: PathBuf,
        /// Which tensors are missing, which are too many, and what might be meant.
        why: String,
    },
    /// A tensor with other dimensions than the model's.
    #[error(
        "{}: tensor {name} has shape {}, and torchvision's GoogLeNet has {expected:?} there; only its \
         number of classes may be another",
        path.display(), shown(format!("{actual:?}"))
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
    },
    /// A variance below zero.
    #[error(
        "{}: tensor {name} holds {value} at flat index {index}, and no variance is below 0; the file is \
         damaged, save it again",
        path.display()
    )]
    Variance {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Where in the tensor, from 0.
        index: usize,
        /// The number.
        value: f32,
    },
    /// What a layer becomes is too large for f32.
    #[error(
        "{}: with its batch normalisation folded in, {layer} has numbers too large for f32; look at its \
         weights and at {layer}.bn",
        path.display()
    )]
    Overflow {
        /// The file.
        path: PathBuf,
        /// The layer, as torchvision calls it.
        layer: String,
    },
    /// So many classes make no network of ours.
    #[error("{}: tensor fc.weight is of {classes} classes, of which no classifier is made", path.display())]
    Classes {
        /// The file.
        path: PathBuf,
        /// How many there are.
        classes: usize,
    },
}

impl From<CheckpointError> for ImportError {
    fn from(error: CheckpointError) -> ImportError {
        match error {
            CheckpointError::Names { path, why, .. } => ImportError::Names { path, why },
            CheckpointError::Shape { path, name, actual, expected, .. } => {
                ImportError::Shape { path, name, actual, expected }
            }
            CheckpointError::Header { .. } => ImportError::NoStateDict(error),
            other => ImportError::File(other),
        }
    }
}
