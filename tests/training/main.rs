//! Whole networks and whole runs: against numbers computed in f64, against themselves when
//! interrupted, and under WebGPU's default limits.

#[path = "../common/mod.rs"]
mod common;

mod close;
mod frozen;
mod frozen_plans;
mod golden;
mod golden_files;
mod import;
mod initial;
mod inspect;
mod layers;
mod limits;
mod losses;
mod network;
mod onnx;
mod plain;
mod reference;
mod repeat;
mod selftest;
mod sharded;
mod streamed;
mod tensors;
