use std::fs;
use std::path::Path;

use inception::data::{DataError, Dataset, Invert, load_images, load_labelled};

use super::{assert_fails, asset, file, gzip};

/// A row of `columns` values `0`, with `value` in column `at` (both counted from 1).
fn row_with(columns: usize, at: usize, value: &str) -> String {
    let values: Vec<&str> =
        (1..=columns).map(|column| if column == at { value } else { "0" }).collect();
    values.join(",")
}

/// Loads two good rows and then `row`.
fn load_after_two(row: &str) -> (Result<Dataset, DataError>, std::path::PathBuf) {
    let good = row_with(785, 1, "3");
    let (_folder, path) = file("digits.csv", format!("{good}\n{good}\n{row}\n"));
    (load_labelled(&path), path)
}

#[test]
fn real_test_set_loads() {
    let set = load_labelled(&asset("mnist/mnist_test.csv.gz")).unwrap();
    assert_eq!((set.len(), set.images.len()), (10_000, 10_000));
    assert_eq!(set.labels[..5], [7, 2, 1, 0, 4]);
    assert_eq!((set.images.height, set.images.width), (28, 28));
    // The first ink of the first image: row 7, column 6.
    let first = set.images.get(0).unwrap();
    let ink = first.iter().position(|&pixel| pixel > 0).unwrap();
    assert_eq!((ink, first[ink]), (7 * 28 + 6, 84));
    assert!(set.images.get(10_000).is_none());
}

#[test]
fn real_training_set_loads() {
    let set = load_labelled(&asset("mnist/mnist_train.csv.gz")).unwrap();
    assert_eq!(set.len(), 30_000);
    assert_eq!(set.labels[..5], [5, 0, 4, 1, 9]);
}

#[test]
fn the_last_rows_are_for_validation() {
    let set = load_labelled(&asset("mnist/mnist_test.csv.gz")).unwrap();
    let (train, validation) = set.clone().split_validation(1_000).unwrap();
    assert_eq!((train.len(), validation.len()), (9_000, 1_000));
    assert_eq!((train.images.len(), validation.images.len()), (9_000, 1_000));
    assert_eq!(train.labels, set.labels[..9_000]);
    assert_eq!(validation.labels, set.labels[9_000..]);
    assert_eq!(validation.images.get(0), set.images.get(9_000));
    let (train, validation) = set.clone().split_validation(0).unwrap();
    assert_eq!((train.len(), validation.len()), (10_000, 0));
    for rows in [10_000, 20_000] {
        let path = set.images.path.clone();
        let wanted = rows.to_string();
        assert_fails(set.clone().split_validation(rows), &path, &["10000 rows", &wanted]);
    }
}

#[test]
fn harmless_differences_are_fine() {
    let plain = row_with(785, 785, "255");
    for text in [
        plain.clone(),
        format!("{plain}\n\n"),
        format!("{plain}\r\n"),
        format!("\u{feff}{plain}\n"),
        plain.replace(',', " , "),
        row_with(785, 785, "\"255\""),
        row_with(785, 785, "0255").replace("0255", "255 "),
    ] {
        let (_folder, path) = file("a.csv", &text);
        let set = load_labelled(&path).unwrap();
        assert_eq!((set.len(), set.labels[0]), (1, 0));
        assert_eq!(set.images.pixels[783], 255);
        let (_folder, path) = file("no_extension", gzip(&text));
        assert_eq!(
            load_labelled(&path).unwrap(),
            Dataset { images: inception::data::Images { path: path.clone(), ..set.images }, ..set }
        );
    }
}

#[test]
fn bad_values_are_named_with_row_and_column() {
    for (column, value, problem) in [
        (5, "x", "`x` is not a number"),
        (5, "256", "`256` is not a pixel"),
        (785, "-1", "`-1` is not a pixel"),
        (2, "1.5", "`1.5` is not a pixel"),
        (2, "99999999999999999999", "is not a pixel"),
        (2, "", "the value is missing"),
        (2, "\u{7}\u{1b}", "is not a number"),
        (1, "10", "`10` is not a label"),
        (1, "-3", "`-3` is not a label"),
        (1, "three", "`three` is not a number"),
        (1, " ", "the value is missing"),
        (3, "\"", "is not a number"),
    ] {
        let (result, path) = load_after_two(&row_with(785, column, value));
        let place = format!("row 3, column {column}:");
        assert_fails(result, &path, &[&place, problem, "a whole number from 0 to"]);
    }
}

#[test]
fn short_and_long_rows_are_named() {
    let (result, path) = load_after_two(&row_with(700, 1, "3"));
    assert_fails(result, &path, &["row 3, column 701", "too short", "700 columns", "785 columns"]);
    let (result, path) = load_after_two(&row_with(800, 1, "3"));
    assert_fails(result, &path, &["row 3, column 786", "too long", "800 columns"]);
    let (result, path) = load_after_two(&row_with(784, 1, "3"));
    assert_fails(result, &path, &["row 3", "label seems to be missing"]);
}

#[test]
fn a_header_line_is_recognised() {
    let names: Vec<String> = (1..785).map(|pixel| format!("pixel{pixel}")).collect();
    let text = format!("label,{}\n{}\n", names.join(","), row_with(785, 1, "3"));
    let (_folder, path) = file("kaggle.csv", text);
    let parts = ["row 1, column 1", "`label`", "header line", "Remove"];
    assert_fails(load_labelled(&path), &path, &parts);
    assert_fails(load_images(&path, Invert::Auto), &path, &parts);
}

#[test]
fn other_separators_are_recognised() {
    for separator in [";", "\t", " "] {
        let (_folder, path) = file("a.csv", row_with(785, 1, "3").replace(',', separator));
        assert_fails(load_labelled(&path), &path, &["row 1", "comma"]);
    }
}

#[test]
fn files_that_are_no_data_are_refused() {
    let path = Path::new("no/such/file.csv");
    assert_fails(load_labelled(path), path, &["no such file", "Check the path"]);
    let folder = tempfile::tempdir().unwrap();
    assert_fails(load_labelled(folder.path()), folder.path(), &["folder"]);
    for (content, problem) in [
        (vec![], "empty"),
        (gzip(""), "empty"),
        (b"\n\r\n\n".to_vec(), "no rows"),
        (b"PK\x03\x04 an archive".to_vec(), "no known kind"),
        (b"3\x000\x00".to_vec(), "no known kind"),
        (b"\xff\xd8\xff\xe0".to_vec(), "picture"),
        (b"digits".to_vec(), "1 column."),
        (vec![0x1f, 0x8b, 8], "cut short"),
        (b"\x1f\x8b garbage garbage".to_vec(), "damaged"),
    ] {
        let (_folder, path) = file("a.csv", content);
        assert_fails(load_labelled(&path), &path, &[problem]);
    }
}

#[test]
fn a_cut_off_download_is_recognised() {
    let bytes = fs::read(asset("mnist/mnist_test.csv.gz")).unwrap();
    for length in [100, 1_000_000, bytes.len() - 4] {
        let (_folder, path) = file("a.csv.gz", &bytes[..length]);
        assert_fails(load_labelled(&path), &path, &["cut short", "gzip"]);
    }
    let mut damaged = bytes;
    damaged[1_000_000..1_000_100].fill(0xaa);
    let (_folder, path) = file("a.csv.gz", damaged);
    assert!(load_labelled(&path).is_err());
}

#[test]
fn gzip_data_may_have_several_parts_but_nothing_behind_them() {
    let row = row_with(785, 1, "3") + "\n";
    let parts = [gzip(&row), gzip(""), gzip(row.repeat(2))].concat();
    let (_folder, path) = file("a.csv.gz", &parts);
    assert_eq!(load_labelled(&path).unwrap().len(), 3);
    for behind in [&b"\n"[..], b"\0\0", b"something quite else, long enough"] {
        let (_folder, path) = file("a.csv.gz", [&parts, behind].concat());
        assert_fails(load_labelled(&path), &path, &["gzip data are damaged", "follow them"]);
    }
    let (_folder, path) = file("a.csv.gz", &parts[..parts.len() - 4]);
    assert_fails(load_labelled(&path), &path, &["cut short"]);
}

/// The same digits have one fingerprint, however they are stored; any change has another.
#[test]
fn digits_are_told_from_others() {
    let rows = |label: &str, pixel: &str| {
        let first = row_with(785, 1, label);
        format!("{first}\n{}\n", row_with(785, 300, pixel))
    };
    let print = |content: Vec<u8>| {
        let (_folder, path) = file("a.csv", content);
        load_labelled(&path).unwrap().fingerprint()
    };
    let one = print(rows("3", "7").into());
    assert!(one.starts_with("2 digits of CRC-32 "), "{one}");
    assert_eq!(print(gzip(rows("3", "7"))), one);
    let swapped: Vec<_> = rows("3", "7").lines().rev().map(|row| format!("{row}\n")).collect();
    for other in [rows("4", "7"), rows("3", "8"), rows("3", "7").repeat(2), swapped.concat()] {
        assert_ne!(print(other.into()), one);
    }
}

#[test]
fn an_endless_line_is_refused() {
    let (_folder, path) = file("a.csv.gz", gzip("0,".repeat(5_000_000)));
    assert_fails(load_labelled(&path), &path, &["row 1", "longer than"]);
    let good = row_with(785, 1, "3");
    let text = format!("{good}\n{good}\n{}\n", "0".repeat(300_000));
    let (_folder, path) = file("a.csv", text);
    assert_fails(load_labelled(&path), &path, &["row 3", "longer than"]);
}

#[test]
fn prediction_takes_rows_with_and_without_labels() {
    let (with, without) = (row_with(785, 2, "9"), row_with(784, 1, "9"));
    for row in [&with, &without] {
        let (_folder, path) = file("a.csv", format!("{row}\n{row}\n"));
        let images = load_images(&path, Invert::Auto).unwrap();
        assert_eq!((images.len(), images.pixels[0], images.pixels[784]), (2, 9, 9));
        assert_eq!(images.path, path);
    }
    let (_folder, path) = file("a.csv", format!("{without}\n{with}\n"));
    let result = load_images(&path, Invert::Auto);
    assert_fails(result, &path, &["row 2, column 785", "too long", "as in row 1"]);
    let (_folder, path) = file("a.csv", "1,2,3\n");
    assert_fails(load_images(&path, Invert::Auto), &path, &["row 1", "784", "with or without"]);
}
