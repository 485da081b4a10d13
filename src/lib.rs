//! inception-wgpu: train and run Inception networks on any GPU through WebGPU.

pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod data;
pub mod engine;
pub mod gpu;
pub mod kernel;
pub mod metrics;
pub mod model;
pub mod ops;
pub mod plan;
pub mod recording;
pub mod tape;
pub mod timing;
pub mod train;
