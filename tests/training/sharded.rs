//! A network cut into shards computes the same bits as the whole one.

use clap::ValueEnum;
use inception::config::{Config, Preset};
use inception::data::{Batches, Images};
use inception::gpu::Gpu;
use inception::plan::{Rewrite, Target};
use inception::train::{Recordings, Trainer};

use crate::common::{self, digits, parse};

const IMAGES: usize = 3;
/// Holds what three images make of themselves (150,528 bytes a layer of 16 channels), not `W_fc1`
/// (3,612,672 bytes, of which 4,096 rows of 288 bytes fit).
const LIMIT: u64 = 1_200_000;

/// What three steps make.
pub struct Trained {
    losses: Vec<f32>,
    /// All variables, moments and probabilities, by name.
    pub tensors: Vec<(String, Vec<f32>)>,
    /// Shards of W_fc1.
    shards: usize,
}

impl Trained {
    fn bits(&self) -> Vec<u32> {
        let tensors = self.tensors.iter().flat_map(|(_, values)| values);
        self.losses.iter().chain(tensors).map(|value| value.to_bits()).collect()
    }
}

/// Not planned at all where `without` is `None`.
fn train(without: Option<&[Rewrite]>, limit: Option<u64>) -> Option<Trained> {
    train_freezing("", without, limit)
}

/// The same with these layers frozen.
fn train_freezing(
    freeze: &str,
    without: Option<&[Rewrite]>,
    limit: Option<u64>,
) -> Option<Trained> {
    let gpu = common::gpu()?;
    let config = Config {
        maps: vec![4],
        reduce1x1: 4,
        num_fc1: 72,
        batch_size: 1,
        learning_rate: 1e-3,
        freeze: freeze.split_terminator(',').map(String::from).collect(),
        ..Config::preset(Preset::Quick)
    };
    let (labels, pixels) = parse(&digits("mnist_train.csv.gz", IMAGES));
    let images = Images { path: "digits".into(), height: 28, width: 28, channels: 1, pixels };
    let mut recordings = Recordings::training(&config, IMAGES);
    if let Some(without) = without {
        // As if it were no processor, so that what its subgroups leave goes to workgroup memory.
        let mut target = Target { software: false, without: without.to_vec(), ..Target::of(&gpu) };
        target.buffer_limit = limit.unwrap_or(target.buffer_limit);
        recordings.fit(&target).expect("the network can be cut");
    }
    let training = recordings.training_passes().expect("training was recorded");
    if without == Some(&[Rewrite::Subgroup]) {
        let shared = |name| training.passes.iter().filter(|p| p.kernel.name == name).count();
        assert!(shared("conv2d_workgroup") > 0 && shared("dense_workgroup") > 0);
    }
    let mut weights = training.tensors.iter().filter(|info| info.name == "W_fc1");
    let shards = weights.next().expect("W_fc1").shards.len();
    Some(Trained {
        shards,
        ..three_steps(gpu, recordings, &config, (&images, &labels), Trainer::initialize)
    })
}

/// From weights that are `set` first.
pub fn three_steps(
    gpu: Gpu,
    recordings: Recordings,
    config: &Config,
    (images, labels): (&Images, &[u8]),
    set: impl FnOnce(&mut Trainer),
) -> Trained {
    let count = images.len();
    let batches = Batches::new(config.order, config.seed, config.batch_size, count).expect("rows");
    let trainer = Trainer::new(gpu, recordings, images, labels, Some(batches));
    let mut trainer = trainer.expect("the network compiles");
    let announced = trainer.recordings().memory();
    assert_eq!(trainer.engine().bytes(), announced, "memory announced and allocated");
    set(&mut trainer);
    let mut losses = Vec::new();
    for _ in 0..3 {
        losses.extend(trainer.train_step().expect("a step"));
    }
    losses.extend(trainer.remaining_losses().expect("the last losses"));
    let mut tensors = Vec::new();
    for (name, _) in trainer.recordings().parameters().into_iter().chain(trainer.moments()) {
        let bytes = trainer.get(&name).expect("a variable");
        tensors.push((name, bytemuck::pod_collect_to_vec(&bytes)));
    }
    let probabilities = trainer.classify(0..count, |_| {}).expect("probabilities");
    tensors.push(("probabilities".to_string(), probabilities.concat()));
    let losses = losses.into_iter().map(|(_, loss)| loss).collect();
    Trained { losses, tensors, shards: 1 }
}

#[test]
fn shards_compute_the_same_bits() {
    let plain = [Rewrite::Subgroup, Rewrite::Workgroup];
    for without in [&[][..], &plain[..1], &plain, &[Rewrite::Adam], &[Rewrite::Panels]] {
        let without = Some(without);
        let (Some(whole), Some(parts)) = (train(without, None), train(without, Some(LIMIT))) else {
            return;
        };
        assert_eq!(whole.losses.len(), 3);
        assert_eq!(whole.losses, parts.losses, "losses differ");
        assert!(whole.bits() == parts.bits(), "weights, moments or probabilities differ");
        assert!(whole.shards == 1 && parts.shards > 2, "the limit was to cut W_fc1");
    }
}

#[test]
fn shards_of_frozen_layers_compute_the_same_bits() {
    for freeze in ["conv*", "fc1", "conv*,fc2"] {
        let [whole, parts] = [None, Some(LIMIT)].map(|l| train_freezing(freeze, Some(&[]), l));
        let (Some(whole), Some(parts)) = (whole, parts) else { return };
        assert!(whole.bits() == parts.bits(), "{freeze}: numbers differ");
        assert!(parts.shards > 2, "the limit was to cut W_fc1");
    }
}

/// Where tensors lie changes no sum.
#[test]
fn rewrites_that_only_place_tensors_change_no_bit() {
    let Some(planned) = train(Some(&[]), None) else { return };
    for rewrite in [Rewrite::Memory, Rewrite::Images, Rewrite::Panels] {
        let without = train(Some(&[rewrite]), None).expect("the adapter is there");
        assert!(planned.bits() == without.bits(), "{rewrite:?} changes numbers");
    }
}

/// How far a plan may be off after three steps, of each loss and, by norm, of each tensor; 8e-7 is
/// the most that was measured. Sums of other orders are off by about 1e-7; Adam's first steps are as
/// long for small gradients as for large ones, and so pass on more.
const ROUNDING: f64 = 1e-5;

/// A plan, and a plan without any one rewrite, change nothing but the rounding.
#[test]
fn plans_compute_the_same_numbers() {
    let Some(plain) = train(None, None) else { return };
    let one_less = Rewrite::value_variants().iter().map(|&rewrite| vec![rewrite]);
    for without in [Vec::new()].into_iter().chain(one_less) {
        let planned = train(Some(&without), None).expect("the adapter is there");
        assert_close(&plain, &planned, &format!("without {without:?}"));
    }
}

/// Checks that what a plan has made is what the plain recording makes, but for the rounding.
#[track_caller]
pub fn assert_close(plain: &Trained, planned: &Trained, plan: &str) {
    for (a, b) in plain.losses.iter().zip(&planned.losses) {
        let off = f64::from((a - b).abs() / a.abs());
        assert!(off <= ROUNDING, "{plan}: loss {b}, plainly {a}");
    }
    assert_eq!(plain.tensors.len(), planned.tensors.len());
    for ((name, plain), (_, planned)) in plain.tensors.iter().zip(&planned.tensors) {
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let off = plain.iter().zip(planned).map(|(a, b)| f64::from(*a) - f64::from(*b));
        let off = norm(&mut { off }) / norm(&mut plain.iter().map(|v| f64::from(*v)));
        assert!(off <= ROUNDING, "{plan}: {name} is off by {off:e}");
    }
}
