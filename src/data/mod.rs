//! Reading images: MNIST-style CSV and IDX files, CIFAR-10's binary files, folders of pictures by
//! class, PNG and JPEG pictures; and the order in which a training run takes them.
//!
//! What a file is, is decided by its content, so that names and extensions do not matter (save
//! for IDX, whose labels lie in a second file that is found by name, and CIFAR-10's `*.bin`, whose content
//! says nothing). CSV and IDX files may be compressed with gzip.

mod batches;
mod cifar;
mod classes;
mod csv;
mod dataset;
mod digits;
mod idx;
mod image;
mod jpeg;
mod photo;
mod png;
mod source;
mod wanted;

pub use batches::{Batches, permutation};
pub use dataset::{Dataset, Images, load_images, load_labelled, read_images, read_labelled};
pub use digits::Digits;
pub use image::Invert;
pub use wanted::{OnBadImage, Part, Wanted, misnamed};

/// Height and width of a digit, in pixels.
pub const SIDE: usize = 28;

/// Pixels of one digit (28 * 28).
pub const PIXELS: usize = SIDE * SIDE;

/// Number of different labels of digits (0 to 9).
pub const LABELS: usize = 10;

/// Most classes of any images: a label is a byte.
pub const MOST_CLASSES: usize = 256;

/// Most images of one file that are held at once. A file with more is refused, so that an endless
/// stream or a header that lies does not fill the memory. [`Digits`] reads any number, a few at a time.
pub const MAX_IMAGES: usize = 5_000_000;

/// What is wrong with a data file, where, and what to do about it, as sentences for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DataError(String);

impl DataError {
    /// An error with this text.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
