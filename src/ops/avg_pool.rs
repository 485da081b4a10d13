//! Average pooling.

use super::conv2d::{Padding, output};
use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, kernel};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("avg_pool");

impl<'t> Tensor<'t> {
    /// The mean of each `size` x `size` window of `[batch, height, width, channels]`. Padding does
    /// not count: a window at the border is divided by the pixels that it shows, as in TensorFlow.
    ///
    /// # Panics
    /// When the tensor has not four axes or the window does not fit.
    #[track_caller]
    pub fn avg_pool(self, size: usize, stride: usize, padding: Padding) -> Tensor<'t> {
        let [batch, in_h, in_w, channels] = self.image_shape("avg_pool");
        let (out_h, pad_top) = output(in_h, size, stride, padding);
        let (out_w, pad_left) = output(in_w, size, stride, padding);
        let width = width(&[channels]);
        let groups = channels / width;
        let (pixels_in, pixels_out) = (batch * in_h * in_w, batch * out_h * out_w);
        let constants: [Constant; 12] = [
            columns_type(width),
            ("PIXELS_IN", pixels_in.into()),
            ("PIXELS_OUT", pixels_out.into()),
            ("IN_H", (in_h as i32).into()),
            ("IN_W", (in_w as i32).into()),
            ("OUT_H", (out_h as i32).into()),
            ("OUT_W", (out_w as i32).into()),
            ("GROUPS", groups.into()),
            ("KERNEL", (size as i32).into()),
            ("STRIDE", (stride as i32).into()),
            ("PAD_TOP", (pad_top as i32).into()),
            ("PAD_LEFT", (pad_left as i32).into()),
        ];
        let tape = self.tape();
        let y = tape.temporary(&[batch, out_h, out_w, channels]);
        let tensors = [("x", self), ("y", y)];
        tape.dispatch(&KERNEL, "forward", &constants, &tensors, [groups, pixels_out, 1]);
        y.made_from(&[self], move |inputs, y, dy| {
            let dx = inputs[0].like();
            let tensors = [("dy", dy), ("dx", dx)];
            y.tape().dispatch(&KERNEL, "backward", &constants, &tensors, [groups, pixels_in, 1]);
            inputs[0].accumulate(dx);
        })
    }
}
