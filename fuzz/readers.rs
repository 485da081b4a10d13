//! What is fuzzed: each reads some bytes as a user's file is read, and must return, with a result or
//! with a sentence; never panic, never take more memory than the bytes justify. The fuzzer and the
//! tests (`tests/fuzzed.rs`, which replays the corpus) share this file.

use std::io::Cursor;
use std::path::Path;

use inception::checkpoint::WeightFile;
use inception::config::{Config, Preset, TrainArgs};
use inception::data::{
    Dataset, Digits, Invert, OnBadImage, Part, Wanted, read_images, read_labelled,
};
use inception::metrics::METRICS_FILE;
use inception::network::Network;
use inception::plan::Target;
use inception::report::{self, EVALUATION_FILE, PROFILE_FILE};
use inception::train::Recordings;

/// Reads what a file might hold.
pub type Reader = fn(&[u8]);

/// The readers, by the name of their corpus.
pub const READERS: [(&str, Reader); 8] = [
    ("labelled", labelled),
    ("images", images),
    ("set", set),
    ("weights", weights),
    ("config_toml", config_toml),
    ("config_json", config_json),
    ("network", network),
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

/// A set of colour images: one of CIFAR-10's files, or a folder with a picture that nobody else drew; the
/// first byte says which, and what becomes of a bad one.
fn set(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = if first & 2 == 0 { [32, 32, 3] } else { [5, 9, 1] };
    let on_bad_image = if first & 4 == 0 { OnBadImage::Fail } else { OnBadImage::Skip };
    let wanted = Wanted { image, on_bad_image, classes: Vec::new(), part: Part::Training };
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let path = if first & 1 == 0 {
        write("data_batch_1.bin", rest)
    } else {
        write("a/good.png", include_bytes!("../assets/digits/two.png"));
        write("b/made_up.png", rest);
        folder.path().to_owned()
    };
    let Some(mut set) = check(Digits::labelled_as(&path, &wanted)) else { return };
    let mut all = Dataset::empty(&path);
    if check(set.read_all(&mut all, |_, _| {})).is_some() {
        assert_eq!(all.images.pixels.len(), all.len() * image.iter().product::<usize>());
        assert!(all.labels.iter().all(|&label| usize::from(label) < set.classes()));
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

/// A file for `--network`, which is then recorded and planned, as training would have it.
fn network(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some(network) = check(Network::parse(Path::new("network"), text)) else { return };
    let base = Config { batch_size: 2, freeze: Vec::new(), ..Config::preset(Preset::Quick) };
    let config = Config { network: Some(network), ..base };
    let json = config.to_json().expect("it can be written");
    if let Some(read) = check(Config::from_json(&json)) {
        assert_eq!(read, config);
    }
    if check(Recordings::check(&config)).is_some() {
        let mut recordings = Recordings::training(&config, 3);
        check(recordings.fit(&Target::new(128 << 20, [8, 8], true)));
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
