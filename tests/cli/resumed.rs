//! `--resume` where something around the checkpoint has changed.

use crate::common::{Place, digits, has_adapter, run_all, succeed_all};
use crate::say::{assert_failed, checkpoint, tiny};

fn resume(place: &Place, out: &str, more: &str) -> Vec<String> {
    let out = place.path(out);
    let words = ["train", "--resume", "--out", &out].into_iter().chain(more.split_whitespace());
    words.map(String::from).collect()
}

#[test]
fn other_training_digits_are_not_taken_for_those_of_the_run() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    succeed_all(&tiny(&place, "out", ""));
    // The same digits under another name are the same.
    let moved = place.write("moved.csv", place.read("train.csv"));
    let said = succeed_all(&resume(&place, "out", &format!("--steps 3 --train {moved}")));
    assert!(!said.stderr.contains("warning"), "{said:?}");
    let train = place.path("train.csv");
    for (rows, count) in
        [(digits("mnist_test.csv.gz", 12), 12), (digits("mnist_train.csv.gz", 11), 11)]
    {
        place.write("moved.csv", rows);
        let before = place.read("out/model.safetensors");
        let said = run_all(&resume(&place, "out", "--steps 4"));
        let held =
            format!("moved.csv holds other digits than those the run was trained on: {count} ");
        assert_failed(&said, 1, &[&held, "12 digits of CRC-32", "--train", "--init-weights"]);
        assert!(place.read("out/model.safetensors") == before);
    }
    // Named, they are meant.
    let said = succeed_all(&resume(&place, "out", &format!("--steps 4 --train {moved}")));
    assert!(
        said.stderr.contains("warning: ") && said.stderr.contains("goes on with them"),
        "{said:?}"
    );
    let said = succeed_all(&resume(&place, "out", &format!("--steps 5 --train {train}")));
    assert!(said.stderr.contains("goes on with them"), "{said:?}");
    let said = succeed_all(&resume(&place, "out", "--steps 6"));
    assert!(!said.stderr.contains("warning"), "{said:?}");
}

/// Nothing but the measured accuracies depends on them.
#[test]
fn other_test_digits_are_warned_of() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    succeed_all(&tiny(&place, "out", ""));
    let test = place.write("test.csv", digits("mnist_test.csv.gz", 5));
    let said = succeed_all(&resume(&place, "out", "--steps 3"));
    for part in [
        &*format!(
            "warning: {test} holds other digits than those the run was measured on: 5 digits"
        ),
        "instead of 4 digits of CRC-32",
        "do not compare",
    ] {
        assert!(said.stderr.contains(part), "no {part} in {said:?}");
    }
    let said = succeed_all(&resume(&place, "out", "--steps 4"));
    assert!(!said.stderr.contains("warning"), "they are known now: {said:?}");
    place.write("test.csv", digits("mnist_test.csv.gz", 4));
    let said = succeed_all(&resume(&place, "out", &format!("--steps 5 --test {test}")));
    assert!(said.stderr.contains("do not compare"), "also where they are meant: {said:?}");
}

/// As versions before fingerprints have left it.
#[test]
fn a_checkpoint_that_knows_nothing_of_its_digits_goes_on() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    checkpoint(&place, "out");
    place.write("train.csv", digits("mnist_test.csv.gz", 12));
    let said = succeed_all(&resume(&place, "out", "--steps 3"));
    assert!(!said.stderr.contains("holds other"), "{said:?}");
}

#[test]
fn an_edited_configuration_is_said_not_to_count() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    checkpoint(&place, "out");
    let left = String::from_utf8(place.read("out/config.toml")).expect("UTF-8");
    let changed = left.replace("steps = 2", "steps = 50");
    assert_ne!(changed, left);
    let comment = format!("# mine\n{left}");
    for (text, differs) in
        [(left.as_str(), false), (&comment, false), (&changed, true), ("x", true)]
    {
        let path = place.write("out/config.toml", text);
        let said = succeed_all(&resume(&place, "out", ""));
        let words = format!("warning: {path} is not of the checkpoint that the run goes on from");
        assert_eq!(said.stderr.contains(&words), differs, "{said:?}");
        let other = text == changed;
        assert_eq!(said.stderr.contains("goes on from (other: steps)"), other, "{said:?}");
        assert!(said.stderr.contains("all 2 steps are done"), "{said:?}");
    }
    std::fs::remove_file(place.path("out/config.toml")).expect("removed");
    let said = succeed_all(&resume(&place, "out", ""));
    assert!(!said.stderr.contains("warning"), "{said:?}");
}

/// What comes then is not what one run of so many steps makes.
#[test]
fn a_rate_that_jumps_is_told() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    for (decay, jumps) in [("cosine", true), ("none", false)] {
        succeed_all(&tiny(&place, decay, &format!("--decay {decay}")));
        let told =
            "warning: the learning rate falls along a cosine over all steps, 2 until now and 4";
        let said = succeed_all(&resume(&place, decay, "--steps 4"));
        assert_eq!(said.stderr.contains(told), jumps, "{said:?}");
        let said = succeed_all(&resume(&place, decay, ""));
        assert!(!said.stderr.contains("cosine"), "the steps are the same: {said:?}");
    }
}
