//! Images and labels in memory, and the loading of them from files of any known kind.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::digits::all;
use super::{DataError, Digits, Invert, SIDE, source};

/// Images of one size; grey ones show light ink on dark ground as in MNIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// The file they come from. Image `i` is row `i + 1` of it, except in a validation set, which
    /// is the end of its file.
    pub path: PathBuf,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Channels: one of grey images, three (red, green, blue) of coloured ones.
    pub channels: usize,
    /// Values from 0 to 255 (of grey images: ink), shape `[count, height, width, channels]`.
    pub pixels: Vec<u8>,
}

impl Images {
    /// 28x28 images from their pixels, shape `[count, 28, 28]`.
    pub(super) fn new(path: &Path, pixels: Vec<u8>) -> Self {
        Self { path: path.to_owned(), height: SIDE, width: SIDE, channels: 1, pixels }
    }

    /// Height, width and channels of each.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pixels.len() / self.shape().iter().product::<usize>()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The pixels of image `index`, shape `[height, width, channels]`, or `None` past the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let size = self.shape().iter().product();
        self.pixels.chunks_exact(size).nth(index)
    }

    /// The pixels of these images, shape `[count, height, width, channels]`.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[must_use]
    pub fn slice(&self, images: Range<usize>) -> &[u8] {
        let size: usize = self.shape().iter().product();
        &self.pixels[images.start * size..images.end * size]
    }
}

/// Images with their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The images.
    pub images: Images,
    /// The class that each image shows, of digits 0 to 9, shape `[count]`.
    pub labels: Vec<u8>,
}

impl Dataset {
    /// Number of images, each with its label.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// What tells these digits from others, in these or other places: their number and the CRC-32 of
    /// all labels, then all pixels.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.fingerprint_from(0)
    }

    /// The same of the images from `first` on.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[must_use]
    pub fn fingerprint_from(&self, first: usize) -> String {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.labels[first..]);
        sum.update(&self.images.pixels[first * self.images.shape().iter().product::<usize>()..]);
        format!("{} digits of CRC-32 {:08x}", self.len() - first, sum.finalize())
    }

    /// How many rows are left to train on where the last `val_rows` are for validation.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn rows_before_validation(&self, val_rows: usize) -> Result<usize, DataError> {
        let rows = self.len();
        if val_rows >= rows {
            return Err(DataError::new(format!(
                "{} holds {rows} rows, too few to set {val_rows} aside for validation and train \
                 on the rest. Set aside fewer, or give it a larger file.",
                self.images.path.display()
            )));
        }
        Ok(rows - val_rows)
    }

    /// Splits into training rows and the last `val_rows` rows, which are for validation.
    ///
    /// # Errors
    ///
    /// If no row would be left to train on.
    pub fn split_validation(mut self, val_rows: usize) -> Result<(Self, Self), DataError> {
        let first = self.rows_before_validation(val_rows)?;
        let size: usize = self.images.shape().iter().product();
        let pixels = self.images.pixels.split_off(first * size);
        let validation = Self {
            images: Images { path: self.images.path.clone(), pixels, ..self.images },
            labels: self.labels.split_off(first),
        };
        Ok((self, validation))
    }
}

/// Loads digits with labels from CSV (label, then 784 pixels) or from an IDX image file, whose
/// label file is found beside it by its name. Either may be compressed with gzip.
///
/// # Errors
///
/// If the file is missing, damaged, empty, of another kind, or holds a bad value, in a sentence
/// with file, row and column.
pub fn load_labelled(path: &Path) -> Result<Dataset, DataError> {
    all(Digits::labelled(path)?)
}

/// As [`load_labelled`], from content that is not in a file; `name` stands for it in errors. Labels
/// of IDX images are looked for beside a file of that name.
///
/// # Errors
///
/// As [`load_labelled`].
pub fn read_labelled(name: &Path, content: impl Read + 'static) -> Result<Dataset, DataError> {
    all(Digits::labelled_of(name, source::of(name, Box::new(content))?)?)
}

/// Loads digits without labels from CSV (784 pixels, with or without a label before them, which is
/// dropped), from an IDX image file, or from one PNG or JPEG picture of any size.
///
/// `invert` tells whether a picture is dark ink on light ground; the other kinds of file are light
/// ink on dark ground by definition.
///
/// # Errors
///
/// If the file is missing, damaged, empty, of another kind, holds a bad value or shows nothing, in
/// a sentence with file and, where it has them, row and column.
pub fn load_images(path: &Path, invert: Invert) -> Result<Images, DataError> {
    Ok(all(Digits::unlabelled(path, invert)?)?.images)
}

/// As [`load_images`], from content that is not in a file; `name` stands for it in errors.
///
/// # Errors
///
/// As [`load_images`].
pub fn read_images(
    name: &Path,
    content: impl Read + 'static,
    invert: Invert,
) -> Result<Images, DataError> {
    let source = source::of(name, Box::new(content))?;
    Ok(all(Digits::unlabelled_of(name, source, invert)?)?.images)
}
