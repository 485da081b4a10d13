//! JPEG pictures of all kinds, whole, cut short and damaged.

use std::fs;
use std::path::{Path, PathBuf};

use inception::data::{DataError, Dataset, Digits, Invert, Wanted};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::{assert_fails, file};

/// Pictures of 53x37: with their numbers in one go and in several, with and without restarts, of one, three
/// and four components, with a note on how the camera was held.
const KINDS: [&str; 6] = ["baseline", "restarts", "progressive", "cmyk", "grey", "turned"];

fn picture(kind: &str) -> (PathBuf, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/jpeg/{kind}.jpg"));
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// The picture in its own size.
fn load(path: &Path, [height, width]: [usize; 2]) -> Result<Vec<u8>, DataError> {
    let wanted = Wanted { image: [height, width, 3], ..Wanted::digits() };
    let mut all = Dataset::empty(path);
    Digits::unlabelled_as(path, &wanted, Invert::Auto)?.read(9, &mut all)?;
    Ok(all.images.pixels)
}

#[test]
fn whole_ones_are_read_as_the_decoder_gives_them() {
    for kind in KINDS {
        let (path, mut bytes) = picture(kind);
        let mut expected = image::load_from_memory(&bytes).unwrap();
        let size = if kind == "turned" { [53, 37] } else { [37, 53] };
        if kind == "turned" {
            expected = expected.rotate90();
        }
        let expected = expected.into_rgb8().into_raw();
        assert!(load(&path, size).unwrap() == expected, "{kind}");
        // Behind the end of a picture anything may follow, another picture for example.
        bytes.extend(picture("baseline").1[..300].iter());
        let (_folder, longer) = file("longer.jpg", bytes);
        assert!(load(&longer, size).unwrap() == expected, "{kind} with more behind it");
    }
}

#[test]
fn one_that_is_cut_short_is_refused_wherever_it_is_cut() {
    let (_folder, path) = file("cut.jpg", "");
    for kind in KINDS {
        let (_, bytes) = picture(kind);
        for length in (4..bytes.len()).step_by(9).chain([bytes.len() - 1]) {
            fs::write(&path, &bytes[..length]).unwrap();
            assert_fails(load(&path, [37, 53]), &path, &["cannot be decoded", "cut short"]);
        }
        // As of a download that was begun again.
        fs::write(&path, [&bytes[..bytes.len() - 200], &bytes].concat()).unwrap();
        let said = load(&path, [37, 53]).map(|_| format!("{kind}: it is read"));
        assert_fails(said, &path, &["cannot be decoded", "cut short"]);
    }
}

#[test]
fn no_damage_makes_it_panic_or_wait() {
    let mut random = Pcg64::seed_from_u64(2);
    let (_folder, path) = file("damaged.jpg", "");
    for kind in KINDS {
        let (_, good) = picture(kind);
        for _ in 0..300 {
            let mut bytes = good.clone();
            for _ in 0..2 {
                let at = random.next_u32() as usize % bytes.len();
                bytes[at] = random.next_u32() as u8;
            }
            fs::write(&path, bytes).unwrap();
            let error = load(&path, [37, 53]).err().map(|error| error.to_string());
            assert!(error.is_none_or(|error| error.ends_with('.')));
        }
    }
}
