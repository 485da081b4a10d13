//! The report's pages, and what they are made from. Needs no GPU.

mod chart;
mod folder;
mod markup;
mod page;

use inception::config::{Config, Preset};
use inception::metrics::Row;
use inception::profile::Profile;
use inception::report::{Evaluation, Filters, Run, Split, WrongDigit};
use serde_json::{Value, json};

/// Rows of a run of 100 steps: loss 2 at the start and falling, validation at 50 and 100, the test
/// digits at the end.
fn rows() -> Vec<Row> {
    let row = |step: u64| Row {
        step,
        loss: Some(20.0 / step as f32),
        val_accuracy: step.is_multiple_of(50).then_some(0.8 + step as f64 / 1000.0),
        test_accuracy: None,
        seconds: step as f64 / 4.0,
    };
    let test = Row {
        step: 100,
        loss: None,
        val_accuracy: None,
        test_accuracy: Some(0.9123),
        seconds: 26.5,
    };
    (1..=10).map(|tens| row(tens * 10)).chain([test]).collect()
}

/// 30 digits, 25 of them right; a 4 was taken for a 9 twice, a 7 for a 1 three times.
fn confusion() -> [[u64; 10]; 10] {
    let mut counts = [[0; 10]; 10];
    counts[3][3] = 11;
    counts[4][4] = 14;
    counts[4][9] = 2;
    counts[7][1] = 3;
    counts
}

fn wrong() -> WrongDigit {
    let mut probabilities = vec![0.0; 10];
    (probabilities[1], probabilities[7], probabilities[2]) = (0.875, 0.0625, 0.046875);
    let pixels = (0..784).map(|i| (i % 256) as u8).collect();
    WrongDigit { row: 1234, label: 7, probabilities, pixels }
}

fn evaluation() -> Evaluation {
    Evaluation {
        version: "1.2.3".into(),
        adapter: "Some GPU (software, vulkan)".into(),
        parameters: 805_762,
        step: 100,
        split: Split::Test,
        confusion: confusion().map(Vec::from).to_vec(),
        classes: Vec::new(),
        image: [28, 28, 1],
        wrong: vec![wrong()],
        filters: vec![filters()],
    }
}

/// One row of two filters: `[2, 1, 1, 2]`, the first 1 over -0.5, the second 0 over 0.25.
fn filters() -> Filters {
    Filters { name: "2x1".into(), shape: [2, 1, 1, 2], weights: vec![1.0, 0.0, -0.5, 0.25] }
}

/// A pass's or a sum's times: its name under `key`, median and least possible seconds.
fn times(key: &str, name: &str, median: Option<f64>, least: f64) -> Value {
    json!({
        key: name, "place": "a/b", "operation": "o", "kernel": "k", "module": "m", "direction": "d",
        "flop": 1, "bytes": 1, "least": least, "samples": 3, "missing": 0, "first": median,
        "median": median, "min": median, "max": median, "gflop_per_second": 1.0,
        "gb_per_second": 1.0, "share_of_limit": median.map(|median| least / median),
    })
}

fn profile_of(passes: Vec<Value>) -> Profile {
    let json = json!({
        "format": 1, "version": "1.2.3", "timestamps": true, "config": config(),
        "adapter": {
            "name": "Some GPU", "backend": "vulkan", "kind": "software", "driver": "a driver",
            "max_binding": 1, "max_buffer": 1, "max_storage_buffers": 1, "workgroup_memory": 1,
            "workgroup_threads": 1, "max_workgroups": 1, "subgroup": [0, 0], "features": [],
        },
        "ceiling": {"flop_per_second": 1e9, "bytes_per_second": 1e9},
        "batch_size": 4, "samples": 3,
        "passes": passes,
        "modules": [
            times("name", "inception1", Some(0.002), 0.0015),
            times("name", "fc1", Some(0.006), 0.003),
            times("name", "loss", None, 0.001),
        ],
        "directions": [
            times("name", "forward", Some(0.003), 0.001),
            times("name", "backward", Some(0.005), 0.006),
        ],
        "all": times("name", "all 4 passes", Some(0.008), 0.004),
        "wall": {"plain": null, "profiled": null, "gpu": null, "timing_cost": null},
    });
    serde_json::from_value(json).expect("a profile")
}

/// Three passes with times, the longest with more to do than its time allows, and one without.
fn profile() -> Profile {
    profile_of(vec![
        times("pass", "fc1 dense.forward", Some(0.001), 0.0005),
        times("pass", "fc1 dense.backward_w", Some(0.005), 0.006),
        times("pass", "inception1/5x5 conv2d.forward", Some(0.002), 0.0015),
        times("pass", "loss softmax.forward", None, 0.001),
    ])
}

fn config() -> Config {
    Config { steps: 100, ..Config::preset(Preset::Quick) }
}

/// A finished run with everything.
fn run() -> Run {
    Run {
        name: "good".into(),
        config: Ok(Some(config())),
        metrics: Ok(Some(rows())),
        evaluation: Ok(Some(evaluation())),
        profile: Ok(Some(profile())),
    }
}

/// A run with metrics alone.
fn only(rows: Vec<Row>) -> Run {
    Run {
        name: "only".into(),
        config: Ok(None),
        metrics: Ok(Some(rows)),
        evaluation: Ok(None),
        profile: Ok(None),
    }
}
