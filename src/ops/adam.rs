//! The Adam optimizer (Kingma and Ba 2015), in TensorFlow's form.

use super::elementwise;
use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, fixed};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("adam");

/// Adam's fixed numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the uncorrected mean square.
    pub epsilon: f64,
}

impl Default for Adam {
    /// 0.9, 0.999, 1e-8: the paper's and TensorFlow's.
    fn default() -> Self {
        Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

impl Adam {
    /// The step's rate with both bias corrections folded in:
    /// `learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t)`, where `t` counts updates from 1.
    pub fn rate(&self, learning_rate: f64, t: u64) -> f32 {
        let t = t as f64;
        (learning_rate * (1.0 - self.beta2.powf(t)).sqrt() / (1.0 - self.beta1.powf(t))) as f32
    }
}

/// Records the update of every parameter that a gradient has reached. `rate` is an f32 input `[1]`
/// that holds [`Adam::rate`]. The moments are states named `m/<parameter>` and `v/<parameter>`.
pub fn adam<'t>(parameters: &[Tensor<'t>], rate: Tensor<'t>, adam: Adam) {
    let constants: [Constant; 5] = [
        ("BETA1", (adam.beta1 as f32).into()),
        ("BETA2", (adam.beta2 as f32).into()),
        ("ONE_MINUS_BETA1", ((1.0 - adam.beta1) as f32).into()),
        ("ONE_MINUS_BETA2", ((1.0 - adam.beta2) as f32).into()),
        ("EPSILON", (adam.epsilon as f32).into()),
    ];
    for &w in parameters {
        let Some(g) = w.gradient() else { continue };
        let tape = w.tape();
        let (name, shape) = (w.name(), w.shape());
        let m = tape.state(&format!("m/{name}"), &shape);
        let v = tape.state(&format!("v/{name}"), &shape);
        tape.scope(&format!("optimizer/{name}"), || {
            let tensors = [("g", g), ("m", m), ("v", v), ("w", w)];
            elementwise(&KERNEL, "update", &constants, &tensors, &[("rate", rate)]);
        });
    }
}

impl Adam {
    /// A weight's mean, mean square and value after one more step, in plain arithmetic.
    pub fn plainly(&self, [m, v, w]: [Number; 3], g: Number, rate: Number) -> [Number; 3] {
        let constant = Number::rounded;
        let m = constant(self.beta1) * m + constant(1.0 - self.beta1) * g;
        let v = constant(self.beta2) * v + constant(1.0 - self.beta2) * g * g;
        [m, v, w - rate * m / (v.sqrt() + constant(self.epsilon))]
    }
}

/// The update in plain loops: three steps of weights that are zero at first, by one gradient.
#[derive(Clone, Debug)]
pub struct PlainAdam {
    /// The weights' extents: of a dense layer's, whose examples make the gradient, where there are
    /// examples.
    pub shape: [usize; 2],
    /// Examples of the dense layer; 0 where the gradient is given.
    pub examples: usize,
}

impl Reference for PlainAdam {
    fn op(&self) -> &'static str {
        "adam"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let [depth, out] = self.shape;
        let rate = fixed("rate", &[1], [0.01]);
        let mut drawn = |name, shape: [usize; 2]| fixed(name, &shape, random.floats(&shape));
        match self.examples {
            0 => vec![rate, drawn("g", self.shape)],
            examples => {
                vec![rate, drawn("dy", [examples, out]), drawn("x", [examples, depth])]
            }
        }
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        let tape = inputs[0].tape();
        let w = tape.parameter("w", &self.shape);
        match inputs[2..] {
            [x] => x.dense(w, tape.input("b", &self.shape[1..])).backward(inputs[1]),
            _ => w.accumulate(inputs[1]),
        }
        adam(&[w], inputs[0], Adam::default());
        w
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let (rate, out) = (inputs[0][0], self.shape[1]);
        let gradient = |i: usize| match &inputs[2..] {
            [x] => {
                let rows = x.chunks(self.shape[0]).zip(inputs[1].chunks(out));
                rows.map(|(x, dy)| x[i / out] * dy[i % out]).sum()
            }
            _ => inputs[1][i],
        };
        let trained = (0..self.shape[0] * out).map(|i| {
            let (step, start) = (Adam::default(), [Number::exact(0.0); 3]);
            (0..self.runs()).fold(start, |state, _| step.plainly(state, gradient(i), rate))[2]
        });
        trained.collect()
    }

    fn backward(&self, inputs: &[Vec<Number>], _: &[Number]) -> Vec<Vec<Number>> {
        vec![vec![]; inputs.len()]
    }

    fn runs(&self) -> usize {
        3
    }
}
