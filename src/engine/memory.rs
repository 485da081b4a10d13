//! The device's memory: a buffer or an image for each shard of each tensor.

use std::collections::HashMap;

use crate::gpu::Gpu;
use crate::processors::on_all;
use crate::recording::{IMAGE_WIDTH, Storage, TensorId, TensorInfo};

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
    /// Gives a tensor's shards their places, zeroed, unless they have some.
    pub(super) fn allocate(&mut self, gpu: &Gpu, id: TensorId, info: &TensorInfo) {
        let placed = |memory: &Memory, shard| memory.places.contains_key(&(id, shard));
        let shards = (0..info.shards.len()).filter(|&shard| !placed(self, shard));
        let shards: Vec<usize> = shards.collect();
        let Some(storage) = &info.storage else {
            self.bytes += shards.iter().map(|&shard| info.shard_bytes(shard)).sum::<u64>();
            let made = on_all(shards, |shard| (shard, make(gpu, info, info.shard_bytes(shard))));
            self.places.extend(made.into_iter().map(|(shard, place)| ((id, shard), place)));
            return;
        };
        for shard in shards {
            let Storage { number, bytes } = storage[shard];
            let place = self.shared.entry(number).or_insert_with(|| {
                self.bytes += bytes;
                make(gpu, info, bytes)
            });
            self.places.insert((id, shard), place.clone());
        }
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

fn make(gpu: &Gpu, info: &TensorInfo, size: u64) -> Place {
    match info.image {
        true => image(gpu, &info.name, size),
        false => Place::Buffer(buffer(gpu, &info.name, size)),
    }
}

fn buffer(gpu: &Gpu, name: &str, size: u64) -> wgpu::Buffer {
    let mut usage =
        wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    // What was mapped is zeroed already, here and by the thread that asks. Other buffers the driver
    // zeroes before their first use; a software adapter's does that one after the other.
    let mapped = gpu.has_host_memory();
    usage.set(wgpu::BufferUsages::MAP_WRITE, mapped);
    let buffer = gpu.buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size,
        usage,
        mapped_at_creation: mapped,
    });
    if mapped {
        buffer.unmap();
    }
    buffer
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
