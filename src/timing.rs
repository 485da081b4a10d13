//! How long passes take on the device, by timestamps around a compute pass for each, and a whole run
//! by the host's clock.

use std::ops::Range;
use std::time::Duration;

use web_time::Instant;

use crate::engine::{Engine, EngineError, Program, encode, encode_timed};
use crate::gpu::Gpu;

/// Most timestamps of one query set, as WebGPU has it.
const MAX_QUERIES: usize = 4096;
/// How long a device is kept busy before anything is measured, for a GPU's clock to rise.
const WARM_UP: Duration = Duration::from_millis(100);
/// Submissions that the host's clock measures.
const BY_HOST: usize = 3;

/// A run of a program alone: nothing was under way before, and the host waited for its end.
#[derive(Clone, Debug)]
pub struct Timed {
    /// The host's part.
    pub host: HostClock,
    /// The device's part: for each pass its stamps, or `None` where they are missing or out of order.
    /// Empty where none were asked for or the device gives none at all.
    pub passes: Vec<Option<Stamps>>,
}

/// When the host did what.
#[derive(Clone, Copy, Debug)]
pub struct HostClock {
    /// It began to write inputs, if there are any, and to encode.
    pub begin: Instant,
    /// All was encoded; the submission began.
    pub recorded: Instant,
    /// The submission returned. Some drivers have computed a part by then, or all.
    pub submitted: Instant,
    /// The device had done all.
    pub done: Instant,
}

/// When a pass began and ended by the device's clock: seconds since the run's earliest stamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamps {
    /// Its begin.
    pub begin: f64,
    /// Its end, not before the begin.
    pub end: f64,
}

impl Stamps {
    /// From begin to end.
    pub fn seconds(&self) -> f64 {
        self.end - self.begin
    }

    /// From pairs of a device's ticks, each a pass's begin and end. Some drivers return zeros for
    /// stamps that they did not take, or an end before its begin: such a pair is no data.
    pub fn of(ticks: &[u64], seconds_per_tick: f64) -> Vec<Option<Stamps>> {
        let pairs = ticks.as_chunks::<2>().0;
        let valid = |[begin, end]: &[u64; 2]| *begin != 0 && begin <= end;
        let first = pairs.iter().filter(|pair| valid(pair)).map(|pair| pair[0]).min();
        let seconds = |tick: u64| (tick - first.unwrap_or(tick)) as f64 * seconds_per_tick;
        let stamps = |pair: &[u64; 2]| {
            valid(pair).then(|| Stamps { begin: seconds(pair[0]), end: seconds(pair[1]) })
        };
        pairs.iter().map(stamps).collect()
    }
}

/// Where the device puts its timestamps: as many sets as it takes, and a buffer for all.
pub(crate) struct Queries {
    sets: Vec<wgpu::QuerySet>,
    count: usize,
    resolved: wgpu::Buffer,
}

impl Queries {
    fn new(gpu: &Gpu, count: usize) -> Queries {
        let set = |first: usize| {
            gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("pass times"),
                ty: wgpu::QueryType::Timestamp,
                count: (count - first).min(MAX_QUERIES) as u32,
            })
        };
        let resolved = gpu.buffer(&wgpu::BufferDescriptor {
            label: Some("pass times"),
            size: count as u64 * 8,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Queries { sets: (0..count).step_by(MAX_QUERIES).map(set).collect(), count, resolved }
    }

    /// Encodes these steps of the program; behind its last one, what brings the stamps to the buffer.
    fn encode(&self, encoder: &mut wgpu::CommandEncoder, program: &Program, steps: Range<usize>) {
        for index in steps.clone() {
            let (set, first) = (index * 2 / MAX_QUERIES, (index * 2 % MAX_QUERIES) as u32);
            let stamps = [first, first + 1];
            encode_timed(encoder, &program.steps[index], &self.sets[set], stamps);
        }
        if steps.end < program.len() {
            return;
        }
        for (index, set) in self.sets.iter().enumerate() {
            let first = index * MAX_QUERIES;
            let count = (self.count - first).min(MAX_QUERIES) as u32;
            encoder.resolve_query_set(set, 0..count, &self.resolved, first as u64 * 8);
        }
    }
}

impl Engine {
    /// Runs a program with every dispatch in a timed compute pass of its own, and waits for it. Where
    /// the device has no timestamps it is [`Engine::run_alone_async`].
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device fails.
    pub async fn run_timed_async(&mut self, program: &Program) -> Result<Timed, EngineError> {
        if !self.gpu.has_timestamps() || program.is_empty() {
            return self.run_alone_async(program).await;
        }
        self.finish_async().await?;
        let count = program.len() * 2;
        let queries = self.queries.take().filter(|queries| queries.count == count);
        let queries = queries.unwrap_or_else(|| Queries::new(&self.gpu, count));
        let encode = |encoder: &mut _, steps| queries.encode(encoder, program, steps);
        let host = self.clocked(program, encode).await?;
        let size = queries.resolved.size();
        let ticks = self.read_buffer(&queries.resolved, size).await?;
        self.queries = Some(queries);
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&ticks);
        let seconds_per_tick = f64::from(self.gpu.queue.get_timestamp_period()) * 1e-9;
        Ok(Timed { host, passes: Stamps::of(&ticks, seconds_per_tick) })
    }

    /// Runs a program as [`Engine::run_async`] does, and waits for it. Only the host's clock tells its time.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device fails.
    pub async fn run_alone_async(&mut self, program: &Program) -> Result<Timed, EngineError> {
        self.finish_async().await?;
        let encode = |encoder: &mut _, steps| encode(encoder, &program.steps[steps]);
        let host = self.clocked(program, encode).await?;
        Ok(Timed { host, passes: Vec::new() })
    }

    /// Encodes, submits and waits.
    async fn clocked(
        &mut self,
        program: &Program,
        encode: impl Fn(&mut wgpu::CommandEncoder, Range<usize>),
    ) -> Result<HostClock, EngineError> {
        let begin = Instant::now();
        let part = |steps| {
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            encode(&mut encoder, steps);
            encoder.finish()
        };
        let commands: Vec<_> = program.parts().map(part).collect();
        let recorded = Instant::now();
        for part in commands {
            self.gpu.queue.submit([part]);
        }
        let submitted = Instant::now();
        self.finish_async().await?;
        Ok(HostClock { begin, recorded, submitted, done: Instant::now() })
    }

    /// Keeps the device busy for a while, for its clock to rise.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device fails.
    pub async fn warm_up_async(&mut self, program: &Program) -> Result<(), EngineError> {
        let begin = Instant::now();
        while begin.elapsed() < WARM_UP {
            self.run_async(program).await?;
            self.finish_async().await?;
        }
        Ok(())
    }

    /// Seconds that a program takes, of several samples, when it runs that many times in one
    /// submission: of each run by the device's timestamps; where it has none, the mean of a few
    /// such submissions by the host's clock, which counts the submission too.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device fails.
    pub async fn seconds_async(
        &mut self,
        program: &Program,
        runs: usize,
    ) -> Result<Vec<f64>, EngineError> {
        let steps = (0..runs).flat_map(|_| program.steps.clone()).collect();
        let repeated = Program::of(steps);
        if self.gpu.has_timestamps() {
            let passes = self.run_timed_async(&repeated).await?.passes;
            let times: Option<Vec<f64>> =
                passes.iter().map(|stamps| Some(stamps.as_ref()?.seconds())).collect();
            if let Some(times) = times.filter(|times| times.iter().all(|seconds| *seconds > 0.0)) {
                return Ok(times.chunks(program.len()).map(|run| run.iter().sum()).collect());
            }
        }
        let mut times = Vec::new();
        for _ in 0..BY_HOST {
            let HostClock { begin, done, .. } = self.run_alone_async(&repeated).await?.host;
            times.push((done - begin).as_secs_f64() / runs as f64);
        }
        Ok(times)
    }
}
