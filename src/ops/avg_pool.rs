//! Average pooling.

use super::conv2d::{Padding, output};
use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, extent, float};
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

/// Average pooling in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainAvgPool {
    /// Batch, height, width, channels.
    pub shape: [usize; 4],
    /// Extent of the window.
    pub size: usize,
    /// From window to window.
    pub stride: usize,
    /// What is beyond the border.
    pub padding: Padding,
}

impl PlainAvgPool {
    /// For each output the places in x that its window shows.
    fn windows(&self) -> Vec<Vec<usize>> {
        let [batch, height, width, channels] = self.shape;
        let (out_h, top) = extent(height, self.size, self.stride, self.padding);
        let (out_w, left) = extent(width, self.size, self.stride, self.padding);
        let mut windows = Vec::new();
        for b in 0..batch {
            for oy in 0..out_h {
                for ox in 0..out_w {
                    for c in 0..channels {
                        let mut window = Vec::new();
                        for py in oy * self.stride..oy * self.stride + self.size {
                            for px in ox * self.stride..ox * self.stride + self.size {
                                if (top..top + height).contains(&py)
                                    && (left..left + width).contains(&px)
                                {
                                    let pixel = (b * height + py - top) * width + px - left;
                                    window.push(pixel * channels + c);
                                }
                            }
                        }
                        windows.push(window);
                    }
                }
            }
        }
        windows
    }
}

impl Reference for PlainAvgPool {
    fn op(&self) -> &'static str {
        "avg_pool"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        vec![float("x", &self.shape, random.floats(&self.shape))]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].avg_pool(self.size, self.stride, self.padding)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let mean = |window: Vec<usize>| {
            let sum: Number = window.iter().map(|&at| inputs[0][at]).sum();
            sum / Number::exact(window.len() as f64)
        };
        self.windows().into_iter().map(mean).collect()
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let mut dx = vec![Number::default(); inputs[0].len()];
        for (window, dy) in self.windows().into_iter().zip(dy) {
            for &at in &window {
                dx[at] += *dy / Number::exact(window.len() as f64);
            }
        }
        vec![dx]
    }
}
