//! The IDX format of the original MNIST files: a header of big-endian 32-bit numbers (what it is,
//! then the length of each axis), then the bytes.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{DataError, LABELS, PIXELS, SIDE, source};

/// First number of an IDX file of images: unsigned bytes, three axes.
const IMAGES: u32 = 0x0000_0803;

/// First number of an IDX file of labels: unsigned bytes, one axis.
const LABEL_LIST: u32 = 0x0000_0801;

/// Opens an IDX file of 28x28 images, shape `[count, 28, 28]`.
///
/// `path` is only for the errors.
pub(super) fn open_images(path: &Path, mut reader: Box<dyn Read>) -> Result<Body, DataError> {
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
    Body::new(path, reader, count, PIXELS)
}

/// Finds the label file that belongs to the image file `images` and opens it; it must hold `count`.
///
/// It lies in the same folder and is named as the image file, with `images` and `idx3` replaced by
/// `labels` and `idx1`; it may differ in being compressed or not (`.gz`).
pub(super) fn open_labels_beside(images: &Path, count: usize) -> Result<Body, DataError> {
    let path = label_path(images)?;
    let mut reader = source::open(&path)?.reader;
    let [magic] = header(&path, &mut reader)?;
    if magic != LABEL_LIST {
        return Err(wrong_magic(&path, magic, LABEL_LIST));
    }
    let [found] = header(&path, &mut reader)?;
    let labels = Body::new(&path, reader, found, 1)?;
    if labels.count() != count {
        return Err(DataError::new(format!(
            "{} holds {found} labels, but {} holds {count} images. Give it the label file that \
             belongs to these images.",
            path.display(),
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

/// What stands behind a header: items of `size` bytes, images or labels, which must be all the rest
/// of the file.
pub(super) struct Body {
    path: PathBuf,
    reader: BufReader<Box<dyn Read>>,
    size: usize,
    /// Items that the header says there are.
    count: u32,
    /// Items read so far.
    read: u32,
}

impl Body {
    fn new(path: &Path, reader: Box<dyn Read>, count: u32, size: usize) -> Result<Body, DataError> {
        let reader = BufReader::with_capacity(1 << 16, reader);
        let body = Body { path: path.to_owned(), reader, size, count, read: 0 };
        if count == 0 {
            let (name, items) = (path.display(), body.items());
            return Err(DataError::new(format!(
                "{name} holds no {items}: its header says 0. Give it a file with some."
            )));
        }
        Ok(body)
    }

    fn items(&self) -> &'static str {
        if self.size == 1 { "labels" } else { "images" }
    }

    /// Items that the header says there are.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Appends the next item. Whether there was one; a header that promises more than there is, or
    /// less, is an error.
    pub(super) fn next(&mut self, to: &mut Vec<u8>) -> Result<bool, DataError> {
        let (name, count, items) = (self.path.display(), self.count, self.items());
        let failed = |error: io::Error| source::read_error(&self.path, &error);
        let left = self.read < count;
        // Behind the last there must not be a byte.
        let wanted = if left { self.size as u64 } else { 1 };
        let before = to.len();
        let found = self.reader.by_ref().take(wanted).read_to_end(to).map_err(failed)?;
        if !left && found > 0 {
            return Err(DataError::new(format!(
                "{name} goes on after the {count} {items} that its header says it holds. The file \
                 is damaged or of another format: fetch it again."
            )));
        }
        if left && found < self.size {
            return Err(DataError::new(format!(
                "{name} is cut short: its header says {count} {items}, but it ends after {}. \
                 Fetch or copy the file again.",
                self.read
            )));
        }
        if self.size == 1
            && let Some(&label) = to[before..].iter().find(|&&one| usize::from(one) >= LABELS)
        {
            return Err(DataError::new(format!(
                "{name}, row {}: {label} is not a label. A label is a whole number from 0 to 9.",
                self.read + 1
            )));
        }
        self.read += u32::from(left);
        Ok(left)
    }
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
