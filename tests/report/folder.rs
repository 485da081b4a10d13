//! What is read from a run's folder, and what is said of files that are damaged.

use std::fs;
use std::path::Path;

use inception::checkpoint::CONFIG_FILE;
use inception::data::Images;
use inception::metrics::{METRICS_FILE, MetricsFile};
use inception::report::{EVALUATION_FILE, PROFILE_FILE, Run, html, load, most_wrong, write};

use crate::{config, evaluation, profile, rows, run};

/// A folder with everything, named `run`.
fn folder() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let dir = place.path().join("run");
    fs::create_dir(&dir).expect("a folder");
    fs::write(dir.join(CONFIG_FILE), config().to_toml().expect("TOML")).expect("it is written");
    let mut metrics = MetricsFile::create(&dir.join(METRICS_FILE)).expect("it is made");
    rows().iter().for_each(|row| metrics.append(row));
    evaluation().write(&dir).expect("it is written");
    let profile = serde_json::to_string(&profile()).expect("JSON");
    fs::write(dir.join(PROFILE_FILE), profile).expect("it is written");
    place
}

#[test]
fn a_folder_is_read_whole() {
    let place = folder();
    let dir = place.path().join("run");
    let expected = Run { name: "run".into(), ..run() };
    assert_eq!(load(&dir).expect("a run"), expected);
    // However the folder is called.
    assert_eq!(load(&dir.join("../run/.")).expect("a run"), expected);
    let page = html(&[expected]);
    write(&dir.join("report.html"), &page).expect("it is written");
    assert_eq!(fs::read_to_string(dir.join("report.html")).expect("it is read"), page);
    let left: Vec<_> =
        fs::read_dir(&dir).expect("it is read").map(|e| e.expect("an entry").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn what_is_missing_is_left_out() {
    for kept in [METRICS_FILE, EVALUATION_FILE, CONFIG_FILE, PROFILE_FILE] {
        let place = folder();
        let dir = place.path().join("run");
        for entry in fs::read_dir(&dir).expect("it is read") {
            let path = entry.expect("an entry").path();
            if !path.ends_with(kept) {
                fs::remove_file(path).expect("it is removed");
            }
        }
        let run = load(&dir).expect("a run");
        let there = [
            run.config.as_ref().expect("no trouble").is_some(),
            run.metrics.as_ref().expect("no trouble").is_some(),
            run.evaluation.as_ref().expect("no trouble").is_some(),
            run.profile.as_ref().expect("no trouble").is_some(),
        ];
        let files = [CONFIG_FILE, METRICS_FILE, EVALUATION_FILE, PROFILE_FILE];
        assert_eq!(there, files.map(|file| file == kept), "{kept} alone");
        html(&[run]);
    }
}

#[test]
fn folders_without_a_run() {
    let place = tempfile::tempdir().expect("a folder");
    let said = |path: &Path| load(path).expect_err("no run").to_string();
    let none = said(&place.path().join("none"));
    assert!(none.starts_with("cannot open the folder") && none.contains("none"), "{none}");
    fs::write(place.path().join("report.html"), "").expect("it is written");
    let empty = said(place.path());
    assert!(empty.contains("holds no run") && empty.contains("train --out"), "{empty}");
    assert!(said(&place.path().join("report.html")).contains("holds no run"));
}

/// The sentence about the file after `damage`, which stands in the page; the other parts are whole.
#[track_caller]
fn trouble(file: &str, damage: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let place = folder();
    let dir = place.path().join("run");
    let whole = load(&dir).expect("a run");
    let bytes = fs::read(dir.join(file)).expect("it is read");
    fs::write(dir.join(file), damage(&bytes)).expect("it is written");
    let run = load(&dir).expect("a run with a damaged file");
    let parts = |run: &Run| {
        [
            format!("{:?}", run.config),
            format!("{:?}", run.metrics),
            format!("{:?}", run.evaluation),
            format!("{:?}", run.profile),
        ]
    };
    let changed = parts(&whole).iter().zip(parts(&run)).filter(|(a, b)| **a != *b).count();
    assert_eq!(changed, 1, "parts that {file} changed");
    let errors =
        [run.config.clone().err(), run.metrics.clone().err(), run.evaluation.clone().err()];
    let errors = errors.into_iter().chain([run.profile.clone().err()]);
    let why = errors.flatten().next().unwrap_or_else(|| panic!("nothing is said of {file}"));
    assert!(why.contains(file), "the file is not named: {why}");
    let shown = html(&[run])
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    assert!(shown.contains(&why), "the page does not say: {why}");
    why
}

fn text(change: impl Fn(&str) -> String) -> impl Fn(&[u8]) -> Vec<u8> {
    move |bytes| change(std::str::from_utf8(bytes).expect("text")).into_bytes()
}

#[test]
fn damaged_files_are_named() {
    for cut in [0, 1, 10, 100, 300] {
        assert!(trouble(EVALUATION_FILE, |bytes| bytes[..cut].to_vec()).contains("is damaged"));
        trouble(PROFILE_FILE, |bytes| bytes[..cut].to_vec());
    }
    trouble(EVALUATION_FILE, |_| vec![0xff, 0xfe]);
    let said = trouble(EVALUATION_FILE, text(|t| t.replace("\"label\":7", "\"label\":10")));
    assert!(said.contains("10 is none of 10 classes"), "{said}");
    let said = trouble(EVALUATION_FILE, text(|t| t.replace("\"pixels\":\"AAEC", "\"pixels\":\"")));
    assert!(said.contains("781 pixels instead of 784"), "{said}");
    trouble(EVALUATION_FILE, text(|t| t.replace("\"pixels\":\"AAEC", "\"pixels\":\"?AEC")));
    trouble(EVALUATION_FILE, text(|t| t.replace("\"split\":\"test\"", "\"split\":\"train\"")));
    let counts = format!("\"confusion\":{:?},\"wrong\"", [[u64::MAX / 99; 10]; 10]);
    let huge = |t: &str| {
        let (front, rest) = t.split_once("\"confusion\":").expect("it has counts");
        let (_, behind) = rest.split_once("\"wrong\"").expect("it has wrong digits");
        format!("{front}{counts}{behind}")
    };
    let said = trouble(EVALUATION_FILE, text(huge));
    assert!(said.contains("counts too many images"), "{said}");
    trouble(EVALUATION_FILE, text(|t| t.replace("0.0625", "null")));
    trouble(PROFILE_FILE, text(|t| t.replace("\"passes\"", "\"pass\"")));
    trouble(PROFILE_FILE, text(|t| t.replace("0.001", "\"fast\"")));
    trouble(PROFILE_FILE, text(|t| t.replace("\"format\":1", "\"format\":2")));
    let said = trouble(EVALUATION_FILE, text(|t| t.replace("[2,1,1,2]", "[2,1,1,3]")));
    assert!(said.contains("the 2x1 filters have another size"), "{said}");
    for shape in ["[0,1,1,2]", "[4294967296,4294967296,4294967296,2]"] {
        trouble(EVALUATION_FILE, text(|t| t.replace("[2,1,1,2]", shape)));
    }
    // The first weight, 1, made infinite.
    let said = trouble(EVALUATION_FILE, text(|t| t.replace("AACAPw", "AACAfw")));
    assert!(said.contains("a weight is inf"), "{said}");
    trouble(METRICS_FILE, text(|t| t.replace("step,loss", "loss,step")));
    trouble(CONFIG_FILE, text(|t| t.replace("seed = 1", "seed = -1")));
    trouble(CONFIG_FILE, text(|t| t.replace("seed = 1", "sead = 1")));
}

#[test]
fn the_most_confidently_wrong_come_first() {
    let count = 30;
    let pixels = (0..count).flat_map(|image| vec![image as u8; 784]).collect();
    let images = Images { path: "digits.csv".into(), height: 28, width: 28, channels: 1, pixels };
    // Of image 5 + i the network says 3 with the confidence 0.5 + i / 100, else 1.
    let probabilities: Vec<Vec<f32>> = (0..25)
        .map(|i| {
            let mut row = vec![0.0; 10];
            (row[3], row[1]) = (0.51 + i as f32 / 100.0, 0.49 - i as f32 / 100.0);
            row
        })
        .collect();
    // Every other one is right; the first five images are not looked at.
    let mut labels: Vec<u8> = (0..count).map(|image| if image % 2 == 0 { 3 } else { 8 }).collect();
    let found = most_wrong(&images, &labels, &probabilities, 5, 101);
    let images_found: Vec<u8> = found.iter().map(|digit| digit.pixels[0]).collect();
    assert_eq!(images_found, [29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5]);
    assert!(found.iter().all(|digit| digit.label == 8 && digit.likeliest()[0].0 == 3));
    assert_eq!((found[0].row, found[12].row), (125, 101), "rows of the file");
    assert_eq!(found[0].probabilities, probabilities[24]);
    // At most fifteen, and none with a probability that is no number.
    labels.fill(8);
    let mut broken = probabilities.clone();
    broken[24][0] = f32::NAN;
    let found = most_wrong(&images, &labels, &broken, 5, 1);
    assert_eq!((found.len(), found[0].row), (15, 24));
    labels.fill(3);
    assert_eq!(most_wrong(&images, &labels, &probabilities, 5, 1), []);
}
