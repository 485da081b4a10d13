//! Networks that a file describes, against the same in plain f64.

use std::path::Path;

use clap::ValueEnum;
use inception::config::{Augment, Config, Order, Preset, Scale};
use inception::data::{Batches, Images};
use inception::gpu::Gpu;
use inception::network::Network;
use inception::ops::PlainAugment;
use inception::plan::{Rewrite, Target};
use inception::reference::{Number, Random, Reference};
use inception::train::{Recordings, Trainer};

use super::close::{Worst, by_norm, by_value};
use super::tensors::{Tensors, f32_bytes, random_weights, wide};
use super::{common, plain};

/// Every kind of layer, at odd sizes.
pub const EVERY: &str = r#"
image = [13, 11, 3]
layers = [
  { conv = { name = "conv1", size = 5, stride = 2, padding = 2, out = 6 } },
  { conv = { name = "conv2", size = 3, out = 5, bias = false, relu = false } },
  { batch_norm = { name = "norm", epsilon = 0.01 } },
  { max_pool = { size = 3, stride = 2, padding = 1 } },
  { lrn = { radius = 1, alpha = 0.5 } },
  { inception = { name = "3a", widths = [4, 3, 5, 2, 3, 4] } },
  { auxiliary = { name = "aux", weight = 0.3, layers = [
    { avg_pool = { size = 2, stride = 2, padding = "valid" } },
    { conv = { name = "aux_conv", size = 1, out = 5, bias = false } },
    { dense = { name = "aux_fc", out = 9 } },
    { dropout = { rate = 0.25 } },
    { softmax = { name = "aux_classes", classes = 10 } },
  ] } },
  { concat = { name = "joined", branches = [
    [{ conv = { name = "left", size = 3, out = 3, relu = false } }],
    [{ max_pool = { size = 2 } }, { conv = { name = "right", size = 1, out = 4, bias = false } }],
    [],
  ] } },
  { avg_pool = { size = 3, stride = 1 } },
  { dropout = { rate = 0.5 } },
  { dense = { name = "fc", out = 12, relu = false } },
  { softmax = { name = "classes", classes = 10 } },
]
"#;

const COUNT: usize = 9;

pub fn config() -> Config {
    let network = Network::parse(Path::new("every.toml"), EVERY).expect("a network");
    let quick = Config::preset(Preset::Quick);
    let network = Some(network);
    Config { network, batch_size: 4, order: Order::Cyclic, scale: Scale::Unit, ..quick }
}

pub fn images() -> (Images, Vec<u8>) {
    let mut random = Random::new(5);
    let [height, width, channels] = [13, 11, 3];
    let pixels = (0..COUNT * height * width * channels).map(|_| random.bits() as u8).collect();
    let labels = (0..COUNT).map(|_| random.between(0, 9) as u8).collect();
    (Images { path: "made up".into(), height, width, channels, pixels }, labels)
}

/// The network with these weights after its first training step, and that step's loss.
fn after_a_step(
    gpu: Gpu,
    config: &Config,
    weights: &Tensors,
    other: fn(Target) -> Target,
) -> (Trainer, f64) {
    let (images, labels) = images();
    let mut recordings = Recordings::training(config, COUNT);
    recordings.fit(&other(Target::of(&gpu))).expect("it fits");
    let batches = Batches::new(config.order, 1, config.batch_size, COUNT).expect("rows");
    let trainer = Trainer::new(gpu, recordings, &images, &labels, Some(batches));
    let mut trainer = trainer.expect("it compiles");
    for (name, (_, values)) in weights {
        trainer.set(name, &f32_bytes(values));
    }
    trainer.train_step().expect("a step");
    let losses = trainer.remaining_losses().expect("a loss");
    (trainer, losses[0].1.into())
}

/// After the first step Adam's first moment is a tenth of the gradient.
#[test]
fn every_kind_of_layer_trains_as_in_plain_f64() {
    let config = config();
    let (images, labels) = images();
    let network = config.network();
    let weights = random_weights(&config);
    let pixels: Vec<f64> = images.pixels.iter().map(|&p| f64::from(p) / 255.0).collect();
    let batch = config.batch_size * network.image.iter().product::<usize>();
    let labelled = &labels[..config.batch_size];
    let truth = plain::step(&network, &weights, &pixels[..batch], labelled, [1, 0]);
    let targets: [fn(Target) -> Target; 3] = [
        |target| target,
        |target| Target { subgroup: [0, 0], ..target },
        |target| Target { without: Rewrite::value_variants().to_vec(), ..target },
    ];
    for other in targets {
        let Some(gpu) = common::gpu() else { return };
        let (trainer, loss) = after_a_step(gpu, &config, &weights, other);
        let mut worst = Worst::default();
        worst.note("loss", by_value(&[loss], &[truth.loss]));
        for (name, gradient) in &truth.gradients {
            let moment = wide(&trainer.get(&format!("m/{name}")).expect("a moment"));
            let made: Vec<f64> = moment.iter().map(|m| m * 10.0).collect();
            worst.note(name, by_norm(&made, gradient));
        }
        worst.at_most("loss and gradients", 1e-5);
        assert_eq!(trainer.moments().len(), 2 * truth.gradients.len());
    }
}

/// Training moves running means; a frozen layer keeps them, as it keeps its weights.
#[test]
fn frozen_normalisation_keeps_its_running_means() {
    for (freeze, moves) in [(vec![], true), (vec!["norm".to_string()], false)] {
        let Some(gpu) = common::gpu() else { return };
        let config = Config { freeze, ..config() };
        let weights = random_weights(&config);
        let (trainer, _) = after_a_step(gpu, &config, &weights, |target| target);
        for kind in ["gamma", "beta", "mean", "variance"] {
            let name = format!("{kind}_norm");
            let kept = trainer.get(&name).expect("a variable") == f32_bytes(&weights[&name].1);
            assert_eq!(kept, !moves, "{name}, frozen: {}", !moves);
        }
        let learnt = trainer.get("W_conv1").expect("weights") != f32_bytes(&weights["W_conv1"].1);
        assert!(learnt, "what stands in front of it learns all the same");
    }
}

#[test]
fn training_images_are_changed_at_random() {
    let Some(gpu) = common::gpu() else { return };
    let config = Config { augment: Augment::Digits, ..config() };
    let (images, labels) = images();
    let network = config.network();
    let weights = random_weights(&config);
    let by = config.augment.augmentation(13).expect("digits are changed");
    let plain_augment = PlainAugment { shape: [4, 13, 11, 3], size: [13, 11], by };
    let given = |values: &mut dyn Iterator<Item = f64>| values.map(Number::exact).collect();
    let mut pixels = images.pixels[..4 * 13 * 11 * 3].iter().map(|&p| f64::from(p) / 255.0);
    let changed = plain_augment.forward(&[given(&mut pixels), given(&mut [1.0, 0.0].into_iter())]);
    let changed: Vec<f64> = changed.iter().map(|pixel| pixel.value).collect();
    let truth = plain::step(&network, &weights, &changed, &labels[..4], [1, 0]);
    let (_, loss) = after_a_step(gpu, &config, &weights, |target| target);
    let error = by_value(&[loss], &[truth.loss]);
    assert!(error < 1e-5, "{loss} is off by {error:e}");
}

#[test]
fn every_kind_of_layer_infers_as_in_plain_f64() {
    let Some(gpu) = common::gpu() else { return };
    let config = config();
    let (images, _) = images();
    let network = config.network();
    let weights = random_weights(&config);
    let mut recordings = Recordings::inference_by(4, &config, COUNT);
    let names: Vec<_> = recordings.parameters().into_iter().map(|(name, _)| name).collect();
    recordings.fit(&Target::of(&gpu)).expect("it fits");
    let mut trainer = Trainer::new(gpu, recordings, &images, &[], None).expect("it compiles");
    for name in &names {
        trainer.set(name, &f32_bytes(&weights[name].1));
    }
    let pixels: Vec<f64> = images.pixels.iter().map(|&p| f64::from(p) / 255.0).collect();
    let logits = plain::logits(&network, &weights, &pixels);
    let probabilities = logits.chunks(10).flat_map(|row| {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(move |x| x.exp() / sum)
    });
    let truth: Vec<f64> = probabilities.collect();
    let made = trainer.classify(0..COUNT, |_| {}).expect("it runs");
    let made: Vec<f64> = made.iter().flatten().map(|&p| p.into()).collect();
    let error = by_value(&made, &truth);
    assert!(error < 1e-5, "off by {error:e}");
}

#[test]
fn inference_leaves_auxiliary_classifiers_out() {
    let config = config();
    let names = |recordings: &Recordings| -> Vec<String> {
        recordings.parameters().into_iter().map(|(name, _)| name).collect()
    };
    let inference = Recordings::inference_by(4, &config, COUNT);
    let auxiliary = config.network().auxiliary_variables().expect("a network");
    let mut all = names(&Recordings::training(&config, COUNT));
    all.retain(|name| !auxiliary.contains(name));
    assert_eq!((all, auxiliary.len()), (names(&inference), 5));
    let passes = inference.passes().flat_map(|recording| &recording.passes);
    let aux: Vec<_> = passes.filter(|pass| pass.place.starts_with("aux")).collect();
    assert!(aux.is_empty(), "{aux:?}");
}
