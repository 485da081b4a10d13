//! `cost`: the tutorial's figures, of single modules and of networks; without any adapter.

use serde_json::{Value, json};

use crate::common::{Place, succeed};
use crate::say::checkpoint;

/// No adapter has this name, so whoever opened one would fail.
const NO_ADAPTER: [&str; 2] = ["--adapter", "none of this name"];

fn modules(arguments: &[&str]) -> Vec<Value> {
    let said = succeed(&[&["cost", "--json"], arguments, &NO_ADAPTER].concat());
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    report["modules"].as_array().expect("a list").clone()
}

#[test]
fn the_tutorials_example_as_a_table() {
    let said = succeed(&[&["cost"], &NO_ADAPTER[..]].concat());
    let expected = "\
inception (3a): 28x28x192 in; 1x1 64, 3x3 96->128, 5x5 16->32, pool 32
tower               naive          reduced  naive/reduced  reduced = 1x1 + window
1x1             9,633,792        9,633,792           1.00
3x3           173,408,256      101,154,816           1.71  14,450,688 + 86,704,128
5x5           120,422,400       12,443,648           9.68  2,408,448 + 10,035,200
pool                    0        4,816,896              -
all           303,464,448      128,049,152           2.37
channels              416              256
";
    assert_eq!(said.stdout, expected);
}

#[test]
fn the_tutorials_example_as_json() {
    let modules = modules(&[]);
    assert_eq!(modules.len(), 1);
    let five = &modules[0]["towers"][2];
    assert_eq!(five["name"], "5x5");
    assert_eq!((&five["naive"], &five["reduced"]), (&json!(120_422_400), &json!(12_443_648)));
    let ratio = five["ratio"].as_f64().expect("a number");
    assert!((ratio - 120_422_400.0 / 12_443_648.0).abs() < 1e-12);
    let parts = json!([
        { "name": "1x1_3", "multiply_accumulates": 2_408_448 },
        { "name": "5x5", "multiply_accumulates": 10_035_200 },
    ]);
    assert_eq!(five["layers"], parts);
    assert_eq!(modules[0]["all"]["reduced"], 128_049_152);
    assert_eq!(modules[0]["channels"], json!({ "naive": 416, "reduced": 256 }));
}

#[test]
fn a_module_of_other_sizes() {
    let modules = modules(&["--input", "14x14x480", "--widths", "192,96,208,16,48,64"]);
    assert_eq!(modules[0]["input"], json!([14, 14, 480]));
    assert_eq!(modules[0]["towers"][1]["naive"], 14 * 14 * 9 * 480 * 208);
    assert_eq!(modules[0]["towers"][3]["reduced"], 14 * 14 * 480 * 64);
}

/// A module's input is what the one before it, of the configured kind, makes.
#[test]
fn the_modules_of_a_network() {
    let inputs = |arguments: &[&str]| -> Vec<Value> {
        modules(arguments).iter().map(|module| module["input"].clone()).collect()
    };
    let reduced = ["--preset", "quick", "--maps", "3,5,2"];
    assert_eq!(inputs(&reduced), [json!([28, 28, 1]), json!([28, 28, 12]), json!([28, 28, 20])]);
    let naive = [&reduced[..], &["--module", "naive"]].concat();
    assert_eq!(inputs(&naive), [json!([28, 28, 1]), json!([28, 28, 10]), json!([28, 28, 25])]);
    let second = &modules(&reduced)[1];
    assert_eq!(second["name"], "inception2");
    assert_eq!(second["widths"]["reduce_five"], 4);
    assert_eq!(second["towers"][2]["reduced"], 28 * 28 * (12 * 4 + 25 * 4 * 5));
    assert_eq!(second["towers"][2]["naive"], 28 * 28 * 25 * 12 * 5);
}

#[test]
fn a_saved_network() {
    let place = Place::new(1, 1);
    let model = checkpoint(&place, "model");
    let modules = modules(&["--model", &model]);
    assert_eq!(modules.len(), 1);
    assert_eq!(modules[0]["towers"][1]["reduced"], 28 * 28 * (2 + 9 * 2 * 2));
}
