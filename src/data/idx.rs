//! The IDX format of the original MNIST files: a header of big-endian 32-bit numbers (what it is,
//! then the length of each axis), then the bytes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{DataError, LABELS, MAX_IMAGES, PIXELS, SIDE, source};

/// First number of an IDX file of images: unsigned bytes, three axes.
const IMAGES: u32 = 0x0000_0803;

/// First number of an IDX file of labels: unsigned bytes, one axis.
const LABEL_LIST: u32 = 0x0000_0801;

/// Reads the pixels of an IDX file of 28x28 images, shape `[count, 28, 28]`.
///
/// `path` is only for the errors.
pub(super) fn read_images(path: &Path, mut reader: impl Read) -> Result<Vec<u8>, DataError> {
    let name = path.display();
    let [magic] = header(path, &mut reader)?;
    if magic != IMAGES {
        return Err(wrong_magic(path, magic, IMAGES));
    }
    let [count, height, width] = header(path, &mut reader)?;
    let side = SIDE as u32;
    if (height, width) != (side, side) {
        return Err(DataError::new(format!(
            "{name}: its images are {height} pixels high and {width} wide; only images of \
             {SIDE} x {SIDE} can be used. Convert them to that size."
        )));
    }
    body(path, reader, count, PIXELS, "images")
}

/// Reads the labels of an IDX file, shape `[count]`, each 0 to 9.
fn read_labels(path: &Path, mut reader: impl Read) -> Result<Vec<u8>, DataError> {
    let [magic] = header(path, &mut reader)?;
    if magic != LABEL_LIST {
        return Err(wrong_magic(path, magic, LABEL_LIST));
    }
    let [count] = header(path, &mut reader)?;
    let labels = body(path, reader, count, 1, "labels")?;
    match labels.iter().position(|&label| usize::from(label) >= LABELS) {
        None => Ok(labels),
        Some(at) => Err(DataError::new(format!(
            "{}, row {}: {} is not a label. A label is a whole number from 0 to 9.",
            path.display(),
            at + 1,
            labels[at]
        ))),
    }
}

/// Finds the label file that belongs to the image file `images` and reads its labels, which must
/// be `count`.
///
/// It lies in the same folder and is named as the image file, with `images` and `idx3` replaced by
/// `labels` and `idx1`; it may differ in being compressed or not (`.gz`).
pub(super) fn read_labels_beside(images: &Path, count: usize) -> Result<Vec<u8>, DataError> {
    let path = label_path(images)?;
    let labels = read_labels(&path, source::open(&path)?.reader)?;
    if labels.len() != count {
        return Err(DataError::new(format!(
            "{} holds {} labels, but {} holds {count} images. Give it the label file that belongs \
             to these images.",
            path.display(),
            labels.len(),
            images.display()
        )));
    }
    Ok(labels)
}

fn label_path(images: &Path) -> Result<PathBuf, DataError> {
    let name = source::file_name(images);
    let wanted = name.replace("images", "labels").replace("idx3", "idx1");
    if !name.contains("images") {
        return Err(DataError::new(format!(
            "{} holds images in IDX format, but its name does not tell where their labels are. \
             Name the two files as the originals: train-images-idx3-ubyte.gz and \
             train-labels-idx1-ubyte.gz, in one folder.",
            images.display()
        )));
    }
    let plain = wanted.trim_end_matches(".gz");
    // The files are spread with a dash and, by some archive programs, with a dot before `idx`.
    let dash = plain.replace(".idx", "-idx");
    let dot = plain.replace("-idx", ".idx");
    let other = [plain, &dash, &dot];
    let other = other.iter().flat_map(|name| [name.to_string(), format!("{name}.gz")]);
    std::iter::once(wanted.clone())
        .chain(other)
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            DataError::new(format!(
                "{} has no labels beside it: there is no file {}. Put the label file there.",
                images.display(),
                images.with_file_name(wanted).display()
            ))
        })
}

/// Reads `N` numbers of the header.
fn header<const N: usize>(path: &Path, reader: &mut impl Read) -> Result<[u32; N], DataError> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let mut bytes = Vec::new();
        reader
            .by_ref()
            .take(4)
            .read_to_end(&mut bytes)
            .map_err(|error| source::read_error(path, &error))?;
        let bytes = bytes.try_into().map_err(|_| {
            DataError::new(format!(
                "{} is cut short: it ends within its header. Fetch or copy the file again.",
                path.display()
            ))
        })?;
        *number = u32::from_be_bytes(bytes);
    }
    Ok(numbers)
}

/// Reads `count` items of `size` bytes, which must be all the rest of the file.
///
/// The memory grows with what is read, never from the header alone, which may lie.
fn body(
    path: &Path,
    mut reader: impl Read,
    count: u32,
    size: usize,
    items: &str,
) -> Result<Vec<u8>, DataError> {
    let name = path.display();
    if count == 0 {
        return Err(DataError::new(format!(
            "{name} holds no {items}: its header says 0. Give it a file with some."
        )));
    }
    if count as usize > MAX_IMAGES {
        return Err(DataError::new(format!(
            "{name}: its header says {count} {items}, more than the {MAX_IMAGES} that are read. \
             The header may be damaged: fetch the file again, or split it."
        )));
    }
    let length = count as usize * size;
    let mut bytes = Vec::new();
    let failed = |error: io::Error| source::read_error(path, &error);
    reader.by_ref().take(length as u64).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() < length {
        return Err(DataError::new(format!(
            "{name} is cut short: its header says {count} {items}, but it ends after {}. \
             Fetch or copy the file again.",
            bytes.len() / size
        )));
    }
    let mut rest = Vec::new();
    reader.take(1).read_to_end(&mut rest).map_err(failed)?;
    if !rest.is_empty() {
        return Err(DataError::new(format!(
            "{name} goes on after the {count} {items} that its header says it holds. The file is \
             damaged or of another format: fetch it again."
        )));
    }
    Ok(bytes)
}

fn wrong_magic(path: &Path, found: u32, expected: u32) -> DataError {
    let name = path.display();
    let meaning = match found {
        IMAGES => ": it holds images. Give it the label file (labels-idx1-ubyte)",
        LABEL_LIST => {
            ": it holds labels. Give it the image file (images-idx3-ubyte); its labels are found \
             beside it"
        }
        _ => ". It is not an MNIST file of that kind, or it is damaged: fetch it again",
    };
    let wanted = if expected == IMAGES { "images" } else { "labels" };
    DataError::new(format!(
        "{name}: an IDX file of {wanted} starts with 0x{expected:08x}, this one starts with \
         0x{found:08x}{meaning}."
    ))
}
