//! Images read a few at a time, so that a file may hold any number of them.

use std::path::{Path, PathBuf};

use super::source::{self, Kind, Progress, Source};
use super::{DataError, Dataset, Images, Invert, LABELS, MAX_IMAGES, SIDE, Wanted};
use super::{cifar, classes, csv, idx, image, photo};

/// Bytes of the smallest piece of memory that is asked for.
const LEAST_ROOM: usize = 1 << 16;

/// The images of one file or folder, from the first to the last: digits, unless others are wanted.
pub struct Digits {
    path: PathBuf,
    content: Content,
    /// Height, width and channels.
    shape: [usize; 3],
    /// What the classes are called; digits have no names.
    names: Vec<String>,
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
    Cifar {
        records: cifar::Records,
        labelled: bool,
    },
    Folder(classes::Pictures),
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

    /// The same for images of any kind: files of digits, files or a folder of CIFAR-10, or a folder of
    /// pictures by class.
    ///
    /// # Errors
    ///
    /// As [`Digits::labelled`], and if a folder does not hold what is wanted.
    pub fn labelled_as(path: &Path, wanted: &Wanted) -> Result<Digits, DataError> {
        if path.is_dir() && cifar::files(path, wanted.part)?.is_none() {
            let pictures = classes::Pictures::find(path, wanted)?;
            let names = pictures.names.clone();
            return Ok(Self::of_set(path, Content::Folder(pictures), wanted.image, names));
        }
        if let Some(digits) = Self::cifar(path, wanted, true)? {
            return Ok(digits);
        }
        let source = source::open(path)?;
        if !wanted.may_be_digits() && !matches!(source.kind, Kind::Text | Kind::Idx) {
            let wanted = "a folder of pictures by class, or CIFAR-10's files";
            return Err(source::wrong_kind(path, source.kind, wanted));
        }
        Self::labelled_of(path, source)
    }

    /// The same without labels: CIFAR-10's files, and pictures. Those are made into a digit only where
    /// digits are wanted, and else brought to the size that is wanted.
    ///
    /// # Errors
    ///
    /// As [`Digits::unlabelled`].
    pub fn unlabelled_as(
        path: &Path,
        wanted: &Wanted,
        invert: Invert,
    ) -> Result<Digits, DataError> {
        if let Some(digits) = Self::cifar(path, wanted, false)? {
            return Ok(digits);
        }
        let source = source::open(path)?;
        if source.kind == Kind::Picture && !wanted.is_digit() {
            let picture = photo::read(path, source.reader, wanted.image)?;
            let content = Content::Picture(Some(picture));
            return Ok(Self::of_set(path, content, wanted.image, Vec::new()));
        }
        if source.kind != Kind::Picture && !wanted.may_be_digits() {
            let [height, width, channels] = wanted.image;
            let or =
                if wanted.image == cifar::IMAGE { ", or a file of CIFAR-10 (*.bin)" } else { "" };
            return Err(DataError::new(format!(
                "the network takes images of {height}x{width}x{channels} (height, width, channels), and {} is \
                 no picture. Give it PNG or JPEG pictures of any size{or}.",
                path.display()
            )));
        }
        Self::unlabelled_of(path, source, invert)
    }

    /// Files of CIFAR-10, if they are.
    fn cifar(path: &Path, wanted: &Wanted, labelled: bool) -> Result<Option<Digits>, DataError> {
        let files = match path.is_dir() {
            true if labelled => cifar::files(path, wanted.part)?,
            true => None,
            false if cifar::is_named_so(path) && path.is_file() => Some(vec![path.to_owned()]),
            false => None,
        };
        let Some(files) = files else { return Ok(None) };
        let content = Content::Cifar { records: cifar::Records::open(files)?, labelled };
        Ok(Some(Self::of_set(path, content, cifar::IMAGE, cifar::names())))
    }

    fn of_set(path: &Path, content: Content, shape: [usize; 3], names: Vec<String>) -> Digits {
        let progress = Progress::default();
        Digits { path: path.to_owned(), content, shape, names, read: 0, progress }
    }

    /// Digits, which have no names.
    fn of_digits(path: &Path, content: Content, progress: Progress) -> Digits {
        Digits { progress, ..Self::of_set(path, content, [SIDE, SIDE, 1], Vec::new()) }
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
        Ok(Self::of_digits(path, content, source.progress))
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
        Ok(Self::of_digits(path, content, source.progress))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Height, width and channels of each image.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// What the classes are called, by label; nothing of digits.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many classes there are.
    #[must_use]
    pub fn classes(&self) -> usize {
        if self.names.is_empty() { LABELS } else { self.names.len() }
    }

    /// What was wrong with pictures that were left out since this was asked last.
    pub fn take_skipped(&mut self) -> Vec<String> {
        match &mut self.content {
            Content::Folder(pictures) => pictures.skipped.drain(..).collect(),
            _ => Vec::new(),
        }
    }

    /// Appends the next `most` images, or those that are left, and says how many; 0 at the end. Their
    /// labels are appended too, where they were asked for. The first images of a set say how large all are.
    ///
    /// # Errors
    ///
    /// If the file is damaged or holds a bad value, in a sentence with file, row and column; if there
    /// is no memory for that many; if there are images of another size before them.
    pub fn read(&mut self, most: usize, to: &mut Dataset) -> Result<usize, DataError> {
        let Dataset { images, labels } = to;
        if images.is_empty() {
            [images.height, images.width, images.channels] = self.shape;
        }
        if images.shape() != self.shape {
            let extents =
                |[height, width, channels]: [usize; 3]| format!("{height}x{width}x{channels}");
            return Err(DataError::new(format!(
                "{}: its images are {}, and those of {} are {} (height, width, channels). Give it images of \
                 one size.",
                self.path.display(),
                extents(self.shape),
                images.path.display(),
                extents(images.shape()),
            )));
        }
        let before = images.len();
        for _ in 0..most {
            self.make_room(&mut images.pixels, self.shape.iter().product())?;
            self.make_room(labels, 1)?;
            let more = match &mut self.content {
                Content::Rows(rows) => rows.next(&mut images.pixels, labels)?,
                Content::Idx { images: body, labels: beside } => {
                    if let Some(beside) = beside {
                        beside.next(labels)?;
                    }
                    body.next(&mut images.pixels)?
                }
                Content::Cifar { records, labelled: true } => {
                    records.next(&mut images.pixels, labels)?
                }
                Content::Cifar { records, labelled: false } => {
                    records.next(&mut images.pixels, &mut Vec::new())?
                }
                Content::Folder(pictures) => pictures.next(&mut images.pixels, labels)?,
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

    /// Appends all images that are left. `progress` hears how many were read, and are expected.
    ///
    /// # Errors
    ///
    /// As [`Digits::read`], and if there are more than [`MAX_IMAGES`].
    pub fn read_all(
        &mut self,
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
            Content::Cifar { records, .. } => Some(records.count),
            Content::Folder(pictures) => Some(pictures.count),
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
                "{}: there is no memory for more than its first {} {}, which take {} MB. Give \
                 it a smaller file, or the program more memory.",
                self.path.display(),
                self.read,
                if self.names.is_empty() { "digits" } else { "images" },
                self.read * self.shape.iter().product::<usize>() / 1_000_000
            ))
        })
    }
}

impl Dataset {
    /// No images yet, from this file: of 28x28 pixels, unless the first that are read are others.
    #[must_use]
    pub fn empty(path: &Path) -> Dataset {
        Dataset { images: Images::new(path, Vec::new()), labels: Vec::new() }
    }
}

pub(super) fn all(mut digits: Digits) -> Result<Dataset, DataError> {
    let mut all = Dataset::empty(&digits.path);
    digits.read_all(&mut all, |_, _| {})?;
    Ok(all)
}
