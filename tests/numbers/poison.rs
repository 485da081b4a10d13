//! Memory is poisoned while nobody needs it, and what is computed over it stays the same.

use inception::config::Config;
use inception::numbers::{KERNELS, poison};
use inception::plan::Target;
use inception::recording::{Pass, Recording, Role, Storage, TensorId};
use inception::train::Recordings;

use crate::common;
use crate::network::{COUNT, Checks, SIZE, config, here, odd, recordings, targets, train, trainer};

fn is_poison(pass: &Pass) -> bool {
    pass.kernel.name == KERNELS[0].name
}

/// The shared buffer of a tensor's shard, if it has one.
fn storage(recording: &Recording, tensor: TensorId, shard: usize) -> Option<Storage> {
    Some(recording.tensor(tensor).storage.as_ref()?[shard])
}

/// Fails unless each buffer of a temporary is filled once, whole, before any pass binds it and after
/// the last pass that needs what lies there. Returns how many there are.
fn assert_poisoned(plain: &Recording) -> usize {
    let poisoned = poison(plain);
    let others = poisoned.passes.iter().filter(|pass| !is_poison(pass));
    assert!(others.eq(&plain.passes), "the other passes stay as they are");
    let binds = |pass: &Pass, tensor, shard| {
        pass.tensors.iter().any(|bound| (bound.tensor, bound.shard) == (tensor, shard))
    };
    let mut filled = 0;
    for (id, info) in (0..).map(TensorId).zip(&plain.tensors) {
        let used = plain.used().contains(&id);
        for shard in 0..info.shards.len() {
            let passes = || poisoned.passes.iter().enumerate();
            let mine: Vec<usize> =
                passes().filter(|(_, p)| binds(p, id, shard)).map(|(at, _)| at).collect();
            let fills = mine.iter().filter(|at| is_poison(&poisoned.passes[**at])).count();
            if !used || info.role != Role::Temporary || info.image {
                assert_eq!(fills, 0, "{} is not to be filled", info.name);
                continue;
            }
            let fill = &poisoned.passes[mine[0]];
            assert!(fills == 1 && is_poison(fill), "{} is filled {fills} times", info.name);
            filled += 1;
            let shared = storage(plain, id, shard);
            let bytes = shared.map_or(info.shard_bytes(shard), |shared| shared.bytes);
            assert_eq!(u64::from(fill.threads[0]) * 16, bytes, "{}", info.name);
            // Nobody else needs the buffer from the filling to the last use.
            let Some(number) = shared.map(|shared| shared.number) else { continue };
            let needed = mine[0]..=mine[mine.len() - 1];
            for (at, pass) in passes().filter(|(at, _)| needed.contains(at)) {
                for bound in &pass.tensors {
                    let there = storage(plain, bound.tensor, bound.shard);
                    let other = (bound.tensor, bound.shard) != (id, shard);
                    let same = there.is_some_and(|there| there.number == number);
                    assert!(!(other && same), "{} is filled too early, or at {at}", info.name);
                }
            }
        }
    }
    filled
}

#[test]
fn each_temporary_is_filled_once_while_nobody_needs_its_memory() {
    for config in odd().into_iter().chain([config()]) {
        for target in [None].into_iter().chain(targets().iter().map(Some)) {
            let mut recordings = Recordings::training(&config, COUNT);
            if let Some(target) = target {
                recordings.fit(target).expect("it fits");
            }
            for recording in recordings.passes() {
                let filled = assert_poisoned(recording);
                assert!(filled > 5, "{filled}");
            }
        }
    }
}

/// Weights and moments after training, then probabilities of all images and of some.
fn computed(
    config: &Config,
    target: Option<&Target>,
    checks: Checks,
    gpu: inception::gpu::Gpu,
) -> (Vec<u32>, inception::gpu::Gpu) {
    let mut trainer = trainer(gpu, config, recordings(config, target), checks);
    let mut bits = train(&mut trainer, 4);
    assert_eq!(trainer.found(), None, "{config:?}");
    for images in [0..COUNT, 3..8, 0..1] {
        let probabilities = trainer.classify(images, |_| {}).expect("nothing is found");
        bits.extend(probabilities.iter().flatten().map(|p| p.to_bits()));
    }
    // Classifying and training use the same memory in turns.
    bits.extend(train(&mut trainer, 2));
    assert_eq!(trainer.found(), None, "{config:?}");
    (bits, trainer.into_gpu().expect("the device is there"))
}

#[test]
fn training_and_inference_make_the_same_bits_over_poison() {
    let Some(mut gpu) = common::gpu() else { return };
    let [here, tiled] = here(&gpu);
    let [reduced, naive] = odd();
    for (config, target) in [
        (&reduced, None),
        (&reduced, Some(&here)),
        (&naive, Some(&tiled)),
        (&config(), Some(&here)),
        (&config(), Some(&tiled)),
    ] {
        let (plain, checked);
        (plain, gpu) = computed(config, target, Checks::Nothing, gpu);
        (checked, gpu) = computed(config, target, Checks::All, gpu);
        assert!(plain == checked, "checks change the numbers of {config:?}");
    }
}

#[test]
fn tails_of_inference_batches_make_the_same_bits_over_poison() {
    let Some(mut gpu) = common::gpu() else { return };
    for config in odd().into_iter().chain([config()]) {
        let mut results = Vec::new();
        for checks in [Checks::Nothing, Checks::All] {
            // Batches of 5, 5 and 2.
            let config = config.clone().with_image([SIZE[0], SIZE[1], 1]);
            let mut recordings = Recordings::inference_by(5, &config, COUNT);
            recordings.fit(&Target::of(&gpu)).expect("it fits");
            let mut trainer = trainer(gpu, &config, recordings, checks);
            let probabilities = trainer.classify(0..COUNT, |_| {}).expect("nothing is found");
            assert_eq!(probabilities.len(), COUNT);
            results.push(probabilities.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>());
            gpu = trainer.into_gpu().expect("the device is there");
        }
        assert!(results[0] == results[1], "checks change the numbers of {config:?}");
    }
}
