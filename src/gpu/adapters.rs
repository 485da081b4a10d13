//! Which adapters there are.

use super::{AdapterFacts, Backend, GpuOptions, facts};

/// All adapters of this machine, in the order in which [`Gpu::open`](super::Gpu::open) prefers them.
pub async fn list(backend: Option<Backend>) -> Vec<AdapterFacts> {
    adapters(&GpuOptions { backend, ..GpuOptions::default() }).await.iter().map(facts).collect()
}

pub(super) async fn adapters(options: &GpuOptions) -> Vec<wgpu::Adapter> {
    let backends = match options.backend {
        None => {
            // Vulkan, Metal and DirectX, and a browser's own.
            let found = adapters_of(wgpu::Backends::PRIMARY, options).await;
            if !found.is_empty() {
                return found;
            }
            // OpenGL shows the same hardware once more, so it is the last resort.
            wgpu::Backends::GL
        }
        Some(Backend::Vulkan) => wgpu::Backends::VULKAN,
        Some(Backend::Metal) => wgpu::Backends::METAL,
        Some(Backend::Dx12) => wgpu::Backends::DX12,
        Some(Backend::Gl) => wgpu::Backends::GL,
    };
    adapters_of(backends, options).await
}

async fn adapters_of(backends: wgpu::Backends, options: &GpuOptions) -> Vec<wgpu::Adapter> {
    let flags = match options.validate {
        // Without debugging information in shaders: older layers do not know that WGSL exists.
        true => wgpu::InstanceFlags::GPU_BASED_VALIDATION | wgpu::InstanceFlags::VALIDATION,
        false => wgpu::InstanceFlags::empty(),
    };
    let flags = flags | wgpu::InstanceFlags::default();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        flags,
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds {
            for_resource_creation: options.memory_percent,
            for_device_loss: None,
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters = instance.enumerate_adapters(backends).await;
    // Without compute shaders (old OpenGL) an adapter is none for us.
    adapters.retain(|adapter| {
        let flags = adapter.get_downlevel_capabilities().flags;
        flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
            && adapter.limits().max_storage_buffers_per_shader_stage >= 8
    });
    adapters.sort_by_key(|adapter| {
        let info = adapter.get_info();
        match info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        }
    });
    adapters
}

/// The options that leave adapters out, as flags.
pub(super) fn wanted(options: &GpuOptions) -> String {
    let mut parts = Vec::new();
    if let Some(name) = &options.adapter {
        parts.push(format!("--adapter {name}"));
    }
    if let Some(backend) = options.backend {
        parts.push(format!("--backend {backend:?}").to_lowercase());
    }
    if options.software {
        parts.push("--software".to_string());
    }
    parts.join(" ")
}

/// One line an adapter.
pub(super) fn listing(adapters: &[wgpu::Adapter]) -> String {
    let line = |(index, adapter): (usize, &wgpu::Adapter)| {
        let facts = facts(adapter);
        format!("  {index}: {} ({}, {})", facts.name, facts.backend, facts.kind)
    };
    adapters.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}
