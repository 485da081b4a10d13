//! Help, and wrong usage.

use crate::common::{Place, run, succeed};
use crate::say::{assert_fails, checkpoint};

#[test]
fn every_command_has_help_with_examples() {
    let commands = [
        "train", "test", "predict", "devices", "inspect", "cost", "report", "export", "profile",
        "bench",
    ];
    for command in commands {
        let help = succeed(&[command, "--help"]).stdout;
        let example = format!("  inception {command}");
        let examples = help.split_once("Examples:\n").expect("examples").1;
        assert!(examples.starts_with(&example), "{help}");
        assert!(help.contains("--adapter") && help.contains("--backend"), "{help}");
    }
    assert!(succeed(&["--help"]).stdout.contains("Exit codes: 0 done, 1 failed, 2 wrong usage"));
    assert!(succeed(&["--version"]).stdout.starts_with("inception "));
}

#[test]
fn wrong_usage_exits_with_2() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["train", "--memory-limit", "0"], &["--memory-limit", "0", "1..=100"]),
        (&["fly"], &["fly"]),
        (&["devices", "--adapter", ""], &["--adapter"]),
        (&["train", "--bogus"], &["--bogus"]),
        (&["train", "--steps"], &["--steps"]),
        (&["train", "--steps", "many"], &["--steps", "many"]),
        (&["train", "--steps", "9223372036854775808"], &["--steps", "0..=9223372036854775807"]),
        (&["train", "--maps", "1,9223372036854775808"], &["--maps", "0..=9223372036854775807"]),
        (&["train", "--maps", "2,x"], &["--maps", "x"]),
        (&["train", "--module", "wide"], &["--module", "wide", "reduced", "naive"]),
        (&["train", "--preset", "huge"], &["--preset", "huge", "quick"]),
        (&["train", "--resume"], &["--out"]),
        (&["train", "--reset", "fc2"], &["--init-weights"]),
        (&["train", "--freeze"], &["--freeze"]),
        (&["train", "--backend", "cuda"], &["--backend", "cuda", "vulkan"]),
        (&["train", "--dropout", "1"], &["dropout", "just below 1"]),
        (&["train", "--batch-size", "0"], &["batch_size", "from 1"]),
        (&["train", "--learning-rate", "-1"], &["learning_rate", "above 0"]),
        (&["test"], &["--model"]),
        (&["predict", "--model", "x"], &["INPUT"]),
        (&["bench", "--batch-sizes", "1,0"], &["--batch-sizes", "0"]),
        (&["bench", "--steps", "0"], &["steps", "from 1"]),
        (&["inspect"], &["MODEL"]),
        (&["inspect", "x", "--images", "0"], &["--images", "0"]),
        (&["cost", "--input", "28x28"], &["--input", "28x28x192"]),
        (&["cost", "--input", "0x28x3"], &["--input", "from 1"]),
        (&["cost", "--widths", "1,2,3,4,5"], &["--widths", "six numbers"]),
        (&["cost", "--input", "65536x65536x1"], &["1584842932224", "lower --input"]),
        (&["cost", "--widths", "1,1,1,1,1,1", "--maps", "3"], &["--preset", "not several"]),
        (&["cost", "--model", "x", "--maps", "3"], &["--model", "not several"]),
        (&["bench", "--no-inference", "--batch-sizes", "1"], &["--no-inference"]),
    ];
    for &(arguments, parts) in cases {
        let said = run(arguments);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert_eq!(said.stdout, "");
        assert!(!said.stderr.contains("panicked"), "{}", said.stderr);
        for part in parts {
            assert!(said.stderr.contains(part), "no {part:?} in: {}", said.stderr);
        }
    }
    let said = run(&[]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("Commands:"), "{}", said.stderr);
}

#[test]
fn wrong_values_in_a_file_are_no_wrong_usage() {
    let place = Place::new(1, 1);
    let path = place.write("run.toml", "steps = 0\n");
    assert_fails(&["train", "--config", &path], 1, &[&path, "steps", "from 1"]);
    let path = place.write("run.toml", "stepps = 5\n");
    let said = run(&["train", "--config", &path]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains(&path) && said.stderr.contains("stepps"), "{}", said.stderr);
    let none = place.path("none.toml");
    assert_fails(&["train", "--config", &none], 1, &[&none]);
}

#[test]
fn a_model_is_not_replaced_unasked() {
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "model");
    let before = place.read("model/model.safetensors");
    let parts = [model.as_str(), "--resume", "--overwrite"];
    assert_fails(&["train", "--out", &model], 1, &parts);
    assert_eq!(place.read("model/model.safetensors"), before);
}
