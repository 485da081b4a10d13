//! A run is a function of its configuration: twice the same bits, also when it was interrupted.

use std::time::{Duration, Instant};

use inception::metrics::{self, Row};

use crate::common::{self, Place, program, succeed_all};

const FLAGS: &str = "--maps 2 --reduce1x1 2 --num-fc1 8 --batch-size 4 --val-rows 4 \
                     --dropout 0.5 --order shuffle --scale unit --log-every 1";

fn train(place: &Place, out: &str, more: &str) -> Vec<String> {
    place.train(out, &format!("{FLAGS} {more}").split_whitespace().collect::<Vec<_>>())
}

fn go_on(place: &Place, out: &str, more: &str) -> Vec<String> {
    let mut arguments = vec!["train".to_string(), "--out".to_string(), place.path(out)];
    arguments.extend(format!("--resume {more}").split_whitespace().map(String::from));
    arguments
}

/// The rows of metrics but for the seconds, and but for `ends`: what a run measures at its end, also
/// when another goes on from there.
fn rows(place: &Place, out: &str, ends: &[u64]) -> Vec<Row> {
    let rows = metrics::read(place.path(&format!("{out}/metrics.csv")).as_ref()).expect("metrics");
    let kept = rows.into_iter().filter(|row| row.loss.is_some() || !ends.contains(&row.step));
    let without_seconds = |row: Row| Row {
        seconds: 0.0,
        val_accuracy: row.val_accuracy.filter(|_| !ends.contains(&row.step)),
        ..row
    };
    kept.map(without_seconds).collect()
}

#[test]
fn equal_runs_are_bit_equal_and_other_seeds_are_not() {
    if !common::has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    for (out, seed) in [("one", 7), ("two", 7), ("other", 8)] {
        succeed_all(&train(&place, out, &format!("--steps 8 --eval-every 4 --seed {seed}")));
    }
    assert!(place.checkpoint("one") == place.checkpoint("two"), "equal runs differ");
    assert_eq!(rows(&place, "one", &[]), rows(&place, "two", &[]));
    assert_ne!(rows(&place, "one", &[]), rows(&place, "other", &[]));
    let [[one, _], [other, _]] = ["one", "other"].map(|out| place.checkpoint(out));
    assert!(one != other, "the seed changes nothing");
}

/// 26 rows to train on and 4 a batch, so that both parts of the run shuffle within an epoch.
#[test]
fn resumed_is_uninterrupted() {
    if !common::has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    succeed_all(&train(&place, "whole", "--steps 11 --eval-every 4"));
    succeed_all(&train(&place, "parts", "--steps 3 --eval-every 4"));
    succeed_all(&go_on(&place, "parts", "--steps 8"));
    succeed_all(&go_on(&place, "parts", "--steps 11"));
    assert!(place.checkpoint("whole") == place.checkpoint("parts"), "checkpoints differ");
    let whole = rows(&place, "whole", &[3, 8]);
    assert_eq!(whole, rows(&place, "parts", &[3, 8]));
    let losses = whole.iter().filter(|row| row.loss.is_some());
    assert!(losses.map(|row| row.step).eq(1..=11), "each step once");
}

/// The program is killed wherever it happens to be.
#[test]
fn killed_and_resumed_is_uninterrupted() {
    if !common::has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 90 --eval-every 3";
    let arguments = train(&place, "killed", steps);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = program(&arguments).spawn().expect("it starts");
    let started = Instant::now();
    let metrics = place.path("killed/metrics.csv");
    let far_enough = || {
        let text = std::fs::read_to_string(&metrics).unwrap_or_default();
        text.lines().any(|line| line.starts_with("9,"))
    };
    while !far_enough() && started.elapsed() < Duration::from_secs(60) {
        assert!(child.try_wait().expect("a state").is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    let killed = metrics::read(metrics.as_ref()).expect("metrics");
    assert!(
        killed.iter().all(|row| row.test_accuracy.is_none()),
        "it was done before it was killed"
    );

    succeed_all(&go_on(&place, "killed", ""));
    succeed_all(&train(&place, "whole", steps));
    assert!(place.checkpoint("whole") == place.checkpoint("killed"), "checkpoints differ");
    assert_eq!(rows(&place, "whole", &[]), rows(&place, "killed", &[]));
}
