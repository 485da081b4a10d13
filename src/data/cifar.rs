//! CIFAR-10's binary files: images of 32x32 in three colours, each a label's byte, then 1024 bytes of red,
//! 1024 of green and 1024 of blue, row by row. There is no header.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::{DataError, Part};

/// Height, width and channels.
pub(super) const IMAGE: [usize; 3] = [32, 32, 3];

/// Pixels of one colour.
const PLANE: usize = 32 * 32;

/// Bytes of an image with its label.
const RECORD: usize = 1 + 3 * PLANE;

/// What the labels stand for.
const NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// What the labels stand for.
pub(super) fn names() -> Vec<String> {
    NAMES.map(String::from).to_vec()
}

/// Images of several files, one after the other.
pub(super) struct Records {
    left: std::vec::IntoIter<PathBuf>,
    open: Option<(PathBuf, BufReader<File>, usize)>,
    /// Images in all.
    pub(super) count: usize,
}

/// Whether it is named as one of CIFAR-10's files: `*.bin`.
pub(super) fn is_named_so(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bin"))
}

/// The files of a folder that holds CIFAR-10, of that part; none of another folder.
///
/// # Errors
///
/// If that part of it is not there, or not whole.
pub(super) fn files(folder: &Path, part: Part) -> Result<Option<Vec<PathBuf>>, DataError> {
    // No links, as they may lead out of the folder.
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|facts| facts.is_file());
    let training = (1..=5).map(|number| folder.join(format!("data_batch_{number}.bin")));
    let (training, lacking): (Vec<_>, Vec<_>) = training.partition(is_file);
    let test: Vec<PathBuf> =
        Some(folder.join("test_batch.bin")).filter(is_file).into_iter().collect();
    match (training.is_empty() && test.is_empty(), part) {
        (true, _) => Ok(None),
        (false, Part::Training) => match lacking.first() {
            Some(path) => Err(lacks(
                path,
                "data_batch_1.bin to data_batch_5.bin there, uncompressed; or name one of them alone, to \
                 train on that one",
            )),
            None => Ok(Some(training)),
        },
        (false, Part::Test) if test.is_empty() => Err(lacks(
            &folder.join("test_batch.bin"),
            "it there, uncompressed; or name another file of CIFAR-10, to measure on that one",
        )),
        (false, Part::Test) => Ok(Some(test)),
    }
}

/// The error for a part that is not there, or is no file.
fn lacks(path: &Path, put: &str) -> DataError {
    let what = match path.symlink_metadata() {
        Ok(_) => "is no regular file, and links are not followed",
        Err(_) => "is missing",
    };
    DataError::new(format!(
        "{} {what}, and other parts of CIFAR-10 are beside it. Put {put}.",
        path.display()
    ))
}

impl Records {
    /// Opens these files.
    pub(super) fn open(files: Vec<PathBuf>) -> Result<Records, DataError> {
        let mut count = 0;
        for file in &files {
            let length = std::fs::metadata(file).map_err(|error| failed(file, &error))?.len();
            if length == 0 || !length.is_multiple_of(RECORD as u64) {
                return Err(DataError::new(format!(
                    "{} is {length} bytes long: a file of CIFAR-10 is a multiple of {RECORD}, a byte \
                     for the label and {} for the image each. It is cut short or of another format: \
                     fetch it again.",
                    file.display(),
                    RECORD - 1
                )));
            }
            count += (length / RECORD as u64) as usize;
        }
        Ok(Records { left: files.into_iter(), open: None, count })
    }

    /// Appends the next image, pixel by pixel, and its label. Whether there was one.
    pub(super) fn next(
        &mut self,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        loop {
            let Some((path, reader, row)) = &mut self.open else {
                let Some(path) = self.left.next() else { return Ok(false) };
                let file = File::open(&path).map_err(|error| failed(&path, &error))?;
                self.open = Some((path, BufReader::with_capacity(1 << 16, file), 0));
                continue;
            };
            let mut record = Vec::with_capacity(RECORD);
            let found = reader.by_ref().take(RECORD as u64).read_to_end(&mut record);
            *row += 1;
            match found.map_err(|error| failed(path, &error))? {
                RECORD => {}
                0 => {
                    self.open = None;
                    continue;
                }
                _ => {
                    return Err(DataError::new(format!(
                        "{} is cut short: it ends within image {row}. Fetch or copy it again.",
                        path.display()
                    )));
                }
            }
            let (label, planes) = (record[0], &record[1..]);
            if usize::from(label) >= NAMES.len() {
                return Err(DataError::new(format!(
                    "{}, image {row}: {label} is not a label. A label of CIFAR-10 is a byte from 0 to \
                     9; the file is damaged or of another format.",
                    path.display()
                )));
            }
            labels.push(label);
            let pixel = |at: usize| [planes[at], planes[PLANE + at], planes[2 * PLANE + at]];
            pixels.extend((0..PLANE).flat_map(pixel));
            return Ok(true);
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> DataError {
    DataError::new(format!("{}: cannot read the file ({error}).", path.display()))
}
