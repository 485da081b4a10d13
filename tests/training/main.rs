//! w
mod close;
#[path = "../common/mod.rs"]
mod common;
mod golden;
mod losses;
mod reference;
mod tensors;
