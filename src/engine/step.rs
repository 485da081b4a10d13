//! What a program does one after the other.

use super::memory::ROW_BYTES;
use crate::recording::IMAGE_WIDTH;

#[derive(Clone)]
pub(crate) enum Step {
    Dispatch {
        pipeline: wgpu::ComputePipeline,
        bind_group: wgpu::BindGroup,
        workgroups: [u32; 3],
    },
    /// Of a buffer's first `bytes`.
    Copy {
        from: wgpu::Buffer,
        to: wgpu::Texture,
        bytes: u64,
    },
}

/// Encodes steps, all dispatches between two copies in one compute pass.
pub(crate) fn encode(encoder: &mut wgpu::CommandEncoder, steps: &[Step]) {
    let is_copy = |step: &Step| matches!(step, Step::Copy { .. });
    for run in steps.chunk_by(|a, b| !is_copy(a) && !is_copy(b)) {
        if let [Step::Copy { from, to, bytes }] = run {
            copy_to_image(encoder, from, to, *bytes);
            continue;
        }
        let mut compute = encoder.begin_compute_pass(&Default::default());
        run.iter().for_each(|step| dispatch(&mut compute, step));
    }
}

/// Encodes one step between two timestamps.
pub(crate) fn encode_timed(
    encoder: &mut wgpu::CommandEncoder,
    step: &Step,
    set: &wgpu::QuerySet,
    stamps: [u32; 2],
) {
    let timed = |encoder: &mut wgpu::CommandEncoder, begin, end, step: Option<&Step>| {
        let mut compute = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: set,
                beginning_of_pass_write_index: begin,
                end_of_pass_write_index: end,
            }),
        });
        if let Some(step) = step {
            dispatch(&mut compute, step);
        }
    };
    match step {
        Step::Dispatch { .. } => timed(encoder, Some(stamps[0]), Some(stamps[1]), Some(step)),
        // A copy is no part of a compute pass; empty ones before and behind it take the time.
        Step::Copy { from, to, bytes } => {
            timed(encoder, Some(stamps[0]), None, None);
            copy_to_image(encoder, from, to, *bytes);
            timed(encoder, None, Some(stamps[1]), None);
        }
    }
}

fn dispatch(compute: &mut wgpu::ComputePass, step: &Step) {
    if let Step::Dispatch { pipeline, bind_group, workgroups: [x, y, z] } = step {
        compute.set_pipeline(pipeline);
        compute.set_bind_group(0, bind_group, &[]);
        compute.dispatch_workgroups(*x, *y, *z);
    }
}

/// Copies a buffer's first `bytes` into the rows of an image: the whole rows, then the rest.
fn copy_to_image(
    encoder: &mut wgpu::CommandEncoder,
    from: &wgpu::Buffer,
    to: &wgpu::Texture,
    bytes: u64,
) {
    let rows = bytes / ROW_BYTES;
    let rest = bytes % ROW_BYTES;
    let parts = [(0, IMAGE_WIDTH, rows as u32), (rows, (rest / 16) as u32, 1)];
    for (first, width, height) in parts.into_iter().filter(|(_, w, h)| w * h > 0) {
        encoder.copy_buffer_to_texture(
            wgpu::TexelCopyBufferInfo {
                buffer: from,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: first * ROW_BYTES,
                    bytes_per_row: (height > 1).then_some(ROW_BYTES as u32),
                    rows_per_image: None,
                },
            },
            wgpu::TexelCopyTextureInfo {
                texture: to,
                mip_level: 0,
                origin: wgpu::Origin3d { x: 0, y: first as u32, z: 0 },
                aspect: wgpu::TextureAspect::All,
            },
            wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        );
    }
}
