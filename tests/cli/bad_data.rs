//! Every kind of bad data: one sentence with file, row and column, and nothing left behind.

use std::io::Write;

use crate::common::{Place, digits, program};
use crate::say::{assert_failed, assert_fails, assert_train_fails, checkpoint};

/// `count` rows that are well.
fn rows(count: usize) -> Vec<String> {
    digits("mnist_train.csv.gz", count).lines().map(String::from).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

/// The row numbered `row` from 1 changed.
fn with(row: usize, change: impl Fn(&str) -> String) -> String {
    let mut rows = rows(12);
    rows[row - 1] = change(&rows[row - 1]);
    rows.join("\n") + "\n"
}

/// The value in the column numbered from 1 replaced.
fn set(row: &str, column: usize, value: &str) -> String {
    let mut values: Vec<&str> = row.split(',').collect();
    values[column - 1] = value;
    values.join(",")
}

#[test]
fn training_files() {
    let place = Place::new(1, 4);
    let short = with(3, |row| row.rsplit_once(',').expect("a comma").0.to_string());
    let packed = gzip(rows(12).join("\n").as_bytes());
    let header = format!("label{}\n{}", ",pixel".repeat(784), rows(12).join("\n"));
    let idx = [0u8, 0, 8, 7, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    let cases: [(&str, Vec<u8>, &[&str]); 13] = [
        ("empty.csv", Vec::new(), &["is empty"]),
        ("short.csv", short.into(), &["row 3", "784", "785"]),
        ("long.csv", with(2, |row| format!("{row},0")).into(), &["row 2", "786", "785"]),
        ("word.csv", with(4, |row| set(row, 10, "x")).into(), &["row 4, column 10", "`x`"]),
        ("big.csv", with(5, |row| set(row, 2, "256")).into(), &["row 5, column 2", "256", "255"]),
        ("minus.csv", with(5, |row| set(row, 9, "-1")).into(), &["row 5, column 9", "-1"]),
        ("label.csv", with(6, |row| set(row, 1, "10")).into(), &["row 6, column 1", "10", "label"]),
        ("header.csv", header.into(), &["header"]),
        ("blank.csv", with(7, |_| ",".repeat(784)).into(), &["row 7, column 1"]),
        ("cut.csv.gz", packed[..packed.len() / 2].into(), &["gzip"]),
        ("images-idx3-ubyte", idx.into(), &["IDX"]),
        ("noise", (0..=255).collect(), &[]),
        ("picture.png", std::fs::read("assets/digits/two.png").expect("it"), &["picture"]),
    ];
    for (name, content, parts) in cases {
        let path = place.write(name, content);
        let parts = [parts, &[path.as_str()]].concat();
        assert_train_fails(&place, &format!("--train {path}"), &parts);
    }
}

#[test]
fn missing_files_and_too_few_rows() {
    let place = Place::new(12, 4);
    let none = place.path("none.csv");
    assert_train_fails(&place, &format!("--train {none}"), &[&none, "no such file"]);
    assert_train_fails(&place, &format!("--test {none}"), &[&none, "no such file"]);
    let folder = place.path("");
    assert_train_fails(&place, &format!("--train {folder}"), &["is a folder"]);
    let few = place.write("few.csv", rows(7).join("\n"));
    assert_train_fails(&place, &format!("--train {few}"), &["fewer rows than the batch", "3", "4"]);
    let fewer = place.write("fewer.csv", rows(3).join("\n"));
    assert_train_fails(&place, &format!("--train {fewer}"), &[&fewer, "3 rows", "validation"]);
}

/// The commands that only read say the same.
#[test]
fn files_to_measure_and_to_classify() {
    let place = Place::new(1, 4);
    let model = checkpoint(&place, "model");
    let path = place.write("bad.csv", with(4, |row| set(row, 10, "x")));
    let parts = [path.as_str(), "row 4, column 10"];
    assert_fails(&["test", "--model", &model, "--test", &path], 1, &parts);
    assert_fails(&["predict", "--model", &model, "assets/digits/two.png", &path], 1, &parts);
    let picture =
        place.write("broken.png", &std::fs::read("assets/digits/two.png").expect("it")[..99]);
    assert_fails(&["predict", "--model", &model, &picture], 1, &[&picture]);
    let none = place.path("none.png");
    assert_fails(&["predict", "--model", &model, &none], 1, &[&none, "no such file"]);
}

/// Rows that the memory has no room for: a sentence, not an abort.
#[test]
#[cfg(target_os = "linux")]
fn more_rows_than_memory() {
    let place = Place::new(12, 4);
    // 784 MB of blank images that take no room on the disk.
    let sparse = |name: &str, header: &[u32], length: u64| {
        let header: Vec<u8> = header.iter().flat_map(|number| number.to_be_bytes()).collect();
        let path = place.write(name, &header);
        let file = std::fs::OpenOptions::new().append(true).open(&path).expect("it is there");
        file.set_len(header.len() as u64 + length).expect("it grows");
        path
    };
    let images = sparse("train-images-idx3-ubyte", &[0x803, 1_000_000, 28, 28], 784_000_000);
    sparse("train-labels-idx1-ubyte", &[0x801, 1_000_000], 1_000_000);
    let program = program(&["train", "--train", &images, "--test", &place.path("test.csv")]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -v 400000 && exec \"$0\" \"$@\""]);
    limited.arg(program.get_program()).args(program.get_args());
    let said = limited.output().expect("it runs").into();
    let parts = [images.as_str(), "no memory for more than its first", "a smaller file"];
    assert_failed(&said, 1, &parts);
    // Most of what there was held them, once.
    let (_, behind) = said.error().split_once("its first ").expect("a number");
    let rows: usize = behind.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(rows * 784 > 250_000_000, "{rows}");
}
