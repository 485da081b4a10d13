//! How long passes take on the device, by timestamps around a compute pass for each, or else by the
//! host's clock.

use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineError, Program, encode_timed};

/// Most timestamps of one query set, as WebGPU has it.
const MAX_QUERIES: usize = 4096;
/// How long a device is kept busy before anything is measured, for a GPU's clock to rise.
const WARM_UP: Duration = Duration::from_millis(100);
/// Submissions that the host's clock measures.
const BY_HOST: usize = 3;

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

    /// Keeps the device busy for a while, for its clock to rise.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device fails.
    pub fn warm_up(&mut self, program: &Program) -> Result<(), EngineError> {
        let begin = Instant::now();
        while begin.elapsed() < WARM_UP {
            self.run(program)?;
            self.finish()?;
        }
        Ok(())
    }

    /// Seconds that a program takes, of several samples, when it runs that many times in one
    /// submission: of each run by the device's timestamps; where it has none, the mean of a few
    /// such submissions by the host's clock, which counts the submission too.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device fails.
    pub fn seconds(&mut self, program: &Program, runs: usize) -> Result<Vec<f64>, EngineError> {
        let steps = (0..runs).flat_map(|_| program.steps.clone()).collect();
        let repeated = Program::of(steps);
        if let Some(times) = self.run_timed(&repeated)?
            && times.iter().all(|seconds| *seconds > 0.0)
        {
            return Ok(times.chunks(program.len()).map(|run| run.iter().sum()).collect());
        }
        let mut times = Vec::new();
        for _ in 0..BY_HOST {
            let begin = Instant::now();
            self.run(&repeated)?;
            self.finish()?;
            times.push(begin.elapsed().as_secs_f64() / runs as f64);
        }
        Ok(times)
    }
}
