//! The folder `--out`, with files of others in it.

use std::fs;

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::say::{assert_failed, checkpoint, tiny};

/// What a run writes there.
const FILES: [&str; 7] = [
    "best.safetensors",
    "config.toml",
    "evaluation.json",
    "metrics.csv",
    "model.safetensors",
    "profile.json",
    "report.html",
];

#[test]
fn files_of_others_are_not_replaced_unasked() {
    let place = Place::new(12, 4);
    for name in FILES {
        let folder = place.path("out");
        fs::create_dir_all(&folder).expect("made");
        place.write(&format!("out/{name}"), "precious");
        place.write("out/other", "precious");
        let said = run_all(&tiny(&place, "out", ""));
        let held = if name == "model.safetensors" { "a model" } else { name };
        assert_failed(&said, 1, &[&folder, held, "another --out", "--overwrite"]);
        let mut left: Vec<_> = fs::read_dir(&folder).expect("it is there").collect();
        assert_eq!(left.len(), 2, "{name}: {left:?}");
        assert!(
            left.drain(..).all(|f| fs::read(f.expect("a file").path()).unwrap() == b"precious")
        );
        fs::remove_dir_all(&folder).expect("removed");
    }
    // All of them, in one sentence.
    fs::create_dir(place.path("out")).expect("made");
    for name in ["report.html", "metrics.csv"] {
        place.write(&format!("out/{name}"), "");
    }
    let said = run_all(&tiny(&place, "out", ""));
    assert_failed(&said, 1, &["holds metrics.csv, report.html already"]);
    place.write("out/lock", "a lock of mine");
    let said = run_all(&tiny(&place, "out", "--overwrite"));
    assert_failed(&said, 1, &[&place.path("out/lock"), "no mark of a run", "move it away"]);
    assert_eq!(place.read("out/lock"), b"a lock of mine");
}

#[test]
fn what_is_no_folder_is_said_at_once() {
    let place = Place::new(12, 4);
    let file = place.write("file", "precious");
    // Before the digits are read, which are not there.
    for more in ["", "--overwrite", "--resume"] {
        let mut arguments = vec!["train", "--out", &file, "--train", "none.csv"];
        arguments.extend(more.split_whitespace());
        let said = crate::common::run(&arguments);
        assert_failed(&said, 1, &[&file, "is no folder", "another --out"]);
    }
    fs::create_dir(place.path("out")).expect("made");
    place.write("out/checkpoints", "precious");
    let said = run_all(&tiny(&place, "out", "--overwrite"));
    assert_failed(&said, 1, &[&place.path("out/checkpoints"), "is no folder"]);
    assert_eq!(place.read("out/checkpoints"), b"precious");
}

/// What a run that came to nothing leaves does not stand in the way of the next; nor does a folder
/// with other files.
#[test]
fn a_folder_that_holds_nothing_of_a_run_is_used() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    fs::create_dir(place.path("out")).expect("made");
    place.write("out/metrics.csv", "step,loss,val_accuracy,test_accuracy,seconds\n");
    place.write("out/lock", "4711 12345");
    place.write("out/notes.txt", "precious");
    succeed_all(&tiny(&place, "out", ""));
    assert_eq!(place.read("out/notes.txt"), b"precious");
}

#[test]
fn overwrite_removes_what_is_a_runs_own_and_nothing_else() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    checkpoint(&place, "out");
    for name in FILES.iter().filter(|name| !name.starts_with("model")) {
        place.write(&format!("out/{name}"), "old");
    }
    let others =
        ["out/notes", "out/checkpoints/notes", "out/checkpoints/step-000002/notes", "out/a.tmp"];
    for path in others {
        place.write(path, "precious");
    }
    succeed_all(&tiny(&place, "out", "--overwrite --eval-every 1"));
    for path in others {
        assert_eq!(place.read(path), b"precious", "{path}");
    }
    for name in FILES.iter().filter(|name| **name != "profile.json") {
        assert_ne!(place.read(&format!("out/{name}")), b"old", "{name}");
    }
    assert!(!fs::exists(place.path("out/profile.json")).expect("known"), "of the older run");
}

/// Only files of the names that this program gives while it writes are cleared away.
#[test]
fn temporary_files_of_others_stay() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    fs::create_dir(place.path("out")).expect("made");
    let others = [
        "config.toml.tmp",
        "metrics.csv.tmp",
        "model.safetensors.tmp",
        "evaluation.json.tmp",
        "report.html.tmp",
        ".inception-notes.tmp",
        ".inception-1-2.tmp.bak",
    ];
    let left = ["out/.inception-4711-0.tmp", "out/.inception-1-23.tmp"];
    let check = |more: &str| {
        others.iter().for_each(|name| drop(place.write(&format!("out/{name}"), "precious")));
        left.iter().for_each(|name| drop(place.write(name, "half")));
        succeed_all(&tiny(&place, "out", more));
        for name in others {
            assert_eq!(place.read(&format!("out/{name}")), b"precious", "{name} after {more:?}");
        }
        left.iter().for_each(|name| assert!(!fs::exists(place.path(name)).unwrap(), "{name}"));
    };
    check("--eval-every 1");
    check("--overwrite --eval-every 1");
    let resume = ["train", "--resume", "--out", &place.path("out"), "--steps", "4"];
    left.iter().for_each(|name| drop(place.write(name, "half")));
    crate::common::succeed(&resume);
    crate::common::succeed(&["report", &place.path("out")]);
    for name in others {
        assert_eq!(place.read(&format!("out/{name}")), b"precious", "{name}");
    }
    left.iter().for_each(|name| assert!(!fs::exists(place.path(name)).unwrap(), "{name}"));
    let hidden = fs::read_dir(place.path("out")).expect("it is there").flatten();
    let hidden = hidden.filter(|f| f.file_name().to_string_lossy().starts_with(".inc")).count();
    assert_eq!(hidden, 2, "a temporary file of this program is left");
}
