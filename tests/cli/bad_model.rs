//! Every kind of bad model file, before any adapter is touched.

use std::path::Path;

use serde_json::Value;

use crate::common::{Place, run_all, sign, succeed_all};
use crate::say::{TINY, assert_failed, assert_fails, assert_train_fails, checkpoint, tiny};

/// Header and numbers of a safetensors file.
fn parts(bytes: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    let header = serde_json::from_slice(&bytes[8..8 + length]).expect("JSON");
    (header, bytes[8 + length..].to_vec())
}

fn file(header: &Value, numbers: &[u8]) -> Vec<u8> {
    let text = header.to_string();
    let mut file = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), numbers].concat();
    if header["__metadata__"].is_object() {
        sign(&mut file);
    }
    file
}

/// Damages of a model file, and what must be said of them.
fn damages(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<&'static str>)> {
    let (header, numbers) = parts(bytes);
    let change = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut header = header.clone();
        change(header.as_object_mut().expect("an object"));
        header
    };
    let misnamed = change(&|header| {
        let info = header.remove("W_fc1").expect("W_fc1");
        header.insert("W_fcl".to_string(), info);
    });
    let misshapen = change(&|header| {
        header["W_fc2"]["shape"] = serde_json::json!([2, 20]);
    });
    let begin = header["W_fc2"]["data_offsets"][0].as_u64().expect("a number") as usize;
    let mut not_finite = numbers.clone();
    not_finite[begin + 4..begin + 8].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let (last_name, last) = header
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .max_by_key(|(_, info)| info["data_offsets"][1].as_u64())
        .expect("a tensor");
    let last_begin = last["data_offsets"][0].as_u64().expect("a number") as usize;
    let missing = change(&|header| {
        header.remove(last_name);
    });
    vec![
        (bytes[..bytes.len() - 5].to_vec(), vec!["cut short"]),
        (bytes[..50].to_vec(), vec!["header"]),
        (Vec::new(), vec!["0 bytes"]),
        (b"0,1,2\n".repeat(40), vec!["not a safetensors file"]),
        (file(&missing, &numbers[..last_begin]), vec!["lacks the tensor"]),
        (file(&misnamed, &numbers), vec!["W_fcl", "W_fc1"]),
        (file(&misshapen, &numbers), vec!["W_fc2", "[2, 20]", "[4, 10]"]),
        ([&bytes[..bytes.len() - 4], &[1; 4]].concat(), vec!["is damaged: its checksum is"]),
        (file(&header, &not_finite), vec!["W_fc2", "inf", "index 1"]),
    ]
}

#[test]
fn model_files() {
    let place = Place::new(12, 4);
    checkpoint(&place, "model");
    let whole = place.read("model/model.safetensors");
    for (bytes, mut wanted) in damages(&whole) {
        let path = place.write("bad.safetensors", bytes);
        wanted.push(&path);
        let picture = "assets/digits/two.png";
        assert_fails(&["predict", "--model", &path, picture], 1, &wanted);
        let digits = place.path("test.csv");
        assert_fails(&["test", "--model", &path, "--test", &digits], 1, &wanted);
        assert_train_fails(&place, &format!("--init-weights {path}"), &wanted);
    }
    let none = place.path("none");
    assert_fails(&["test", "--model", &none], 1, &[&none, "cannot read"]);
}

#[test]
fn weights_of_another_size() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "model");
    let wider = TINY.replace("--num-fc1 4", "--num-fc1 5") + " --init-weights";
    let wider: Vec<&str> = wider.split_whitespace().chain([model.as_str()]).collect();
    let wider = place.train("fresh", &wider);
    assert_failed(&run_all(&wider), 1, &["W_fc1", "[6272, 4]", "[6272, 5]", "num_fc1"]);
    assert!(!Path::new(&place.path("fresh")).exists());
}

#[test]
fn layers_that_there_are_not() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "model");
    let layers = "there are conv1_1x1_1, conv1_1x1_2, conv1_3x3, conv1_1x1_3, conv1_5x5, conv1_1x1_4, \
                  fc1, fc2, and * stands for any letters";
    for (more, wanted) in [
        ("--freeze conv*,fc3", &[r#"freeze: no layer is named "fc3""#, layers][..]),
        ("--freeze *", &["freeze: * is every layer", "leaves none to train"]),
        ("--freeze fc* --reset b_fc2", &[r#"--reset: no layer is named "b_fc2""#, layers]),
    ] {
        assert_train_fails(&place, &format!("--init-weights {model} {more}"), wanted);
    }
    // What is not reset has to fit still.
    let wider = format!("--num-fc1 5 --reset fc2 --init-weights {model}");
    let wider = wider.split(' ').map(String::from);
    let mut arguments = tiny(&place, "fresh", "");
    let narrow = arguments.iter().position(|word| word == "--num-fc1").expect("a flag");
    arguments.drain(narrow..narrow + 2);
    arguments.extend(wider);
    assert_failed(&run_all(&arguments), 1, &["W_fc1", "[6272, 4]", "[6272, 5]"]);
}

/// A damaged checkpoint is not resumed, and stays as it is.
#[test]
fn checkpoints() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "model");
    let resume = |steps: &str| {
        run_all(&["train", "--resume", "--out", &model, "--steps", steps].map(String::from))
    };
    let path = "model/checkpoints/step-000002/optimizer.safetensors";
    let whole = place.read(path);
    let mut flipped = whole.clone();
    flipped[3000] ^= 1;
    let damages = [
        (&whole[..999], "header"),
        (&whole[..2000], "cut short"),
        (&flipped[..], "is damaged: its checksum is"),
    ];
    for (bytes, what) in damages {
        place.write(path, bytes);
        assert_failed(&resume("4"), 1, &["no checkpoint in", "optimizer.safetensors", what]);
        assert_eq!(place.read(path), bytes);
    }
    std::fs::remove_file(place.path(path)).expect("removed");
    assert_failed(&resume("4"), 1, &["optimizer.safetensors", "cannot read"]);
    place.write(path, whole);
    assert_failed(&resume("1"), 1, &["has 2 steps already", "--steps"]);
    let none = place.path("none");
    let resume = run_all(&["train", "--resume", "--out", &none].map(String::from));
    assert_failed(&resume, 1, &["holds no checkpoint to resume", &none]);
    assert!(!Path::new(&none).exists());
}

/// Weights of another program may start a training, though they do not say what network they are of.
#[test]
fn weights_of_another_program() {
    let place = Place::new(12, 4);
    checkpoint(&place, "model");
    let (mut header, numbers) = parts(&place.read("model/model.safetensors"));
    header.as_object_mut().expect("an object").remove("__metadata__");
    let path = place.write("foreign.safetensors", file(&header, &numbers));
    assert_fails(&["test", "--model", &path], 1, &[&path, "--init-weights"]);
    if crate::common::has_adapter() {
        succeed_all(&tiny(&place, "out", &format!("--init-weights {path}")));
    }
}

#[test]
fn a_folder_without_a_model_is_said_to_be_one() {
    let place = Place::new(12, 4);
    let folder = place.path("empty");
    std::fs::create_dir(&folder).expect("made");
    let digits = place.path("test.csv");
    let parts = [folder.as_str(), "holds no model.safetensors", "inception train --out"];
    assert_fails(&["test", "--model", &folder, "--test", &digits], 1, &parts);
    assert_fails(&["predict", "--model", &folder, &digits], 1, &parts);
    assert_fails(&["inspect", &folder], 1, &parts);
    assert_train_fails(&place, &format!("--init-weights {folder}"), &parts);
}

/// Metadata that ask for thousands of modules, as a flag or a file would.
#[test]
fn networks_without_an_end() {
    let place = Place::new(12, 4);
    checkpoint(&place, "model");
    let (mut header, numbers) = parts(&place.read("model/model.safetensors"));
    let config = header["__metadata__"]["config"].as_str().expect("a configuration");
    let maps = format!("\"maps\":[2{}]", ",2".repeat(50_000));
    let config = config.replace("\"maps\":[2]", &maps);
    header["__metadata__"]["config"] = config.into();
    let model = place.write("endless.safetensors", file(&header, &numbers));
    let digits = place.path("test.csv");
    for arguments in [
        &["predict", "--model", &model, &digits][..],
        &["test", "--model", &model, "--test", &digits],
        &["inspect", &model],
        &["cost", "--model", &model],
        &["export", &model, "--onnx", &place.path("endless.onnx")],
    ] {
        assert_fails(arguments, 1, &["50001 channel counts", "at most 64", &model]);
    }
    let maps = format!("--maps=2{}", ",2".repeat(10_000));
    assert_fails(&["train", &maps], 2, &["10001 channel counts", "at most 64"]);
}
