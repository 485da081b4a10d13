//! Sum of two tensors.

use super::elementwise;
use crate::kernel::{Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("add");

impl<'t> Tensor<'t> {
    /// `self + other`, element by element.
    ///
    /// # Panics
    /// When the shapes differ.
    #[track_caller]
    #[allow(clippy::should_implement_trait)] // an operator would hide that a pass is recorded
    pub fn add(self, other: Tensor<'t>) -> Tensor<'t> {
        let y = self.like();
        elementwise(&KERNEL, "forward", &[], &[("a", self), ("b", other), ("y", y)], &[]);
        y.made_from(&[self, other], |inputs, _, dy| {
            inputs[0].accumulate(dy);
            inputs[1].accumulate(dy);
        })
    }
}

/// The sum in plain loops, of tensors of that shape.
#[derive(Clone, Debug)]
pub struct PlainAdd(pub Vec<usize>);

impl Reference for PlainAdd {
    fn op(&self) -> &'static str {
        "add"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        ["a", "b"].map(|name| float(name, &self.0, random.floats(&self.0))).to_vec()
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].add(inputs[1])
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        inputs[0].iter().zip(&inputs[1]).map(|(a, b)| *a + *b).collect()
    }

    fn backward(&self, _: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        vec![dy.to_vec(), dy.to_vec()]
    }
}
