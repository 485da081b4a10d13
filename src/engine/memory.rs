//! The device's memory: a buffer or an image for each shard of each tensor.

use std::collections::HashMap;

use crate::gpu::Gpu;
use crate::recording::{IMAGE_WIDTH, TensorId, TensorInfo};

/// Where a shard of a tensor lies.
#[derive(Clone)]
pub(super) enum Place {
    Buffer(wgpu::Buffer),
    Image { texture: wgpu::Texture, view: wgpu::TextureView },
}

impl Place {
    pub(super) fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Place::Buffer(buffer) => buffer.as_entire_binding(),
            Place::Image { view, .. } => wgpu::BindingResource::TextureView(view),
        }
    }
}

/// All that was given to tensors so far.
#[derive(Default)]
pub(super) struct Memory {
    places: HashMap<(TensorId, usize), Place>,
    /// What tensors share, by the number that `plan::place` gave it.
    shared: HashMap<usize, Place>,
    pub(super) bytes: u64,
}

impl Memory {
    /// Gives a shard its place, zeroed, unless it has one.
    pub(super) fn allocate(&mut self, gpu: &Gpu, id: TensorId, shard: usize, info: &TensorInfo) {
        if self.places.contains_key(&(id, shard)) {
            return;
        }
        let storage = info.storage.as_ref().map(|storage| storage[shard]);
        let place = match storage.and_then(|storage| self.shared.get(&storage.number)) {
            Some(shared) => shared.clone(),
            None => {
                let size = storage.map_or(info.shard_bytes(shard), |storage| storage.bytes);
                self.bytes += size;
                match info.image {
                    true => image(gpu, &info.name, size),
                    false => Place::Buffer(buffer(gpu, &info.name, size)),
                }
            }
        };
        if let Some(storage) = storage {
            self.shared.insert(storage.number, place.clone());
        }
        self.places.insert((id, shard), place);
    }

    /// # Panics
    /// When no compiled recording uses the tensor.
    pub(super) fn place(&self, id: TensorId, shard: usize) -> &Place {
        self.places.get(&(id, shard)).unwrap_or_else(|| panic!("tensor {} has no memory", id.0))
    }

    /// # Panics
    /// When no compiled recording uses the tensor, or it is an image.
    pub(super) fn buffer(&self, id: TensorId, shard: usize) -> &wgpu::Buffer {
        match self.place(id, shard) {
            Place::Buffer(buffer) => buffer,
            Place::Image { .. } => panic!("tensor {} is an image", id.0),
        }
    }

    /// # Panics
    /// When no compiled recording uses the tensor, or it is none.
    pub(super) fn image(&self, id: TensorId, shard: usize) -> &wgpu::Texture {
        match self.place(id, shard) {
            Place::Image { texture, .. } => texture,
            Place::Buffer(_) => panic!("tensor {} is no image", id.0),
        }
    }
}

fn buffer(gpu: &Gpu, name: &str, size: u64) -> wgpu::Buffer {
    gpu.buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size,
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

fn image(gpu: &Gpu, name: &str, size: u64) -> Place {
    let height = (size / ROW_BYTES) as u32;
    let texture = gpu.image(&wgpu::TextureDescriptor {
        label: Some(name),
        size: wgpu::Extent3d { width: IMAGE_WIDTH, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba32Float,
        usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let view = texture.create_view(&Default::default());
    Place::Image { texture, view }
}

/// Bytes of a row of an image.
pub(super) const ROW_BYTES: u64 = IMAGE_WIDTH as u64 * 16;
