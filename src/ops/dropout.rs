//! Inverted dropout (Srivastava et al. 2014).

use super::elementwise;
use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, float, whole};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("dropout");

impl<'t> Tensor<'t> {
    /// Zeroes each element with probability `rate` and divides the others by `1 - rate`.
    ///
    /// `key` is a u32 tensor `[2]`, seed and step: the same key draws the same elements. `layer`
    /// tells several dropouts of one network apart.
    ///
    /// # Panics
    /// When `rate` is not in `0.0..1.0`, or the tensor has more elements than a u32 counts: each is
    /// drawn by its number.
    #[track_caller]
    pub fn dropout(self, rate: f32, key: Tensor<'t>, layer: u32) -> Tensor<'t> {
        assert!((0.0..1.0).contains(&rate), "dropout: rate {rate} is not in 0..1");
        if rate == 0.0 {
            return self;
        }
        assert!(
            u32::try_from(self.len()).is_ok(),
            "dropout: shaders cannot count to {}",
            self.len()
        );
        let keep = 1.0 - rate;
        let threshold = (f64::from(keep) * 4_294_967_296.0) as u32;
        let constants: [Constant; 3] =
            [("LAYER", layer.into()), ("KEEP", keep.into()), ("THRESHOLD", threshold.into())];
        let y = self.like();
        elementwise(&KERNEL, "forward", &constants, &[("x", self), ("y", y)], &[("key", key)]);
        let key = key.id();
        y.made_from(&[self], move |inputs, y, dy| {
            let dx = y.like();
            let key = y.tape().tensor(key);
            let tensors = [("dy", dy), ("dx", dx)];
            elementwise(&KERNEL, "backward", &constants, &tensors, &[("key", key)]);
            inputs[0].accumulate(dx);
        })
    }
}

/// Dropout in plain loops, over the key's two numbers.
#[derive(Clone, Debug)]
pub struct PlainDropout {
    /// The tensor's extents.
    pub shape: Vec<usize>,
    /// Share that is dropped.
    pub rate: f32,
    /// Which dropout of its network.
    pub layer: u32,
}

/// PCG-RXS-M-XS with 32 bits of state and output (O'Neill 2014).
pub(super) fn hash(value: u32) -> u32 {
    let state = value.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

impl PlainDropout {
    /// Whether each element is kept, in order.
    pub fn kept(&self, key: [u32; 2]) -> impl Iterator<Item = bool> + use<> {
        let drawn = hash(key[1] ^ hash(key[0] ^ hash(self.layer)));
        let below = f64::from(1.0 - self.rate) * 4_294_967_296.0;
        (0..).map(move |element: u32| f64::from(hash(element ^ drawn)) < below)
    }

    fn masked(&self, values: &[Number], key: &[Number]) -> Vec<Number> {
        let keep = Number::exact(f64::from(1.0 - self.rate));
        let kept = self.kept([key[0].value as u32, key[1].value as u32]);
        let masked = |(value, kept): (&Number, bool)| match kept {
            true => *value / keep,
            false => Number::exact(0.0),
        };
        values.iter().zip(kept).map(masked).collect()
    }
}

impl Reference for PlainDropout {
    fn op(&self) -> &'static str {
        "dropout"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let key = [random.bits() as u32, random.between(0, 100) as u32];
        vec![float("x", &self.shape, random.floats(&self.shape)), whole("key", &[2], key)]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].dropout(self.rate, inputs[1], self.layer)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        self.masked(&inputs[0], &inputs[1])
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        vec![self.masked(dy, &inputs[1]), vec![]]
    }
}
