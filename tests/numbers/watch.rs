//! Where the checks stand.

use std::collections::BTreeMap;

use inception::config::{Config, Module};
use inception::numbers::{KERNELS, watch};
use inception::recording::{COPY, Recording, Role};
use inception::train::Recordings;

use crate::network::{COUNT, config, targets};

/// The elements of each tensor that the checks look at, and how many passes there are of other kinds.
fn checked(recording: &Recording) -> BTreeMap<u32, usize> {
    let watch = watch(recording);
    let views: BTreeMap<_, _> = watch.views.iter().copied().collect();
    let mut elements = BTreeMap::new();
    let is_check = |pass: &inception::recording::Pass| pass.kernel.name == KERNELS[0].name;
    let others = watch.recording.passes.iter().filter(|pass| !is_check(pass));
    assert!(others.eq(&recording.passes), "the other passes stay as they are");
    for (index, pass) in watch.recording.passes.iter().enumerate() {
        let Some(x) = pass.tensors.iter().find(|b| ["x", "vectors"].contains(&b.name)) else {
            continue;
        };
        if !is_check(pass) {
            continue;
        }
        let maker = watch.recording.passes[..index].iter().rev().find(|pass| !is_check(pass));
        let made = |maker: &inception::recording::Pass| {
            let wrote =
                |b: &&inception::recording::Bound| (b.tensor, b.shard) == (x.tensor, x.shard);
            maker.tensors.iter().find(wrote).is_some_and(|b| maker.kernel.writes(b.name))
        };
        let view = pass.tensors.iter().find(|bound| bound.name == "view").expect("a view");
        let count = views[&view.tensor][1] as usize;
        match maker {
            Some(maker) => {
                assert!(made(maker), "a check that does not follow its pass:\n{}", watch.recording);
                *elements.entry(x.tensor.0).or_default() += count;
            }
            None => assert_eq!(recording.tensor(x.tensor).role, Role::Parameter),
        }
    }
    elements
}

#[test]
fn each_number_is_checked_once_behind_the_pass_that_makes_it() {
    let deeper = Config { num_fc1: 260, ..config() };
    let naive = Config { module: Module::Naive, maps: vec![3, 5], num_fc1: 7, ..config() };
    for config in [config(), deeper, naive] {
        for target in [None].into_iter().chain(targets().iter().map(Some)) {
            let recordings = Recordings::training(&config, COUNT);
            let mut recordings = recordings;
            if let Some(target) = target {
                recordings.fit(target).expect("it fits");
            }
            let recording = recordings.training_passes().expect("training");
            let checked = checked(recording);
            let mut floats = 0;
            for pass in recording.passes.iter().filter(|pass| !std::ptr::eq(pass.kernel, &COPY)) {
                for bound in pass.tensors.iter().filter(|b| pass.kernel.makes_floats(b.name)) {
                    let info = recording.tensor(bound.tensor);
                    let (id, name) = (bound.tensor.0, &info.name);
                    let looked_at = checked.get(&id).copied();
                    assert_eq!(
                        looked_at,
                        Some(info.len()),
                        "{name} {:?} in {target:?}",
                        info.shape
                    );
                    floats += 1;
                }
            }
            assert!(floats > 50, "{floats}");
        }
    }
}
