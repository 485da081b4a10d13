//! Batch normalisation (Ioffe and Szegedy 2015).

use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, fixed, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("batch_norm");

/// A layer's variables, each `[channels]`.
#[derive(Clone, Copy)]
pub struct Normal<'t> {
    /// What normalised numbers are multiplied by.
    pub gamma: Tensor<'t>,
    /// What is added to them.
    pub beta: Tensor<'t>,
    /// The running mean, which training moves and inference takes.
    pub mean: Tensor<'t>,
    /// The running variance, likewise.
    pub variance: Tensor<'t>,
    /// Added to variances.
    pub epsilon: f32,
    /// How far each batch moves the running mean and variance, from 0 to 1.
    pub momentum: f32,
}

/// What the passes of one layer share.
struct Shared {
    pixels: usize,
    groups: usize,
    constants: [Constant; 6],
}

impl<'t> Tensor<'t> {
    /// `[.., channels]` with each channel's mean over the batch made `beta` and its deviation `gamma`,
    /// as in training; moves the running mean and variance.
    ///
    /// # Panics
    /// When the variables have not one number a channel.
    #[track_caller]
    pub fn batch_norm(self, by: Normal<'t>) -> Tensor<'t> {
        let axes = self.shape().len() - 1;
        let count = self.len() / by.gamma.len();
        let shared = self.shared(by, count as f32);
        let sum = self.sum_rows(axes);
        let squared = self.like();
        self.normal_pass(&shared, "squares", &[("x", self), ("sum", sum), ("squared", squared)]);
        let spread = squared.sum_rows(axes);
        let tensors =
            [("sum", sum), ("spread", spread), ("mean", by.mean), ("variance", by.variance)];
        let tape = self.tape();
        tape.dispatch(&KERNEL, "track", &shared.constants, &tensors, [shared.groups, 1, 1]);
        let y = self.normalised(&shared, by, sum, spread);
        let (sum, spread) = (sum.id(), spread.id());
        y.made_from(&[self, by.gamma, by.beta], move |inputs, y, dy| {
            let [x, gamma, beta] = inputs.try_into().expect("three inputs");
            let [sum, spread] = [sum, spread].map(|id| y.tape().tensor(id));
            let product = x.like();
            let tensors = [("x", x), ("sum", sum), ("spread", spread), ("dy", dy)];
            let all = [&tensors[..], &[("product", product)]].concat();
            x.normal_pass(&shared, "products", &all);
            let (dgamma, dbeta) = (product.sum_rows(axes), dy.sum_rows(axes));
            if x.is_tracked() {
                let dx = x.like();
                let sums = [("gamma", gamma), ("dgamma", dgamma), ("dbeta", dbeta), ("dx", dx)];
                x.normal_pass(&shared, "backward", &[&tensors[..], &sums].concat());
                x.accumulate(dx);
            }
            gamma.accumulate(dgamma);
            beta.accumulate(dbeta);
        })
    }

    /// The same by the running mean and variance, as in inference and in layers that are frozen.
    /// `gamma` and `beta` get no gradient.
    ///
    /// # Panics
    /// As [`Tensor::batch_norm`].
    #[track_caller]
    pub fn batch_norm_given(self, by: Normal<'t>) -> Tensor<'t> {
        let shared = self.shared(by, 1.0);
        let y = self.normalised(&shared, by, by.mean, by.variance);
        let (gamma, variance) = (by.gamma.id(), by.variance.id());
        y.made_from(&[self], move |inputs, y, dy| {
            let (x, tape) = (inputs[0], y.tape());
            let dx = x.like();
            let (gamma, spread) = (tape.tensor(gamma), tape.tensor(variance));
            let tensors = [("gamma", gamma), ("spread", spread), ("dy", dy), ("dx", dx)];
            x.normal_pass(&shared, "backward_given", &tensors);
            x.accumulate(dx);
        })
    }

    #[track_caller]
    fn shared(self, by: Normal<'t>, count: f32) -> Shared {
        let shape = self.shape();
        let channels = shape[shape.len() - 1];
        for variable in [by.gamma, by.beta, by.mean, by.variance] {
            let one_each = variable.shape() == [channels];
            assert!(one_each, "batch_norm: {variable} does not fit the input {self}");
        }
        let width = width(&[channels]);
        let (pixels, groups) = (self.len() / channels, channels / width);
        let constants = [
            columns_type(width),
            ("PIXELS", pixels.into()),
            ("GROUPS", groups.into()),
            ("COUNT", count.into()),
            ("EPSILON", by.epsilon.into()),
            ("MOMENTUM", by.momentum.into()),
        ];
        Shared { pixels, groups, constants }
    }

    fn normalised(
        self,
        shared: &Shared,
        by: Normal<'t>,
        sum: Tensor<'t>,
        spread: Tensor<'t>,
    ) -> Tensor<'t> {
        let y = self.like();
        let tensors = [("x", self), ("sum", sum), ("spread", spread), ("gamma", by.gamma)];
        let tensors = [&tensors[..], &[("beta", by.beta), ("y", y)]].concat();
        self.normal_pass(shared, "forward", &tensors);
        y
    }

    fn normal_pass(
        self,
        shared: &Shared,
        entry: &'static str,
        tensors: &[(&'static str, Tensor<'_>)],
    ) {
        let threads = [shared.groups, shared.pixels, 1];
        self.tape().dispatch(&KERNEL, entry, &shared.constants, tensors, threads);
    }
}

/// Batch normalisation in plain loops, of rows of channels.
#[derive(Clone, Copy, Debug)]
pub struct PlainBatchNorm {
    /// Rows and channels.
    pub shape: [usize; 2],
    /// Added to variances.
    pub epsilon: f32,
    /// Whether mean and variance are given, as in inference.
    pub given: bool,
}

impl PlainBatchNorm {
    /// Of each channel, its mean and the root of its variance with epsilon.
    fn statistics(&self, inputs: &[Vec<Number>]) -> Vec<(Number, Number)> {
        let [rows, channels] = self.shape;
        let (x, count) = (&inputs[0], Number::exact(rows as f64));
        let of = |c: usize| {
            let (mean, variance) = if self.given {
                (inputs[3][c], inputs[4][c])
            } else {
                let mean = (0..rows).map(|r| x[r * channels + c]).sum::<Number>() / count;
                let far = |r: usize| x[r * channels + c] - mean;
                (mean, (0..rows).map(|r| far(r) * far(r)).sum::<Number>() / count)
            };
            (mean, (variance + Number::exact(self.epsilon.into())).sqrt())
        };
        (0..channels).map(of).collect()
    }

    fn normal(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let statistics = self.statistics(inputs);
        let channels = self.shape[1];
        let normal = |(i, x): (usize, &Number)| {
            let (mean, root) = statistics[i % channels];
            (*x - mean) / root
        };
        inputs[0].iter().enumerate().map(normal).collect()
    }
}

impl Reference for PlainBatchNorm {
    fn op(&self) -> &'static str {
        "batch_norm"
    }

    /// x, gamma, beta, the running mean and the running variance.
    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let one_each = [self.shape[1]];
        let mut floats = |shape: &[usize]| random.floats(shape);
        let gamma: Vec<f32> = floats(&one_each).iter().map(|v| 1.0 + 0.5 * v).collect();
        let variance: Vec<f32> = floats(&one_each).iter().map(|v| 1.0 + 0.9 * v).collect();
        let [gamma, beta] =
            [("gamma", gamma), ("beta", floats(&one_each))].map(|(name, values)| {
                let make = if self.given { fixed } else { float };
                make(name, &one_each, values)
            });
        vec![
            float("x", &self.shape, floats(&self.shape)),
            gamma,
            beta,
            fixed("mean", &one_each, floats(&one_each)),
            fixed("variance", &one_each, variance),
        ]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        let [x, gamma, beta, mean, variance] = inputs.try_into().expect("five inputs");
        let epsilon = self.epsilon;
        let by = Normal { gamma, beta, mean, variance, epsilon, momentum: 0.1 };
        if self.given { x.batch_norm_given(by) } else { x.batch_norm(by) }
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let channels = self.shape[1];
        let normal = self.normal(inputs).into_iter().enumerate();
        normal.map(|(i, n)| inputs[1][i % channels] * n + inputs[2][i % channels]).collect()
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let [rows, channels] = self.shape;
        let (statistics, normal) = (self.statistics(inputs), self.normal(inputs));
        let mut sums = [vec![Number::default(); channels], vec![Number::default(); channels]];
        for (i, dy) in dy.iter().enumerate() {
            sums[0][i % channels] += *dy * normal[i];
            sums[1][i % channels] += *dy;
        }
        let [dgamma, dbeta] = sums;
        let dx = dy.iter().enumerate().map(|(i, dy)| {
            let c = i % channels;
            let slope = inputs[1][c] / statistics[c].1;
            match self.given {
                true => slope * *dy,
                false => {
                    let common = dbeta[c] + normal[i] * dgamma[c];
                    slope * (*dy - common / Number::exact(rows as f64))
                }
            }
        });
        let dx = dx.collect();
        match self.given {
            true => vec![dx, vec![], vec![], vec![], vec![]],
            false => vec![dx, dgamma, dbeta, vec![], vec![]],
        }
    }
}
