//! Weights that are finite yet, and lead to numbers that are not.

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::{checkpoints, resume, train};

/// The steps of a run's checkpoints, and that of its newest weights.
fn steps(place: &Place, out: &str) -> (Vec<String>, u64) {
    let (whole, _) = checkpoints(place, out);
    let name = |path: &std::path::PathBuf| path.file_name().expect("a name").display().to_string();
    let path = place.path(&format!("{out}/model.safetensors"));
    let file = inception::checkpoint::WeightFile::open(path.as_ref()).expect("weights");
    (whole.iter().map(name).collect(), file.origin().expect("an origin").step)
}

/// Either the loss of the next step is NaN, or its gradients are so large that their squares are not finite:
/// no rate helps a checkpoint of such weights, and the one before is not lost for it.
#[test]
fn a_checkpoint_that_leads_nowhere_gives_way_to_the_one_before() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    succeed_all(&train(&place, "begun", "--steps 4 --eval-every 2 --keep 1"));
    for (rate, keep, why) in [
        ("1e30", 1, "the loss of step 6 is "),
        ("1e30", 3, "the loss of step 6 is "),
        ("1e10", 1, "step 6 "),
    ] {
        let out = format!("out{rate}{keep}");
        copy(place.path("begun").as_ref(), place.path(&out).as_ref());
        let more = format!(
            "--steps 40 --eval-every 40 --learning-rate {rate} --keep {keep} --checkpoint-every 1"
        );
        let said = run_all(&resume(&place, &out, &more));
        assert_eq!(said.code, Some(1), "{said:?}");
        let folder = place.path(&out);
        let kept = format!(
            "the checkpoint of step 5 leads to this at any rate, so it is discarded; the checkpoint of step 4 \
             in {folder} is kept"
        );
        assert!(said.error().contains(why) && said.error().ends_with(&kept), "{said:?}");
        assert_eq!(steps(&place, &out), (vec!["step-000004".to_string()], 4));
        let said = succeed_all(&resume(&place, &out, "--steps 8"));
        assert!(!said.stderr.contains("warning"), "{said:?}");
        assert_eq!(steps(&place, &out).1, 8);
    }
}

/// There is none before: it is better than nothing, as far as anybody knows.
#[test]
fn the_only_checkpoint_is_not_discarded() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let more = "--steps 9 --eval-every 9 --learning-rate 1e30 --checkpoint-every 1";
    let said = run_all(&train(&place, "out", more));
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in ["the loss of step 2 is", "the checkpoint of step 1 in ", "there is no older one"] {
        assert!(said.error().contains(part), "no {part:?} in {said:?}");
    }
    assert_eq!(steps(&place, "out"), (vec!["step-000001".to_string()], 1));
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copied")),
        }
    }
}
