//! Operations once more, in plain loops on the host: what the kernels are held against.
//!
//! Each file of [`ops`](crate::ops) ends with its operation's [`Reference`]s, which share nothing with
//! how the operation is recorded. [`selftest`](crate::selftest) and the tests run them beside the
//! kernels.

mod number;

use std::fmt;

pub use number::Number;

use crate::ops::Padding;
use crate::tape::Tensor;

/// An operation in plain loops, the rule of its gradients, and how to record the same on a tape.
/// Inputs come in order, whole numbers as numbers too; gradients leave in the same order, empty where
/// there is none.
pub trait Reference: fmt::Debug {
    /// The operation's name.
    fn op(&self) -> &'static str;

    /// Inputs that suit it.
    fn inputs(&self, random: &mut Random) -> Vec<Given>;

    /// Records it over the inputs.
    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t>;

    /// The output.
    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number>;

    /// The inputs' gradients, given the output's.
    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>>;

    /// How often to run what is recorded, from states of zero, before the output is read.
    fn runs(&self) -> usize {
        1
    }
}

/// A tensor's elements, as the host writes them.
#[derive(Clone, Debug)]
pub enum Values {
    /// Floats.
    F32(Vec<f32>),
    /// Labels, keys, rows, bytes.
    U32(Vec<u32>),
}

impl Values {
    /// As numbers.
    pub fn numbers(&self) -> Vec<Number> {
        match self {
            Values::F32(values) => values.iter().map(|&v| Number::exact(v.into())).collect(),
            Values::U32(values) => values.iter().map(|&v| Number::exact(v.into())).collect(),
        }
    }

    /// As they lie in memory.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Values::F32(values) => bytemuck::cast_slice(values),
            Values::U32(values) => bytemuck::cast_slice(values),
        }
    }
}

/// An input of a case.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its name.
    pub name: &'static str,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// As many elements.
    pub values: Values,
    /// Its gradient is wanted.
    pub differentiated: bool,
}

/// A differentiated input.
pub fn float(name: &'static str, shape: &[usize], values: impl Into<Vec<f32>>) -> Given {
    Given { differentiated: true, ..fixed(name, shape, values) }
}

/// An input of floats that has no gradient.
pub fn fixed(name: &'static str, shape: &[usize], values: impl Into<Vec<f32>>) -> Given {
    let (shape, values) = (shape.to_vec(), Values::F32(values.into()));
    Given { name, shape, values, differentiated: false }
}

/// An input of whole numbers, which have no gradient.
pub fn whole(name: &'static str, shape: &[usize], values: impl Into<Vec<u32>>) -> Given {
    let (shape, values) = (shape.to_vec(), Values::U32(values.into()));
    Given { name, shape, values, differentiated: false }
}

/// Numbers from a seed, the same on every machine: SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of that seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.bits() % (high - low + 1) as u64) as usize
    }

    /// In -1..1, never 0.
    pub fn float(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 + 0.5) / 8_388_608.0 - 1.0
    }

    /// As many of them as a tensor of that shape has elements.
    pub fn floats(&mut self, shape: &[usize]) -> Vec<f32> {
        (0..shape.iter().product()).map(|_| self.float()).collect()
    }
}

/// Output extent and padding before the first pixel along an axis, by TensorFlow's formula for SAME,
/// else for VALID.
pub fn extent(n: usize, window: usize, stride: usize, padding: Padding) -> (usize, usize) {
    match padding {
        Padding::Same => {
            let out = n.div_ceil(stride);
            let total = ((out - 1) * stride + window).saturating_sub(n);
            (out, total / 2)
        }
        Padding::Valid => ((n - window) / stride + 1, 0),
        Padding::Pixels(pixels) => ((n + 2 * pixels - window) / stride + 1, pixels),
    }
}
