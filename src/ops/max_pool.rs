//! Max-pooling.

use super::conv2d::{Padding, output};
use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, Value, kernel};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("max_pool");

/// Rows that a thread walks at most: enough that those which two threads read weigh little, few
/// enough that a batch fills a GPU.
const TILE: usize = 8;
/// The largest window whose places fit into a byte.
const PACKED: usize = 16;

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
        let width = if size <= PACKED { width(&[channels]) } else { 1 };
        let groups = channels / width;
        let (places, flags) =
            if width == 4 { ("vec4<u32>", "vec4<bool>") } else { ("u32", "bool") };
        let constants = [
            columns_type(width),
            ("Places", Value::Type(places)),
            ("Flags", Value::Type(flags)),
            ("PACKED", u32::from(width == 4).into()),
            ("BATCH", (batch as i32).into()),
            ("IN_H", (in_h as i32).into()),
            ("IN_W", (in_w as i32).into()),
            ("OUT_H", (out_h as i32).into()),
            ("OUT_W", (out_w as i32).into()),
            ("GROUPS", (groups as i32).into()),
            ("KERNEL", size.into()),
            ("BEFORE", (size - 1).into()),
            ("STRIDE", (stride as i32).into()),
            ("PAD_TOP", (pad_top as i32).into()),
            ("PAD_LEFT", (pad_left as i32).into()),
        ];
        // Threads down and along the rows of a result of that size, and the rows of each thread.
        let walk = move |height: usize, width: usize| {
            let tiles = height.div_ceil(TILE);
            let tile: Constant = ("TILE", (height.div_ceil(tiles) as i32).into());
            ([&constants[..], &[tile]].concat(), [width * groups, batch * tiles, 1])
        };
        let tape = self.tape();
        let y = tape.temporary(&[batch, out_h, out_w, channels]);
        let winner = tape.temporary(&[batch, out_h, out_w, groups]);
        let tensors = [("x", self), ("y", y), ("winner", winner)];
        let (constants, threads) = walk(out_h, out_w);
        tape.dispatch(&KERNEL, "forward", &constants, &tensors, threads);
        let winner = winner.id();
        y.made_from(&[self], move |inputs, y, dy| {
            let dx = inputs[0].like();
            let winner = y.tape().tensor(winner);
            let tensors = [("won", winner), ("dy", dy), ("dx", dx)];
            let (constants, threads) = walk(in_h, in_w);
            y.tape().dispatch(&KERNEL, "backward", &constants, &tensors, threads);
            inputs[0].accumulate(dx);
        })
    }
}
