//! How long each pass takes on the device, by timestamps around a compute pass of its own.

use crate::engine::{Engine, EngineError, Program, encode_timed};

/// Most timestamps of one query set, as WebGPU has it.
const MAX_QUERIES: usize = 4096;

impl Engine {
    /// Runs a program with every dispatch in a timed compute pass; seconds for each, in order.
    /// `None` where the adapter has no timestamps. A pass whose stamps are missing or out of order
    /// (some drivers return zeros) counts as not a number.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device fails.
    pub fn run_timed(&mut self, program: &Program) -> Result<Option<Vec<f64>>, EngineError> {
        let device = &self.gpu.device;
        let queries = program.len() * 2;
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) || queries > MAX_QUERIES {
            return Ok(None);
        }
        let set = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("pass times"),
            ty: wgpu::QueryType::Timestamp,
            count: queries as u32,
        });
        let size = queries as u64 * 8;
        let resolved = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("pass times"),
            size,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        for (index, step) in program.steps.iter().enumerate() {
            let first = index as u32 * 2;
            encode_timed(&mut encoder, step, &set, [first, first + 1]);
        }
        encoder.resolve_query_set(&set, 0..queries as u32, &resolved, 0);
        self.gpu.queue.submit([encoder.finish()]);
        let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&self.read_buffer(&resolved, size)?);
        let period = f64::from(self.gpu.queue.get_timestamp_period()) * 1e-9;
        let seconds = |pair: &[u64]| match pair[1].checked_sub(pair[0]) {
            Some(ticks) if pair[0] != 0 => ticks as f64 * period,
            _ => f64::NAN,
        };
        Ok(Some(stamps.chunks_exact(2).map(seconds).collect()))
    }
}
