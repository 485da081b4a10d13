//! What is made on the device, counted: a step shall make nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;

/// How many of each were made on a device so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Buffers and images.
    pub buffers: u64,
    /// Bind groups.
    pub bind_groups: u64,
    /// Pipelines.
    pub pipelines: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    buffers: AtomicU64,
    bind_groups: AtomicU64,
    pipelines: AtomicU64,
}

impl Gpu {
    /// What was made so far, by all that use this device.
    pub fn made(&self) -> Made {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Made {
            buffers: count(&self.counts.buffers),
            bind_groups: count(&self.counts.bind_groups),
            pipelines: count(&self.counts.pipelines),
        }
    }

    /// Bytes that the driver has given for buffers and images, those that wgpu makes for itself
    /// included. `None` where it does not say: OpenGL.
    pub fn allocated(&self) -> Option<u64> {
        Some(self.device.generate_allocator_report()?.total_allocated_bytes)
    }

    pub(crate) fn buffer(&self, descriptor: &wgpu::BufferDescriptor) -> wgpu::Buffer {
        self.counts.buffers.fetch_add(1, Ordering::Relaxed);
        self.device.create_buffer(descriptor)
    }

    pub(crate) fn image(&self, descriptor: &wgpu::TextureDescriptor) -> wgpu::Texture {
        self.counts.buffers.fetch_add(1, Ordering::Relaxed);
        self.device.create_texture(descriptor)
    }

    pub(crate) fn bind_group(&self, descriptor: &wgpu::BindGroupDescriptor) -> wgpu::BindGroup {
        self.counts.bind_groups.fetch_add(1, Ordering::Relaxed);
        self.device.create_bind_group(descriptor)
    }

    pub(crate) fn pipeline(
        &self,
        descriptor: &wgpu::ComputePipelineDescriptor,
    ) -> wgpu::ComputePipeline {
        self.counts.pipelines.fetch_add(1, Ordering::Relaxed);
        self.device.create_compute_pipeline(descriptor)
    }
}
