//! Max-pooling.

use super::conv2d::{Padding, output};
use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, Value, kernel};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("max_pool");

impl<'t> Tensor<'t> {
    /// The largest of each `size` x `size` window of `[batch, height, width, channels]`. Padding
    /// never wins; on a tie the first in row-major order takes the whole gradient, as in
    /// TensorFlow, JAX and PyTorch.
    ///
    /// # Panics
    /// When the tensor has not four axes or the window does not fit.
    #[track_caller]
    pub fn max_pool(self, size: usize, stride: usize, padding: Padding) -> Tensor<'t> {
        let [batch, in_h, in_w, channels] = self.image_shape("max_pool");
        let (out_h, pad_top) = output(in_h, size, stride, padding);
        let (out_w, pad_left) = output(in_w, size, stride, padding);
        let width = width(&[channels]);
        let groups = channels / width;
        let (pixels_in, pixels_out) = (batch * in_h * in_w, batch * out_h * out_w);
        let (places, flags) =
            if width == 4 { ("vec4<u32>", "vec4<bool>") } else { ("u32", "bool") };
        let constants: [Constant; 14] = [
            columns_type(width),
            ("Places", Value::Type(places)),
            ("Flags", Value::Type(flags)),
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
        let winner = y.like();
        let tensors = [("x", self), ("y", y), ("winner", winner)];
        tape.dispatch(&KERNEL, "forward", &constants, &tensors, [groups, pixels_out, 1]);
        let winner = winner.id();
        y.made_from(&[self], move |inputs, y, dy| {
            let dx = inputs[0].like();
            let winner = y.tape().tensor(winner);
            let tensors = [("won", winner), ("dy", dy), ("dx", dx)];
            y.tape().dispatch(&KERNEL, "backward", &constants, &tensors, [groups, pixels_in, 1]);
            inputs[0].accumulate(dx);
        })
    }
}
