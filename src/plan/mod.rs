//! Rewrites of recordings: plain data to better plain data, without a GPU.

mod fuse;
mod place;
mod shard;
mod slices;
mod subgroup;

pub use fuse::fuse_adam;
pub use place::place;
pub use shard::{TooLarge, shard};
pub use slices::{fuse_relu, read_slices, write_slices};
pub use subgroup::subgroup;

use crate::kernel::{Constant, Kernel, Value};
use crate::recording::{Pass, TensorId};

/// The WGSL files that rewrites put in the place of the ops' own.
pub static KERNELS: [&Kernel; 2] = [&subgroup::CONV2D, &subgroup::DENSE];

/// The constant of passes that take columns by four.
const BY_FOUR: Constant = ("Columns", Value::Type("vec4<f32>"));

/// A constant of the pass, as a size.
fn size(pass: &Pass, name: &str) -> usize {
    match pass.constants.iter().find(|(known, _)| *known == name) {
        Some((_, Value::U32(value))) => *value as usize,
        Some((_, Value::I32(value))) => usize::try_from(*value).expect("a size is not negative"),
        other => panic!("pass `{}` has no size {name}: {other:?}", pass.label()),
    }
}

/// Sets a size that the pass has already.
fn set_size(pass: &mut Pass, name: &'static str, value: usize) {
    let known = pass.constants.iter_mut().find(|(known, _)| *known == name);
    known.expect("the pass has this size").1 = value.into();
}

/// Whether the pass is an entry of this kernel.
fn is(pass: &Pass, kernel: &str, entry: &str) -> bool {
    pass.kernel.name == kernel && pass.entry == entry
}

/// The tensor that a pass binds to a name.
fn bound(pass: &Pass, name: &str) -> Option<TensorId> {
    pass.tensors.iter().find(|bound| bound.name == name).map(|bound| bound.tensor)
}

/// Binds another tensor to a name.
fn rebind(pass: &mut Pass, name: &str, tensor: TensorId) {
    for bound in pass.tensors.iter_mut().filter(|bound| bound.name == name) {
        bound.tensor = tensor;
    }
}

/// The places of the passes that bind the tensor.
fn uses(passes: &[Pass], tensor: TensorId) -> Vec<usize> {
    let binds = |pass: &&Pass| pass.tensors.iter().any(|bound| bound.tensor == tensor);
    let found = passes.iter().enumerate().filter(|(_, pass)| binds(pass));
    found.map(|(index, _)| index).collect()
}
