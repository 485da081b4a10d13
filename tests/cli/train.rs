//! Runs that go wrong on their way, and what a good one leaves.

use inception::metrics;
use serde_json::Value;

use crate::common::{Place, has_adapter, run_all, succeed, succeed_all};
use crate::say::{TINY, assert_failed, assert_fails, tiny};

fn files(place: &Place, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(place.path(folder)).expect("the folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

const FILES: [&str; 8] = [
    "best.safetensors",
    "checkpoints",
    "config.toml",
    "evaluation.json",
    "lock",
    "metrics.csv",
    "model.safetensors",
    "report.html",
];

#[test]
fn a_run_leaves_a_checkpoint_and_metrics() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let said = succeed_all(&tiny(&place, "out", "--log-every 1"));
    assert_eq!(files(&place, "out"), FILES);
    assert_eq!(files(&place, "out/checkpoints"), ["step-000002"]);
    let text = String::from_utf8(place.read("out/metrics.csv")).expect("UTF-8");
    assert!(text.starts_with("step,loss,val_accuracy,test_accuracy,seconds\n"), "{text}");
    assert!(said.stdout.starts_with("test accuracy "), "{}", said.stdout);
    assert!(said.stdout.contains("of 4 digits) after 2 steps"), "{}", said.stdout);
    for part in ["adapter: ", "parameters", "device memory", "step      2  loss"] {
        assert!(said.stderr.contains(part), "no {part:?} in: {}", said.stderr);
    }
    // The configuration that it leaves is one that it takes.
    let config = place.path("out/config.toml");
    let again = ["train", "--config", &config, "--out", &place.path("again"), "--json"];
    let result: Value = serde_json::from_str(&succeed(&again).stdout).expect("JSON");
    assert_eq!(result["steps"], 2);
    assert!(result["test_accuracy"].is_number() && result["loss"].is_number(), "{result}");
    assert!(place.read("out/model.safetensors") == place.read("again/model.safetensors"));
    // Asked for, a model is replaced.
    let other = succeed_all(&tiny(&place, "again", "--overwrite --seed 9"));
    assert_eq!(other.code, Some(0));
    assert!(place.read("out/model.safetensors") != place.read("again/model.safetensors"));
    // And all that belongs to it, though its checkpoint be a later one.
    let shorter = TINY.replace("--steps 2", "--steps 1 --overwrite");
    succeed_all(&place.train("again", &shorter.split_whitespace().collect::<Vec<_>>()));
    assert_eq!(files(&place, "again/checkpoints"), ["step-000001"]);
    assert_eq!(metrics::read(place.path("again/metrics.csv").as_ref()).expect("metrics").len(), 2);
}

/// The last checkpoint knows its accuracy, also where it falls due at that step anyway; a time that
/// is not over brings none before.
#[test]
fn checkpoints_fall_due_by_steps_or_time() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let steps = TINY.replace("--steps 2", "--steps 9 --eval-every 50");
    for (every, kept) in [("2", [2, 4, 6, 8, 9].as_slice()), ("2h", &[9]), ("evaluation", &[9])] {
        let flags = format!("{steps} --checkpoint-every {every} --keep 9");
        succeed_all(&place.train(every, &flags.split_whitespace().collect::<Vec<_>>()));
        let kept: Vec<_> = kept.iter().map(|step| format!("step-{step:06}")).collect();
        assert_eq!(files(&place, &format!("{every}/checkpoints")), kept);
        assert_eq!(files(&place, every), FILES, "no best with --checkpoint-every {every}");
    }
    // The best is saved when it comes, whatever else: the first accuracy is the best so far.
    let flags = format!("{steps} --checkpoint-every 2h --keep 9").replace("every 50", "every 4");
    succeed_all(&place.train("best", &flags.split_whitespace().collect::<Vec<_>>()));
    assert!(files(&place, "best/checkpoints").contains(&"step-000004".to_string()));
}

#[test]
fn a_loss_that_is_not_finite_keeps_the_last_checkpoint() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let diverges = "--learning-rate 1e18 --eval-every 9 --checkpoint-every 1 --log-every 1";
    let said = run_all(&tiny(&place, "out", diverges));
    let out = place.path("out");
    let kept = format!("the checkpoint of step 1 in {out} is kept");
    assert_failed(&said, 1, &["the loss of step 2 is", "lower --learning-rate", "1e18", &kept]);
    let kept = ["checkpoints", "config.toml", "lock", "metrics.csv", "model.safetensors"];
    assert_eq!(files(&place, "out"), kept);
    let rows = metrics::read(place.path("out/metrics.csv").as_ref()).expect("metrics");
    assert!(rows.iter().map(|row| row.step).eq([1]), "{rows:?}");
    // Its weights are finite, but nothing else is.
    let test = ["test", "--model", &out, "--test", &place.path("test.csv")];
    assert_fails(&test, 1, &["NaN instead of probabilities of image 1", "--checked names"]);

    // Found out by an evaluation, before it is saved.
    let said = run_all(&tiny(&place, "tried", "--learning-rate 1e18 --eval-every 1"));
    let found = "in the evaluation after step 1 the network makes NaN";
    assert_failed(&said, 1, &[found, "lower --learning-rate", "no checkpoint had been saved"]);

    let said = run_all(&tiny(&place, "none", "--learning-rate 1e18"));
    assert_failed(&said, 1, &["the loss of step 2 is", "no checkpoint had been saved"]);
    assert_eq!(files(&place, "none"), ["lock", "metrics.csv"]);
}

/// The loss is finite yet, but the gradients are so large that their squares are not.
#[test]
fn moments_that_are_not_finite_are_not_saved() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    succeed_all(&tiny(&place, "out", ""));
    let bytes = place.read("out/model.safetensors");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let large: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let values = view.data().as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b));
            let large = values.flat_map(|v| (v.signum() * 1e7).to_le_bytes()).collect();
            (name, view.shape().to_vec(), large)
        })
        .collect();
    let views = large.iter().map(|(name, shape, bytes)| {
        let dtype = safetensors::Dtype::F32;
        let view = safetensors::tensor::TensorView::new(dtype, shape.clone(), bytes);
        (name, view.expect("a view"))
    });
    let path = place.path("large.safetensors");
    safetensors::serialize_to_file(views, None, path.as_ref()).expect("written");
    let more = format!("--init-weights {path} --eval-every 1");
    let said = run_all(&tiny(&place, "checked", &more));
    let pass = "step 1: pass `";
    assert_failed(&said, 1, &[pass, "NaN or infinite", "diverged", "no checkpoint"]);
    assert_eq!(files(&place, "checked"), ["lock", "metrics.csv"]);

    // Whoever turns that off has his checkpoints held against it still.
    let said = run_all(&tiny(&place, "large", &format!("{more} --check-numbers off")));
    assert_failed(&said, 1, &["step 1", "diverged", "lower --learning-rate", "no checkpoint"]);
    assert!(!said.stderr.contains("pass `"), "{}", said.stderr);
    // Evaluated it was, while the checkpoint was being written.
    let left = files(&place, "large");
    assert!(left.iter().all(|name| !name.ends_with(".safetensors")), "{left:?}");
    assert_eq!(files(&place, "large/checkpoints"), [] as [&str; 0]);
}
