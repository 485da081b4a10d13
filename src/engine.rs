//! The one place that knows device memory and pipelines: makes a recording ready and replays it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

mod error;
mod flight;
mod memory;
mod pipelines;
mod step;
mod transfer;
#[cfg_attr(target_arch = "wasm32", path = "engine/wait_web.rs")]
mod wait;

pub use self::error::EngineError;
use self::flight::Flights;
use self::memory::Memory;
use self::pipelines::{Pipelines, Ready};
use self::step::Step;
pub(crate) use self::step::{encode, encode_timed};
use self::transfer::Staging;
pub use self::transfer::{Copied, Pending};
use self::wait::wait;
use crate::cost::weight;
use crate::dispatch::{check_names, workgroups};
use crate::gpu::{Gpu, Heard};
use crate::plan::{LONGEST, SMALLER};
use crate::recording::{COPY, Pass, Recording};
use crate::timing::Queries;

/// The device's memory by tensor and shard, and its pipelines by specialized text and entry point.
pub struct Engine {
    pub(crate) gpu: Gpu,
    memory: Memory,
    pipelines: Pipelines,
    staging: Staging,
    flights: Flights,
    /// What the last timed run was timed with.
    pub(crate) queries: Option<Queries>,
    /// How long any wait may take. Three steps of a large network take minutes on a slow adapter.
    patience: Duration,
    /// See [`Engine::set_longest_submission`].
    longest: u64,
}

/// See [`Engine::set_patience`].
const PATIENCE: Duration = Duration::from_secs(600);

/// Runs that may wait on the device at once; more would only hold memory.
const MAX_IN_FLIGHT: usize = 3;

/// A recording made ready: replaying it makes no buffer, bind group or pipeline.
pub struct Program {
    pub(crate) steps: Vec<Step>,
    parts: Vec<Part>,
}

/// What is submitted at once.
struct Part {
    steps: Range<usize>,
    /// Its passes, for errors: "pass `..`", or the first and the last.
    passes: Arc<str>,
}

impl Program {
    /// Number of dispatches.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Number of submissions that a run takes.
    pub fn submissions(&self) -> usize {
        self.parts.len()
    }

    /// The steps of each submission.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Range<usize>> {
        self.parts.iter().map(|part| part.steps.clone())
    }

    /// These in one submission.
    pub(crate) fn of(steps: Vec<Step>) -> Program {
        let part = Part { steps: 0..steps.len(), passes: "passes that are timed".into() };
        Program { steps, parts: vec![part] }
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Engine {
    /// An engine without memory yet.
    pub fn new(gpu: Gpu) -> Engine {
        let longest = if gpu.facts.is_software() { u64::MAX } else { LONGEST };
        Engine {
            gpu,
            longest,
            memory: Memory::default(),
            pipelines: Pipelines::default(),
            staging: Staging::default(),
            flights: Flights::default(),
            queries: None,
            patience: PATIENCE,
        }
    }

    /// The most operations (a byte moved counts as ten) that one submission of the programs compiled
    /// from now on should have; a longer pass has one of its own. Unless told, 40 billion on GPUs,
    /// whose drivers end what takes too long, and any number on software adapters.
    pub fn set_longest_submission(&mut self, operations: u64) {
        self.longest = operations;
    }

    /// How long to wait for the device before giving it up: ten minutes, unless told.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Gives the device back and the tensors' memory free, after all work submitted.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub async fn into_gpu_async(mut self) -> Result<Gpu, EngineError> {
        self.finish_async().await?;
        Ok(self.gpu)
    }

    /// Bytes of device memory that tensors take.
    pub fn bytes(&self) -> u64 {
        self.memory.bytes
    }

    /// Makes a recording ready: gives each used tensor a zeroed buffer (unless an earlier recording
    /// did), makes pipelines and bind groups.
    ///
    /// # Errors
    /// [`EngineError::Pass`] when a pass exceeds a limit of the adapter; [`EngineError::Device`]
    /// when the driver refuses.
    ///
    /// # Panics
    /// When a pass and its WGSL file disagree about names.
    pub fn compile(&mut self, recording: &Recording) -> Result<Program, EngineError> {
        self.check_bindings(recording)?;
        for id in recording.used() {
            let info = recording.tensor(id);
            let held = self.memory.bytes;
            self.memory.allocate(&self.gpu, id, info);
            let bytes = self.memory.bytes - held;
            self.check_for(|| format!("tensor {} ({bytes} bytes)", info.name), held)?;
        }
        let is_copy = |pass: &Pass| std::ptr::eq(pass.kernel, &COPY);
        let text = |pass: &Pass| match is_copy(pass) {
            true => Default::default(),
            false => pass.text(),
        };
        let texts: Vec<_> = recording.passes.iter().map(|pass| (pass, text(pass))).collect();
        let dispatched = texts.iter().filter(|(pass, _)| !is_copy(pass));
        self.pipelines.make(&self.gpu, dispatched.map(|(pass, (text, _))| (*pass, text.as_str())));
        let prepare = |(pass, (text, sizes)): &(&Pass, (String, Vec<u32>))| {
            self.prepare(recording, pass, text, sizes)
        };
        let steps: Result<_, _> = texts.iter().map(prepare).collect();
        self.check()?;
        Ok(Program { steps: steps?, parts: self.parts(recording) })
    }

    /// A recording's passes in submissions, none of which is too long.
    fn parts(&self, recording: &Recording) -> Vec<Part> {
        let passes = &recording.passes;
        let (mut begins, mut sum) = (vec![0], 0u64);
        for (index, pass) in passes.iter().enumerate() {
            let weight = weight(pass, recording);
            if sum > 0 && sum.saturating_add(weight) > self.longest {
                begins.push(index);
                sum = 0;
            }
            sum += weight;
        }
        let ends = begins.iter().skip(1).copied().chain([passes.len()]);
        let part = |(&begin, end): (&usize, usize)| Part {
            steps: begin..end,
            passes: name(&passes[begin..end]).into(),
        };
        begins.iter().zip(ends).map(part).collect()
    }

    fn refused(&self, pass: &Pass, reason: String) -> EngineError {
        EngineError::Pass { pass: pass.label(), adapter: self.gpu.facts.name.clone(), reason }
    }

    /// Refuses what is larger than one buffer may be. A plan leaves nothing so large.
    fn check_bindings(&self, recording: &Recording) -> Result<(), EngineError> {
        let limit = self.gpu.buffer_limit();
        for pass in &recording.passes {
            for bound in &pass.tensors {
                let info = recording.tensor(bound.tensor);
                let bytes = info.shard_bytes(bound.shard);
                if bytes > limit && !info.image {
                    let reason = format!(
                        "tensor {} takes {bytes} bytes, the limit for one buffer is {limit}; {SMALLER}",
                        info.name
                    );
                    return Err(self.refused(pass, reason));
                }
            }
        }
        Ok(())
    }

    fn prepare(
        &self,
        recording: &Recording,
        pass: &Pass,
        text: &str,
        sizes: &[u32],
    ) -> Result<Step, EngineError> {
        if std::ptr::eq(pass.kernel, &COPY) {
            let [x, y] = [&pass.tensors[0], &pass.tensors[1]];
            return Ok(Step::Copy {
                from: self.memory.buffer(x.tensor, x.shard).clone(),
                to: self.memory.image(y.tensor, y.shard).clone(),
                bytes: recording.tensor(x.tensor).shard_bytes(x.shard),
            });
        }
        let Ready { pipeline, entry } = self.pipelines.get(text, pass.entry);
        check_names(pass, entry);
        let workgroups = workgroups(pass, entry, self.gpu.facts.max_workgroups)
            .map_err(|reason| self.refused(pass, reason))?;
        let places = pass.tensors.iter().map(|bound| {
            (entry.slots[bound.name].binding, self.memory.place(bound.tensor, bound.shard))
        });
        let sizes = entry.sizes.map(|binding| (binding, self.sizes(pass, sizes)));
        let sizes = sizes.iter().map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding: *binding,
            resource: buffer.as_entire_binding(),
        });
        let bindings: Vec<_> = places
            .map(|(binding, place)| wgpu::BindGroupEntry { binding, resource: place.resource() })
            .chain(sizes)
            .collect();
        let bind_group = self.gpu.bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&pass.label()),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &bindings,
        });
        Ok(Step::Dispatch { pipeline: pipeline.clone(), bind_group, workgroups })
    }

    /// A pass's sizes in a buffer of their own.
    fn sizes(&self, pass: &Pass, sizes: &[u32]) -> wgpu::Buffer {
        let buffer = self.gpu.buffer(&wgpu::BufferDescriptor {
            label: Some(&format!("sizes of {}", pass.label())),
            size: (sizes.len() as u64 * 4).next_multiple_of(16),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(sizes));
        buffer
    }

    /// Submits all dispatches of a program; does not wait for them, but for the run before the last
    /// two, so that work never piles up.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub async fn run_async(&mut self, program: &Program) -> Result<(), EngineError> {
        for (number, part) in (1..).zip(&program.parts) {
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            encode(&mut encoder, &program.steps[part.steps.clone()]);
            let index = self.gpu.queue.submit([encoder.finish()]);
            let last = number == program.parts.len();
            self.flights.begin(&self.gpu.queue, index, &part.passes, last);
        }
        while let Some(oldest) = self.flights.oldest_over(MAX_IN_FLIGHT) {
            self.wait(Some(oldest)).await?;
        }
        self.check()
    }

    /// Waits until the device has nothing left to do.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub async fn finish_async(&mut self) -> Result<(), EngineError> {
        self.settle().await?;
        self.flights.clear();
        Ok(())
    }

    /// Waits for all that was submitted, and hears all errors.
    async fn settle(&self) -> Result<(), EngineError> {
        self.wait(None).await?;
        self.check()
    }

    /// Waits for a submission, or for all.
    async fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), EngineError> {
        wait(&self.gpu, submission, self.patience, || self.flights.doing()).await
    }

    /// Turns errors that no call returned into one.
    fn check(&self) -> Result<(), EngineError> {
        self.check_for(|| "what was submitted".to_string(), self.memory.bytes)
    }

    /// The same, where it is known what asked for memory, and how much tensors held before.
    fn check_for(&self, what: impl Fn() -> String, held: u64) -> Result<(), EngineError> {
        let mut heard = self.gpu.take_errors();
        if heard.is_empty() {
            return Ok(());
        }
        // What is left of a lost device is not valid, and that is heard first: the loss itself is
        // told of once nothing is under way any more.
        if let Err(lost) = self.gpu.wait(None, self.patience) {
            heard.push(Heard::Lost(lost));
        }
        heard.extend(self.gpu.take_errors());
        let (mut lost, mut memory, mut others) = (None, false, Vec::new());
        for one in heard {
            match one {
                Heard::Lost(reason) => lost = Some(reason),
                Heard::Memory => memory = true,
                Heard::Other(reason) => others.push(reason),
            }
        }
        let (adapter, doing) = (self.gpu.facts.name.clone(), self.flights.doing());
        // The first of these explains the others.
        match (lost, memory) {
            (Some(reason), _) => Err(EngineError::Lost { adapter, doing, reason }),
            (None, true) => {
                Err(EngineError::Memory { adapter, what: what(), held, advice: SMALLER })
            }
            (None, false) => Err(EngineError::Device { adapter, reason: others.join("; ") }),
        }
    }
}

/// Passes in words.
fn name(passes: &[Pass]) -> String {
    match passes {
        [] => "no pass".to_string(),
        [only] => format!("pass `{}`", only.label()),
        [first, .., last] => format!("passes `{}` to `{}`", first.label(), last.label()),
    }
}
