//! `test` and `predict` on a saved network.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use crate::common::{Place, digits, has_adapter, program, succeed};
use crate::say::checkpoint;

const HEADER: &str = "source,row,prediction,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9";

#[test]
fn test_measures() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 130);
    let model = checkpoint(&place, "model");
    let arguments = ["test", "--model", &model, "--test", &place.path("test.csv")];
    let said = succeed(&arguments);
    assert!(said.stdout.contains("accuracy"), "{}", said.stdout);
    let json = succeed(&[&arguments[..], &["--json"]].concat()).stdout;
    let result: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(result["total"], 130, "{result}");
    let accuracy = result["accuracy"].as_f64().expect("a number");
    assert!((0.0..=1.0).contains(&accuracy));
    // The model's file alone will do.
    let file = place.path("model/model.safetensors");
    let again = succeed(&["test", "--model", &file, "--test", &place.path("test.csv")]);
    assert_eq!(again.stdout, said.stdout);
}

/// More rows than are held on the device at once, in files whose ends are no ends of a round.
#[test]
fn any_number_of_rows_is_measured_and_classified() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 1);
    let model = checkpoint(&place, "model");
    let text = digits("mnist_test.csv.gz", 7);
    let many = place.write("many.csv", text.repeat(305));
    let few = place.write("few.csv", &text);
    let (once, often) = (confusion(&model, &few), confusion(&model, &many));
    assert_eq!(often["total"], 7 * 305);
    for (once, often) in rows(&once).zip(rows(&often)) {
        assert_eq!(once.map(|count| count * 305).collect::<Vec<_>>(), often.collect::<Vec<_>>());
    }
    let picture = "assets/digits/two.png";
    let found = predict(&["predict", "--model", &model, &many, picture, &few]);
    assert_eq!(found.len(), 7 * 305 + 1 + 7);
    for (at, row) in found[..7 * 305].iter().enumerate() {
        assert_eq!((row.0.as_str(), row.1), (many.as_str(), at + 1));
        assert_eq!((row.2, &row.3), (found[at % 7].2, &found[at % 7].3), "row {}", row.1);
    }
    let [shown, rest @ ..] = &found[7 * 305..] else { panic!("none") };
    assert_eq!((shown.0.as_str(), shown.1), (picture, 1));
    for (at, row) in rest.iter().enumerate() {
        assert_eq!((row.0.as_str(), row.1, row.2), (few.as_str(), at + 1, found[at].2));
    }
}

fn confusion(model: &str, file: &str) -> Value {
    let said = succeed(&["test", "--model", model, "--test", file, "--json"]);
    serde_json::from_str(&said.stdout).expect("JSON")
}

/// The table's rows.
fn rows(result: &Value) -> impl Iterator<Item = impl Iterator<Item = u64>> {
    let rows = result["confusion"].as_array().expect("a table").iter();
    let count = |count: &Value| count.as_u64().expect("a count");
    rows.map(move |row| row.as_array().expect("a row").iter().map(count))
}

/// What is classified is printed before the next rows are there.
#[test]
#[cfg(unix)]
fn predictions_come_as_rows_do() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 1);
    let model = checkpoint(&place, "model");
    let text = digits("mnist_test.csv.gz", 8);
    let mut command = program(&["predict", "--model", &model, "/dev/stdin"]);
    let mut predict =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut rows = predict.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(predict.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().map(|line| line.expect("a line"));
    rows.write_all(text.repeat(125).as_bytes()).expect("it reads");
    assert_eq!(line().as_deref(), Some(HEADER));
    for row in 1..=1000 {
        assert!(line().is_some_and(|line| line.starts_with(&format!("/dev/stdin,{row},"))));
    }
    rows.write_all(text.as_bytes()).expect("it reads");
    drop(rows);
    let last: Vec<String> = std::iter::from_fn(line).collect();
    assert_eq!(last.len(), 8);
    assert!(last[7].starts_with("/dev/stdin,1008,"), "{last:?}");
    assert!(predict.wait().expect("it ends").success());
}

/// Predictions as (source, row, prediction, probabilities), checked each.
fn predict(arguments: &[&str]) -> Vec<(String, usize, usize, Vec<f64>)> {
    let said = succeed(arguments);
    let mut lines = said.stdout.lines();
    assert_eq!(lines.next(), Some(HEADER));
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let p: Vec<f64> = fields[3..].iter().map(|p| p.parse().expect("a number")).collect();
        assert_eq!(p.len(), 10);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
        let prediction: usize = fields[2].parse().expect("a digit");
        assert!(p.iter().all(|other| *other <= p[prediction]), "{line}");
        (fields[0].to_string(), fields[1].parse().expect("a row"), prediction, p)
    };
    lines.map(parse).collect()
}

#[test]
fn predict_takes_pictures_csv_and_idx() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 1);
    let model = checkpoint(&place, "model");
    let text = digits("mnist_test.csv.gz", 3);
    let with_labels = place.write("labelled.csv", &text);
    let bare: Vec<&str> = text.lines().map(|l| l.split_once(',').expect("a label").1).collect();
    let bare = place.write("bare.csv", bare.join("\n"));
    let mut idx: Vec<u8> = [0x803u32, 3, 28, 28].iter().flat_map(|n| n.to_be_bytes()).collect();
    idx.extend(crate::common::parse(&text).1);
    let idx = place.write("digits-idx3-ubyte", idx);
    let picture = "assets/digits/two.png";
    let rows = predict(&["predict", "--model", &model, picture, &with_labels, &bare, &idx]);
    assert_eq!(rows.len(), 10);
    assert_eq!((rows[0].0.as_str(), rows[0].1), (picture, 1));
    for (part, source) in [&with_labels, &bare, &idx].into_iter().enumerate() {
        for row in 0..3 {
            let (found, number, prediction, p) = &rows[1 + part * 3 + row];
            assert_eq!((found, *number), (source, row + 1));
            assert_eq!((prediction, p), (&rows[1 + row].2, &rows[1 + row].3), "{source}");
        }
    }
    let pictures = ["zero", "two", "four", "seven"].map(|n| format!("assets/digits/{n}.png"));
    let pictures: Vec<&str> = pictures.iter().map(String::as_str).collect();
    let said = succeed(&[&["predict", "--json", "--model", &model], &pictures[..]].concat());
    let objects = said.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    for (object, picture) in objects.zip(&pictures) {
        let object: Value = object;
        assert_eq!(object["source"], *picture);
        assert_eq!(object["row"], 1);
        assert!(object["prediction"].as_u64() < Some(10), "{object}");
        assert_eq!(object["probabilities"].as_array().map(Vec::len), Some(10));
    }
}
