//! What a run measures: `metrics.csv` while it trains, a confusion table at its end.

mod confusion;
mod spikes;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::bounded;
use crate::checkpoint::{CheckpointError, atomic};
use crate::foreign::shown;
use crate::intact::is_intact;

pub use confusion::{ClassScore, Confusion, Report, class_name};
pub use spikes::{Spike, Spikes};

/// File name of the metrics in a run's folder.
pub const METRICS_FILE: &str = "metrics.csv";

/// Bytes of a metrics file: about ten million rows.
const LONGEST: u64 = 1 << 29;

/// The first line of a metrics file.
pub const HEADER: &str = "step,loss,val_accuracy,test_accuracy,seconds";

/// A line of a metrics file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Steps done.
    pub step: u64,
    /// Mean loss over the step's batch, if measured.
    pub loss: Option<f32>,
    /// Share of the validation rows classified rightly (0 to 1), if measured.
    pub val_accuracy: Option<f64>,
    /// Share of the test rows classified rightly (0 to 1), if measured.
    pub test_accuracy: Option<f64>,
    /// Seconds of training so far.
    pub seconds: f64,
}

/// What can go wrong with metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file system refuses.
    #[error("cannot {action} {}: {why}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// The file cannot be put in place anew.
    #[error(transparent)]
    Rewrite(#[from] CheckpointError),
    /// The file begins with another line than [`HEADER`].
    #[error("{} is not a metrics file: its first line is not `{HEADER}`; move it away or name another folder", path.display())]
    Header {
        /// The file.
        path: PathBuf,
    },
    /// A line that is not a row.
    #[error("in {}, line {line}: {why}; mend or remove that line", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A class that is none.
    #[error("{class} is not a class; classes go from 0 to {last}")]
    Class {
        /// The number given.
        class: usize,
        /// The last class.
        last: usize,
    },
}

/// A metrics file that rows are added to. All rows are kept in memory too, so that a file that could
/// not be written for a while, or was removed, replaced or changed, is made whole again.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    text: String,
    /// None when it lacks a row.
    file: Option<File>,
}

impl MetricsFile {
    /// Starts a file with nothing but the header, in place of any older one.
    ///
    /// # Errors
    /// [`MetricsError`] when it cannot be written.
    pub fn create(path: &Path) -> Result<MetricsFile, MetricsError> {
        MetricsFile::start(path, format!("{HEADER}\n"))
    }

    /// Goes on with a file from the state that it had at a checkpoint: later rows are dropped, and
    /// so is a last line that is cut. A file that is missing or empty is started anew.
    ///
    /// # Errors
    /// [`MetricsError`] when it cannot be read or written, or holds something else.
    pub fn resume(path: &Path, step: u64) -> Result<MetricsFile, MetricsError> {
        let text = match bounded::read_text(path, LONGEST) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(why) => return Err(io("read", path, why)),
        };
        let mut kept = format!("{HEADER}\n");
        for (line, row) in rows(path, &text)? {
            if row.step <= step {
                kept += line;
                kept.push('\n');
            }
        }
        MetricsFile::start(path, kept)
    }

    fn start(path: &Path, text: String) -> Result<MetricsFile, MetricsError> {
        let mut started = MetricsFile { path: path.into(), text, file: None };
        started.sync()?;
        Ok(started)
    }

    /// Adds a row. It is handed to the system at once, so another program sees it; where that fails,
    /// [`MetricsFile::sync`] tries again and says why. A row that repeats the last one but for its
    /// time is left out: a run that is resumed at its end is only tested again.
    pub fn append(&mut self, row: &Row) {
        let line = format!(
            "{},{},{},{},{:.3}\n",
            row.step,
            field(row.loss),
            field(row.val_accuracy),
            field(row.test_accuracy),
            row.seconds
        );
        let but_time = |line: &str| line.rsplit_once(',').map(|(front, _)| front.to_string());
        if self.text.lines().last().and_then(but_time) == but_time(&line) {
            return;
        }
        self.text += &line;
        // One write of the whole line, so that an interruption tears none but the last.
        if self.file.as_mut().is_some_and(|file| file.write_all(line.as_bytes()).is_err()) {
            self.file = None;
        }
    }

    /// Goes on in another folder: all rows are written there with the next [`MetricsFile::sync`].
    pub fn moved(&mut self, folder: &Path) {
        self.path = folder.join(METRICS_FILE);
        self.file = None;
    }

    /// Waits until all rows are on the disk. To be called before a checkpoint is saved: otherwise a
    /// power failure might keep the checkpoint and lose rows before it. Whether somebody had removed,
    /// replaced or changed the file, so that it was written anew; an edit that keeps both the file
    /// and its length is not noticed.
    ///
    /// # Errors
    /// [`MetricsError`] when the file cannot be written.
    pub fn sync(&mut self) -> Result<bool, MetricsError> {
        let length = self.text.len() as u64;
        let changed = match &self.file {
            Some(file) if is_intact(file, &self.path, length) => {
                file.sync_all().map_err(|why| io("sync", &self.path, why))?;
                return Ok(false);
            }
            // What it takes nobody might read.
            Some(_) => true,
            None => false,
        };
        atomic::write_file(&self.path, self.text.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&self.path);
        self.file = Some(file.map_err(|why| io("open", &self.path, why))?);
        Ok(changed)
    }
}

/// The rows of a metrics file. A last line that is cut is left out: see [`cut_line`].
///
/// # Errors
/// [`MetricsError`] when it cannot be read, or holds something else.
pub fn read(path: &Path) -> Result<Vec<Row>, MetricsError> {
    let text = bounded::read_text(path, LONGEST).map_err(|why| io("read", path, why))?;
    let rows = rows(path, &text)?;
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The number of the last line of a metrics file, from 1, if it is cut: it was interrupted, is being
/// written just now, or somebody has changed it.
pub fn cut_line(path: &Path) -> Option<usize> {
    let text = bounded::read_text(path, LONGEST).ok()?;
    let whole = whole(&text);
    (whole.len() < text.len()).then(|| whole.lines().count() + 1)
}

/// Whether there is a metrics file without any row.
pub fn is_bare(path: &Path) -> bool {
    bounded::read_text(path, HEADER.len() as u64 + 2).is_ok_and(|text| text.trim_end() == HEADER)
}

/// The whole lines below the header, as they stand and as rows.
fn rows<'a>(path: &Path, text: &'a str) -> Result<Vec<(&'a str, Row)>, MetricsError> {
    let mut lines = whole(text).lines().enumerate();
    match lines.next() {
        Some((_, HEADER)) => {}
        // Interrupted when it was made.
        None if HEADER.starts_with(text) => {}
        _ => return Err(MetricsError::Header { path: path.into() }),
    }
    let row = |(index, line)| match parse(line) {
        Ok(row) => Ok((line, row)),
        Err(why) => Err(MetricsError::Row { path: path.into(), line: index + 1, why }),
    };
    lines.map(row).collect()
}

/// The text up to the end of the last line that is whole. One without its newline may be cut anywhere,
/// in the midst of a number as well; but the seconds that it ends with are written with three digits
/// behind the point, and where these are there, nothing but the newline is missing.
fn whole(text: &str) -> &str {
    let (lines, last) = text.split_at(text.rfind('\n').map_or(0, |end| end + 1));
    let digits = last.rsplit_once(',').and_then(|(_, seconds)| seconds.split_once('.'));
    let is_whole = digits.is_some_and(|(_, digits)| digits.len() == 3) && parse(last).is_ok();
    if is_whole { text } else { lines }
}

fn parse(line: &str) -> Result<Row, String> {
    let fields: Vec<&str> = line.split(',').collect();
    let [step, loss, val, test, seconds] = fields[..] else {
        return Err(format!("5 fields are needed and {} found", fields.len()));
    };
    Ok(Row {
        step: needed("step", step)?,
        loss: optional("loss", loss)?,
        val_accuracy: optional("val_accuracy", val)?,
        test_accuracy: optional("test_accuracy", test)?,
        seconds: needed("seconds", seconds)?,
    })
}

fn needed<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    let wrong = |_| format!("{name} is \"{}\", which is not a number of its kind", shown(text));
    text.parse().map_err(wrong)
}

fn optional<T: std::str::FromStr>(name: &str, text: &str) -> Result<Option<T>, String> {
    let some = (!text.is_empty()).then(|| needed(name, text));
    some.transpose()
}

/// Rust prints the fewest digits that read back to the very same number.
fn field(value: Option<impl ToString>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

fn io(action: &'static str, path: &Path, why: std::io::Error) -> MetricsError {
    let path = path.into();
    MetricsError::Io { action, path, why }
}
