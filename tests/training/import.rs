//! torchvision's GoogLeNet, imported, against the same in plain f64: as torchvision's source has it, with
//! batch normalisation as such and paddings spelled out.

#[path = "../common/state_dict.rs"]
mod state_dict;

use std::path::Path;

use inception::engine::Engine;
use inception::model;
use inception::network::Layer;
use inception::plan::{Target, plan};
use inception::recording::{Role, TensorId};
use inception::reference::Random;
use inception::tape::Tape;
use inception::torchvision::{Imported, Pixels, import};

use self::state_dict::{MODULES, StateDict, googlenet, write};
use crate::close::by_value;
use crate::common;
use crate::tensors;

/// `[channels, size, size]`, row-major.
struct Maps {
    channels: usize,
    size: usize,
    values: Vec<f64>,
}

/// What torchvision's modules compute, from a state dict.
struct Theirs<'a>(&'a StateDict);

impl Theirs<'_> {
    fn tensor(&self, name: &str) -> (&[usize], Vec<f64>) {
        let (_, shape, bytes) = &self.0[name];
        (shape, tensors::wide(bytes))
    }

    /// BasicConv2d: a convolution without bias, batch normalisation, ReLU.
    fn basic(&self, x: &Maps, name: &str, stride: usize, padding: usize) -> Maps {
        let (shape, w) = self.tensor(&format!("{name}.conv.weight"));
        let [outputs, inputs, window, _] = shape[..] else { panic!("{name}: {shape:?}") };
        assert_eq!(inputs, x.channels, "{name}");
        let [gamma, beta, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| self.tensor(&format!("{name}.bn.{part}")).1);
        let size = (x.size + 2 * padding - window) / stride + 1;
        let mut values = vec![0.0; outputs * size * size];
        for (o, y) in values.chunks_mut(size * size).enumerate() {
            for (i, map) in x.values.chunks(x.size * x.size).enumerate() {
                for (ky, kx) in (0..window * window).map(|tap| (tap / window, tap % window)) {
                    let w = w[((o * inputs + i) * window + ky) * window + kx];
                    add_shifted(y, map, [size, x.size], w, [ky, kx], stride, padding);
                }
            }
            for y in y {
                let normal = (*y - mean[o]) / (variance[o] + 0.001).sqrt();
                *y = (gamma[o] * normal + beta[o]).max(0.0);
            }
        }
        Maps { channels: outputs, size, values }
    }

    fn module(&self, x: &Maps, name: &str) -> Maps {
        let part =
            |x: &Maps, part: &str, padding| self.basic(x, &format!("{name}.{part}"), 1, padding);
        let parts = [
            part(x, "branch1", 0),
            part(&part(x, "branch2.0", 0), "branch2.1", 1),
            part(&part(x, "branch3.0", 0), "branch3.1", 1),
            part(&max_pool(x, 3, 1, 1), "branch4.1", 0),
        ];
        let channels = parts.iter().map(|part| part.channels).sum();
        let values = parts.iter().flat_map(|part| part.values.iter().copied()).collect();
        Maps { channels, size: x.size, values }
    }

    /// The logits of an image that was normalised already.
    fn logits(&self, image: Maps) -> Vec<f64> {
        let mut x = max_pool(&self.basic(&image, "conv1", 2, 3), 3, 2, 0);
        x = self.basic(&x, "conv2", 1, 0);
        x = max_pool(&self.basic(&x, "conv3", 1, 1), 3, 2, 0);
        for (name, _) in MODULES {
            x = match name {
                "inception4a" => max_pool(&x, 3, 2, 0),
                "inception5a" => max_pool(&x, 2, 2, 0),
                _ => x,
            };
            x = self.module(&x, name);
        }
        let area = x.size * x.size;
        let means: Vec<f64> =
            x.values.chunks(area).map(|map| map.iter().sum::<f64>() / area as f64).collect();
        let (_, w) = self.tensor("fc.weight");
        let (_, b) = self.tensor("fc.bias");
        let row =
            |(row, b): (&[f64], &f64)| b + row.iter().zip(&means).map(|(w, x)| w * x).sum::<f64>();
        w.chunks(means.len()).zip(&b).map(row).collect()
    }
}

/// y += w x, of each output the pixel that this tap of its window shows.
fn add_shifted(
    y: &mut [f64],
    x: &[f64],
    [size, extent]: [usize; 2],
    w: f64,
    [ky, kx]: [usize; 2],
    stride: usize,
    padding: usize,
) {
    for (row, y) in y.chunks_mut(size).enumerate() {
        let Some(from) = (row * stride + ky).checked_sub(padding).filter(|&row| row < extent)
        else {
            continue;
        };
        // The columns whose tap lies in the image.
        let first = padding.saturating_sub(kx).div_ceil(stride);
        let from_columns = &x[from * extent + first * stride + kx - padding..(from + 1) * extent];
        for (y, x) in y[first..].iter_mut().zip(from_columns.iter().step_by(stride)) {
            *y += w * x;
        }
    }
}

/// MaxPool2d with ceil_mode: the last window may reach over the end, but not begin there.
fn max_pool(x: &Maps, window: usize, stride: usize, padding: usize) -> Maps {
    let mut size = (x.size + 2 * padding - window).div_ceil(stride) + 1;
    if (size - 1) * stride >= x.size + padding {
        size -= 1;
    }
    let largest = |at: usize| {
        let (map, row, column) = (at / (size * size), at / size % size, at % size);
        let inside = |at: usize| {
            (at * stride..at * stride + window)
                .filter_map(|place| place.checked_sub(padding).filter(|&place| place < x.size))
        };
        inside(row)
            .flat_map(|row| inside(column).map(move |column| (row, column)))
            .map(|(row, column)| x.values[(map * x.size + row) * x.size + column])
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let values = (0..x.channels * size * size).map(largest).collect();
    Maps { channels: x.channels, size, values }
}

/// What torchvision's transforms make of a byte, and then the model itself where it was built with
/// `transform_input`.
fn normalised(byte: u8, channel: usize, pixels: Pixels) -> f64 {
    let (mean, deviation) = ([0.485, 0.456, 0.406][channel], [0.229, 0.224, 0.225][channel]);
    let scaled = f64::from(byte) / 255.0;
    let normal = (scaled - mean) / deviation;
    match pixels {
        Pixels::Unit => scaled,
        Pixels::Imagenet => normal,
        Pixels::Signed => normal * (deviation / 0.5) + (mean - 0.5) / 0.5,
    }
}

/// The logits of our network for images `[count, size, size, 3]` of bytes.
fn ours(imported: &Imported, images: &[u8]) -> Option<Vec<f64>> {
    let gpu = common::gpu()?;
    let network = imported.config.network();
    let [height, width, channels] = network.image;
    let count = images.len() / (height * width * channels);
    let tape = Tape::new();
    let x = tape.input("images", &[count, height, width, channels]);
    let logits = model::logits(x, &network);
    let mut recordings = [tape.finish()];
    plan(&mut recordings, &Target::of(&gpu), &[logits.id()]).expect("it fits");
    let [recording] = recordings;
    let mut engine = Engine::new(gpu);
    let program = engine.compile(&recording).expect("it compiles");
    let parameters = recording.tensors.iter().filter(|info| info.role == Role::Parameter);
    assert_eq!(parameters.count(), imported.weights.len());
    for (name, shape, values) in &imported.weights {
        let place = recording.tensors.iter().position(|info| info.name == *name);
        let id = TensorId(place.unwrap_or_else(|| panic!("the network has no {name}")) as u32);
        assert_eq!(recording.tensor(id).shape, *shape, "{name}");
        engine.write(id, recording.tensor(id), bytemuck::cast_slice(values));
    }
    let [offset, divisor] = imported.config.scale.offset_and_divisor();
    let scaled: Vec<f32> =
        images.iter().map(|&byte| (f32::from(byte) - offset) / divisor).collect();
    engine.write(x.id(), recording.tensor(x.id()), bytemuck::cast_slice(&scaled));
    engine.run(&program).expect("it runs");
    let bytes = engine.read(logits.id(), recording.tensor(logits.id())).expect("it is read");
    Some(tensors::wide(&bytes))
}

fn check(size: usize, classes: usize, pixels: Pixels) {
    let dict = googlenet(classes);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.safetensors");
    write(&path, &dict);
    let mut imported = import(&path, pixels).expect("it is imported");
    let network = imported.config.network.as_mut().expect("a network");
    // What is left of the image before the last pool, which takes the mean of all.
    network.image = [size, size, 3];
    for layer in &mut network.layers {
        if let Layer::AvgPool(pool) = layer {
            pool.size = size / 32;
        }
    }
    let images = [image(size, 5), image(size, 6)];
    let theirs = images.each_ref().map(|image| {
        let channel = |c: usize| {
            image.iter().skip(c).step_by(3).map(move |&byte| normalised(byte, c, pixels))
        };
        let values = (0..3).flat_map(channel).collect();
        Theirs(&dict).logits(Maps { channels: 3, size, values })
    });
    assert_eq!(theirs[0].len(), classes);
    let Some(ours) = ours(&imported, &images.concat()) else { return };
    let apart = by_value(&theirs[0], &theirs[1]);
    assert!(apart > 0.1, "both images have nearly the same logits: {apart} of the largest apart");
    let error = by_value(&ours, &theirs.concat());
    println!("{size}x{size}, {pixels:?}: off by {error:.1e}; the images differ by {apart:.2}");
    assert!(error < 1e-5, "{size}x{size}, {pixels:?}: off by {error:e}");
}

/// Bytes `[size, size, 3]`: patches of any colour, and noise on them.
fn image(size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let patches: Vec<u64> = (0..8 * 8 * 3).map(|_| random.bits() % 192).collect();
    let byte = |at: usize| {
        let (row, column, channel) = (at / 3 / size, at / 3 % size, at % 3);
        let patch = (row * 8 / size * 8 + column * 8 / size) * 3 + channel;
        (patches[patch] + random.bits() % 64) as u8
    };
    (0..size * size * 3).map(byte).collect()
}

#[test]
fn torchvisions_googlenet_computes_what_it_did() {
    check(224, 1000, Pixels::Signed);
}

#[test]
fn other_pixels_and_classes_are_as_exact() {
    check(64, 70, Pixels::Imagenet);
    check(32, 2, Pixels::Unit);
}

/// Against PyTorch itself: `scripts/check_torchvision.py` makes the folder.
#[test]
#[ignore = "needs a folder that scripts/check_torchvision.py has made, by the name in INCEPTION_TORCHVISION"]
fn pytorch_says_the_same() {
    let folder = std::env::var("INCEPTION_TORCHVISION").expect("INCEPTION_TORCHVISION");
    let folder = Path::new(&folder);
    let expected = tensors::read(&folder.join("expected.safetensors"));
    let imported = import(&folder.join("state.safetensors"), Pixels::Signed).expect("imported");
    let images: Vec<u8> = expected["images"].1.iter().map(|&value| value as u8).collect();
    let logits = &expected["logits"].1;
    let Some(ours) = ours(&imported, &images) else { return };
    let differences = ours.iter().zip(logits).map(|(a, b)| (a - b).abs());
    let largest = differences.fold(0.0, f64::max);
    let (least, most) = logits
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), &x| (x.min(least), x.max(most)));
    println!("logits from {least:.3} to {most:.3}, at most {largest:.1e} apart");
    assert!(largest < 1e-5 * (most - least));
}
