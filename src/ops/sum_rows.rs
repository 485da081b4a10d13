//! Sum over the outermost axis.

use super::{columns_type, width};
use crate::kernel::{Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("sum_rows");

/// Rows that one thread adds, of up to twice as many; more are added in several passes. Few, so
/// that there are threads enough and the rounding errors of no long sum add up.
const CHUNK: usize = 32;
/// Neighbouring groups of columns that a thread takes: a whole cache line. On processors each
/// thread waits for its own line, so lines should not be shared.
const SPAN: usize = 4;

impl<'t> Tensor<'t> {
    /// `y[n] = sum over r of x[r, n]`, where `r` counts the first `axes` axes: shape
    /// `x.shape()[axes..]`. In a fixed order, whatever the adapter. Not differentiated: it serves
    /// backward rules and split products.
    ///
    /// # Panics
    /// When nothing of the shape is left.
    #[track_caller]
    pub fn sum_rows(self, axes: usize) -> Tensor<'t> {
        let shape = self.shape();
        assert!(axes < shape.len(), "sum_rows: {axes} axes of {shape:?} leave nothing");
        let mut height: usize = shape[..axes].iter().product();
        let columns: usize = shape[axes..].iter().product();
        let mut x = self;
        while height > 2 * CHUNK {
            let chunks = height.div_ceil(CHUNK);
            let partial = self.tape().temporary(&[chunks, columns]);
            x.sum_chunks(partial, height, columns, CHUNK);
            (x, height) = (partial, chunks);
        }
        let y = self.tape().temporary(&shape[axes..]);
        x.sum_chunks(y, height, columns, height);
        y
    }

    fn sum_chunks(self, y: Tensor<'t>, height: usize, columns: usize, chunk: usize) {
        let width = width(&[columns]);
        let groups = columns / width;
        let constants = [
            columns_type(width),
            ("HEIGHT", height.into()),
            ("GROUPS", groups.into()),
            ("CHUNK", chunk.into()),
            ("SPAN", SPAN.into()),
            ("X_STRIDE", groups.into()),
            ("X_FIRST", 0u32.into()),
        ];
        let threads = [height.div_ceil(chunk) * groups.div_ceil(SPAN), 1, 1];
        self.tape().dispatch(&KERNEL, "forward", &constants, &[("x", self), ("y", y)], threads);
    }
}

/// The sum in plain loops: rows and columns.
#[derive(Clone, Copy, Debug)]
pub struct PlainSumRows(pub usize, pub usize);

impl Reference for PlainSumRows {
    fn op(&self) -> &'static str {
        "sum_rows"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let shape = [self.0, self.1];
        vec![float("x", &shape, random.floats(&shape))]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].sum_rows(1)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let &PlainSumRows(rows, columns) = self;
        let sum = |n| (0..rows).map(|r| inputs[0][r * columns + n]).sum();
        (0..columns).map(sum).collect()
    }

    fn backward(&self, _: &[Vec<Number>], _: &[Number]) -> Vec<Vec<Number>> {
        vec![vec![]]
    }
}
