//! Whole steps with their numbers checked.

use inception::gpu::Gpu;
use inception::numbers::Found;
use inception::plan::Target;
use inception::train::Trainer;

use crate::common;
use crate::network::{Checks, FC1, config, here, recordings, train, trainer};

#[test]
fn checks_change_no_bit_and_find_nothing_in_a_good_run() {
    let Some(gpu) = common::gpu() else { return };
    let mut gpu = Some(gpu);
    for target in here(gpu.as_ref().expect("a device")) {
        let mut runs = Vec::new();
        for checks in [Checks::Nothing, Checks::Every(1), Checks::Every(2)] {
            let recordings = recordings(&config(), Some(&target));
            let gpu_taken = gpu.take().expect("a device");
            let mut trainer = trainer(gpu_taken, &config(), recordings, checks);
            runs.push(train(&mut trainer, 5));
            assert_eq!(trainer.found(), None);
            gpu = Some(trainer.into_gpu().expect("the device is there"));
        }
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "checks change the numbers");
    }
}

/// Trains until something is found; `spoil` is done after `before` steps.
fn spoilt(
    gpu: Gpu,
    target: &Target,
    before: u64,
    spoil: impl FnOnce(&mut Trainer),
) -> (u64, Found, Gpu) {
    let recordings = recordings(&config(), Some(target));
    let mut trainer = trainer(gpu, &config(), recordings, Checks::Every(1));
    train(&mut trainer, before);
    assert_eq!(trainer.found(), None);
    spoil(&mut trainer);
    train(&mut trainer, 4);
    let (step, found) = trainer.found().expect("it is found").clone();
    (step, found, trainer.into_gpu().expect("the device is there"))
}

/// Sets one element of a variable, or all.
fn set(trainer: &mut Trainer, name: &str, at: Option<usize>, value: f32) {
    let bytes = trainer.get(name).expect("a variable");
    let mut values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    match at {
        Some(at) => values[at] = value,
        None => values.fill(value),
    }
    trainer.set(name, bytemuck::cast_slice(&values));
}

#[test]
fn a_parameter_that_was_no_number_before_is_named_with_its_place() {
    let Some(mut gpu) = common::gpu() else { return };
    for target in here(&gpu) {
        for (name, at, place) in [
            ("W_conv2_3x3", ((2 * 3 + 1) * 4 + 3) * 8 + 5, vec![2, 1, 3, 5]),
            // In the last shard and panel, and in others.
            ("W_fc1", FC1 * 72 - 1, vec![FC1 - 1, 71]),
            ("W_fc1", 1500 * 72 + 66, vec![1500, 66]),
            ("W_fc1", 2048 * 72 + 3, vec![2048, 3]),
            ("b_fc2", 3, vec![3]),
        ] {
            let (step, found);
            (step, found, gpu) =
                spoilt(gpu, &target, 2, |trainer| set(trainer, name, Some(at), f32::NAN));
            assert_eq!(step, 3, "{name}");
            assert_eq!((found.pass, found.tensor.as_str()), (None, name));
            assert_eq!((found.count, found.first), (1, place), "{name}");
        }
    }
}

#[test]
fn the_pass_that_overflows_is_named() {
    let Some(mut gpu) = common::gpu() else { return };
    for target in here(&gpu) {
        let forward = [
            ("W_conv1_1x1_1", "inception1/1x1_1 conv2d", "y"),
            ("W_conv1_3x3", "inception1/3x3 conv2d", "y"),
            ("W_conv2_1x1_3", "inception2/1x1_3 conv2d", "y"),
            ("W_conv2_5x5", "inception2/5x5 conv2d", "y"),
            ("W_conv2_1x1_4", "inception2/1x1_4 conv2d", "y"),
            ("W_fc1", "fc1 dense", "y"),
            ("W_fc2", "fc2 dense", "y"),
        ];
        for (name, place, variable) in forward {
            let (step, found);
            (step, found, gpu) = spoilt(gpu, &target, 1, |trainer| set(trainer, name, None, 3e38));
            let pass = found.pass.expect("a pass");
            assert!(pass.starts_with(place) && pass.ends_with(".forward"), "{name}: {pass}");
            assert_eq!((step, found.tensor.as_str()), (2, variable), "{name}: {pass}");
        }
        // Finite logits whose difference is not.
        let (step, found);
        (step, found, gpu) = spoilt(gpu, &target, 0, |trainer| {
            let logits: Vec<f32> = (0..10).map(|i| if i == 0 { 3e38 } else { -3e38 }).collect();
            trainer.set("b_fc2", bytemuck::cast_slice(&logits));
        });
        let named = (step, found.pass.as_deref(), found.tensor.as_str());
        assert_eq!(named, (1, Some("loss softmax.cross_entropy"), "loss_row"));
        // A moment that is no number spoils itself first, then its weight.
        for (name, place) in [("W_fc1", "fc1 dense"), ("b_fc1", "optimizer/b_fc1 adam.update")] {
            let moment = format!("m/{name}");
            let (step, found);
            (step, found, gpu) =
                spoilt(gpu, &target, 3, |t| set(t, &moment, Some(1), f32::INFINITY));
            let pass = found.pass.expect("a pass");
            assert!(pass.starts_with(place), "{pass}");
            assert_eq!((step, found.tensor, found.count), (4, moment, 1), "{pass}");
        }
    }
}

#[test]
fn sampled_steps_find_it_later() {
    let Some(gpu) = common::gpu() else { return };
    let target = Target::of(&gpu);
    let recordings = recordings(&config(), Some(&target));
    let mut trainer = trainer(gpu, &config(), recordings, Checks::Every(4));
    train(&mut trainer, 2);
    set(&mut trainer, "b_fc1", Some(0), f32::NAN);
    train(&mut trainer, 2);
    assert_eq!(trainer.found(), None, "steps 3 and 4 are not checked");
    train(&mut trainer, 1);
    let (step, found) = trainer.found().expect("step 5 is");
    assert_eq!((*step, &found.pass), (5, &None));
}
