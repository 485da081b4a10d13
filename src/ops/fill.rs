//! A tensor of one value.

use super::elementwise;
use crate::kernel::{Kernel, kernel};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("fill");

impl<'t> Tensor<'t> {
    /// Ones in this tensor's shape: the gradient that a loss begins with.
    pub fn ones(self) -> Tensor<'t> {
        self.like().filled(1.0)
    }

    /// This tensor, a new temporary, with that value everywhere.
    pub fn filled(self, value: f32) -> Tensor<'t> {
        elementwise(&KERNEL, "forward", &[("VALUE", value.into())], &[("y", self)], &[]);
        self
    }
}
