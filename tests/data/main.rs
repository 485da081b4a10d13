//! Reading data: good files, every kind of bad file with its message, and the order of batches.

mod batches;
mod csv;
mod digits;
mod idx;
mod jpeg;
mod pictures;
mod sets;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use inception::data::{DataError, Invert, load_images, load_labelled};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tempfile::TempDir;

/// A file of this repository.
fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

/// A folder that is removed with the value, and the path of a new file in it.
fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// Checks that loading `path` failed with a sentence that names the file and holds all of `parts`.
#[track_caller]
fn assert_fails<T>(result: Result<T, DataError>, path: &Path, parts: &[&str]) {
    let message = match result {
        Ok(_) => panic!("loaded without an error; expected one with {parts:?}"),
        Err(error) => error.to_string(),
    };
    let path = path.display().to_string();
    for part in parts.iter().chain([&path.as_str()]) {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    assert!(message.ends_with('.'), "not a sentence: {message}");
    assert!(!message.contains('\n'), "more than a line: {message}");
}

#[test]
fn no_damage_makes_it_panic() {
    let row = format!("3{}\n", ",17".repeat(784));
    let mut idx: Vec<u8> =
        [0x803u32, 2, 28, 28].iter().flat_map(|number| number.to_be_bytes()).collect();
    idx.resize(16 + 2 * 784, 9);
    let png = fs::read(asset("digits/seven.png")).unwrap();
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::load_from_memory(&png)
        .and_then(|picture| picture.write_to(&mut jpeg, image::ImageFormat::Jpeg))
        .unwrap();
    let mut random = Pcg64::seed_from_u64(1);
    let (_folder, path) = file("train-images-idx3", "");
    for good in [row.clone().into(), gzip(row), gzip(&idx), idx, png, jpeg.into_inner()] {
        for _ in 0..200 {
            let mut bytes = good.clone();
            // Mostly near the start, where the headers are.
            for _ in 0..3 {
                let part = if random.next_u32() % 2 == 0 { 64 } else { bytes.len() };
                let at = random.next_u32() as usize % part.min(bytes.len());
                bytes[at] = random.next_u32() as u8;
            }
            if random.next_u32() % 4 == 0 {
                bytes.truncate(random.next_u32() as usize % bytes.len());
            }
            fs::write(&path, bytes).unwrap();
            // Whether it loads depends on what was hit; an error must be a sentence.
            for error in [load_labelled(&path).err(), load_images(&path, Invert::Auto).err()] {
                let message = error.map(|error| error.to_string());
                assert!(message.is_none_or(|message| message.ends_with('.')));
            }
        }
    }
}
