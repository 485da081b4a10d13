//! Numbers that are none are found behind the pass that makes them, and nothing else is; what no pass
//! has written is found where memory is poisoned.

#[path = "../common/mod.rs"]
mod common;

mod bits;
mod broken;
mod network;
mod ops;
mod poison;
mod training;
mod watch;
