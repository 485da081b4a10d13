//! Opening a file: decompression, a look at its first bytes, and read errors in plain words.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::GzDecoder;

use super::{DataError, jpeg};

/// How many bytes are looked at to tell what a file is.
const HEAD: u64 = 512;

/// What a file seems to hold, judged by its first (decompressed) bytes and, for IDX, its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No bytes at all.
    Empty,
    /// An IDX file, of images or of anything else.
    Idx,
    /// A PNG or JPEG picture.
    Picture,
    /// Text, which can only be CSV.
    Text,
    /// None of these.
    Unknown,
}

/// A file opened for reading from its start, decompressed if it was compressed.
pub(super) struct Source {
    /// What the file holds.
    pub(super) kind: Kind,
    /// The content, from its first byte.
    pub(super) reader: Box<dyn Read>,
    /// How far it has been read.
    pub(super) progress: Progress,
}

/// How much of a file has been read.
#[derive(Default)]
pub(super) struct Progress {
    /// Bytes of the file; none where it has no length, as a pipe.
    length: Option<u64>,
    /// Bytes read of it, compressed as they are.
    read: Rc<Cell<u64>>,
}

impl Progress {
    /// How many items the file seems to hold if so many were found in what has been read of it.
    pub(super) fn expected(&self, found: usize) -> Option<usize> {
        let (length, read) = (self.length?, self.read.get());
        (read > 0).then(|| (found as f64 * length as f64 / read as f64) as usize)
    }
}

/// Counts what is read.
struct Counted<R> {
    reader: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Opens `path`, through gzip where its content asks for that, and tells what it holds.
///
/// # Errors
///
/// If the file cannot be opened or its first bytes cannot be read.
pub(super) fn open(path: &Path) -> Result<Source, DataError> {
    let name = path.display();
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => DataError::new(format!(
            "{name}: there is no such file. Check the path; it is relative to the folder the \
             program was started in."
        )),
        _ => DataError::new(format!("{name}: cannot open the file ({error}).")),
    })?;
    let facts = file.metadata().ok();
    if facts.as_ref().is_some_and(|facts| facts.is_dir()) {
        return Err(DataError::new(format!("{name} is a folder. Name one file in it.")));
    }
    let read = Rc::new(Cell::new(0));
    let counted = Counted { reader: file, read: read.clone() };
    let length = facts.filter(|facts| facts.is_file()).map(|facts| facts.len());
    Ok(Source { progress: Progress { length, read }, ..of(path, Box::new(counted))? })
}

/// The same for content that is there already; `path` is its name, for errors and for IDX.
///
/// # Errors
///
/// If its first bytes cannot be read.
pub(super) fn of(path: &Path, content: Box<dyn Read>) -> Result<Source, DataError> {
    let (head, reader) = peek(content, 2).map_err(|error| read_error(path, &error))?;
    let reader: Box<dyn Read> = if head == [0x1f, 0x8b] {
        Box::new(Gzip(Some(GzDecoder::new(BufReader::with_capacity(1 << 14, reader)))))
    } else {
        reader
    };
    let (head, reader) = peek(reader, HEAD).map_err(|error| read_error(path, &error))?;
    let kind = kind_of(&head, path);
    Ok(Source { kind, reader, progress: Progress { length: None, read: Rc::default() } })
}

/// Gzip data, of one part or several behind each other. Not by `MultiGzDecoder`, to which any bytes
/// behind the last part are one more that is cut short.
struct Gzip<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = &mut self.0 {
            let count = part.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match part.get_mut().fill_buf()?.first() {
                None => self.0 = None,
                Some(0x1f) => self.0 = self.0.take().map(|part| GzDecoder::new(part.into_inner())),
                Some(_) => {
                    let why = "bytes that are not theirs follow them";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        Ok(0)
    }
}

/// Reads up to `count` bytes and returns them with a reader that still starts before them; works
/// on pipes too, where seeking back would not.
fn peek(mut reader: Box<dyn Read>, count: u64) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut head = Vec::new();
    reader.by_ref().take(count).read_to_end(&mut head)?;
    let whole = Box::new(Cursor::new(head.clone()).chain(reader));
    Ok((head, whole))
}

fn kind_of(head: &[u8], path: &Path) -> Kind {
    if head.is_empty() {
        Kind::Empty
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") || head.starts_with(&jpeg::BEGIN) {
        Kind::Picture
    } else if head.starts_with(&[0, 0]) || file_name(path).contains("idx3-ubyte") {
        // Every IDX file starts with two zero bytes. The name counts as well, so that a damaged
        // IDX file is told what an IDX file should start with.
        Kind::Idx
    } else if head.iter().any(|&byte| byte < b' ' && !byte.is_ascii_whitespace()) {
        Kind::Unknown
    } else {
        Kind::Text
    }
}

/// The last part of the path, as text.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A failed read of `path` as a sentence.
pub(super) fn read_error(path: &Path, error: &io::Error) -> DataError {
    let name = path.display();
    DataError::new(match error.kind() {
        io::ErrorKind::UnexpectedEof => format!(
            "{name} is cut short: its gzip data end in the middle. Fetch or copy the file again."
        ),
        // These two kinds come from the decompressor only: a plain file is just bytes.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            format!("{name}: its gzip data are damaged ({error}). Fetch or copy the file again.")
        }
        _ => format!("{name}: cannot read the file ({error})."),
    })
}

/// The error for a file of a kind that cannot be used here; `wanted` says what can.
pub(super) fn wrong_kind(path: &Path, kind: Kind, wanted: &str) -> DataError {
    let name = path.display();
    DataError::new(match kind {
        Kind::Empty => format!("{name} is empty. Give it {wanted}."),
        Kind::Picture => {
            format!("{name} is a picture, which carries no label. Wanted is {wanted}.")
        }
        _ => format!("{name} is of no known kind: neither text nor IDX. Wanted is {wanted}."),
    })
}
