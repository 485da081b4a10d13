//! The one place that knows device memory and pipelines: makes a recording ready and replays it.

use std::collections::{HashMap, VecDeque};

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

mod memory;

mod pipelines;
mod step;

use self::memory::Memory;
use self::pipelines::{Pipelines, Ready};
use self::step::Step;
pub(crate) use self::step::{encode, encode_timed};
use crate::dispatch::{check_names, workgroups};
use crate::gpu::Gpu;
use crate::recording::{COPY, Pass, Recording, TensorId, TensorInfo};

/// What can go wrong between a recording and its results.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A pass that this adapter cannot run.
    #[error("pass `{pass}` cannot run on {adapter}: {reason}")]
    Pass {
        /// Its label.
        pass: String,
        /// The adapter's name.
        adapter: String,
        /// What is wrong.
        reason: String,
    },
    /// The driver said no: validation, memory, a lost device.
    #[error(
        "{adapter}: {reason}; lower --batch-size or the network's sizes, or try another --adapter"
    )]
    Device {
        /// The adapter's name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
}

/// The device's memory by tensor and shard, and its pipelines by specialized text and entry point.
pub struct Engine {
    pub(crate) gpu: Gpu,
    memory: Memory,
    pipelines: Pipelines,
    /// Free staging buffers for small results, by size.
    free: HashMap<u64, Vec<wgpu::Buffer>>,
    /// Submissions not yet waited for.
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

/// Submissions that may wait on the device at once; more would only hold memory.
const MAX_IN_FLIGHT: usize = 3;

/// A recording made ready: replaying it makes no buffer, bind group or pipeline.
pub struct Program {
    pub(crate) steps: Vec<Step>,
}

impl Program {
    /// Number of dispatches.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// A copy of a small tensor on its way to the host.
pub struct Pending {
    buffer: wgpu::Buffer,
    done: OneshotReceiver<Result<(), wgpu::BufferAsyncError>>,
    submission: wgpu::SubmissionIndex,
}

impl Engine {
    /// An engine without memory yet.
    pub fn new(gpu: Gpu) -> Engine {
        Engine {
            gpu,
            memory: Memory::default(),
            pipelines: Pipelines::default(),
            free: HashMap::new(),
            in_flight: VecDeque::new(),
        }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Gives the device back and the tensors' memory free, after all work submitted.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub fn into_gpu(mut self) -> Result<Gpu, EngineError> {
        self.finish()?;
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
        for id in recording.used() {
            let info = recording.tensor(id);
            for shard in 0..info.shards.len() {
                self.memory.allocate(&self.gpu.device, id, shard, info);
            }
        }
        self.check()?;
        let is_copy = |pass: &Pass| std::ptr::eq(pass.kernel, &COPY);
        let text = |pass: &Pass| match is_copy(pass) {
            true => String::new(),
            false => pass.kernel.specialize(&pass.all_constants()),
        };
        let texts: Vec<_> = recording.passes.iter().map(|pass| (pass, text(pass))).collect();
        let dispatched: Vec<_> = texts.iter().filter(|(pass, _)| !is_copy(pass)).cloned().collect();
        self.pipelines.make(&self.gpu.device, &dispatched);
        let prepare = |(pass, text): &(&Pass, String)| self.prepare(recording, pass, text);
        let steps: Result<_, _> = texts.iter().map(prepare).collect();
        self.check()?;
        Ok(Program { steps: steps? })
    }

    fn prepare(&self, recording: &Recording, pass: &Pass, text: &str) -> Result<Step, EngineError> {
        if std::ptr::eq(pass.kernel, &COPY) {
            let [x, y] = [&pass.tensors[0], &pass.tensors[1]];
            return Ok(Step::Copy {
                from: self.memory.buffer(x.tensor, x.shard).clone(),
                to: self.memory.image(y.tensor, y.shard).clone(),
                bytes: recording.tensor(x.tensor).shard_bytes(x.shard),
            });
        }
        let refused = |reason: String| EngineError::Pass {
            pass: pass.label(),
            adapter: self.gpu.facts.name.clone(),
            reason,
        };
        let Ready { pipeline, entry } = self.pipelines.get(text, pass.entry);
        check_names(pass, entry);
        let workgroups = workgroups(pass, entry, self.gpu.facts.max_workgroups).map_err(refused)?;
        let places = pass.tensors.iter().map(|bound| {
            (entry.slots[bound.name].binding, self.memory.place(bound.tensor, bound.shard))
        });
        let bindings: Vec<_> = places
            .map(|(binding, place)| wgpu::BindGroupEntry { binding, resource: place.resource() })
            .collect();
        let bind_group = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&pass.label()),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &bindings,
        });
        Ok(Step::Dispatch { pipeline: pipeline.clone(), bind_group, workgroups })
    }

    /// Submits all dispatches of a program; does not wait for them, but for the submission before
    /// the last two, so that work never piles up.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub fn run(&mut self, program: &Program) -> Result<(), EngineError> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        encode(&mut encoder, &program.steps);
        self.in_flight.push_back(self.gpu.queue.submit([encoder.finish()]));
        while self.in_flight.len() > MAX_IN_FLIGHT {
            let oldest = self.in_flight.pop_front();
            self.wait(oldest)?;
        }
        self.check()
    }

    /// Waits for a submission, or for all.
    fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<(), EngineError> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout: None };
        self.gpu.device.poll(poll).map_err(|e| self.device_error(e.to_string()))?;
        Ok(())
    }

    /// Waits until the device has nothing left to do.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub fn finish(&mut self) -> Result<(), EngineError> {
        self.in_flight.clear();
        self.wait(None)?;
        self.check()
    }

    fn device_error(&self, reason: String) -> EngineError {
        EngineError::Device { adapter: self.gpu.facts.name.clone(), reason }
    }

    /// Turns errors that no call returned into one.
    fn check(&self) -> Result<(), EngineError> {
        match self.gpu.take_errors() {
            errors if errors.is_empty() => Ok(()),
            errors => Err(self.device_error(errors.join("; "))),
        }
    }

    /// Writes a whole tensor, before everything submitted later. `bytes` is padded to its buffers.
    ///
    /// # Panics
    /// When `bytes` has not the tensor's size, or no compiled recording uses the tensor.
    pub fn write(&mut self, id: TensorId, info: &TensorInfo, bytes: &[u8]) {
        assert_eq!(bytes.len(), info.len() * 4, "write: tensor {} has another size", info.name);
        let row = bytes.len() / info.shape[0];
        let mut begin = 0;
        for (shard, rows) in info.shards.iter().enumerate() {
            let end = begin + rows * row;
            let plain = &bytes[begin..end];
            let buffer = self.memory.buffer(id, shard);
            if info.panel.is_some() {
                let mut placed = vec![0; plain.len()];
                for (from, to) in info.runs(plain.len()) {
                    placed[to].copy_from_slice(&plain[from]);
                }
                self.gpu.queue.write_buffer(buffer, 0, &placed);
            } else {
                self.gpu.queue.write_buffer(buffer, 0, plain);
            }
            if info.shards.len() > 1 {
                // Hands the staged copy on, lest all shards be held twice.
                self.gpu.queue.submit([]);
            }
            begin = end;
        }
    }

    /// Reads a whole tensor, after everything submitted so far. Waits.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    ///
    /// # Panics
    /// When no compiled recording uses the tensor.
    pub fn read(&self, id: TensorId, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        let mut bytes = Vec::with_capacity(info.len() * 4);
        let row = info.len() / info.shape[0] * 4;
        for (shard, rows) in info.shards.iter().enumerate() {
            let placed = self.read_buffer(self.memory.buffer(id, shard), (rows * row) as u64)?;
            if info.panel.is_some() {
                let begin = bytes.len();
                bytes.resize(begin + placed.len(), 0);
                for (to, from) in info.runs(placed.len()) {
                    bytes[begin..][to].copy_from_slice(&placed[from]);
                }
            } else {
                bytes.extend(placed);
            }
        }
        Ok(bytes)
    }

    /// The first `size` bytes of a buffer, after everything submitted so far. Waits.
    pub(crate) fn read_buffer(
        &self,
        buffer: &wgpu::Buffer,
        size: u64,
    ) -> Result<Vec<u8>, EngineError> {
        let pending = self.copy(buffer, self.staging(size), size);
        let mut bytes = vec![0; size as usize];
        self.arrive(pending, &mut bytes)?;
        Ok(bytes)
    }

    /// Begins to copy the first `elements` of a small tensor to the host, after everything
    /// submitted so far, without waiting; [`Engine::collect`] ends it.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    ///
    /// # Panics
    /// When no compiled recording uses the tensor.
    pub fn fetch(&mut self, id: TensorId, elements: usize) -> Result<Pending, EngineError> {
        let size = elements as u64 * 4;
        let free = self.free.get_mut(&size).and_then(Vec::pop);
        let to = free.unwrap_or_else(|| self.staging(size));
        let pending = self.copy(self.memory.buffer(id, 0), to, size);
        self.check()?;
        Ok(pending)
    }

    /// The copied elements; waits for them.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub fn collect(&mut self, pending: Pending) -> Result<Vec<f32>, EngineError> {
        let mut values = vec![0.0f32; pending.buffer.size() as usize / 4];
        let buffer = self.arrive(pending, bytemuck::cast_slice_mut(&mut values))?;
        self.free.entry(buffer.size()).or_default().push(buffer);
        Ok(values)
    }

    fn staging(&self, size: u64) -> wgpu::Buffer {
        self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        })
    }

    fn copy(&self, from: &wgpu::Buffer, buffer: wgpu::Buffer, size: u64) -> Pending {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(from, 0, &buffer, 0, size);
        let submission = self.gpu.queue.submit([encoder.finish()]);
        let (sender, done) = oneshot_channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only when nobody wants the result any more.
            let _ = sender.send(result);
        });
        Pending { buffer, done, submission }
    }

    fn arrive(&self, pending: Pending, to: &mut [u8]) -> Result<wgpu::Buffer, EngineError> {
        self.wait(Some(pending.submission))?;
        let mapped = pollster::block_on(pending.done.receive());
        match mapped {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(self.device_error(error.to_string())),
            None => return Err(self.device_error("a read-back was dropped".to_string())),
        }
        {
            let view = pending.buffer.get_mapped_range(..);
            let view = view.map_err(|error| self.device_error(error.to_string()))?;
            to.copy_from_slice(&view[..to.len()]);
        }
        pending.buffer.unmap();
        self.check()?;
        Ok(pending.buffer)
    }
}
