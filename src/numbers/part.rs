//! Which elements of a tensor a pass makes.

use crate::kernel::Value;
use crate::recording::{Bound, Pass, TensorInfo};

/// A part of a shard, in elements: runs of `width`, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) first: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
    pub(super) elements: usize,
}

impl Part {
    pub(super) fn whole(info: &TensorInfo, shard: usize) -> Part {
        let elements = info.shards[shard] * info.row_bytes() / 4;
        Part { first: 0, width: elements, stride: elements, elements }
    }

    /// What the pass makes of a tensor that it writes. The rest of it, such as other slices of a
    /// concatenation, may not be made yet, and hold anything.
    pub(super) fn made(pass: &Pass, bound: &Bound, info: &TensorInfo) -> Part {
        let all = Part::whole(info, bound.shard);
        let constant = |name: &str| {
            let found = pass.constants.iter().find(|(known, _)| *known == name);
            found.and_then(|(_, value)| match value {
                Value::U32(value) => Some(*value as usize),
                _ => None,
            })
        };
        let (kernel, variable) = (pass.kernel.name, bound.name);
        let slice = match (kernel.split('_').next(), variable) {
            (Some("conv2d"), "y") => ["GROUPS", "Y_FIRST", "Y_STRIDE"].map(constant),
            (Some("concat"), "y") => ["GROUPS", "FIRST", "GROUPS_OUT"].map(constant),
            _ => [None; 3],
        };
        if let [Some(groups), Some(first), Some(stride)] = slice
            && groups < stride
        {
            // Of one column or four, as the innermost extent tells.
            let columns = info.shape[info.shape.len() - 1] / stride;
            let [width, first, stride] = [groups, first, stride].map(|count| count * columns);
            let [skipped, pixels] = match &pass.rows {
                Some(rows) => [rows.first, rows.count],
                None => [0, all.elements / stride],
            };
            let first = first + skipped * stride;
            return Part { first, width, stride, elements: pixels * width };
        }
        // A dense layer's pass over some rows of its weights: columns of dx, splits of y.
        let rows = pass.rows.as_ref().filter(|rows| !rows.along.contains(&variable));
        let row = info.row_bytes() / 4;
        match (rows, variable, constant("SPLIT")) {
            // A convolution's pixels, or its partial sums.
            (Some(rows), "y" | "dw", _) if rows.along.is_empty() => {
                let row = all.elements / rows.all;
                let elements = rows.count * row;
                Part { first: rows.first * row, width: elements, stride: elements, elements }
            }
            (Some(rows), "dx", _) => Part {
                first: rows.first,
                width: rows.count,
                stride: row,
                elements: info.shape[0] * rows.count,
            },
            (Some(rows), "y", Some(split)) if info.shape.len() == 3 => {
                let elements = rows.count.div_ceil(split) * row;
                Part {
                    first: rows.first / split * row,
                    width: elements,
                    stride: elements,
                    elements,
                }
            }
            _ => all,
        }
    }
}
