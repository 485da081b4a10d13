//! Rectified linear unit.

use super::elementwise;
use crate::kernel::{Kernel, kernel};
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
