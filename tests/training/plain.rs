//! A network of any layers in plain f64 loops: its operations' references, strung together here once
//! more, and differentiated backwards.

use std::collections::BTreeMap;

use inception::network::{Layer, Network};
use inception::ops::Padding;
use inception::ops::{
    PlainAvgPool, PlainBatchNorm, PlainConcat, PlainConv2d, PlainCrossEntropy, PlainDense,
    PlainDropout, PlainLrn, PlainMaxPool, PlainRelu, PlainSoftmax,
};
use inception::reference::{Number, Reference};

use super::tensors::Tensors;

/// A value: its number and its shape.
#[derive(Clone)]
struct Value(usize, Vec<usize>);

struct Node {
    op: Box<dyn Reference>,
    inputs: Vec<usize>,
    output: usize,
}

/// What a training step makes of a batch.
pub struct Made {
    pub loss: f64,
    /// Of the loss, auxiliary classifiers' included, by each variable.
    pub gradients: BTreeMap<String, Vec<f64>>,
}

/// The logits of inference for images `[batch, ..]` as the network sees them.
pub fn logits(network: &Network, weights: &Tensors, images: &[f64]) -> Vec<f64> {
    let batch = images.len() / network.image.iter().product::<usize>();
    let mut plain = Plain::new(weights, batch, false);
    let logits = plain.network(network, images);
    plain.values[logits.0].iter().map(|v| v.value).collect()
}

/// One training step's loss and gradients; the key says which numbers layers drop.
pub fn step(
    network: &Network,
    weights: &Tensors,
    images: &[f64],
    labels: &[u8],
    key: [u32; 2],
) -> Made {
    let mut plain = Plain::new(weights, labels.len(), true);
    let whole = |values: Vec<u32>| values.into_iter().map(|v| Number::exact(v.into())).collect();
    plain.key = plain.value(whole(key.to_vec()));
    plain.labels = plain.value(whole(labels.iter().map(|&label| label.into()).collect()));
    let logits = plain.network(network, images);
    let loss = plain.classify(&logits, 1.0);
    let gradients = plain.gradients();
    let plain_values = |id: usize| plain.values[id].iter().map(|v| v.value).collect::<Vec<_>>();
    Made {
        loss: plain_values(loss)[0],
        gradients: plain
            .variables
            .iter()
            .map(|(name, id)| (name.clone(), gradients[id].iter().map(|v| v.value).collect()))
            .collect(),
    }
}

struct Plain<'w> {
    weights: &'w Tensors,
    values: Vec<Vec<Number>>,
    nodes: Vec<Node>,
    variables: BTreeMap<String, usize>,
    /// Losses, and what each counts.
    roots: Vec<(usize, f64)>,
    dropped: u32,
    batch: usize,
    training: bool,
    key: usize,
    labels: usize,
}

impl<'w> Plain<'w> {
    fn new(weights: &'w Tensors, batch: usize, training: bool) -> Self {
        let (values, nodes, roots) = (vec![], vec![], vec![]);
        let (variables, dropped, key, labels) = (BTreeMap::new(), 0, 0, 0);
        Plain { weights, values, nodes, variables, roots, dropped, batch, training, key, labels }
    }

    fn network(&mut self, network: &Network, images: &[f64]) -> Value {
        let x = self.value(images.iter().map(|&v| Number::exact(v)).collect());
        let shape = [&[self.batch], &network.image[..]].concat();
        self.layers(&network.layers, Value(x, shape))
    }

    fn value(&mut self, values: Vec<Number>) -> usize {
        self.values.push(values);
        self.values.len() - 1
    }

    fn run(&mut self, op: impl Reference + 'static, inputs: &[usize]) -> usize {
        let given: Vec<_> = inputs.iter().map(|&id| self.values[id].clone()).collect();
        let made = op.forward(&given);
        let output = self.value(made);
        self.nodes.push(Node { op: Box::new(op), inputs: inputs.to_vec(), output });
        output
    }

    /// A variable that is not trained.
    fn fixed(&mut self, name: &str) -> usize {
        let values = self.weights[name].1.iter().map(|&v| Number::exact(v)).collect();
        self.value(values)
    }

    fn variable(&mut self, name: &str) -> usize {
        let id = self.fixed(name);
        assert!(self.variables.insert(name.to_string(), id).is_none(), "{name} twice");
        id
    }

    fn layers(&mut self, layers: &[Layer], mut x: Value) -> Value {
        for layer in layers {
            x = self.layer(layer, x);
        }
        x
    }

    fn layer(&mut self, layer: &Layer, x: Value) -> Value {
        match layer {
            Layer::Conv(layer) => {
                let name = &layer.name;
                let y = self.conv(x, name, layer.size, layer.stride, layer.padding, layer.bias);
                if layer.relu { self.relu(y) } else { y }
            }
            Layer::MaxPool(pool) => self.max_pool(x, pool.size, pool.stride, pool.padding),
            Layer::AvgPool(pool) => {
                let shape = four(&x.1);
                let (size, stride, padding) = (pool.size, pool.stride, pool.padding);
                let y = self.run(PlainAvgPool { shape, size, stride, padding }, &[x.0]);
                Value(y, pooled(shape, size, stride, padding))
            }
            Layer::Lrn(lrn) => {
                let (radius, bias, alpha, beta) = (lrn.radius, lrn.bias, lrn.alpha, lrn.beta);
                let op = PlainLrn { shape: four(&x.1), radius, bias, alpha, beta };
                Value(self.run(op, &[x.0]), x.1)
            }
            Layer::BatchNorm(layer) => {
                let [batch, height, width, channels] = four(&x.1);
                let name = |kind: &str| format!("{kind}_{}", layer.name);
                let (gamma, beta) = (self.variable(&name("gamma")), self.variable(&name("beta")));
                let (mean, variance) = (self.fixed(&name("mean")), self.fixed(&name("variance")));
                let shape = [batch * height * width, channels];
                let op = PlainBatchNorm { shape, epsilon: layer.epsilon, given: !self.training };
                let y = Value(self.run(op, &[x.0, gamma, beta, mean, variance]), x.1);
                if layer.relu { self.relu(y) } else { y }
            }
            Layer::Inception(module) => {
                // The paper's figure 2b, with the tutorial's one ReLU behind the towers.
                let name = |part: &str| format!("conv{}_{part}", module.name);
                let mut conv = |x: &Value, part: &str, size| {
                    self.conv(x.clone(), &name(part), size, 1, Padding::Same, true)
                };
                let one = conv(&x, "1x1_1", 1);
                let reduced = [conv(&x, "1x1_2", 1), conv(&x, "1x1_3", 1)];
                let [three, five] = reduced.map(|y| self.relu(y));
                let three = self.conv(three, &name("3x3"), 3, 1, Padding::Same, true);
                let five = self.conv(five, &name("5x5"), 5, 1, Padding::Same, true);
                let pool = self.max_pool(x, 3, 1, Padding::Same);
                let pool = self.conv(pool, &name("1x1_4"), 1, 1, Padding::Same, true);
                let joined = self.concat(&[one, three, five, pool]);
                self.relu(joined)
            }
            Layer::Concat(all) => {
                let branches = all.branches.iter().map(|branch| self.layers(branch, x.clone()));
                let branches: Vec<Value> = branches.collect();
                self.concat(&branches)
            }
            Layer::Dense(layer) => {
                let y = self.dense(x, &layer.name);
                if layer.relu { self.relu(y) } else { y }
            }
            Layer::Softmax(layer) => self.dense(x, &layer.name),
            Layer::Dropout(_) | Layer::Auxiliary(_) if !self.training => x,
            Layer::Dropout(dropout) => {
                let (shape, rate, layer) = (x.1.clone(), dropout.rate, self.dropped);
                self.dropped += 1;
                Value(self.run(PlainDropout { shape, rate, layer }, &[x.0, self.key]), x.1)
            }
            Layer::Auxiliary(auxiliary) => {
                let logits = self.layers(&auxiliary.layers, x.clone());
                self.classify(&logits, auxiliary.weight.into());
                x
            }
        }
    }

    fn classify(&mut self, logits: &Value, weight: f64) -> usize {
        let classes = logits.1[1];
        let op = PlainCrossEntropy(PlainSoftmax { batch: self.batch, classes });
        let loss = self.run(op, &[logits.0, self.labels]);
        self.roots.push((loss, weight));
        loss
    }

    fn conv(
        &mut self,
        x: Value,
        name: &str,
        window: usize,
        stride: usize,
        padding: Padding,
        bias: bool,
    ) -> Value {
        let [batch, height, width, channels] = four(&x.1);
        let w = self.variable(&format!("W_{name}"));
        let out = self.values[w].len() / (window * window * channels);
        let b = match bias {
            true => self.variable(&format!("b_{name}")),
            false => self.value(vec![Number::default(); out]),
        };
        let (size, kernel) = ([height, width], [window, window]);
        let op = PlainConv2d { batch, size, channels, kernel, out, stride, padding };
        let y = self.run(op, &[x.0, w, b]);
        let mut shape = pooled(four(&x.1), window, stride, padding);
        shape[3] = out;
        Value(y, shape)
    }

    fn max_pool(&mut self, x: Value, size: usize, stride: usize, padding: Padding) -> Value {
        let shape = four(&x.1);
        let y = self.run(PlainMaxPool { shape, size, stride, padding }, &[x.0]);
        Value(y, pooled(shape, size, stride, padding))
    }

    fn relu(&mut self, x: Value) -> Value {
        Value(self.run(PlainRelu(x.1.clone()), &[x.0]), x.1)
    }

    fn dense(&mut self, x: Value, name: &str) -> Value {
        let [w, b] = ["W", "b"].map(|kind| self.variable(&format!("{kind}_{name}")));
        let (depth, out) = (x.1[1..].iter().product(), self.values[b].len());
        Value(self.run(PlainDense(self.batch, depth, out), &[x.0, w, b]), vec![self.batch, out])
    }

    fn concat(&mut self, parts: &[Value]) -> Value {
        let pixels = parts[0].1[..3].to_vec();
        let channels: Vec<usize> = parts.iter().map(|part| part.1[3]).collect();
        let shape = [&pixels[..], &[channels.iter().sum()]].concat();
        let inputs: Vec<usize> = parts.iter().map(|part| part.0).collect();
        Value(self.run(PlainConcat { pixels, channels }, &inputs), shape)
    }

    fn gradients(&self) -> BTreeMap<usize, Vec<Number>> {
        let root = |&(loss, weight): &(usize, f64)| (loss, vec![Number::exact(weight)]);
        let mut gradients: BTreeMap<usize, Vec<Number>> = self.roots.iter().map(root).collect();
        for node in self.nodes.iter().rev() {
            let Some(dy) = gradients.get(&node.output) else { continue };
            let given: Vec<_> = node.inputs.iter().map(|&id| self.values[id].clone()).collect();
            for (id, d) in node.inputs.iter().zip(node.op.backward(&given, dy)) {
                let sum = gradients.entry(*id).or_insert_with(|| vec![Number::default(); d.len()]);
                sum.iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
            }
        }
        gradients
    }
}

fn four(shape: &[usize]) -> [usize; 4] {
    shape.try_into().expect("four axes")
}

fn pooled(shape: [usize; 4], size: usize, stride: usize, padding: Padding) -> Vec<usize> {
    let extent = |n| inception::reference::extent(n, size, stride, padding).0;
    vec![shape[0], extent(shape[1]), extent(shape[2]), shape[3]]
}
