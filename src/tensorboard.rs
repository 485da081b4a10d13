//! Event files that TensorBoard reads: scalars, histograms, pictures.
//!
//! A file is a row of records, each `length (u64), checksum of it, bytes, checksum of them`, all
//! little-endian; the checksums are masked CRC-32C, and the bytes an `Event` in protocol buffers.
//! The messages below are the part of TensorFlow's `event.proto` and `summary.proto` that is used
//! here, with their field numbers.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};
use image::RgbImage;
use prost::Message;

use crate::inspect::{BINS, Distribution, png};
use crate::intact::is_intact;

/// Castagnoli's polynomial, as iSCSI uses it.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// What masks a checksum, lest the checksum of data that holds checksums be weak.
const MASK: u32 = 0xa282_ead8;

/// What TensorFlow calls pictures of red, green and blue.
const RGB: i32 = 3;
/// A run begins, or goes on: what was recorded for this step or later ones counts no more.
const START: i32 = 1;

/// Why no events can be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {why}", path.display())]
pub struct EventError {
    action: &'static str,
    path: PathBuf,
    why: std::io::Error,
}

/// Event files in a folder that events are added to: one, and another each time that it is lost.
#[derive(Debug)]
pub struct EventFile {
    folder: PathBuf,
    path: PathBuf,
    /// None after a failure, until a new one is begun.
    file: Option<File>,
    /// Bytes of the records in it.
    length: u64,
}

impl EventFile {
    /// Starts a new file in the folder, which is made if missing. Events of other files there that
    /// are of the step `first` or later are taken back: TensorBoard leaves them out from now on.
    ///
    /// # Errors
    /// [`EventError`] when folder or file cannot be written.
    pub fn create(folder: &Path, first: u64) -> Result<EventFile, EventError> {
        let session_log = Some(SessionLog { status: START });
        let start = record(Event { step: first as i64, session_log, ..Event::default() });
        let (path, file, length) = begin(folder, &start)?;
        Ok(EventFile { folder: folder.into(), path, file: Some(file), length })
    }

    /// The file that events go to, or went to before a failure.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds what was measured at a step. It is handed to the system at once. After a failure, or when
    /// somebody has removed, replaced or changed the file, a new one is begun, in a folder made
    /// anew if need be: whether it was for the latter.
    ///
    /// # Errors
    /// [`EventError`] when it cannot be written; what was to be added is lost then.
    pub fn add(&mut self, step: u64, values: Vec<Value>) -> Result<bool, EventError> {
        let summary = Some(Summary { values });
        let record = record(Event { step: step as i64, summary, ..Event::default() });
        let (path, length) = (&self.path, self.length);
        let changed = self.file.take_if(|file| !is_intact(file, path, length)).is_some();
        let Some(file) = &mut self.file else {
            // It takes nothing back, as it goes on with the same run.
            let (path, file, length) = begin(&self.folder, &record)?;
            (self.path, self.file, self.length) = (path, Some(file), length);
            return Ok(changed);
        };
        if let Err(why) = file.write_all(&record) {
            // Behind half a record readers would find nothing, even if it could be taken back.
            let _ = file.set_len(self.length);
            self.file = None;
            return Err(EventError { action: "write", path: self.path.clone(), why });
        }
        self.length += record.len() as u64;
        Ok(false)
    }
}

/// Begins a file with this record in the folder, which is made if missing: its path, the file and its
/// length. Where that fails no file is left.
fn begin(folder: &Path, first: &[u8]) -> Result<(PathBuf, File, u64), EventError> {
    let failed = |action, path: &Path| {
        let path = path.to_path_buf();
        move |why| EventError { action, path, why }
    };
    fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    // TensorBoard reads the files in the order of their names.
    let now = now();
    let name = format!("events.out.tfevents.{:010}.{:09}", now.as_secs(), now.subsec_nanos());
    let path = folder.join(name);
    let mut file = File::create_new(&path).map_err(failed("create", &path))?;
    let version = Some("brain.Event:2".to_string());
    let records = [&record(Event { file_version: version, ..Event::default() }), first].concat();
    if let Err(why) = file.write_all(&records) {
        // Should this fail too, the first failure is still the one to report.
        let _ = fs::remove_file(&path);
        return Err(failed("write", &path)(why));
    }
    Ok((path, file, records.len() as u64))
}

/// Since 1970; a clock set before that is taken to stand at its beginning.
fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An event of now, framed.
fn record(event: Event) -> Vec<u8> {
    let data = &Event { wall_time: now().as_secs_f64(), ..event }.encode_to_vec()[..];
    let length = (data.len() as u64).to_le_bytes();
    let masked = |bytes| CRC.checksum(bytes).rotate_right(15).wrapping_add(MASK).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// A number.
pub fn scalar(tag: &str, value: f64) -> Value {
    Value { simple_value: Some(value as f32), ..Value::of(tag) }
}

/// How numbers are spread.
pub fn histogram(tag: &str, spread: &Distribution) -> Value {
    let (count, min, max) = (spread.count as f64, spread.min.into(), spread.max.into());
    let bucket: Vec<f64> = spread.histogram.iter().map(|&count| count as f64).collect();
    let limit = |bin: usize| min + (max - min) * bin as f64 / BINS as f64;
    // Limits have to rise, so numbers that are all alike are one bin.
    let bins = if min < max { BINS } else { 1 };
    let histogram = Histogram {
        min,
        max,
        num: count,
        sum: spread.mean * count,
        sum_squares: (spread.std.powi(2) + spread.mean.powi(2)) * count,
        bucket_limit: (1..bins).map(limit).chain([max]).collect(),
        bucket: bucket[..bins].to_vec(),
    };
    Value { histo: Some(histogram), ..Value::of(tag) }
}

/// A picture.
///
/// # Panics
/// When it has no pixels.
pub fn image(tag: &str, picture: &RgbImage) -> Value {
    let image = Image {
        height: picture.height() as i32,
        width: picture.width() as i32,
        colorspace: RGB,
        encoded: png(picture).expect("PNG takes any picture with pixels"),
    };
    Value { image: Some(image), ..Value::of(tag) }
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

/// Something measured, under a tag: see [`scalar`], [`histogram`] and [`image()`].
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
    #[prost(message, optional, tag = "5")]
    histo: Option<Histogram>,
}

impl Value {
    fn of(tag: &str) -> Value {
        Value { tag: tag.to_string(), ..Value::default() }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    #[prost(int32, tag = "3")]
    colorspace: i32,
    /// A PNG file.
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(double, tag = "1")]
    min: f64,
    #[prost(double, tag = "2")]
    max: f64,
    #[prost(double, tag = "3")]
    num: f64,
    #[prost(double, tag = "4")]
    sum: f64,
    #[prost(double, tag = "5")]
    sum_squares: f64,
    /// The upper end of each bin.
    #[prost(double, repeated, tag = "6")]
    bucket_limit: Vec<f64>,
    #[prost(double, repeated, tag = "7")]
    bucket: Vec<f64>,
}
