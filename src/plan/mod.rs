//! Rewrites of recordings: plain data to better plain data, without a GPU.

mod fuse;
mod place;
mod shard;
mod subgroup;

pub use fuse::fuse_adam;
pub use place::place;
pub use shard::{TooLarge, shard};
pub use subgroup::subgroup;

use crate::kernel::Kernel;

/// The WGSL files that rewrites put in the place of the ops' own.
pub static KERNELS: [&Kernel; 2] = [&subgroup::CONV2D, &subgroup::DENSE];
