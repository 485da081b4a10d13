//! Max-pooling.

use super::conv2d::{Padding, output};
use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, Value, kernel};
use crate::reference::{Given, Number, Random, Reference, extent, float};
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

/// Max-pooling in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainMaxPool {
    /// Batch, height, width, channels.
    pub shape: [usize; 4],
    /// Extent of the window.
    pub size: usize,
    /// From window to window.
    pub stride: usize,
    /// What is beyond the border.
    pub padding: Padding,
}

impl PlainMaxPool {
    /// For each output the place in x of its maximum, the first of equal ones.
    pub fn winners(&self, x: &[Number]) -> Vec<usize> {
        let [batch, height, width, channels] = self.shape;
        let (out_h, top) = extent(height, self.size, self.stride, self.padding);
        let (out_w, left) = extent(width, self.size, self.stride, self.padding);
        let mut winners = Vec::new();
        for b in 0..batch {
            for oy in 0..out_h {
                for ox in 0..out_w {
                    for c in 0..channels {
                        let mut best = None;
                        for py in oy * self.stride..oy * self.stride + self.size {
                            for px in ox * self.stride..ox * self.stride + self.size {
                                if py < top || px < left || py - top >= height || px - left >= width
                                {
                                    continue;
                                }
                                let pixel = (b * height + py - top) * width + px - left;
                                let here = pixel * channels + c;
                                let wins = |best: usize| x[here].value > x[best].value;
                                if best.is_none_or(wins) {
                                    best = Some(here);
                                }
                            }
                        }
                        winners.push(best.expect("a window shows something"));
                    }
                }
            }
        }
        winners
    }
}

impl Reference for PlainMaxPool {
    fn op(&self) -> &'static str {
        "max_pool"
    }

    /// Few values, so that many are equal.
    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let x: Vec<f32> = random.floats(&self.shape).iter().map(|x| (x * 4.0).round()).collect();
        vec![float("x", &self.shape, x)]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].max_pool(self.size, self.stride, self.padding)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let x = &inputs[0];
        self.winners(x).into_iter().map(|at| x[at]).collect()
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let mut dx = vec![Number::default(); inputs[0].len()];
        for (at, dy) in self.winners(&inputs[0]).into_iter().zip(dy) {
            dx[at] += *dy;
        }
        vec![dx]
    }
}
