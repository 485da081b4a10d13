//! inception-wgpu: train and run Inception networks on any GPU through WebGPU.

pub mod checkpoint;
pub mod config;
pub mod data;
pub mod metrics;
