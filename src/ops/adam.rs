//! The Adam optimizer (Kingma and Ba 2015), in TensorFlow's form.

use super::elementwise;
use crate::kernel::{Constant, Kernel, kernel};
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
