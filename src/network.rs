//! A network as data: a list of layers, read from a TOML file, or the tutorial's, made from its sizes.
//!
//! ```toml
//! image = [28, 28, 1] # height, width, channels
//! layers = [
//!   { conv = { name = "conv1", size = 5, out = 32 } },
//!   { max_pool = { size = 2, stride = 2 } },
//!   { inception = { name = "3a", widths = [64, 96, 128, 16, 32, 32] } },
//!   { dropout = { rate = 0.4 } },
//!   { softmax = { name = "fc", classes = 10 } },
//! ]
//! ```
//!
//! Each layer gets what the one before made. What the layers compute stands in [`crate::ops`]; how they
//! are recorded, in [`crate::model`].

mod checks;
mod forms;
mod parse;
mod shapes;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use parse::NetworkError;
pub use shapes::{Mistake, Shaped};

use crate::config::{Config, Module};
use crate::model::Widths;
use crate::ops::Padding;

/// A network: what it gets, and what it makes of that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Height, width and channels of an image.
    #[serde(deserialize_with = "forms::numbers")]
    pub image: [usize; 3],
    /// The layers, of which the last is [`Layer::Softmax`] and no other.
    pub layers: Vec<Layer>,
}

/// A layer, or what stands among layers. Variables are called by the layer: `W_<name>` and `b_<name>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// A convolution.
    Conv(Conv),
    /// The largest of each window.
    MaxPool(Pool),
    /// The mean of each window.
    AvgPool(Pool),
    /// Local response normalisation: [`Tensor::local_response_norm`](crate::tape::Tensor::local_response_norm).
    Lrn(Lrn),
    /// Batch normalisation: [`Tensor::batch_norm`](crate::tape::Tensor::batch_norm).
    BatchNorm(BatchNorm),
    /// An Inception module.
    Inception(Inception),
    /// Branches that all get the same, and whose channels are joined; a ReLU does not follow.
    Concat(Concat),
    /// A fully connected layer on all that the layer before made of an image.
    Dense(Dense),
    /// Drops a share of the numbers in training, and scales the others up.
    Dropout(Dropout),
    /// A second classifier, which helps in training alone (Szegedy et al. 2014, section 5): what it
    /// gets goes on to the next layer as it is.
    Auxiliary(Auxiliary),
    /// The classifier: a fully connected layer to one logit a class, and their softmax.
    Softmax(Softmax),
}

/// See [`Layer::Conv`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// What its variables are called by.
    pub name: String,
    /// Height and width of the window.
    pub size: usize,
    /// From window to window.
    #[serde(default = "one")]
    pub stride: usize,
    /// What is beyond the border: `"same"`, `"valid"`, or a number of pixels on each side.
    #[serde(default = "forms::same", with = "forms::padding")]
    pub padding: Padding,
    /// Channels that it makes.
    pub out: usize,
    /// Whether a number for each channel is added.
    #[serde(default = "yes")]
    pub bias: bool,
    /// Whether what is negative becomes zero.
    #[serde(default = "yes")]
    pub relu: bool,
}

/// See [`Layer::MaxPool`] and [`Layer::AvgPool`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Height and width of the window.
    pub size: usize,
    /// From window to window.
    #[serde(default = "one")]
    pub stride: usize,
    /// What is beyond the border, as for [`Conv`].
    #[serde(default = "forms::same", with = "forms::padding")]
    pub padding: Padding,
}

/// See [`Layer::Lrn`]. The values that are there unless given are those of AlexNet's paper, as GoogLeNet's
/// Caffe model has them: alpha for the sum over the window, not for its mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lrn {
    /// Channels on each side that count.
    #[serde(default = "lrn_radius")]
    pub radius: usize,
    /// Added to the sum.
    #[serde(default = "lrn_bias")]
    pub bias: f32,
    /// Of the sum of squares.
    #[serde(default = "lrn_alpha")]
    pub alpha: f32,
    /// The power.
    #[serde(default = "lrn_beta")]
    pub beta: f32,
}

/// See [`Layer::BatchNorm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// What its variables are called by: `gamma_<name>`, `beta_<name>`, `mean_<name>` and
    /// `variance_<name>`.
    pub name: String,
    /// Added to variances, above 0.
    #[serde(default = "norm_epsilon")]
    pub epsilon: f32,
    /// How far each batch moves the running mean and variance, from 0 to 1.
    #[serde(default = "norm_momentum")]
    pub momentum: f32,
    /// Whether what is negative becomes zero.
    #[serde(default = "yes")]
    pub relu: bool,
}

/// See [`Layer::Inception`] and [`crate::model::inception`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inception {
    /// What its variables are called by: `W_conv<name>_1x1_1` and so on.
    pub name: String,
    /// Channels, as in the columns of the paper's table 1: of the 1x1 convolution, in front of the
    /// 3x3, of the 3x3, in front of the 5x5, of the 5x5, behind the max-pool.
    #[serde(with = "forms::widths")]
    pub widths: Widths,
    /// With 1x1 convolutions that reduce the channels, or without.
    #[serde(default = "reduced")]
    pub kind: Module,
}

/// See [`Layer::Concat`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// What the branches are called together.
    pub name: String,
    /// The layers of each branch; none hand on what there is.
    pub branches: Vec<Vec<Layer>>,
}

/// See [`Layer::Dense`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// What its variables are called by.
    pub name: String,
    /// Numbers that it makes.
    pub out: usize,
    /// Whether what is negative becomes zero.
    #[serde(default = "yes")]
    pub relu: bool,
}

/// See [`Layer::Dropout`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// The share that is dropped, `0 <= rate < 1`.
    pub rate: f32,
}

/// See [`Layer::Auxiliary`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auxiliary {
    /// What it is called.
    pub name: String,
    /// What its loss counts beside that of the network's own classifier.
    pub weight: f32,
    /// Its layers, of which the last is a [`Layer::Softmax`] of as many classes as the network's.
    pub layers: Vec<Layer>,
}

/// See [`Layer::Softmax`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Softmax {
    /// What its variables are called by.
    pub name: String,
    /// Classes that it tells apart.
    pub classes: usize,
}

fn one() -> usize {
    1
}
fn yes() -> bool {
    true
}
fn reduced() -> Module {
    Module::Reduced
}
fn norm_epsilon() -> f32 {
    1e-3
}
fn norm_momentum() -> f32 {
    0.1
}
fn lrn_radius() -> usize {
    2
}
fn lrn_bias() -> f32 {
    1.0
}
fn lrn_alpha() -> f32 {
    2e-5
}
fn lrn_beta() -> f32 {
    0.75
}

impl Network {
    /// The tutorial's network in these sizes: Inception modules, a dense layer, dropout, ten classes.
    pub fn tutorial(config: &Config, image: [usize; 3]) -> Network {
        let module = |(index, &map): (usize, &usize)| {
            Layer::Inception(Inception {
                name: (index + 1).to_string(),
                widths: Widths::even(map, config.reduce1x1),
                kind: config.module,
            })
        };
        let dense = Dense { name: "fc1".into(), out: config.num_fc1, relu: true };
        let dropout = Dropout { rate: config.dropout };
        let softmax = Softmax { name: "fc2".into(), classes: crate::data::LABELS };
        let mut layers: Vec<Layer> = config.maps.iter().enumerate().map(module).collect();
        layers.extend([Layer::Dense(dense), Layer::Dropout(dropout), Layer::Softmax(softmax)]);
        Network { image, layers }
    }

    /// The network of [`Preset::Best`](crate::config::Preset::Best).
    pub fn best() -> Network {
        let text = include_str!("../assets/networks/best.toml");
        Network::parse(Path::new("best.toml"), text).expect("a test reads it")
    }

    /// Classes that it tells apart; none before [`Network::shapes`] says that it is a network.
    pub fn classes(&self) -> usize {
        match self.layers.last() {
            Some(Layer::Softmax(softmax)) => softmax.classes,
            _ => 0,
        }
    }

    /// Where its auxiliary classifiers stand: what the places of their layers begin with.
    pub fn auxiliary_places(&self) -> Vec<String> {
        let place = |layer: &Layer| match layer {
            Layer::Auxiliary(auxiliary) => Some(format!("{}/", auxiliary.name)),
            _ => None,
        };
        self.layers.iter().filter_map(place).collect()
    }

    /// The variables that only training has: those of auxiliary classifiers.
    ///
    /// # Errors
    /// As [`Network::shapes`].
    pub fn auxiliary_variables(&self) -> Result<HashSet<String>, Mistake> {
        let places = self.auxiliary_places();
        let shaped = self.shapes()?.into_iter();
        let auxiliary =
            shaped.filter(|layer| places.iter().any(|place| layer.place.starts_with(place)));
        Ok(auxiliary.flat_map(|layer| layer.variables).map(|(name, _)| name).collect())
    }

    /// Its Inception modules, in order.
    pub fn modules(&self) -> impl Iterator<Item = &Inception> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Inception(module) => Some(module),
            _ => None,
        })
    }
}

impl Layer {
    /// The kind of layer, as a file calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Layer::Conv(_) => "conv",
            Layer::MaxPool(_) => "max_pool",
            Layer::AvgPool(_) => "avg_pool",
            Layer::Lrn(_) => "lrn",
            Layer::BatchNorm(_) => "batch_norm",
            Layer::Inception(_) => "inception",
            Layer::Concat(_) => "concat",
            Layer::Dense(_) => "dense",
            Layer::Dropout(_) => "dropout",
            Layer::Auxiliary(_) => "auxiliary",
            Layer::Softmax(_) => "softmax",
        }
    }
}

/// Numbers layers that have no name: `max_pool1`, `max_pool2`.
#[derive(Default)]
pub(crate) struct Numbers(HashMap<&'static str, usize>);

impl Numbers {
    /// What the next layer of that kind is called.
    pub(crate) fn next(&mut self, kind: &'static str) -> String {
        let number = self.0.entry(kind).or_default();
        *number += 1;
        format!("{kind}{number}")
    }
}
