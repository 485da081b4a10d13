//! Digits as CSV text: one row per digit, no header, `label,pixel,...` with 784 pixels from left
//! to right and top to bottom. Rows without a label can be read too, for prediction.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ErrorKind, ReaderBuilder};

use super::{DataError, LABELS, PIXELS, source};

/// Longest line accepted, in bytes. 785 numbers take 4 KiB at most; the rest leaves room for
/// spaces and quotes. Without a limit a file of one endless line would fill the memory.
const MAX_LINE: usize = 1 << 16;

/// Most characters of a bad value shown in an error.
const SHOWN: usize = 20;

/// Rows of CSV text, read one by one. They have 785 columns or, if `unlabelled_too`, all 785 or all
/// 784. Errors count rows and columns from 1.
pub(super) struct Rows {
    path: PathBuf,
    csv: csv::Reader<LineLimit<Box<dyn Read>>>,
    record: ByteRecord,
    unlabelled_too: bool,
    /// Rows read so far.
    rows: usize,
    /// Columns of every row, by the first.
    columns: usize,
}

impl Rows {
    /// `path` is only for the errors.
    pub(super) fn new(path: &Path, reader: Box<dyn Read>, unlabelled_too: bool) -> Rows {
        let csv = ReaderBuilder::new()
            .has_headers(false)
            // The crate's own complaint about uneven rows names neither the file nor the remedy.
            .flexible(true)
            // Quotes are stripped by `number`: read by the CSV rules, a stray one would take all the
            // rest of the file for a single value.
            .quoting(false)
            .buffer_capacity(1 << 16)
            .from_reader(LineLimit { reader, length: 0 });
        let (path, record, columns) = (path.to_owned(), ByteRecord::new(), PIXELS + 1);
        Rows { path, csv, record, unlabelled_too, rows: 0, columns }
    }

    /// Appends the next row's 784 pixels, and its label if all rows must have one. Whether there was
    /// a row.
    pub(super) fn next(
        &mut self,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        let path = &self.path;
        match self.csv.read_byte_record(&mut self.record) {
            Ok(true) => self.rows += 1,
            Ok(false) if self.rows == 0 => {
                return Err(DataError::new(format!(
                    "{} holds no rows, only blank lines. Give it one row per digit.",
                    path.display()
                )));
            }
            Ok(false) => return Ok(false),
            Err(error) => return Err(csv_error(path, self.rows + 1, error)),
        }
        let (record, unlabelled_too) = (&self.record, self.unlabelled_too);
        if self.rows == 1 {
            check_first(path, record)?;
            if unlabelled_too && record.len() == PIXELS {
                self.columns = PIXELS;
            }
        }
        let (rows, columns) = (self.rows, self.columns);
        if record.len() != columns {
            return Err(wrong_columns(path, rows, record, columns, unlabelled_too));
        }
        for (column, field) in record.iter().enumerate() {
            let is_label = columns == PIXELS + 1 && column == 0;
            match number(field) {
                Some(value) if !is_label => pixels.push(value),
                Some(value) if usize::from(value) < LABELS => {
                    labels.extend((!unlabelled_too).then_some(value));
                }
                _ => return Err(bad_value(path, rows, column + 1, field, is_label)),
            }
        }
        Ok(true)
    }
}

/// A whole number from 0 to 255; spaces and quotes around it are allowed. By hand because it runs
/// 47 million times for the full training set.
fn number(field: &[u8]) -> Option<u8> {
    let digits = bare(field);
    if digits.is_empty() || digits.len() > 3 {
        return None;
    }
    let mut value = 0u16;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

/// Recognises the two usual mistakes of a whole file by its first row: a header line, and a
/// separator other than the comma.
fn check_first(path: &Path, record: &ByteRecord) -> Result<(), DataError> {
    let name = path.display();
    let first = record.get(0).unwrap_or_default();
    if record.len() == 1 && first.iter().any(|byte| b";\t ".contains(byte)) {
        return Err(DataError::new(format!(
            "{name}, row 1: holds no comma ({}). Separate the values by commas.",
            shown(first)
        )));
    }
    if record.len() > 1 && as_float(first).is_none() && !first.trim_ascii().is_empty() {
        return Err(DataError::new(format!(
            "{name}, row 1, column 1: {} is not a number, so this looks like a header line. \
             Remove that line: every row must be a digit.",
            shown(first)
        )));
    }
    Ok(())
}

fn wrong_columns(
    path: &Path,
    row: usize,
    record: &ByteRecord,
    columns: usize,
    unlabelled_too: bool,
) -> DataError {
    let name = path.display();
    let found = record.len();
    let plural = if found == 1 { "" } else { "s" };
    let problem = if found < columns { "too short" } else { "too long" };
    let at = found.min(columns) + 1;
    let wanted = match (row, unlabelled_too) {
        (1, true) => "Wanted are 784 pixels (28 x 28), with or without a label before them".into(),
        _ if columns == PIXELS => "Wanted are 784 pixels without a label, as in row 1".into(),
        _ if found == PIXELS => format!(
            "Wanted are a label and 784 pixels ({columns} columns): the label seems to be missing"
        ),
        _ => format!("Wanted are a label and 784 pixels, 28 x 28 ({columns} columns)"),
    };
    DataError::new(format!(
        "{name}, row {row}, column {at}: the row is {problem}, it has {found} column{plural}. \
         {wanted}."
    ))
}

fn bad_value(path: &Path, row: usize, column: usize, field: &[u8], is_label: bool) -> DataError {
    let name = path.display();
    let value = shown(field);
    let problem = if field.trim_ascii().is_empty() {
        "the value is missing".into()
    } else if as_float(field).is_none() {
        format!("{value} is not a number")
    } else if is_label {
        format!("{value} is not a label")
    } else {
        format!("{value} is not a pixel")
    };
    let wanted = if is_label {
        "A label is a whole number from 0 to 9."
    } else {
        "A pixel is a whole number from 0 to 255."
    };
    DataError::new(format!("{name}, row {row}, column {column}: {problem}. {wanted}"))
}

fn csv_error(path: &Path, row: usize, error: csv::Error) -> DataError {
    let text = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            DataError::new(format!(
                "{}, row {row}: the line is longer than {MAX_LINE} bytes. Wanted are a label and \
                 784 pixels, one digit a line.",
                path.display()
            ))
        }
        ErrorKind::Io(error) => source::read_error(path, &error),
        _ => DataError::new(format!("{}, row {row}: {text}.", path.display())),
    }
}

/// The value without spaces and one pair of quotes around it.
fn bare(field: &[u8]) -> &[u8] {
    let field = field.trim_ascii();
    let inner = field.strip_prefix(b"\"");
    inner.and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
}

fn as_float(field: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bare(field)).ok()?;
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The start of a value, in quotes and with control characters escaped.
fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(field.trim_ascii());
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("`{}{more}`", start.escape_debug())
}

/// Passes bytes on until a line gets longer than [`MAX_LINE`], which is then an error of kind
/// `FileTooLarge`.
struct LineLimit<R> {
    reader: R,
    /// Bytes since the last line end.
    length: usize,
}

impl<R: Read> Read for LineLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        // Only the two ends of a buffer can be part of a line that other buffers share; a buffer
        // is no longer than a line may be, so a line within it is short enough.
        self.length += match buffer[..count].iter().position(is_end) {
            Some(first) => first,
            None => count,
        };
        if self.length > MAX_LINE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Some(last) = buffer[..count].iter().rposition(is_end) {
            self.length = count - last - 1;
        }
        Ok(count)
    }
}
