//! A tensor of one value.

use super::elementwise;
use crate::kernel::{Kernel, kernel};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("fill");

impl<'t> Tensor<'t> {
    /// Ones in this tensor's shape: the gradient that a loss begins with.
    pub fn ones(self) -> Tensor<'t> {
        let y = self.like();
        elementwise(&KERNEL, "forward", &[("VALUE", 1.0f32.into())], &[("y", y)], &[]);
        y
    }
}
