//! `bench`: what it prints adds up. No time is expected of any machine.

use inception::config::{Config, Preset};
use inception::cost::{Cost, costs};
use inception::recording::Recording;
use inception::train::Recordings;
use serde_json::Value;

use crate::common::{has_adapter, run, succeed};

const TINY: [&str; 8] = ["--maps", "2", "--reduce1x1", "2", "--num-fc1", "4", "--batch-size", "4"];

fn config() -> Config {
    let tutorial = Config::preset(Preset::Tutorial);
    Config { maps: vec![2], reduce1x1: 2, num_fc1: 4, batch_size: 4, ..tutorial }
}

fn total(recording: Option<&Recording>) -> Cost {
    costs(recording.expect("it was recorded")).into_iter().sum()
}

pub fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

#[track_caller]
pub fn assert_close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * a.abs().max(b.abs()), "{a} and {b}");
}

/// Rates, their share of the limit and the time must be of one piece.
pub fn assert_adds_up(ceiling: &Value, part: &Value) {
    let (median, flop, bytes) =
        (number(part, "median"), number(part, "flop"), number(part, "bytes"));
    assert!(median > 0.0 && number(part, "min") <= median, "{part}");
    assert_close(number(part, "gflop_per_second") * 1e9 * median, flop);
    assert_close(number(part, "gb_per_second") * 1e9 * median, bytes);
    let least = number(part, "least");
    assert_close(number(part, "share_of_limit") * median, least);
    // The larger of both in each pass: at least the larger of the sums, at most the sum of both.
    let computing = flop / number(ceiling, "flop_per_second");
    let moving = bytes / number(ceiling, "bytes_per_second");
    assert!(least >= computing.max(moving) * (1.0 - 1e-9), "{part}");
    assert!(least <= (computing + moving) * (1.0 + 1e-9), "{part}");
}

#[test]
fn bench_measures_training_and_inference() {
    if !has_adapter() {
        return;
    }
    let arguments = ["bench", "--steps", "3", "--batch-sizes", "1,5", "--no-fuse", "subgroup"];
    let said = succeed(&[&arguments[..], &TINY, &["--json"]].concat());
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let (ceiling, training) = (&report["ceiling"], &report["training"]);
    assert_adds_up(ceiling, training);
    assert!(number(training, "max") >= number(training, "median"));
    assert_eq!(training["samples"], 3);
    assert_close(number(training, "images_per_second") * number(training, "median"), 4.0);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["adapter"]["name"].is_string() && report["adapter"]["driver"].is_string());
    assert_eq!(report["config"]["maps"], serde_json::json!([2]));
    assert!(number(&report, "first_step") > 0.0 && number(&report["host"], "median") > 0.0);

    let recordings = Recordings::training_alone(&config(), 100);
    assert_eq!(report["parameters"], recordings.parameter_count());
    let cost = total(recordings.training_passes());
    assert!(number(training, "flop") as u64 >= cost.product_flop, "{training}");
    let inference = report["inference"].as_array().expect("a list");
    assert_eq!(inference.len(), 2);
    for (part, batch) in inference.iter().zip([1, 5]) {
        assert_eq!(part["batch_size"], batch);
        assert_adds_up(ceiling, part);
        let recordings = Recordings::inference_by(batch, &config(), 100);
        let cost = total(recordings.inference_passes());
        assert!(number(part, "flop") as u64 >= cost.product_flop, "{part}");
        // Neither gradients nor moments.
        assert!(number(part, "memory") < number(training, "memory"));
    }
}

#[test]
fn bench_prints_a_table_and_says_what_does_not_fit() {
    if !has_adapter() {
        return;
    }
    // 16,000 images of 8 channels take 401 MB, over WebGPU's default limit for one buffer.
    let arguments = ["bench", "--steps", "1", "--limits", "default", "--batch-sizes", "2,16000"];
    let said = succeed(&[&arguments[..], &TINY].concat());
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", said.stdout);
    assert!(lines[0].contains("median ms") && lines[0].contains("% of limit"), "{}", lines[0]);
    assert!(lines[1].starts_with("training      4 "), "{}", lines[1]);
    assert!(lines[2].starts_with("inference     2 "), "{}", lines[2]);
    assert!(lines[3].starts_with("inference 16000  the network is too large"), "{}", lines[3]);
    assert!(lines[4].contains("parameters; first step after"), "{}", lines[4]);
    assert!(said.stderr.contains("limits measured: "), "{}", said.stderr);
    // Nothing is made for what will not fit: a million images would take 784 MB each time.
    let sizes = ["bench", "--steps", "1", "--limits", "default", "--batch-sizes", "1000000,2"];
    let said = succeed(&[&sizes[..], &TINY].concat());
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert!(lines[2].starts_with("inference 1000000  too large: 4000000 images"), "{}", lines[2]);
    assert!(lines[3].starts_with("inference     2 "), "{}", lines[3]);
    let said = run(&["bench", "--maps", "2", "--batch-size", "1000000", "--limits", "default"]);
    assert_eq!(said.code, Some(1));
    assert!(said.error().starts_with("the network is too large"), "{}", said.error());
    let said = run(&["bench", "--maps", "60000,60000", "--no-inference"]);
    assert_eq!(said.code, Some(1));
    assert!(said.error().starts_with("the network is too large"), "{}", said.error());
}
