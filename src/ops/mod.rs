//! The operations: for each a shape rule, its forward passes and its backward rule, side by side
//! with nothing else in the crate knowing its shader.
//!
//! To add one: `shaders/<op>.wgsl`, `src/ops/<op>.rs`, `tests/ops/<op>.rs`, and their `mod` lines.

mod adam;
mod add;
mod augment;
mod avg_pool;
mod batch;
mod batch_norm;
mod concat;
mod conv2d;
mod dense;
mod dropout;
mod fill;
mod lrn;
mod max_pool;
mod relu;
mod softmax;
mod sum_rows;

pub use adam::{Adam, PlainAdam, adam};
pub use add::PlainAdd;
pub use augment::{Augmentation, PlainAugment};
pub use avg_pool::PlainAvgPool;
pub use batch::{PlainBatch, batch_images, batch_labels};
pub use batch_norm::{Normal, PlainBatchNorm};
pub use concat::{PlainConcat, concat};
pub use conv2d::{Padding, PlainConv2d};
pub use dense::PlainDense;
pub use dropout::PlainDropout;
pub use lrn::PlainLrn;
pub use max_pool::PlainMaxPool;
pub use relu::PlainRelu;
pub use softmax::{PlainCrossEntropy, PlainSoftmax};
pub use sum_rows::PlainSumRows;

use crate::kernel::{Constant, Kernel, Value};
use crate::recording::Rows;
use crate::tape::Tensor;

/// Every WGSL file of the crate, for tests and tools that read them all.
pub static KERNELS: [&Kernel; 16] = [
    &adam::KERNEL,
    &add::KERNEL,
    &augment::KERNEL,
    &avg_pool::KERNEL,
    &batch::KERNEL,
    &batch_norm::KERNEL,
    &concat::KERNEL,
    &conv2d::KERNEL,
    &dense::KERNEL,
    &dropout::KERNEL,
    &fill::KERNEL,
    &lrn::KERNEL,
    &max_pool::KERNEL,
    &relu::KERNEL,
    &softmax::KERNEL,
    &sum_rows::KERNEL,
];

/// The operation that a kernel computes: its own name, or of a variant, `<op>_<plan>`, the op's.
pub fn operation(kernel: &'static str) -> &'static str {
    let is_of = |op: &str| kernel.strip_prefix(op).is_some_and(|plan| plan.starts_with('_'));
    KERNELS.iter().map(|kernel| kernel.name).find(|op| is_of(op)).unwrap_or(kernel)
}

/// How many columns a thread's load takes: 4 when every row begins at a multiple of 4, else 1.
fn width(columns: &[usize]) -> usize {
    if columns.iter().all(|n| n % 4 == 0) { 4 } else { 1 }
}

/// The constant that says so: `alias Columns`.
fn columns_type(width: usize) -> Constant {
    ("Columns", Value::Type(if width == 4 { "vec4<f32>" } else { "f32" }))
}

/// Records an elementwise pass over tensors of one shape: threads of four elements, cut by rows
/// where a plan needs it. `whole` are further tensors that every thread may read.
#[track_caller]
fn elementwise(
    kernel: &'static Kernel,
    entry: &'static str,
    constants: &[Constant],
    tensors: &[(&'static str, Tensor)],
    whole: &[(&'static str, Tensor)],
) {
    let shape = tensors[0].1.shape();
    for (name, tensor) in tensors {
        assert_eq!(tensor.shape(), shape, "{}: {name} has another shape", kernel.name);
    }
    let items = tensors[0].1.len() / shape[0];
    let mut constants = constants.to_vec();
    constants.push(("ROW", items.into()));
    let along = tensors.iter().map(|(name, _)| *name).collect();
    let rows = Rows { items, along, ..Rows::whole(shape[0], 4, 0) };
    let all = [tensors, whole].concat();
    tensors[0].1.tape().dispatch_rows(kernel, entry, &constants, &all, [1, 1, 1], rows);
}
