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

#[test]
fn nothing_else_is_replaced() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    let weights = format!("{model}/model.safetensors");
    let before = place.read("out/model.safetensors");
    assert_fails(&["export", &model, "--onnx", &weights], 1, &["no ONNX model", "another --onnx"]);
    assert_fails(
        &["report", &model, "--out", &weights],
        1,
        &["was not made by", "--out", "--overwrite"],
    );
    assert_fails(&["export", &model, "--onnx", &model], 1, &["cannot write", "it is a folder"]);
    let other = place.write("other.safetensors", &before);
    assert_fails(&["export", &model, "--onnx", &other], 1, &["no ONNX model", "remove it"]);
    assert!(place.read("other.safetensors") == before, "the other model is none");
    assert!(place.read("out/model.safetensors") == before, "the model is another");
}

#[test]
fn only_a_model_of_this_program_is_replaced() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    let onnx = place.path("tiny.onnx");
    // The user's file of what was once the temporary name.
    place.write("tiny.onnx.tmp", "precious");
    succeed(&["export", &model, "--onnx", &onnx]);
    let bytes = place.read("tiny.onnx");
    place.write("tiny.onnx", [&bytes[..40], b"of an older version"].concat());
    succeed(&["export", &model, "--onnx", &onnx]);
    assert!(place.read("tiny.onnx") == bytes, "it was not replaced");
    let mut other = bytes.clone();
    other[5] ^= 1; // another producer
    for content in [b"precious".to_vec(), other, bytes[..9].to_vec(), b"{".to_vec()] {
        let kept = place.write("keep", &content);
        // Before the model is looked for.
        let said = ["export", "missing", "--onnx", &kept];
        assert_fails(&said, 1, &[&kept, "is there and is no ONNX model", "another --onnx"]);
        assert!(place.read("keep") == content, "it was replaced");
    }
    assert_eq!(place.read("tiny.onnx.tmp"), b"precious");
}

#[test]
#[cfg(target_os = "linux")] // others have no /dev/full
fn links_are_followed_and_devices_stay_devices() {
    use std::os::unix::fs::FileTypeExt;
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    place.write("there.onnx", "");
    let link = place.path("link.onnx");
    std::os::unix::fs::symlink(place.path("there.onnx"), &link).expect("a link");
    succeed(&["export", &model, "--onnx", &link]);
    assert!(std::fs::symlink_metadata(&link).expect("a link").is_symlink(), "the link is gone");
    assert!(place.read("there.onnx").len() > 1000, "what it leads to is as it was");
    place.write("there.onnx", "old");
    assert_fails(&["export", &model, "--onnx", &link], 1, &[&link, "no ONNX model"]);
    assert_eq!(place.read("there.onnx"), b"old");
    // As a device this one takes nothing; as an ordinary file it would.
    assert_fails(&["export", &model, "--onnx", "/dev/full"], 1, &["/dev/full", "No space left"]);
    let kind = std::fs::metadata("/dev/full").expect("it is there").file_type();
    assert!(kind.is_char_device(), "/dev/full was replaced");
}

#[test]
#[cfg(unix)]
fn what_has_no_end_is_not_read_to_it() {
    let place = Place::new(12, 4);
    let digits = place.path("test.csv");
    for (command, part) in [
        (vec!["predict", "--model", "/dev/zero", &digits], "no regular file"),
        (vec!["train", "--config", "/dev/zero"], "longer than"),
        (vec!["profile", "--compare", "/dev/zero", "/dev/zero"], "longer than"),
    ] {
        assert_fails(&command, 1, &[part]);
    }
}

/// The shell's limit on the length of files.
#[test]
#[cfg(unix)]
fn a_file_over_the_users_limit_is_a_failed_write() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    let script = "ulimit -f 4; exec \"$0\" export \"$1\" --onnx \"$2\"";
    let onnx = place.path("large.onnx");
    let program = env!("CARGO_BIN_EXE_inception");
    let arguments = ["-c", script, program, &model, &onnx];
    let ended = std::process::Command::new("sh").args(arguments).output().expect("sh runs");
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write") && said.contains("large.onnx"), "{said}");
    let left = std::fs::read_dir(place.path("")).expect("the folder").count();
    let names = ["out", "test.csv", "train.csv"];
    assert_eq!(left, names.len(), "something is left besides {names:?}");
}
