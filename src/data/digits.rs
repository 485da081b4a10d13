//! Digits read a few at a time, so that a file may hold any number of them.

use std::path::{Path, PathBuf};

use super::source::{self, Kind, Progress, Source};
use super::{DataError, Dataset, Images, Invert, MAX_IMAGES, PIXELS, csv, idx, image};

/// Bytes of the smallest piece of memory that is asked for.
const LEAST_ROOM: usize = 1 << 16;

/// The digits of one file, from the first to the last.
pub struct Digits {
    path: PathBuf,
    content: Content,
    /// Digits read so far.
    read: usize,
    progress: Progress,
}

enum Content {
    Rows(csv::Rows),
    Idx {
        images: idx::Body,
        labels: Option<idx::Body>,
    },
    /// The picture, until it is read.
    Picture(Option<Vec<u8>>),
}

impl Digits {
    /// Opens digits with labels: see [`load_labelled`](super::load_labelled).
    ///
    /// # Errors
    ///
    /// As that one, for what stands at the file's beginning.
    pub fn labelled(path: &Path) -> Result<Digits, DataError> {
        Self::labelled_of(path, source::open(path)?)
    }

    pub(super) fn labelled_of(path: &Path, source: Source) -> Result<Digits, DataError> {
        let content = match source.kind {
            Kind::Text => Content::Rows(csv::Rows::new(path, source.reader, false)),
            Kind::Idx => {
                let images = idx::open_images(path, source.reader)?;
                let labels = idx::open_labels_beside(path, images.count())?;
                Content::Idx { images, labels: Some(labels) }
            }
            kind => {
                let wanted = "a CSV file with a label and 784 pixels a row, or an IDX image file";
                return Err(source::wrong_kind(path, kind, wanted));
            }
        };
        Ok(Digits { path: path.to_owned(), content, read: 0, progress: source.progress })
    }

    /// Opens digits without labels: see [`load_images`](super::load_images).
    ///
    /// # Errors
    ///
    /// As that one, for what stands at the file's beginning.
    pub fn unlabelled(path: &Path, invert: Invert) -> Result<Digits, DataError> {
        Self::unlabelled_of(path, source::open(path)?, invert)
    }

    pub(super) fn unlabelled_of(
        path: &Path,
        source: Source,
        invert: Invert,
    ) -> Result<Digits, DataError> {
        let content = match source.kind {
            Kind::Text => Content::Rows(csv::Rows::new(path, source.reader, true)),
            Kind::Idx => {
                Content::Idx { images: idx::open_images(path, source.reader)?, labels: None }
            }
            Kind::Picture => {
                Content::Picture(Some(image::read(path, source.reader, invert)?.to_vec()))
            }
            kind => {
                let wanted = "a PNG or JPEG picture, a CSV file with 784 pixels a row, or an IDX \
                              image file";
                return Err(source::wrong_kind(path, kind, wanted));
            }
        };
        Ok(Digits { path: path.to_owned(), content, read: 0, progress: source.progress })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends the next `most` digits, or those that are left, and says how many; 0 at the end. Their
    /// labels are appended too, where they were asked for.
    ///
    /// # Errors
    ///
    /// If the file is damaged or holds a bad value, in a sentence with file, row and column; if there
    /// is no memory for that many.
    pub fn read(&mut self, most: usize, to: &mut Dataset) -> Result<usize, DataError> {
        let Dataset { images, labels } = to;
        let before = images.len();
        for _ in 0..most {
            self.make_room(&mut images.pixels, PIXELS)?;
            self.make_room(labels, 1)?;
            let more = match &mut self.content {
                Content::Rows(rows) => rows.next(&mut images.pixels, labels)?,
                Content::Idx { images: body, labels: beside } => {
                    if let Some(beside) = beside {
                        beside.next(labels)?;
                    }
                    body.next(&mut images.pixels)?
                }
                Content::Picture(picture) => {
                    picture.take().map(|all| images.pixels.extend(all)).is_some()
                }
            };
            if !more {
                break;
            }
            self.read += 1;
        }
        Ok(images.len() - before)
    }

    /// Appends all digits that are left. `progress` hears how many were read, and are expected.
    ///
    /// # Errors
    ///
    /// As [`Digits::read`], and if there are more than [`MAX_IMAGES`].
    pub fn read_all(
        mut self,
        to: &mut Dataset,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<(), DataError> {
        let name = self.path.display().to_string();
        if let Content::Idx { images, .. } = &self.content
            && images.count() > MAX_IMAGES
        {
            return Err(DataError::new(format!(
                "{name}: its header says {} images, more than the {MAX_IMAGES} that are read. The \
                 header may be damaged: fetch the file again, or split it.",
                images.count()
            )));
        }
        while self.read(1000, to)? > 0 {
            if self.read > MAX_IMAGES {
                return Err(DataError::new(format!(
                    "{name} holds more than {MAX_IMAGES} rows, the most that is read. Split the \
                     file."
                )));
            }
            progress(self.read, self.expected().unwrap_or(self.read));
        }
        Ok(())
    }

    /// How many digits the file seems to hold, judged by what was read of it; none where nothing is
    /// known of its length, as with a pipe.
    #[must_use]
    pub fn expected(&self) -> Option<usize> {
        match &self.content {
            Content::Rows(_) => self.progress.expected(self.read),
            Content::Idx { images, .. } => Some(images.count()),
            Content::Picture(_) => Some(1),
        }
    }

    /// Room for more bytes, an eighth at a time: a vector that doubles would ask for twice the memory.
    fn make_room(&self, bytes: &mut Vec<u8>, more: usize) -> Result<(), DataError> {
        if bytes.capacity() - bytes.len() >= more {
            return Ok(());
        }
        bytes.try_reserve_exact(more.max(bytes.len() / 8).max(LEAST_ROOM)).map_err(|_| {
            DataError::new(format!(
                "{}: there is no memory for more than its first {} digits, which take {} MB. Give \
                 it a smaller file, or the program more memory.",
                self.path.display(),
                self.read,
                self.read * PIXELS / 1_000_000
            ))
        })
    }
}

impl Dataset {
    /// No digits yet, of 28x28 pixels, from this file.
    #[must_use]
    pub fn empty(path: &Path) -> Dataset {
        Dataset { images: Images::new(path, Vec::new()), labels: Vec::new() }
    }
}

pub(super) fn all(digits: Digits) -> Result<Dataset, DataError> {
    let mut all = Dataset::empty(&digits.path);
    digits.read_all(&mut all, |_, _| {})?;
    Ok(all)
}
