//! The whole network once more, as plain loops in f64: forward, backward, Adam. Nothing here knows
//! how the engine goes about it; `golden` anchors it to three frameworks.

use std::collections::BTreeMap;

use inception::config::{Config, Module};

use crate::layers::{Maps, dense, dense_back, max_pool, max_pool_back, windows};
use crate::tensors::Tensors;

type Gradients = BTreeMap<String, Vec<f64>>;

/// One module's outputs on the way forward, for the way back.
pub struct Kept {
    input: Maps,
    pub reduced: [Maps; 2],
    pooled: Maps,
    pub output: Maps,
}

/// What the layers make of a batch.
pub struct Forward {
    pub kept: Vec<Kept>,
    maps: Maps,
    /// After its ReLU.
    pub hidden: Vec<f64>,
    pub logits: Vec<f64>,
}

/// The network, its weights and Adam's moments.
pub struct Reference {
    config: Config,
    pub weights: Tensors,
    /// Variables whose gradients are left unused.
    pub frozen: Vec<String>,
    moments: BTreeMap<String, (Vec<f64>, Vec<f64>)>,
    step: i32,
}

impl Reference {
    pub fn new(config: &Config, weights: Tensors) -> Reference {
        let (frozen, moments) = (Vec::new(), BTreeMap::new());
        Reference { config: config.clone(), weights, frozen, moments, step: 0 }
    }

    /// One step on images `[count, height, width]`, already scaled; the loss before the update.
    pub fn step(&mut self, size: [usize; 2], pixels: &[f64], labels: &[u8]) -> f64 {
        let (loss, gradients) = self.differentiate(size, pixels, labels);
        self.step += 1;
        let rate = self.config.learning_rate * (1.0 - 0.999f64.powi(self.step)).sqrt()
            / (1.0 - 0.9f64.powi(self.step));
        for (name, gradient) in gradients.into_iter().filter(|(n, _)| !self.frozen.contains(n)) {
            let weights = &mut self.weights.get_mut(&name).expect("a variable").1;
            let zeros = || (vec![0.0; gradient.len()], vec![0.0; gradient.len()]);
            let (m, v) = self.moments.entry(name).or_insert_with(zeros);
            for (i, g) in gradient.iter().enumerate() {
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                weights[i] -= rate * m[i] / (v[i].sqrt() + 1e-8);
            }
        }
        loss
    }

    /// What the layers make of images `[count, height, width]`, already scaled.
    pub fn forward(&self, size: [usize; 2], pixels: &[f64]) -> Forward {
        let batch = pixels.len() / size[0] / size[1];
        let shape = [batch, size[0], size[1], 1];
        let mut kept = Vec::new();
        let mut maps = Maps { shape, values: pixels.to_vec() };
        for module in 1..=self.config.maps.len() {
            kept.push(self.module(module, maps));
            maps = kept[module - 1].output.clone();
        }
        let [w1, b1, w2, b2] = ["W_fc1", "b_fc1", "W_fc2", "b_fc2"].map(|n| &self.weights[n].1);
        let mut hidden = dense(&maps.values, w1, b1, batch);
        hidden.iter_mut().for_each(|value| *value = value.max(0.0));
        let logits = dense(&hidden, w2, b2, batch);
        Forward { kept, maps, hidden, logits }
    }

    fn differentiate(&self, size: [usize; 2], pixels: &[f64], labels: &[u8]) -> (f64, Gradients) {
        let (batch, width) = (labels.len(), self.config.num_fc1);
        let Forward { kept, maps, hidden, mut logits } = self.forward(size, pixels);
        let [w1, w2] = ["W_fc1", "W_fc2"].map(|n| &self.weights[n].1);
        let depth = maps.values.len() / batch;
        let mut loss = 0.0;
        for (row, &label) in logits.chunks_mut(10).zip(labels) {
            let top = row.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
            loss += (top + sum.ln() - row[usize::from(label)]) / batch as f64;
            // The logits become their gradients.
            row.iter_mut().for_each(|v| *v = (*v - top).exp() / sum / batch as f64);
            row[usize::from(label)] -= 1.0 / batch as f64;
        }
        let mut gradients = Gradients::new();
        let (mut dhidden, dw2, db2) = dense_back(&hidden, w2, &logits, [batch, width, 10]);
        for (dy, y) in dhidden.iter_mut().zip(&hidden) {
            if *y <= 0.0 {
                *dy = 0.0;
            }
        }
        let (dx, dw1, db1) = dense_back(&maps.values, w1, &dhidden, [batch, depth, width]);
        for (name, gradient) in [("W_fc1", dw1), ("b_fc1", db1), ("W_fc2", dw2), ("b_fc2", db2)] {
            gradients.insert(name.to_string(), gradient);
        }
        let mut dy = Maps { shape: maps.shape, values: dx };
        for module in (1..=kept.len()).rev() {
            dy = self.module_back(module, &kept[module - 1], dy, &mut gradients);
        }
        (loss, gradients)
    }

    fn module(&self, module: usize, input: Maps) -> Kept {
        let reduced_kind = self.config.module == Module::Reduced;
        let conv = |x: &Maps, name: &str| self.conv(module, name, x);
        let reduced = match reduced_kind {
            true => ["1x1_2", "1x1_3"].map(|name| conv(&input, name).relu()),
            false => [input.clone(), input.clone()],
        };
        let pooled = max_pool(&input);
        let last = if reduced_kind { conv(&pooled, "1x1_4") } else { pooled.clone() };
        let towers =
            [conv(&input, "1x1_1"), conv(&reduced[0], "3x3"), conv(&reduced[1], "5x5"), last];
        let pixels = input.values.len() / input.shape[3];
        let mut values = Vec::new();
        for pixel in 0..pixels {
            for tower in &towers {
                let channels = tower.shape[3];
                values.extend_from_slice(&tower.values[pixel * channels..][..channels]);
            }
        }
        let [count, height, width, _] = input.shape;
        let shape = [count, height, width, values.len() / pixels];
        let output = Maps { shape, values }.relu();
        Kept { input, reduced, pooled, output }
    }

    fn module_back(&self, module: usize, kept: &Kept, dy: Maps, all: &mut Gradients) -> Maps {
        let reduced_kind = self.config.module == Module::Reduced;
        let dy = kept.output.relu_back(dy);
        let map = self.config.maps[module - 1];
        let [count, height, width, channels] = dy.shape;
        let mut first = 0;
        let mut tower = |channels_out: usize| {
            let mut part = Maps::zeros([count, height, width, channels_out]);
            let from = dy.values.chunks(channels).map(|pixel| &pixel[first..first + channels_out]);
            part.values = from.flatten().copied().collect();
            first += channels_out;
            part
        };
        let towers = [map, map, map, channels - 3 * map].map(&mut tower);
        let mut back = |x: &Maps, name: &str, dy: &Maps| self.conv_back(module, name, x, dy, all);
        let mut dx = back(&kept.input, "1x1_1", &towers[0]);
        let inner = [("3x3", "1x1_2"), ("5x5", "1x1_3")];
        for (i, (large, small)) in inner.into_iter().enumerate() {
            let dreduced = back(&kept.reduced[i], large, &towers[i + 1]);
            if reduced_kind {
                let dreduced = kept.reduced[i].relu_back(dreduced);
                dx.add(&back(&kept.input, small, &dreduced));
            } else {
                dx.add(&dreduced);
            }
        }
        let dpooled = match reduced_kind {
            true => back(&kept.pooled, "1x1_4", &towers[3]),
            false => towers[3].clone(),
        };
        dx.add(&max_pool_back(&kept.input, &dpooled));
        dx
    }

    fn conv(&self, module: usize, name: &str, x: &Maps) -> Maps {
        let (shape, w) = &self.weights[&format!("W_conv{module}_{name}")];
        let b = &self.weights[&format!("b_conv{module}_{name}")].1;
        let [size, _, inputs, outputs] = shape[..].try_into().expect("four axes");
        let [count, height, width, _] = x.shape;
        let mut y = Maps::zeros([count, height, width, outputs]);
        y.values.chunks_mut(outputs).for_each(|pixel| pixel.copy_from_slice(b));
        windows(x, size, |[n, py, px, iy, ix, ky, kx]| {
            let to = y.at(n, py, px, 0);
            for i in 0..inputs {
                let value = x.values[x.at(n, iy, ix, i)];
                let w = &w[((ky * size + kx) * inputs + i) * outputs..][..outputs];
                let y = &mut y.values[to..to + outputs];
                y.iter_mut().zip(w).for_each(|(y, w)| *y += value * w);
            }
        });
        y
    }

    fn conv_back(
        &self,
        module: usize,
        name: &str,
        x: &Maps,
        dy: &Maps,
        gradients: &mut Gradients,
    ) -> Maps {
        let (shape, w) = &self.weights[&format!("W_conv{module}_{name}")];
        let [size, _, inputs, outputs] = shape[..].try_into().expect("four axes");
        let mut dx = Maps::zeros(x.shape);
        let (mut dw, mut db) = (vec![0.0; w.len()], vec![0.0; outputs]);
        for pixel in dy.values.chunks(outputs) {
            db.iter_mut().zip(pixel).for_each(|(db, dy)| *db += dy);
        }
        windows(x, size, |[n, py, px, iy, ix, ky, kx]| {
            let dy = &dy.values[dy.at(n, py, px, 0)..][..outputs];
            for i in 0..inputs {
                let place = x.at(n, iy, ix, i);
                let first = ((ky * size + kx) * inputs + i) * outputs;
                for (o, dy) in dy.iter().enumerate() {
                    dx.values[place] += dy * w[first + o];
                    dw[first + o] += dy * x.values[place];
                }
            }
        });
        gradients.insert(format!("W_conv{module}_{name}"), dw);
        gradients.insert(format!("b_conv{module}_{name}"), db);
        dx
    }
}
