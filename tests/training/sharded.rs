//! A network cut into shards computes the same bits as the whole one.

use clap::ValueEnum;
use inception::config::{Config, Preset};
use inception::data::{Batches, Images};
use inception::plan::{Rewrite, Target};
use inception::train::{Recordings, Trainer};

use crate::common::{self, digits, parse};

const IMAGES: usize = 3;
/// Holds what three images make of themselves (150,528 bytes a layer of 16 channels), not `W_fc1`
/// (3,612,672 bytes, of which 4,096 rows of 288 bytes fit).
const LIMIT: u64 = 1_200_000;

/// Losses of three steps, then all variables, moments and probabilities, as bits; and the number
/// of W_fc1's shards. Not planned at all where `without` is `None`.
fn train(without: Option<&[Rewrite]>, limit: Option<u64>) -> Option<(Vec<u32>, Vec<u8>, usize)> {
    let gpu = common::gpu()?;
    let config = Config {
        maps: vec![4],
        reduce1x1: 4,
        num_fc1: 72,
        batch_size: 1,
        learning_rate: 1e-3,
        ..Config::preset(Preset::Quick)
    };
    let (labels, pixels) = parse(&digits("mnist_train.csv.gz", IMAGES));
    let images = Images { path: "digits".into(), height: 28, width: 28, pixels };
    let mut recordings = Recordings::training(&config, IMAGES, [28, 28]);
    if let Some(without) = without {
        let mut target = Target { without: without.to_vec(), ..Target::of(&gpu) };
        target.buffer_limit = limit.unwrap_or(target.buffer_limit);
        recordings.fit(&target).expect("the network can be cut");
    }
    let training = recordings.training_passes().expect("training was recorded");
    let mut weights = training.tensors.iter().filter(|info| info.name == "W_fc1");
    let shards = weights.next().expect("W_fc1").shards.len();
    let batches = Batches::new(config.order, config.seed, config.batch_size, IMAGES).expect("rows");
    let trainer = Trainer::new(gpu, recordings, &images, &labels, Some(batches));
    let mut trainer = trainer.expect("the network compiles");
    let announced = trainer.recordings().memory();
    assert_eq!(trainer.engine().bytes(), announced, "memory announced and allocated");
    trainer.initialize();
    let mut losses = Vec::new();
    for _ in 0..3 {
        losses.extend(trainer.train_step().expect("a step"));
    }
    losses.extend(trainer.remaining_losses().expect("the last losses"));
    let mut bytes = Vec::new();
    for (name, _) in trainer.recordings().parameters().into_iter().chain(trainer.moments()) {
        bytes.extend(trainer.get(&name).expect("a variable"));
    }
    let probabilities = trainer.classify(0..IMAGES, |_| {}).expect("probabilities");
    bytes.extend_from_slice(bytemuck::cast_slice(&probabilities));
    Some((losses.into_iter().map(|(_, loss)| loss.to_bits()).collect(), bytes, shards))
}

#[test]
fn shards_compute_the_same_bits() {
    for without in [&[][..], &[Rewrite::Subgroup], &[Rewrite::Adam], &[Rewrite::Panels]] {
        let without = Some(without);
        let (Some(whole), Some(parts)) = (train(without, None), train(without, Some(LIMIT))) else {
            return;
        };
        assert_eq!(whole.0.len(), 3);
        assert_eq!(whole.0, parts.0, "losses differ");
        assert!(whole.1 == parts.1, "weights, moments or probabilities differ");
        assert!(whole.2 == 1 && parts.2 > 2, "the limit was to cut W_fc1");
    }
}

/// A plan, and a plan without any one rewrite, change nothing but the rounding.
#[test]
fn plans_compute_the_same_numbers() {
    let Some((losses, bytes, _)) = train(None, None) else { return };
    let floats = |bytes: &[u8]| -> Vec<f32> { bytemuck::pod_collect_to_vec(bytes) };
    let plain = floats(&bytes);
    let one_less = Rewrite::value_variants().iter().map(|&rewrite| vec![rewrite]);
    for without in [Vec::new()].into_iter().chain(one_less) {
        let (planned_losses, bytes, _) = train(Some(&without), None).expect("the adapter is there");
        for (a, b) in losses.iter().zip(&planned_losses) {
            let (a, b) = (f32::from_bits(*a), f32::from_bits(*b));
            assert!((a - b).abs() <= 1e-5 * a.abs(), "without {without:?}: loss {b}, plainly {a}");
        }
        let other = floats(&bytes);
        assert_eq!(plain.len(), other.len());
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let difference =
            norm(&mut plain.iter().zip(&other).map(|(a, b)| f64::from(*a) - f64::from(*b)));
        let truth = norm(&mut plain.iter().map(|v| f64::from(*v)));
        assert!(difference <= 1e-5 * truth, "without {without:?}: off by {difference} of {truth}");
    }
}
