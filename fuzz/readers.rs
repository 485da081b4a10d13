//! What is fuzzed: each reads some bytes as a user's file is read, and must return, with a result or
//! with a sentence; never panic, never take more memory than the bytes justify. The fuzzer and the
//! tests (`tests/fuzzed.rs`, which replays the corpus) share this file.

use std::io::Cursor;
use std::path::Path;

use inception::checkpoint::WeightFile;
use inception::config::{Config, TrainArgs};
use inception::data::{Invert, read_images, read_labelled};
use inception::metrics::METRICS_FILE;
use inception::report::{self, EVALUATION_FILE, PROFILE_FILE};

/// Reads what a file might hold.
pub type Reader = fn(&[u8]);

/// The readers, by the name of their corpus.
pub const READERS: [(&str, Reader); 6] = [
    ("labelled", labelled),
    ("images", images),
    ("weights", weights),
    ("config_toml", config_toml),
    ("config_json", config_json),
    ("run", run),
];

/// What an error says must be words for a person.
fn check<T, E: std::fmt::Display>(result: Result<T, E>) -> Option<T> {
    result
        .map_err(|error| {
            let text = error.to_string();
            assert!(!text.trim().is_empty(), "an error without words");
            assert!(text.len() < 10_000, "an error of {} bytes", text.len());
        })
        .ok()
}

/// CSV or IDX digits to train on, gzipped or not.
fn labelled(bytes: &[u8]) {
    let dataset = check(read_labelled(Path::new("digits"), Cursor::new(bytes.to_vec())));
    if let Some(dataset) = dataset {
        assert_eq!(dataset.images.len(), dataset.len());
        assert!(dataset.labels.iter().all(|&label| label < 10));
    }
}

/// PNG, JPEG, CSV or IDX to be classified, gzipped or not.
fn images(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let invert = [Invert::Auto, Invert::Yes, Invert::No][usize::from(*first) % 3];
    let images = check(read_images(Path::new("digits"), Cursor::new(rest.to_vec()), invert));
    if let Some(images) = images {
        assert_eq!(images.pixels.len(), images.len() * 784);
    }
}

/// A model's or an optimizer's safetensors file, its checksum made right: no fuzzer would find it.
fn weights(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let entry = b"\"checksum\":\"";
    let place = bytes.windows(entry.len()).position(|part| part == entry);
    if let Some(place) = place.map(|place| place + entry.len()..place + entry.len() + 8)
        && place.end <= bytes.len()
    {
        bytes[place.clone()].copy_from_slice(b"00000000");
        let sum = format!("{:08x}", crc32fast::hash(&bytes));
        bytes[place].copy_from_slice(sum.as_bytes());
    }
    let file = check(WeightFile::from_bytes("model".into(), bytes));
    let Some(file) = file else { return };
    for name in file.names() {
        for shape in [&[][..], &[1], &[2, 3]] {
            if let Some(tensor) = check(file.tensor(&name, shape)) {
                assert_eq!(tensor.values().count(), shape.iter().product::<usize>());
            }
        }
    }
    check(file.tensors_matching(&[("W_fc1".to_string(), vec![2, 3])]));
}

/// A file for `--config`.
fn config_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(config) = check(TrainArgs::default().resolve_text(text)) {
        let again = config.to_toml().expect("it can be written");
        let read = TrainArgs::default().resolve_text(&again);
        assert_eq!(read.expect("what was written can be read"), config);
    }
}

/// The configuration inside a model.
fn config_json(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(config) = check(Config::from_json(text)) {
        let again = config.to_json().expect("it can be written");
        assert_eq!(Config::from_json(&again).expect("what was written can be read"), config);
    }
}

/// One file of a run's folder, which its report reads and draws; the first byte says which.
fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let names = [METRICS_FILE, EVALUATION_FILE, PROFILE_FILE];
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(names[usize::from(*first) % names.len()]), rest)
        .expect("written");
    if let Some(run) = check(report::load(folder.path())) {
        let page = report::html(&[run]);
        assert!(page.ends_with("</html>"), "a page without an end");
        // Of a run, by nothing but its text: no script, nothing from elsewhere.
        for foreign in ["<script", "<iframe", "<object", "src=\"http", "href=\"http"] {
            assert!(!page.contains(foreign), "the page has {foreign}");
        }
    }
}

/// Reads by the reader of that name.
///
/// # Panics
/// When there is none, and when it does what it must not.
pub fn read(name: &str, bytes: &[u8]) {
    let reader = READERS.iter().find(|(known, _)| *known == name);
    reader.unwrap_or_else(|| panic!("no reader is named {name}")).1(bytes);
}
