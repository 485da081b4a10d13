//! Rewrites of recordings: plain data to better plain data, without a GPU.

mod shard;
mod subgroup;

pub use shard::{TooLarge, shard};
pub use subgroup::{CONV2D, DENSE, subgroup};
