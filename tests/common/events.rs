//! A reader of TensorBoard's event files that shares nothing with the writer: the checksum bit by
//! bit, protocol buffers by hand.

use std::collections::BTreeMap;
use std::path::Path;

/// CRC-32C (Castagnoli), the reflected polynomial bit by bit.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// A field of a message: number and content.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<'a> {
    Whole(u64),
    Double(f64),
    Float(f32),
    Bytes(&'a [u8]),
}

/// The fields of a message by number.
pub fn message(mut bytes: &[u8]) -> BTreeMap<u64, Vec<Field<'_>>> {
    let mut fields: BTreeMap<u64, Vec<Field>> = BTreeMap::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Whole(varint(&mut bytes)),
            1 => Field::Double(f64::from_le_bytes(take(&mut bytes, 8).try_into().expect("8"))),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Float(f32::from_le_bytes(take(&mut bytes, 4).try_into().expect("4"))),
            other => panic!("wire type {other}"),
        };
        fields.entry(key >> 3).or_default().push(field);
    }
    fields
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for at in 0..10 {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number without an end");
}

/// What an event holds.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Version(String),
    Start,
    Scalar(f32),
    /// Least, largest, count, sum, sum of squares; limits; counts.
    Histogram([f64; 5], Vec<f64>, Vec<f64>),
    /// Height, width, file.
    Image(u64, u64, Vec<u8>),
}

/// A value of an event, with its step and tag; version and start have no tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub step: u64,
    pub tag: String,
    pub what: What,
}

/// All values of a file, its framing and checksums checked.
pub fn read(path: &Path) -> Vec<Event> {
    let bytes = std::fs::read(path).expect("an event file");
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    let checked = |rest: &mut &[u8], data: &[u8]| {
        let stored = u32::from_le_bytes(take(rest, 4).try_into().expect("4"));
        let masked = crc32c(data).rotate_right(15).wrapping_add(0xa282ead8);
        assert_eq!(stored, masked, "a checksum");
    };
    while !rest.is_empty() {
        let length = take(&mut rest, 8);
        checked(&mut rest, length);
        let data = take(&mut rest, u64::from_le_bytes(length.try_into().expect("8")) as usize);
        checked(&mut rest, data);
        event(data, &mut events);
    }
    events
}

fn event(data: &[u8], events: &mut Vec<Event>) {
    let fields = message(data);
    let Some([Field::Double(time)]) = fields.get(&1).map(Vec::as_slice) else { panic!("no time") };
    assert!((1e9..1e11).contains(time), "seconds since 1970: {time}");
    let step = match fields.get(&2).map(Vec::as_slice) {
        Some([Field::Whole(step)]) => *step,
        None => 0, // left out when it is zero
        other => panic!("step {other:?}"),
    };
    let tagless = |what| Event { step, tag: String::new(), what };
    for (number, content) in fields.iter().flat_map(|(n, all)| all.iter().map(move |one| (*n, one)))
    {
        match (number, content) {
            (1 | 2, _) => {}
            (3, Field::Bytes(name)) => events.push(tagless(What::Version(text(name)))),
            (5, Field::Bytes(summary)) => {
                for value in &message(summary)[&1] {
                    let Field::Bytes(value) = value else { panic!("{value:?}") };
                    events.push(value_of(step, value));
                }
            }
            (7, Field::Bytes(log)) => {
                assert_eq!(message(log)[&1], [Field::Whole(1)], "status START");
                events.push(tagless(What::Start));
            }
            other => panic!("an event's field {other:?}"),
        }
    }
}

fn value_of(step: u64, bytes: &[u8]) -> Event {
    let fields = message(bytes);
    let Field::Bytes(tag) = fields[&1][0] else { panic!("no tag") };
    let kinds = fields.iter().filter(|(number, _)| **number != 1);
    let kinds: Vec<(u64, &[Field])> = kinds.map(|(number, all)| (*number, &all[..])).collect();
    let what = match kinds[..] {
        [(2, [Field::Float(value)])] => What::Scalar(*value),
        [(4, [Field::Bytes(image)])] => {
            let image = message(image);
            let [Field::Whole(height), Field::Whole(width), Field::Whole(3)] =
                [1, 2, 3].map(|number| image[&number][0].clone())
            else {
                panic!("{image:?}")
            };
            let Field::Bytes(file) = image[&4][0] else { panic!("no file") };
            What::Image(height, width, file.to_vec())
        }
        [(5, [Field::Bytes(histogram)])] => {
            let histogram = message(histogram);
            let number = |number| match histogram.get(&number).map(Vec::as_slice) {
                Some([Field::Double(value)]) => *value,
                None => 0.0,
                other => panic!("{other:?}"),
            };
            let list = |number: u64| match histogram[&number][..] {
                [Field::Bytes(packed)] => {
                    let double = |eight: &[u8; 8]| f64::from_le_bytes(*eight);
                    packed.as_chunks::<8>().0.iter().map(double).collect()
                }
                ref other => panic!("not packed: {other:?}"),
            };
            What::Histogram([1, 2, 3, 4, 5].map(number), list(6), list(7))
        }
        ref other => panic!("a value's fields {other:?}"),
    };
    Event { step, tag: text(tag), what }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The event files of a folder, in the order in which TensorBoard reads them.
pub fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    for file in &files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.contains("tfevents"), "TensorBoard takes no notice of {name}");
    }
    files
}

/// Scalars of a tag as TensorBoard shows them: a start takes back what is of its step or later.
pub fn scalars(folder: &Path, tag: &str) -> Vec<(u64, f32)> {
    let mut shown: Vec<(u64, f32)> = Vec::new();
    for event in files(folder).iter().flat_map(|file| read(file)) {
        match event.what {
            What::Start => shown.retain(|(step, _)| *step < event.step),
            What::Scalar(value) if event.tag == tag => shown.push((event.step, value)),
            _ => {}
        }
    }
    shown
}
