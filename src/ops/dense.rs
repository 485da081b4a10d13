//! A fully connected layer.

use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, kernel};
use crate::recording::Rows;
use crate::reference::{Given, Number, Random, Reference, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("dense");

/// Examples that a thread's tile takes in `shaders/dense.wgsl`.
const EXAMPLES: usize = 10;
/// Rows of dw that a thread's tile takes.
const TILE: usize = 8;
/// Rows of w in a split of the forward product: long enough that the partial sums weigh little
/// beside w itself, short enough that the tutorial's 200,704 rows fill a GPU. Shards are cut at
/// multiples of it, so that sharded and whole sums are bit-equal.
const SPLIT: usize = 2048;

impl<'t> Tensor<'t> {
    /// `x w + b`: `x` `[batch, ..]` is flattened behind its first axis to `[batch, depth]`, `w` is
    /// `[depth, out]`, `b` `[out]`, the result `[batch, out]`.
    ///
    /// # Panics
    /// When the shapes do not fit together.
    #[track_caller]
    pub fn dense(self, w: Tensor<'t>, b: Tensor<'t>) -> Tensor<'t> {
        let batch = self.shape()[0];
        let depth = self.len() / batch;
        let w_shape = w.shape();
        let fits = w_shape.len() == 2 && w_shape[0] == depth;
        assert!(fits, "dense: weights {w} do not fit the input {self} (depth {depth})");
        let out = w_shape[1];
        assert_eq!(b.shape(), [out], "dense: bias {b} does not fit the weights {w}");
        let width = width(&[out]);
        let groups = out / width;
        let column_threads = groups.div_ceil(2);
        let constants: [Constant; 7] = [
            columns_type(width),
            ("WIDTH", width.into()),
            ("BATCH", batch.into()),
            ("DEPTH", depth.into()),
            ("GROUPS", groups.into()),
            ("EXAMPLES", EXAMPLES.into()),
            ("TILE", TILE.into()),
        ];
        let rows = move |per_thread: usize, axis: usize, name: &'static str| Rows {
            along: vec![name],
            ..Rows::whole(depth, per_thread, axis)
        };
        let tape = self.tape();
        let splits = depth.div_ceil(SPLIT);
        let shape = [splits, batch, out];
        let partial = tape.temporary(if splits == 1 { &shape[1..] } else { &shape });
        tape.dispatch_rows(
            &KERNEL,
            "forward",
            &[&constants[..], &[("SPLIT", SPLIT.into())]].concat(),
            &[("x", self), ("w", w), ("b", b), ("y", partial)],
            [column_threads, batch.div_ceil(EXAMPLES), 1],
            rows(SPLIT, 2, "w"),
        );
        let y = if splits == 1 { partial } else { partial.sum_rows(1) };
        y.made_from(&[self, w, b], move |inputs, _, dy| {
            let [x, w, b] = [inputs[0], inputs[1], inputs[2]];
            if x.is_tracked() {
                let dx = x.like();
                let tensors = [("dy", dy), ("w", w), ("dx", dx)];
                let threads = [1, batch.div_ceil(EXAMPLES), 1];
                let rows = rows(4, 0, "w");
                x.tape().dispatch_rows(&KERNEL, "backward_x", &constants, &tensors, threads, rows);
                x.accumulate(dx);
            }
            if w.is_tracked() {
                let dw = w.like();
                let tensors = [("x", x), ("dy", dy), ("dw", dw)];
                let threads = [column_threads, 1, 1];
                let rows = rows(TILE, 1, "dw");
                let stored = [("STORE_DW", 1u32.into()), ("UPDATE_W", 0u32.into())];
                let constants = [&constants[..], &stored].concat();
                x.tape().dispatch_rows(&KERNEL, "backward_w", &constants, &tensors, threads, rows);
                w.accumulate(dw);
            }
            if b.is_tracked() {
                b.accumulate(dy.sum_rows(1));
            }
        })
    }
}

/// A fully connected layer in plain loops: batch, depth, columns.
#[derive(Clone, Copy, Debug)]
pub struct PlainDense(pub usize, pub usize, pub usize);

impl Reference for PlainDense {
    fn op(&self) -> &'static str {
        "dense"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let &PlainDense(batch, depth, out) = self;
        vec![
            float("x", &[batch, depth], random.floats(&[batch, depth])),
            float("w", &[depth, out], random.floats(&[depth, out])),
            float("b", &[out], random.floats(&[out])),
        ]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].dense(inputs[1], inputs[2])
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let &PlainDense(batch, depth, out) = self;
        let [x, w, b] = inputs else { unreachable!() };
        let mut y = b.repeat(batch);
        for m in 0..batch {
            for k in 0..depth {
                for n in 0..out {
                    y[m * out + n] += x[m * depth + k] * w[k * out + n];
                }
            }
        }
        y
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let &PlainDense(batch, depth, out) = self;
        let [x, w, b] = inputs else { unreachable!() };
        let [mut dx, mut dw, mut db] = [x, w, b].map(|v| vec![Number::default(); v.len()]);
        for m in 0..batch {
            for n in 0..out {
                let dy = dy[m * out + n];
                db[n] += dy;
                for k in 0..depth {
                    dx[m * depth + k] += dy * w[k * out + n];
                    dw[k * out + n] += dy * x[m * depth + k];
                }
            }
        }
        vec![dx, dw, db]
    }
}
