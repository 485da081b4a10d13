//! Sum of two tensors.

use super::elementwise;
use crate::kernel::{Kernel, kernel};
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
