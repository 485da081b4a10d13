//! Rewrites of recordings: plain data to better plain data, without a GPU.

mod shard;

pub use shard::{TooLarge, shard};
