//! Inverted dropout (Srivastava et al. 2014).

use super::elementwise;
use crate::kernel::{Constant, Kernel, kernel};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("dropout");

impl<'t> Tensor<'t> {
    /// Zeroes each element with probability `rate` and divides the others by `1 - rate`.
    ///
    /// `key` is a u32 tensor `[2]`, seed and step: the same key draws the same elements. `layer`
    /// tells several dropouts of one network apart.
    ///
    /// # Panics
    /// When `rate` is not in `0.0..1.0`.
    #[track_caller]
    pub fn dropout(self, rate: f32, key: Tensor<'t>, layer: u32) -> Tensor<'t> {
        assert!((0.0..1.0).contains(&rate), "dropout: rate {rate} is not in 0..1");
        if rate == 0.0 {
            return self;
        }
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
