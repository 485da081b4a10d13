//! GoogLeNet's weights as torchvision saves them, made ours.
//!
//! torchvision's model has a batch normalisation behind each convolution. In inference that multiplies
//! each channel by a number and adds another, so it is folded into the convolution's weights and its
//! bias, in f64: with y = gamma (x - mean) / sqrt(variance + eps) + beta,
//!
//! ```text
//! w' = w gamma / sqrt(variance + eps)        b' = beta - mean gamma / sqrt(variance + eps)
//! ```
//!
//! Weights change their layout: convolutions from `[out, in, height, width]` to `[height, width, in,
//! out]`, the dense layer from `[out, in]` to `[in, out]`. The network is
//! `assets/networks/googlenet-torchvision.toml`, whose layers are called after torchvision's state dict
//! (`3a_branch2_0` is its `inception3a.branch2.0`), so there is no table of names here.

mod error;

use std::path::Path;

pub use error::ImportError;

use crate::checkpoint::{CheckpointError, Origin, Tensor, TensorSource, WeightFile, to_bytes};
use crate::config::{Config, Init, Preset, Scale};
use crate::network::Network;

/// Of the network's file.
const NETWORK: &str = include_str!("../assets/networks/googlenet-torchvision.toml");
/// The layer that makes of the pixels what the model expects.
const NORMALISE: &str = "normalise";
/// Added to each variance; torchvision's GoogLeNet has it so.
const EPS: f64 = 0.001;
/// The dense layer to the classes, from 1024 numbers.
const CLASSIFIER: (&str, usize) = ("fc.weight", 1024);

/// What the model expects pixels to be, which its state dict does not say. Ours come from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Pixels {
    /// From -1 to 1: torchvision's own weights, where its transforms and `transform_input` make that
    Signed,
    /// Less ImageNet's mean, by its deviation: models built without `transform_input`
    Imagenet,
    /// From 0 to 1, as they are
    Unit,
}

impl Pixels {
    /// What each channel (red, green, blue) is multiplied by, and what is then added.
    pub fn normalisation(self) -> [(f64, f64); 3] {
        match self {
            Pixels::Signed => [(2.0, -1.0); 3],
            Pixels::Imagenet => [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]
                .map(|(mean, deviation)| (1.0 / deviation, -mean / deviation)),
            Pixels::Unit => [(1.0, 0.0); 3],
        }
    }
}

/// A variable of our network, by name: shape and values, row-major.
pub type Variable = (String, Vec<usize>, Vec<f32>);

/// A network with its weights.
#[derive(Debug)]
pub struct Imported {
    /// A configuration of the network, for images from 0 to 1.
    pub config: Config,
    /// Names, shapes and values of its variables, in the network's order.
    pub weights: Vec<Variable>,
    /// Whether the file has auxiliary classifiers, which are left out.
    pub auxiliary: bool,
}

impl Imported {
    /// Numbers of all variables.
    pub fn parameters(&self) -> usize {
        self.weights.iter().map(|(_, _, values)| values.len()).sum()
    }

    /// The model's file, as training would have saved it. `path` stands for it in errors.
    ///
    /// # Errors
    /// [`CheckpointError`] when the configuration cannot be written.
    pub fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
        let config = self.config.clone();
        let origin = Origin {
            step: 0,
            config,
            validation_accuracy: None,
            training_data: None,
            test_data: None,
        };
        let source = |(name, shape, values): &Variable| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let read = Box::new(move |part: &mut dyn FnMut(&[u8])| {
                part(&bytes);
                Ok(())
            });
            TensorSource { name: name.clone(), shape: shape.clone(), read }
        };
        to_bytes(path, &origin, self.weights.iter().map(source).collect())
    }
}

/// Reads the state dict of torchvision's GoogLeNet, of any number of classes. What only training has
/// (`aux1`, `aux2`, `num_batches_tracked`) may be in the file or not, and is left out.
///
/// # Errors
/// [`ImportError`].
pub fn import(path: &Path, pixels: Pixels) -> Result<Imported, ImportError> {
    let file = WeightFile::open(path)?;
    let network = network(&file)?;
    let layers = layers(&network);
    let expected: Vec<_> = layers.iter().flat_map(|layer| layer.tensors.clone()).collect();
    let tensors = file.tensors_but(of_training, &expected)?;
    let mut weights = normalise(pixels);
    let mut tensors = &tensors[..];
    for layer in &layers {
        let (own, rest) = tensors.split_at(layer.tensors.len());
        tensors = rest;
        weights.extend(layer.converted(own, file.path())?);
    }
    let auxiliary = file.names().iter().any(|name| is_auxiliary(name));
    let config = Config {
        network: Some(network),
        scale: Scale::Unit,
        init: Init::He,
        ..Config::preset(Preset::Tutorial)
    };
    Ok(Imported { config, weights, auxiliary })
}

/// torchvision's network with as many classes as the file's dense layer has.
fn network(file: &WeightFile) -> Result<Network, ImportError> {
    let (classifier, depth) = CLASSIFIER;
    let classes = match file.shape(classifier) {
        Some(&[classes, inputs]) if inputs == depth => classes,
        _ => 1000, // what is wrong with it is told where all shapes are looked at
    };
    let text = NETWORK.replace("classes = 1000", &format!("classes = {classes}"));
    let path = file.path();
    Network::parse(path, &text).map_err(|_| ImportError::Classes { path: path.into(), classes })
}

fn is_auxiliary(name: &str) -> bool {
    name.starts_with("aux1.") || name.starts_with("aux2.")
}

/// Whether inference has no use for the tensor.
fn of_training(name: &str) -> bool {
    is_auxiliary(name) || name.ends_with(".bn.num_batches_tracked")
}

/// A layer of ours, and the tensors of the state dict that it is made of.
struct Source {
    /// As ours is called.
    name: String,
    /// As torchvision calls it.
    theirs: String,
    /// Of our weights.
    shape: Vec<usize>,
    tensors: Vec<(String, Vec<usize>)>,
}

/// What torchvision calls our layer of that name.
fn theirs(name: &str) -> String {
    let module = if name.starts_with(|c: char| c.is_ascii_digit()) { "inception" } else { "" };
    format!("{module}{}", name.replace('_', "."))
}

/// The network's layers that have weights, but for the first, which is ours alone.
fn layers(network: &Network) -> Vec<Source> {
    let shaped = network.shapes().unwrap_or_default(); // it was looked at when it was read
    let sources = shaped.into_iter().filter_map(|layer| {
        let (weights, shape) = layer.variables.into_iter().next()?;
        let name = weights.strip_prefix("W_").filter(|name| *name != NORMALISE)?.to_string();
        let theirs = theirs(&name);
        let tensors = match shape[..] {
            [height, width, inputs, outputs] => {
                let part = |part: &str| (format!("{theirs}.bn.{part}"), vec![outputs]);
                let weights = vec![outputs, inputs, height, width];
                vec![
                    (format!("{theirs}.conv.weight"), weights),
                    part("weight"),
                    part("bias"),
                    part("running_mean"),
                    part("running_var"),
                ]
            }
            _ => {
                let weights = shape.iter().rev().copied().collect();
                let outputs = shape[shape.len() - 1];
                vec![
                    (format!("{theirs}.weight"), weights),
                    (format!("{theirs}.bias"), vec![outputs]),
                ]
            }
        };
        Some(Source { name, theirs, shape, tensors })
    });
    sources.collect()
}

impl Source {
    /// Our weights and bias of these tensors.
    fn converted(&self, tensors: &[Tensor], path: &Path) -> Result<[Variable; 2], ImportError> {
        let values: Vec<Vec<f64>> =
            tensors.iter().map(|tensor| tensor.values().map(f64::from).collect()).collect();
        let outputs = self.shape[self.shape.len() - 1];
        // What each output is multiplied by, and what is added to it.
        let (factors, bias) = match &values[..] {
            [_, gamma, beta, mean, variance] => {
                if let Some((index, value)) = variance.iter().enumerate().find(|(_, v)| **v < 0.0) {
                    let (path, name) = (path.into(), tensors[4].name.to_string());
                    let value = *value as f32;
                    return Err(ImportError::Variance { path, name, index, value });
                }
                let factor = |o: usize| gamma[o] / (variance[o] + EPS).sqrt();
                let factors: Vec<f64> = (0..outputs).map(factor).collect();
                let bias = (0..outputs).map(|o| beta[o] - mean[o] * factors[o]);
                (factors.clone(), bias.collect())
            }
            _ => (vec![1.0; outputs], values[1].clone()),
        };
        // [out, in, tap] to [tap, in, out]; a dense layer has one tap.
        let inputs = self.shape[self.shape.len() - 2];
        let taps = values[0].len() / (inputs * outputs);
        let weights = (0..values[0].len()).map(|at| {
            let (tap, i, o) = (at / outputs / inputs, at / outputs % inputs, at % outputs);
            (values[0][(o * inputs + i) * taps + tap] * factors[o]) as f32
        });
        let weights: Vec<f32> = weights.collect();
        let bias: Vec<f32> = bias.into_iter().map(|value: f64| value as f32).collect();
        if !weights.iter().chain(&bias).all(|value| value.is_finite()) {
            return Err(ImportError::Overflow { path: path.into(), layer: self.theirs.clone() });
        }
        Ok([
            (format!("W_{}", self.name), self.shape.clone(), weights),
            (format!("b_{}", self.name), vec![outputs], bias),
        ])
    }
}

/// The weights of [`NORMALISE`]: each channel goes to itself.
fn normalise(pixels: Pixels) -> Vec<Variable> {
    let channels = pixels.normalisation();
    let mut weights = vec![0.0; 9];
    for (channel, (factor, _)) in channels.iter().enumerate() {
        weights[channel * 3 + channel] = *factor as f32;
    }
    let bias = channels.iter().map(|(_, added)| *added as f32).collect();
    vec![
        (format!("W_{NORMALISE}"), vec![1, 1, 3, 3], weights),
        (format!("b_{NORMALISE}"), vec![3], bias),
    ]
}
