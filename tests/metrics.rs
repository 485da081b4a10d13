//! The metrics file, through interruptions, and the confusion table.

use std::fs;
use std::path::Path;

use inception::metrics::{Confusion, HEADER, MetricsFile, Row, cut_line, read};

fn row(step: u64) -> Row {
    Row {
        step,
        loss: Some(1.0 / (step as f32 + 3.0)),
        val_accuracy: step.is_multiple_of(20).then_some(1.0 / 3.0),
        test_accuracy: None,
        seconds: step as f64 * 0.5,
    }
}

fn train(file: &mut MetricsFile, steps: std::ops::RangeInclusive<u64>) {
    for step in steps.filter(|s| s.is_multiple_of(10)) {
        file.append(&row(step));
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn rows_are_readable_at_once_and_exact() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    fs::write(&path, "an older run's").unwrap();
    let mut file = MetricsFile::create(&path).unwrap();
    assert_eq!(text(&path), format!("{HEADER}\n"));
    let rows = [
        row(10),
        row(20),
        Row {
            step: u64::MAX,
            loss: None,
            val_accuracy: Some(0.1 + 0.2),
            test_accuracy: Some(0.9838),
            seconds: 12.345,
        },
        Row { loss: Some(f32::MIN_POSITIVE), ..row(30) },
        Row { loss: Some(f32::INFINITY), ..row(40) },
    ];
    for (index, row) in rows.iter().enumerate() {
        file.append(row);
        assert_eq!(read(&path).unwrap(), rows[..=index]);
    }
    file.sync().unwrap();
    let lines = text(&path);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[1], "10,0.07692308,,,5.000");
    assert_eq!(lines[2], "20,0.04347826,0.3333333333333333,,10.000");
    assert_eq!(lines[3], "18446744073709551615,,0.30000000000000004,0.9838,12.345");
}

#[test]
fn an_interrupted_and_resumed_file_equals_an_uninterrupted_one() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, path) = (dir.path().join("whole.csv"), dir.path().join("parts.csv"));
    train(&mut MetricsFile::create(&whole).unwrap(), 1..=60);
    let whole = text(&whole);
    let checkpoint = whole.find("40,").unwrap();
    // Killed anywhere after the checkpoint at step 30, in the midst of a line as well.
    for end in checkpoint..=whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let mut file = MetricsFile::resume(&path, 30).unwrap();
        assert_eq!(text(&path), whole[..checkpoint]);
        train(&mut file, 31..=60);
        assert_eq!(text(&path), whole, "cut at {end}");
    }
}

/// A run that is resumed at its end is tested again, as often as one likes.
#[test]
fn a_row_that_repeats_the_last_but_for_its_time_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    train(&mut MetricsFile::create(&path).unwrap(), 1..=60);
    let tested = |accuracy, seconds| Row {
        step: 60,
        loss: None,
        val_accuracy: None,
        test_accuracy: Some(accuracy),
        seconds,
    };
    MetricsFile::resume(&path, 60).unwrap().append(&tested(0.5, 1.0));
    let once = text(&path);
    assert!(once.ends_with("60,,,0.5,1.000\n"), "{once}");
    MetricsFile::resume(&path, 60).unwrap().append(&tested(0.5, 2.0));
    assert_eq!(text(&path), once);
    // On other digits it is another row.
    MetricsFile::resume(&path, 60).unwrap().append(&tested(0.25, 3.0));
    assert_eq!(text(&path), once + "60,,,0.25,3.000\n");
}

#[test]
fn a_missing_or_barely_begun_file_is_started_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    MetricsFile::resume(&path, 5).unwrap();
    let begun = format!("{HEADER}\n");
    assert_eq!(text(&path), begun);
    for end in 0..begun.len() {
        fs::write(&path, &begun[..end]).unwrap();
        assert_eq!(read(&path).unwrap(), []);
        MetricsFile::resume(&path, 5).unwrap();
        assert_eq!(text(&path), begun);
    }
}

/// Whatever befalls the file, all rows are there after the next sync, once each, and it is said.
#[test]
fn a_file_that_others_change_is_written_anew() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 7] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("cut", |path| {
            let length = fs::metadata(path).unwrap().len();
            fs::File::options().write(true).open(path).unwrap().set_len(length - 1).unwrap();
        }),
        ("added to", |path| fs::write(path, text(path) + "10,0.5,,,1.000\n").unwrap()),
        ("replaced by another", |path| {
            fs::write(path.with_extension("copy"), text(path).replace("10,", "99,")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
        #[cfg(unix)]
        ("replaced by its copy", |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        }),
        #[cfg(unix)]
        ("replaced by a link to it", |path| {
            fs::rename(path, path.with_extension("copy")).unwrap();
            std::os::unix::fs::symlink(path.with_extension("copy"), path).unwrap();
        }),
    ];
    for (what, change) in changes {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let mut file = MetricsFile::create(&path).unwrap();
        train(&mut file, 1..=30);
        assert!(!file.sync().unwrap(), "{what}");
        change(&path);
        train(&mut file, 31..=60);
        assert!(file.sync().unwrap(), "{what}: not noticed");
        assert_eq!(read(&path).unwrap(), [10, 20, 30, 40, 50, 60].map(row), "{what}");
        train(&mut file, 61..=70);
        assert!(!file.sync().unwrap(), "{what}: said twice");
        assert_eq!(read(&path).unwrap(), [10, 20, 30, 40, 50, 60, 70].map(row), "{what}");
        assert!(path.symlink_metadata().unwrap().is_file(), "{what}");
    }
}

/// A last line without its newline is a row only where nothing can be missing of it.
#[test]
fn a_cut_row_is_left_out_and_a_whole_one_counts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    train(&mut MetricsFile::create(&path).unwrap(), 1..=20);
    let whole = text(&path);
    let begun = whole.find("20,").unwrap();
    for end in begun..=whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        // All but the newline, or all.
        let rows = if end + 1 < whole.len() { 1 } else { 2 };
        assert_eq!(read(&path).unwrap(), [10, 20].map(row)[..rows], "cut at {end}");
        let cut = (rows == 1 && end > begun).then_some(3);
        assert_eq!(cut_line(&path), cut, "cut at {end}");
        MetricsFile::resume(&path, 20).unwrap();
        assert_eq!(text(&path), if rows == 1 { &whole[..begun] } else { &whole }, "cut at {end}");
    }
    // As other programs write them.
    for end in ["10,0.5,,,1", "10,0.5,,,1.0", "10,0.5,,,1.0000", "1,,,0.,123"] {
        fs::write(&path, format!("{HEADER}\n{end}")).unwrap();
        assert_eq!((read(&path).unwrap(), cut_line(&path)), (vec![], Some(2)), "{end}");
    }
    fs::write(&path, whole.replace('\n', "\r\n")).unwrap();
    assert_eq!((read(&path).unwrap(), cut_line(&path)), (vec![row(10), row(20)], None));
    MetricsFile::resume(&path, 20).unwrap();
    assert_eq!(text(&path), whole);
}

#[test]
fn wrong_files_are_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    let good = "10,0.5,,,1.000";
    let cases = [
        ("a,b\n1,2\n".to_string(), "is not a metrics file"),
        ("\n".to_string(), "is not a metrics file"),
        ("notes".to_string(), "is not a metrics file"),
        (format!("{HEADER}\n{good}\n20,0.5\n"), "line 3: 5 fields are needed and 2 found; mend"),
        (format!("{HEADER}\nx,0.5,,,1\n"), "line 2: step is \"x\""),
        (format!("{HEADER}\n-1,0.5,,,1\n"), "line 2: step is \"-1\""),
        (format!("{HEADER}\n1,half,,,1\n"), "line 2: loss is \"half\""),
        (format!("{HEADER}\n1,0.5,?,,1\n"), "line 2: val_accuracy is \"?\""),
        (format!("{HEADER}\n1,0.5,,?,1\n"), "line 2: test_accuracy is \"?\""),
        (format!("{HEADER}\n1,0.5,,,\n"), "line 2: seconds is \"\""),
        (format!("{HEADER}\n\n{good}\n"), "line 2: 5 fields"),
    ];
    for (content, part) in cases {
        fs::write(&path, &content).unwrap();
        for error in [read(&path).unwrap_err(), MetricsFile::resume(&path, 100).unwrap_err()] {
            let message = error.to_string();
            assert!(message.contains("metrics.csv"), "{message}");
            assert!(message.contains(part), "{content:?} gives {message}");
        }
        assert_eq!(text(&path), content);
    }
    fs::write(&path, b"\xff\xfe").unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("UTF-8"), "{message}");
    let folder = dir.path().join("none").join("metrics.csv");
    assert!(read(&folder).is_err());
    let message = MetricsFile::create(&folder).unwrap_err().to_string();
    assert!(message.starts_with("cannot write "), "{message}");
}

/// Twelve images: 3s all right, one of two 5s taken for a 3, 7s never right.
fn confusion() -> Confusion {
    let mut confusion = Confusion::new(10);
    for _ in 0..8 {
        confusion.add(3, 3).unwrap();
    }
    for (truth, predicted) in [(5, 5), (5, 3), (7, 1), (7, 1)] {
        confusion.add(truth, predicted).unwrap();
    }
    confusion
}

#[test]
fn confusion_scores() {
    let mut table = confusion();
    assert_eq!((table.total(), table.correct()), (12, 9));
    assert_eq!(table.accuracy(), Some(0.75));
    assert_eq!((table.counts()[5][3], table.counts()[3][5]), (1, 0));
    let scores = table.classes();
    let of = |c: usize| (scores[c].count, scores[c].precision, scores[c].recall);
    assert_eq!(of(3), (8, Some(8.0 / 9.0), Some(1.0)));
    assert_eq!(of(5), (2, Some(1.0), Some(0.5)));
    assert_eq!(of(7), (2, None, Some(0.0)));
    assert_eq!(of(1), (0, Some(0.0), None));
    assert_eq!(of(0), (0, None, None));
    for (truth, predicted) in [(10, 0), (0, 10), (usize::MAX, 0)] {
        let error = table.add(truth, predicted).unwrap_err().to_string();
        assert!(error.ends_with("is not a class; classes go from 0 to 9"));
    }
    assert_eq!(table, confusion(), "nothing was counted");
    assert_eq!(Confusion::new(10).accuracy(), None);
}

#[test]
fn confusion_as_text_and_json() {
    let expected = "\
true\\pred    0    1    2    3    4    5    6    7    8    9 count recall
        0    0    0    0    0    0    0    0    0    0    0     0      -
        1    0    0    0    0    0    0    0    0    0    0     0      -
        2    0    0    0    0    0    0    0    0    0    0     0      -
        3    0    0    0    8    0    0    0    0    0    0     8    100
        4    0    0    0    0    0    0    0    0    0    0     0      -
        5    0    0    0    1    0    1    0    0    0    0     2   50.0
        6    0    0    0    0    0    0    0    0    0    0     0      -
        7    0    2    0    0    0    0    0    0    0    0     2    0.0
        8    0    0    0    0    0    0    0    0    0    0     0      -
        9    0    0    0    0    0    0    0    0    0    0     0      -
precision    -  0.0    - 88.8    -  100    -    -    -    -
accuracy: 75.00% (9 of 12)";
    assert_eq!(confusion().to_string(), expected);
    let none = Confusion::new(10).to_string();
    assert!(none.ends_with("accuracy: - (no images)"), "{none}");
    let json = serde_json::to_value(confusion()).unwrap();
    assert_eq!((&json["total"], &json["correct"]), (&12.into(), &9.into()));
    assert_eq!(json["accuracy"], 0.75);
    assert_eq!(json["confusion"][5][3], 1);
    assert_eq!(json["classes"][5]["recall"], 0.5);
    assert!(json["classes"][7]["precision"].is_null());
}
