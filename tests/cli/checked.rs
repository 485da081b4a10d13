//! `--checked`, and answers that would be no numbers.

use crate::common::{Place, digits, has_adapter, run, run_all, sign, succeed, succeed_all};
use crate::say::{assert_fails, checkpoint, tiny};

#[test]
fn checked_runs_give_the_same_results() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 9);
    for freeze in ["--freeze conv1_1x1_3,fc1", "--freeze conv*", ""] {
        for (out, more) in [("plain", "--check-numbers off"), ("checked", "--checked")] {
            succeed_all(&tiny(&place, out, &format!("--overwrite {more} {freeze}")));
        }
        assert!(place.checkpoint("plain") == place.checkpoint("checked"), "other weights");
    }
    let (model, digits) = (place.path("plain"), place.path("test.csv"));
    for arguments in [
        &["test", "--model", &model, "--test", &digits][..],
        &["predict", "--model", &model, &digits],
        &["inspect", &model, &digits],
    ] {
        let [plain, checked] =
            [&[][..], &["--checked"]].map(|more| succeed(&[arguments, more].concat()).stdout);
        assert_eq!(plain, checked, "{arguments:?}");
        assert!(plain.lines().count() > 2, "{plain}");
    }
}

/// A model whose weights are finite, but so large that what it computes is not.
fn overflowing(place: &Place) -> String {
    let path = format!("{}/model.safetensors", checkpoint(place, "large"));
    let mut bytes = std::fs::read(&path).expect("the model");
    let begin = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
    for word in bytes[begin..].as_chunks_mut::<4>().0 {
        *word = (f32::from_le_bytes(*word) * 1e20).to_le_bytes();
    }
    sign(&mut bytes);
    place.write("large.safetensors", bytes)
}

#[test]
fn what_is_no_number_is_no_answer() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 9);
    let (model, digits) = (overflowing(&place), place.path("test.csv"));
    for arguments in [
        &["test", "--model", &model, "--test", &digits][..],
        &["predict", "--model", &model, &digits],
        &["inspect", &model, &digits],
    ] {
        assert_fails(arguments, 1, &["of image 1:", "NaN", "overflows", "--checked names"]);
        let checked = [arguments, &["--checked"]].concat();
        assert_fails(&checked, 1, &["images 1 to 9: pass `inception1/", "NaN or infinite"]);
    }
    // Training from it ends at its first step, whether it is checked or not.
    for more in ["--checked", "--check-numbers off --eval-every 1"] {
        let said = run_all(&tiny(&place, "out", &format!("--init-weights {model} {more}")));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.error().contains("diverged"), "{}", said.stderr);
    }
}

/// Those before it are told of, and it is counted from the first.
#[test]
fn an_image_far_behind_is_named() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 1);
    let model = overflowing(&place);
    let blank = format!("0{}\n", ",0".repeat(784));
    let text = blank.repeat(1002) + &digits("mnist_test.csv.gz", 1);
    let path = place.write("late.csv", text);
    for (more, image) in [(&[][..], "of image 1003:"), (&["--checked"], "images 1001 to 1003: ")] {
        let said = run(&[&["predict", "--model", &model, &path], more].concat());
        assert_eq!((said.code, said.stdout.lines().count()), (Some(1), 1001), "{}", said.stderr);
        assert!(said.error().contains(image), "{}", said.error());
    }
}
