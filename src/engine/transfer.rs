//! Numbers to the device and back.

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

use super::{Engine, EngineError};
use crate::recording::{TensorId, TensorInfo};

/// A copy of a small tensor on its way to the host.
pub struct Pending {
    buffer: wgpu::Buffer,
    done: OneshotReceiver<Result<(), wgpu::BufferAsyncError>>,
    submission: wgpu::SubmissionIndex,
}

impl Engine {
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
            Some(Err(error)) => return Err(self.failed(error.to_string())),
            None => return Err(self.failed("a read-back was dropped".to_string())),
        }
        {
            let view = pending.buffer.get_mapped_range(..);
            let view = view.map_err(|error| self.failed(error.to_string()))?;
            to.copy_from_slice(&view[..to.len()]);
        }
        pending.buffer.unmap();
        self.check()?;
        Ok(pending.buffer)
    }

    /// Why a read-back failed: if the device is lost, by that.
    fn failed(&self, reason: String) -> EngineError {
        self.settle().err().unwrap_or_else(|| self.device_error(reason))
    }
}
