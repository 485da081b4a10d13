//! Records a network from its description.

use super::inception;
use crate::network::{Auxiliary, BatchNorm, Conv, Layer, Network, Numbers};
use crate::ops::{Normal, concat};
use crate::tape::Tensor;

/// What a network makes of a batch.
pub struct Logits<'t> {
    /// The classifier's logits, `[batch, classes]`.
    pub logits: Tensor<'t>,
    /// In training those of auxiliary classifiers, each with its weight.
    pub auxiliary: Vec<(Tensor<'t>, f32)>,
}

/// For images `x` `[batch, height, width, channels]`; in training auxiliary classifiers take part, and
/// layers drop numbers as `dropout_key` (u32 `[2]`, seed and step) says.
///
/// # Panics
/// When [`Network::shapes`] finds a mistake, or something is dropped without a key.
pub fn training<'t>(
    x: Tensor<'t>,
    network: &Network,
    dropout_key: Option<Tensor<'t>>,
) -> Logits<'t> {
    let mut recorder = Recorder { training: true, dropout_key, ..Recorder::default() };
    let logits = recorder.layers(&network.layers, x);
    Logits { logits, auxiliary: recorder.auxiliary }
}

/// The logits `[batch, classes]` of inference for images `x` `[batch, height, width, channels]`.
///
/// # Panics
/// When [`Network::shapes`] finds a mistake.
pub fn logits<'t>(x: Tensor<'t>, network: &Network) -> Tensor<'t> {
    Recorder::default().layers(&network.layers, x)
}

/// Whether the network drops anything in training.
pub fn drops(layers: &[Layer]) -> bool {
    layers.iter().any(|layer| match layer {
        Layer::Dropout(dropout) => dropout.rate > 0.0,
        Layer::Auxiliary(auxiliary) => drops(&auxiliary.layers),
        Layer::Concat(concat) => concat.branches.iter().any(|branch| drops(branch)),
        _ => false,
    })
}

#[derive(Default)]
struct Recorder<'t> {
    training: bool,
    dropout_key: Option<Tensor<'t>>,
    auxiliary: Vec<(Tensor<'t>, f32)>,
    numbers: Numbers,
    /// Layers so far that drop numbers: each draws its own.
    dropped: u32,
}

impl<'t> Recorder<'t> {
    fn layers(&mut self, layers: &[Layer], mut x: Tensor<'t>) -> Tensor<'t> {
        let mut place = String::new();
        for layer in layers {
            // What is dropped belongs to the layer that made it.
            if !matches!(layer, Layer::Dropout(_)) {
                place = match (layer, layer.name()) {
                    (Layer::Inception(_), _) => String::new(), // has its own
                    (_, Some(name)) => name.to_string(),
                    (_, None) => self.numbers.next(layer.kind()),
                };
            }
            x = match place.is_empty() {
                true => self.layer(layer, x),
                false => x.tape().scope(&place, || self.layer(layer, x)),
            };
        }
        x
    }

    fn layer(&mut self, layer: &Layer, x: Tensor<'t>) -> Tensor<'t> {
        match layer {
            Layer::Conv(layer) => conv(x, layer),
            Layer::MaxPool(pool) => x.max_pool(pool.size, pool.stride, pool.padding),
            Layer::AvgPool(pool) => x.avg_pool(pool.size, pool.stride, pool.padding),
            Layer::Lrn(lrn) => x.local_response_norm(lrn.radius, lrn.bias, lrn.alpha, lrn.beta),
            Layer::BatchNorm(layer) => self.batch_norm(x, layer),
            Layer::Inception(module) => inception(x, &module.name, module.kind, module.widths),
            Layer::Concat(all) => {
                let made = all.branches.iter().map(|branch| self.layers(branch, x));
                concat(&made.collect::<Vec<_>>())
            }
            Layer::Dense(layer) => {
                let y = dense(x, &layer.name, layer.out);
                if layer.relu { y.relu() } else { y }
            }
            Layer::Softmax(layer) => dense(x, &layer.name, layer.classes),
            Layer::Dropout(dropout) if self.training && dropout.rate > 0.0 => {
                let key = self.dropout_key.expect("dropping numbers needs a key");
                self.dropped += 1;
                x.dropout(dropout.rate, key, self.dropped - 1)
            }
            Layer::Dropout(_) => x,
            Layer::Auxiliary(auxiliary) => {
                self.auxiliary(auxiliary, x);
                x
            }
        }
    }

    fn batch_norm(&self, x: Tensor<'t>, layer: &BatchNorm) -> Tensor<'t> {
        let (tape, shape) = (x.tape(), x.shape());
        let channels = &shape[shape.len() - 1..];
        let [gamma, beta] = ["gamma", "beta"]
            .map(|kind| tape.parameter(&format!("{kind}_{}", layer.name), channels));
        let [mean, variance] = ["mean", "variance"]
            .map(|kind| tape.statistic(&format!("{kind}_{}", layer.name), channels));
        let BatchNorm { epsilon, momentum, .. } = *layer;
        let by = Normal { gamma, beta, mean, variance, epsilon, momentum };
        // A frozen layer stays as it is, its running mean and variance too.
        let y = match self.training && gamma.is_tracked() {
            true => x.batch_norm(by),
            false => x.batch_norm_given(by),
        };
        if layer.relu { y.relu() } else { y }
    }

    fn auxiliary(&mut self, auxiliary: &Auxiliary, x: Tensor<'t>) {
        if self.training {
            // Inference leaves it out, and calls the layers behind it the same.
            let numbers = std::mem::take(&mut self.numbers);
            let logits = self.layers(&auxiliary.layers, x);
            self.numbers = numbers;
            self.auxiliary.push((logits, auxiliary.weight));
        }
    }
}

fn conv<'t>(x: Tensor<'t>, layer: &Conv) -> Tensor<'t> {
    let tape = x.tape();
    let channels = x.shape()[3];
    let shape = [layer.size, layer.size, channels, layer.out];
    let w = tape.parameter(&format!("W_{}", layer.name), &shape);
    let b = match layer.bias {
        true => tape.parameter(&format!("b_{}", layer.name), &[layer.out]),
        false => tape.temporary(&[layer.out]).filled(0.0),
    };
    let y = x.conv2d(w, b, layer.stride, layer.padding);
    if layer.relu { y.relu() } else { y }
}

/// `x` `[batch, ..]` by a matrix of that many columns, plus its bias.
fn dense<'t>(x: Tensor<'t>, name: &str, out: usize) -> Tensor<'t> {
    let tape = x.tape();
    let depth = x.len() / x.shape()[0];
    let w = tape.parameter(&format!("W_{name}"), &[depth, out]);
    let b = tape.parameter(&format!("b_{name}"), &[out]);
    x.dense(w, b)
}
