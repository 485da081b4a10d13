//! `export`; what it writes is computed in `tests/training/onnx.rs`.

use crate::common::{Place, run, succeed};
use crate::say::{assert_fails, checkpoint};

#[test]
fn a_saved_network_becomes_one_file_and_needs_no_adapter() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    let onnx = place.path("tiny.onnx");
    // An adapter that nobody has.
    let said = succeed(&["export", &model, "--onnx", &onnx, "--adapter", "no such adapter"]);
    let bytes = place.read("tiny.onnx");
    let digits: String = said.stdout.chars().filter(char::is_ascii_digit).collect();
    assert!(said.stdout.starts_with(&onnx) && digits.ends_with(&bytes.len().to_string()));
    // The weights are in it, to the bit.
    let weights = place.read("out/model.safetensors");
    let file = safetensors::SafeTensors::deserialize(&weights).expect("weights");
    let dense = file.tensor("W_fc1").expect("a weight").data();
    assert!(bytes.windows(dense.len()).any(|part| part == dense), "W_fc1 is not in the model");
}

#[test]
fn what_cannot_be_exported_is_said_and_leaves_nothing() {
    let place = Place::new(12, 4);
    let onnx = place.path("tiny.onnx");
    let missing = place.path("missing");
    assert_fails(&["export", &missing, "--onnx", &onnx], 1, &["missing", "No such file"]);
    let model = checkpoint(&place, "out");
    let nowhere = place.path("no/such/folder.onnx");
    assert_fails(&["export", &model, "--onnx", &nowhere], 1, &["cannot", "folder.onnx"]);
    assert_eq!(run(&["export", &model]).code, Some(2), "without --onnx");
    assert!(!std::path::Path::new(&onnx).exists());
}
