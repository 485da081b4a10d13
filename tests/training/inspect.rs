//! What is read of a network's inside, and the gradient of its input, against the reference.

use inception::config::{Config, Module, Preset, Scale};
use inception::data::Images;
use inception::inspect::{Probe, Recorded, Relu, Sparsity};
use inception::plan::Target;

use crate::close::{Worst, by_norm};
use crate::common;
use crate::reference::Reference;
use crate::tensors::{Tensors, f32_bytes, random_weights};

const SIZE: [usize; 2] = [9, 7];
const IMAGE: [usize; 3] = [SIZE[0], SIZE[1], 1];
const PIXELS: usize = SIZE[0] * SIZE[1];
const IMAGES: usize = 5;
/// The last batch is not full.
const BATCH: usize = 3;
/// As in `golden`, for values and for gradients.
const CLOSE: f64 = 1e-5;
/// Holds a batch's maps, and 2,048 of the 5,040 rows of the wide network's `W_fc1`.
const LIMIT: u64 = 250_000;

/// A network of which each part has a width of its own. With `by_four` its columns are multiples
/// of four, so that every kernel family has a kernel for it.
fn config(module: Module, scale: Scale, by_four: bool) -> Config {
    let (maps, reduce1x1, num_fc1) =
        if by_four { (vec![4, 8], 4, 24) } else { (vec![2, 5], 3, 23) };
    Config { maps, module, reduce1x1, num_fc1, scale, ..Config::preset(Preset::Quick) }
}

/// One whose first dense layer can be cut.
fn wide() -> Config {
    Config { maps: vec![4, 20], ..config(Module::Reduced, Scale::Unit, true) }
}

/// Images without equal pixels, so that no maximum is a tie.
fn images() -> Images {
    let pixel = |at: usize| ((at % PIXELS * 37 + at / PIXELS * 11) % 251) as u8;
    let pixels = (0..IMAGES * PIXELS).map(pixel).collect();
    Images { path: "made up".into(), height: SIZE[0], width: SIZE[1], channels: 1, pixels }
}

fn scaled(config: &Config, images: &Images) -> Vec<f64> {
    let [offset, divisor] = config.scale.offset_and_divisor().map(f64::from);
    images.pixels.iter().map(|&pixel| (f64::from(pixel) - offset) / divisor).collect()
}

fn probe(config: &Config, weights: &Tensors, limit: Option<u64>) -> Option<Probe> {
    let gpu = common::gpu()?;
    let mut recorded = Recorded::new(&config.clone().with_image(IMAGE), BATCH);
    let mut target = Target::of(&gpu);
    if let Some(limit) = limit {
        let bytes = weights["W_fc1"].1.len() as u64 * 4;
        assert!(bytes > limit, "the limit was to cut W_fc1 of {bytes} bytes");
        target.buffer_limit = limit;
    }
    recorded.fit(&target).expect("the network can be cut");
    let mut probe = Probe::new(gpu, recorded).expect("the network compiles");
    for (name, (_, values)) in weights {
        probe.set(name, &f32_bytes(values));
    }
    Some(probe)
}

/// By the reference: each ReLU's name, its channels, and what it makes of all images.
fn truth(config: &Config, weights: &Tensors, images: &Images) -> Vec<(String, usize, Vec<f64>)> {
    let reference = Reference::new(config, weights.clone());
    let forward = reference.forward(SIZE, &scaled(config, images));
    let mut all = Vec::new();
    let mut channels = 1;
    for (index, kept) in (1..).zip(forward.kept) {
        if config.module == Module::Reduced {
            for (name, maps) in ["3x3", "5x5"].into_iter().zip(kept.reduced) {
                all.push((format!("inception{index}/{name} reduce"), maps.shape[3], maps.values));
            }
        }
        let map = config.maps[index - 1];
        let last = if config.module == Module::Reduced { map } else { channels };
        channels = 3 * map + last;
        let mut first = 0;
        for (name, width) in ["1x1", "3x3", "5x5", "pool"].into_iter().zip([map, map, map, last]) {
            let part = kept.output.values.chunks(channels).flat_map(|p| &p[first..first + width]);
            all.push((format!("inception{index}/{name}"), width, part.copied().collect()));
            first += width;
        }
        assert_eq!(first, kept.output.shape[3]);
    }
    all.push(("fc1".to_string(), config.num_fc1, forward.hidden));
    all
}

/// What a ReLU made of the first `count` images of a batch, its channels only.
fn made(probe: &Probe, relu: &Relu, count: usize) -> Vec<f32> {
    let values = probe.read(relu.tensor).expect("values");
    let same = |other: &&Relu| other.tensor == relu.tensor;
    let parts = probe.recorded().relus.iter().filter(same);
    let channels = parts.map(|relu| relu.channels.len()).sum();
    let used = &values[..values.len() / BATCH * count];
    used.chunks(channels).flat_map(|pixel| &pixel[relu.channels.clone()]).copied().collect()
}

fn check_relus(config: &Config, limit: Option<u64>) {
    let (weights, images) = (random_weights(&config.clone().with_image(IMAGE)), images());
    let Some(mut probe) = probe(config, &weights, limit) else { return };
    let truth = truth(config, &weights, &images);
    let relus = probe.recorded().relus.clone();
    let mut sparsity: Vec<Sparsity> = relus.iter().map(Sparsity::new).collect();
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); relus.len()];
    for first in (0..IMAGES).step_by(BATCH) {
        let rows = first..IMAGES.min(first + BATCH);
        let count = rows.len();
        assert_eq!(probe.infer(&images, rows).expect("probabilities").len(), count);
        for ((relu, sparsity), values) in relus.iter().zip(&mut sparsity).zip(&mut values) {
            let made = made(&probe, relu, count);
            sparsity.add(made.chunks(relu.channels.len()));
            values.extend(made.into_iter().map(f64::from));
        }
    }
    let names: Vec<&String> = relus.iter().map(|relu| &relu.name).collect();
    assert_eq!(names, truth.iter().map(|(name, ..)| name).collect::<Vec<_>>());
    let mut worst = Worst::default();
    let mut zeros_met = 0;
    for (((name, channels, truth), found), values) in truth.iter().zip(&sparsity).zip(&values) {
        worst.note(name, by_norm(values, truth));
        let zeros = truth.iter().filter(|value| **value == 0.0).count() as u64;
        let always_zero =
            |channel: &usize| truth.iter().skip(*channel).step_by(*channels).all(|v| *v == 0.0);
        let silent = (0..*channels).filter(always_zero).count();
        let found = (found.channels, found.count, found.zeros, found.silent);
        assert_eq!(found, (*channels, truth.len() as u64, zeros, silent), "{name}");
        zeros_met += zeros;
    }
    assert!(zeros_met > 0);
    worst.at_most("what ReLUs made", CLOSE);
}

#[test]
fn relus_of_reduced_modules() {
    check_relus(&config(Module::Reduced, Scale::Unit, false), None);
    check_relus(&config(Module::Reduced, Scale::Raw, true), None);
}

#[test]
fn relus_of_naive_modules() {
    check_relus(&config(Module::Naive, Scale::Raw, false), None);
    check_relus(&config(Module::Naive, Scale::Unit, true), None);
}

#[test]
fn relus_of_a_network_in_shards() {
    check_relus(&wide(), Some(LIMIT));
}

/// The gradient of each image's logit by central differences of the reference's.
fn differences(reference: &Reference, pixels: &[f64], classes: &[u8], step: f64) -> Vec<f64> {
    let logit =
        |pixels: &[f64], class: u8| reference.forward(SIZE, pixels).logits[usize::from(class)];
    let by_pixel = |at: usize| {
        let image = at / PIXELS;
        let mut pixels = pixels[image * PIXELS..][..PIXELS].to_vec();
        let middle = pixels[at % PIXELS];
        let mut moved = |to: f64| {
            pixels[at % PIXELS] = to;
            logit(&pixels, classes[image])
        };
        (moved(middle + step) - moved(middle - step)) / (2.0 * step)
    };
    (0..pixels.len()).map(by_pixel).collect()
}

fn check_saliency(config: &Config, limit: Option<u64>) {
    let (weights, images) = (random_weights(&config.clone().with_image(IMAGE)), images());
    let Some(mut probe) = probe(config, &weights, limit) else { return };
    let classes = [3, 0, 9, 9, 5];
    let mut found = Vec::new();
    for first in (0..IMAGES).step_by(BATCH) {
        let rows = first..IMAGES.min(first + BATCH);
        found.extend(probe.saliency(&images, rows.clone(), &classes[rows]).expect("gradients"));
    }
    let reference = Reference::new(config, weights);
    let truth = differences(&reference, &scaled(config, &images), &classes, 1e-7);
    let mut worst = Worst::default();
    let found: Vec<f64> = found.into_iter().map(f64::from).collect();
    for image in 0..IMAGES {
        let part = image * PIXELS..(image + 1) * PIXELS;
        worst.note(&format!("image {image}"), by_norm(&found[part.clone()], &truth[part]));
    }
    worst.at_most("gradients of logits by pixels", CLOSE);
    // Between them, inference still gives what it gives.
    let again = probe.infer(&images, 0..2).expect("probabilities");
    let logits = reference.forward(SIZE, &scaled(config, &images)).logits;
    for (image, p) in again.iter().enumerate() {
        let exp: Vec<f64> = logits[image * 10..][..10].iter().map(|logit| logit.exp()).collect();
        let sum: f64 = exp.iter().sum();
        let truth: Vec<f64> = exp.iter().map(|e| e / sum).collect();
        let p: Vec<f64> = p.iter().map(|&p| p.into()).collect();
        assert!(by_norm(&p, &truth) < 1e-4, "{p:?}, truly {truth:?}");
    }
}

#[test]
fn saliency_is_the_logits_gradient() {
    check_saliency(&config(Module::Reduced, Scale::Unit, false), None);
    check_saliency(&config(Module::Reduced, Scale::Unit, true), None);
    check_saliency(&config(Module::Naive, Scale::Unit, false), None);
    check_saliency(&wide(), Some(LIMIT));
}
