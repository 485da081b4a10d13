//! Two-dimensional convolution as neural networks mean it (cross-correlation), NHWC and HWIO.

use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, kernel};
use crate::recording::Rows;
use crate::reference::{Given, Number, Random, Reference, extent, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("conv2d");

/// Pixels, or rows of dw, that a thread's tile takes in `shaders/conv2d.wgsl`.
const TILE: usize = 8;

/// What is beyond the border: TensorFlow's two rules, or so many pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// `ceil(n / stride)` outputs; of an odd number of padding pixels the smaller half comes first.
    Same,
    /// Only windows that lie wholly inside.
    Valid,
    /// So many pixels on each side, fewer than the window's extent, and only windows that lie wholly
    /// inside what that makes: PyTorch's rule.
    Pixels(usize),
}

impl Padding {
    /// How many windows there are along an axis of `n` pixels; none where not one fits, or one might
    /// see nothing but padding.
    pub fn windows(self, n: usize, window: usize, stride: usize) -> Option<usize> {
        let inside = |n: usize| Some(n.checked_sub(window)? / stride + 1);
        match self {
            Padding::Same => Some(n.div_ceil(stride)),
            Padding::Valid => inside(n),
            Padding::Pixels(pixels) if pixels < window => inside(n + 2 * pixels),
            Padding::Pixels(_) => None,
        }
    }
}

/// Output extent and the padding before the first pixel, along one axis.
#[track_caller]
pub(super) fn output(n: usize, kernel: usize, stride: usize, padding: Padding) -> (usize, usize) {
    let out = padding.windows(n, kernel, stride).unwrap_or_else(|| {
        panic!("a window of {kernel} with padding {padding:?} does not fit into {n} pixels")
    });
    let before = match padding {
        Padding::Same => ((out - 1) * stride + kernel).saturating_sub(n) / 2,
        Padding::Valid => 0,
        Padding::Pixels(pixels) => pixels,
    };
    (out, before)
}

/// What the kernel has to know of one convolution, forward or transposed.
#[derive(Clone, Copy)]
struct Geometry {
    batch: usize,
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    padding: [usize; 2],
    stride: usize,
    dilation: usize,
    /// Channels of the tensor that the windows slide over.
    channels: usize,
    /// Columns of the weights: channels of the result.
    columns: usize,
}

impl Geometry {
    fn constants(&self) -> [Constant; 26] {
        let signed = |n: usize| i32::try_from(n).expect("an extent must fit i32").into();
        let width = width(&[self.columns]);
        let groups = self.groups();
        // As many threads along the columns as there are, so that none of a subgroup idles.
        let size_x = self.column_threads().next_power_of_two().min(8);
        [
            columns_type(width),
            ("PIXELS", self.pixels().into()),
            ("IN_H", signed(self.input[0])),
            ("IN_W", signed(self.input[1])),
            ("CHANNELS", self.channels.into()),
            ("OUT_H", self.output[0].into()),
            ("OUT_W", self.output[1].into()),
            ("GROUPS", groups.into()),
            ("COLUMNS", self.columns.into()),
            ("X_STRIDE", self.channels.into()),
            ("X_FIRST", 0u32.into()),
            ("Y_STRIDE", groups.into()),
            ("Y_FIRST", 0u32.into()),
            ("DY_STRIDE", groups.into()),
            ("DY_FIRST", 0u32.into()),
            ("RELU", 0u32.into()),
            ("KERNEL_H", signed(self.kernel[0])),
            ("KERNEL_W", signed(self.kernel[1])),
            ("STRIDE", signed(self.stride)),
            ("DILATION", signed(self.dilation)),
            ("PAD_TOP", signed(self.padding[0])),
            ("PAD_LEFT", signed(self.padding[1])),
            ("TILE", TILE.into()),
            ("SPAN", self.span().into()),
            ("SIZE_X", size_x.into()),
            ("SIZE_Y", (64 / size_x).into()),
        ]
    }

    fn pixels(&self) -> usize {
        self.batch * self.output[0] * self.output[1]
    }

    fn groups(&self) -> usize {
        self.columns / width(&[self.columns])
    }

    /// Groups of columns that a thread takes.
    fn span(&self) -> usize {
        self.groups().min(2)
    }

    fn column_threads(&self) -> usize {
        self.groups().div_ceil(self.span())
    }

    /// The convolution that takes dy to dx.
    fn transposed(&self) -> Geometry {
        let padding = |axis: usize| self.kernel[axis] - 1 - self.padding[axis];
        Geometry {
            input: self.output,
            output: self.input,
            padding: [padding(0), padding(1)],
            stride: self.dilation,
            dilation: self.stride,
            channels: self.columns,
            columns: self.channels,
            ..*self
        }
    }
}

impl<'t> Tensor<'t> {
    /// Its shape as `[batch, height, width, channels]`.
    #[track_caller]
    pub(super) fn image_shape(self, op: &str) -> [usize; 4] {
        let shape = self.shape();
        shape.as_slice().try_into().unwrap_or_else(|_| {
            panic!("{op}: the input must be [batch, height, width, channels], not {shape:?}")
        })
    }

    /// `conv(x, w) + b` for `x` `[batch, height, width, channels]`, `w` `[kernel height, kernel
    /// width, channels, out]` and `b` `[out]`: `[batch, out height, out width, out]`.
    ///
    /// # Panics
    /// When the shapes do not fit together or the window does not fit into the image.
    #[track_caller]
    pub fn conv2d(
        self,
        w: Tensor<'t>,
        b: Tensor<'t>,
        stride: usize,
        padding: Padding,
    ) -> Tensor<'t> {
        let [batch, in_h, in_w, channels] = self.image_shape("conv2d");
        let [kernel_h, kernel_w, w_channels, columns] = w.image_shape("conv2d weights");
        assert_eq!(w_channels, channels, "conv2d: weights {w} do not fit the input {self}");
        assert_eq!(b.shape(), [columns], "conv2d: bias {b} does not fit the weights {w}");
        let (out_h, top) = output(in_h, kernel_h, stride, padding);
        let (out_w, left) = output(in_w, kernel_w, stride, padding);
        let geometry = Geometry {
            batch,
            input: [in_h, in_w],
            output: [out_h, out_w],
            kernel: [kernel_h, kernel_w],
            padding: [top, left],
            stride,
            dilation: 1,
            channels,
            columns,
        };
        let y = self.tape().temporary(&[batch, out_h, out_w, columns]);
        self.tape().dispatch_rows(
            &KERNEL,
            "forward",
            &geometry.constants(),
            &[("x", self), ("w", w), ("bias", b), ("y", y)],
            [geometry.column_threads(), 1, 1],
            Rows::whole(geometry.pixels(), TILE, 1),
        );
        y.made_from(&[self, w, b], move |inputs, _, dy| {
            backward_x(geometry, inputs[0], inputs[1], dy);
            backward_w(geometry, inputs[0], inputs[1], dy);
            if inputs[2].is_tracked() {
                inputs[2].accumulate(dy.sum_rows(3));
            }
        })
    }
}

fn backward_x<'t>(geometry: Geometry, x: Tensor<'t>, w: Tensor<'t>, dy: Tensor<'t>) {
    if !x.is_tracked() {
        return;
    }
    let tape = x.tape();
    let [h, k, channels, columns] = w.image_shape("conv2d weights");
    let flipped = tape.temporary(&[h, k, columns, channels]);
    let tensors = [("w_made", w), ("flipped", flipped)];
    tape.dispatch(&KERNEL, "flip", &geometry.constants(), &tensors, [columns, h * k * channels, 1]);
    let dx = x.like();
    let transposed = geometry.transposed();
    tape.dispatch_rows(
        &KERNEL,
        "backward_x",
        &transposed.constants(),
        &[("x", dy), ("w", flipped), ("y", dx)],
        [transposed.column_threads(), 1, 1],
        Rows::whole(transposed.pixels(), TILE, 1),
    );
    x.accumulate(dx);
}

fn backward_w<'t>(geometry: Geometry, x: Tensor<'t>, w: Tensor<'t>, dy: Tensor<'t>) {
    if !w.is_tracked() {
        return;
    }
    // Enough splits to fill a GPU, each of whole image rows and long enough to be worth its
    // partial sum.
    let split = geometry.pixels().div_ceil(128).max(64).next_multiple_of(geometry.output[1]);
    let splits = geometry.pixels().div_ceil(split);
    let shape = [&[splits][..], &w.shape()].concat();
    let partial = x.tape().temporary(if splits == 1 { &shape[1..] } else { &shape });
    let rows = w.len() / geometry.columns;
    let tile = TILE.min(rows); // 1 for a 1x1 convolution of grey images
    let mut constants = geometry.constants().to_vec();
    constants.retain(|(name, _)| *name != "TILE");
    constants.extend([("SPLIT", split.into()), ("TILE", tile.into())]);
    x.tape().dispatch_rows(
        &KERNEL,
        "backward_w",
        &constants,
        &[("x", x), ("dy", dy), ("dw", partial)],
        [geometry.column_threads(), rows.div_ceil(tile), 1],
        Rows::whole(splits, 1, 2),
    );
    w.accumulate(if splits == 1 { partial } else { partial.sum_rows(1) });
}

/// A convolution in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainConv2d {
    /// Images.
    pub batch: usize,
    /// Their height and width.
    pub size: [usize; 2],
    /// Their channels.
    pub channels: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Channels of the result.
    pub out: usize,
    /// From window to window.
    pub stride: usize,
    /// What is beyond the border.
    pub padding: Padding,
}

impl PlainConv2d {
    /// Output extents and padding before the first pixel.
    fn extents(&self) -> [(usize, usize); 2] {
        [0, 1].map(|a| extent(self.size[a], self.kernel[a], self.stride, self.padding))
    }

    /// Calls `visit` with the places in x, w and y of each product of the sum.
    fn products(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [height, width] = self.size;
        let [(out_h, top), (out_w, left)] = self.extents();
        for b in 0..self.batch {
            for oy in 0..out_h {
                for ox in 0..out_w {
                    for ky in 0..self.kernel[0] {
                        for kx in 0..self.kernel[1] {
                            // In padded x; what lies in the padding is zero.
                            let (py, px) = (oy * self.stride + ky, ox * self.stride + kx);
                            if py < top || px < left || py - top >= height || px - left >= width {
                                continue;
                            }
                            let x = ((b * height + py - top) * width + px - left) * self.channels;
                            let w = (ky * self.kernel[1] + kx) * self.channels;
                            let y = ((b * out_h + oy) * out_w + ox) * self.out;
                            for c in 0..self.channels {
                                for n in 0..self.out {
                                    visit(x + c, (w + c) * self.out + n, y + n);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Reference for PlainConv2d {
    fn op(&self) -> &'static str {
        "conv2d"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let x = [self.batch, self.size[0], self.size[1], self.channels];
        let w = [self.kernel[0], self.kernel[1], self.channels, self.out];
        vec![
            float("x", &x, random.floats(&x)),
            float("w", &w, random.floats(&w)),
            float("b", &[self.out], random.floats(&[self.out])),
        ]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].conv2d(inputs[1], inputs[2], self.stride, self.padding)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let [x, w, b] = inputs else { unreachable!() };
        let [(out_h, _), (out_w, _)] = self.extents();
        let mut y = b.repeat(self.batch * out_h * out_w);
        self.products(|at_x, at_w, at_y| y[at_y] += x[at_x] * w[at_w]);
        y
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let [x, w, b] = inputs else { unreachable!() };
        let [mut dx, mut dw, mut db] = [x, w, b].map(|v| vec![Number::default(); v.len()]);
        self.products(|at_x, at_w, at_y| {
            dx[at_x] += dy[at_y] * w[at_w];
            dw[at_w] += dy[at_y] * x[at_x];
        });
        for (i, dy) in dy.iter().enumerate() {
            db[i % self.out] += *dy;
        }
        vec![dx, dw, db]
    }
}
