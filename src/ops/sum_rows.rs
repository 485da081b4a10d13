//! Sum over the outermost axis.

use super::{columns_type, width};
use crate::kernel::{Kernel, kernel};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("sum_rows");

/// Rows that one thread adds; more are added in two passes.
const CHUNK: usize = 256;

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
        let height: usize = shape[..axes].iter().product();
        let columns: usize = shape[axes..].iter().product();
        if height > 2 * CHUNK {
            let chunks = height.div_ceil(CHUNK);
            let partial = self.tape().temporary(&[chunks, columns]);
            self.sum_chunks(partial, height, columns, CHUNK);
            let y = self.tape().temporary(&shape[axes..]);
            partial.sum_chunks(y, chunks, columns, chunks);
            return y;
        }
        let y = self.tape().temporary(&shape[axes..]);
        self.sum_chunks(y, height, columns, height);
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
            ("X_STRIDE", groups.into()),
            ("X_FIRST", 0u32.into()),
        ];
        let threads = [groups, height.div_ceil(chunk), 1];
        self.tape().dispatch(&KERNEL, "forward", &constants, &[("x", self), ("y", y)], threads);
    }
}
