//! Rectified linear unit.

use super::elementwise;
use crate::kernel::{Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("relu");

impl<'t> Tensor<'t> {
    /// `max(x, 0)`, any shape; the gradient at 0 is 0, as in TensorFlow.
    #[track_caller]
    pub fn relu(self) -> Tensor<'t> {
        let y = self.like();
        elementwise(&KERNEL, "forward", &[], &[("x", self), ("y", y)], &[]);
        y.made_from(&[self], |inputs, y, dy| {
            let dx = y.like();
            let tensors = [("y_made", y), ("dy", dy), ("dx", dx)];
            elementwise(&KERNEL, "backward", &[], &tensors, &[]);
            inputs[0].accumulate(dx);
        })
    }
}

/// The same in plain loops, for a tensor of that shape.
#[derive(Clone, Debug)]
pub struct PlainRelu(pub Vec<usize>);

impl Reference for PlainRelu {
    fn op(&self) -> &'static str {
        "relu"
    }

    /// Quarters, so that some are zero.
    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let x: Vec<f32> = random.floats(&self.0).iter().map(|x| (x * 4.0).round() / 4.0).collect();
        vec![float("x", &self.0, x)]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].relu()
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        inputs[0].iter().map(|x| x.relu()).collect()
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        vec![inputs[0].iter().zip(dy).map(|(x, dy)| dy.where_positive(*x)).collect()]
    }
}
