//! What goes between the host and the device's tensors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_intrusive::channel::shared::{OneshotReceiver, OneshotSender, oneshot_channel};

use super::wait::hear;
use super::{Engine, EngineError};
use crate::gpu::Gpu;
use crate::processors::on_all;
use crate::recording::{TensorId, TensorInfo};

/// Rows that lie in panels are put in order in parts of about so many bytes.
const PART: usize = 1 << 16;
/// Bytes that are staged at once on their way to the device.
const STAGED: usize = 1 << 21;

/// What a callback is about to tell, once.
pub(super) type Told<T> = OneshotReceiver<T>;

/// For a callback to tell, and for us to hear.
pub(super) fn telling<T: Send + 'static>() -> (OneshotSender<T>, Told<T>) {
    oneshot_channel()
}

/// Free buffers for copies on their way to the host, by size: making one takes longer than using it.
#[derive(Clone, Default)]
pub(super) struct Staging(Arc<Mutex<HashMap<u64, Vec<wgpu::Buffer>>>>);

impl Staging {
    fn take(&self, gpu: &Gpu, size: u64) -> wgpu::Buffer {
        let mut free = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let make = || {
            gpu.buffer(&wgpu::BufferDescriptor {
                label: Some("staging"),
                size,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        };
        free.get_mut(&size).and_then(Vec::pop).unwrap_or_else(make)
    }

    fn give_back(&self, buffer: wgpu::Buffer) {
        let mut free = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        free.entry(buffer.size()).or_default().push(buffer);
    }
}

/// A copy of a buffer on its way to the host.
pub struct Pending {
    buffer: wgpu::Buffer,
    staging: Staging,
    done: Told<Result<(), wgpu::BufferAsyncError>>,
    submission: wgpu::SubmissionIndex,
}

impl Pending {
    /// Waits for the copy and shows its bytes to `use_bytes`.
    async fn arrive<T>(
        self,
        gpu: &Gpu,
        patience: Duration,
        use_bytes: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, EngineError> {
        let refused = |reason| EngineError::Device { adapter: gpu.facts.name.clone(), reason };
        let doing = || " in a copy to the host".into();
        match hear(self.done, gpu, self.submission, patience, doing).await? {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(refused(error.to_string())),
            None => return Err(refused("a read-back was dropped".to_string())),
        }
        let result = {
            let view = self.buffer.get_mapped_range(..);
            use_bytes(&view.map_err(|error| refused(error.to_string()))?)
        };
        self.buffer.unmap();
        self.staging.give_back(self.buffer);
        Ok(result)
    }
}

/// A tensor as it was when the copy was begun, on its way to the host. The device goes on meanwhile,
/// and any thread may wait for the copy.
pub struct Copied {
    gpu: Gpu,
    patience: Duration,
    info: TensorInfo,
    /// One a shard.
    pending: Vec<Pending>,
}

impl Copied {
    /// Gives the tensor, row-major, in parts of any length. Waits.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost.
    pub async fn read_async(self, mut use_part: impl FnMut(&[u8])) -> Result<(), EngineError> {
        let info = &self.info;
        let row = info.row_bytes();
        for (pending, &rows) in self.pending.into_iter().zip(&info.shards) {
            let arrived = pending.arrive(&self.gpu, self.patience, |placed| {
                if info.panel.is_none() {
                    return use_part(placed);
                }
                let some = (PART / row).max(1);
                let mut part = vec![0; some.min(rows) * row];
                for first in (0..rows).step_by(some) {
                    let last = (first + some).min(rows);
                    for (plain, panelled) in info.runs(rows, first..last) {
                        part[plain].copy_from_slice(&placed[panelled]);
                    }
                    use_part(&part[..(last - first) * row]);
                }
            });
            arrived.await?;
        }
        Ok(())
    }
}

impl Engine {
    /// Writes a whole tensor, before everything submitted later. `bytes` is padded to its buffers.
    ///
    /// # Panics
    /// When `bytes` has not the tensor's size, or no compiled recording uses the tensor.
    pub fn write(&mut self, id: TensorId, info: &TensorInfo, bytes: &[u8]) {
        assert_eq!(bytes.len(), info.len() * 4, "write: tensor {} has another size", info.name);
        let mut rest = bytes;
        let shards = info.shards.iter().enumerate().map(|(shard, &rows)| {
            let (plain, behind) = rest.split_at(rows * info.row_bytes());
            rest = behind;
            (shard, rows, plain)
        });
        on_all(shards.collect(), |(shard, rows, plain)| {
            let buffer = self.memory.buffer(id, shard);
            if info.panel.is_none() {
                return self.stage(buffer, 0, plain);
            }
            let (mut part, mut at) = (Vec::with_capacity(STAGED), 0);
            for (from, _) in info.runs(rows, 0..rows) {
                if part.len() + from.len() > STAGED {
                    self.stage(buffer, at, &part);
                    at += part.len() as u64;
                    part.clear();
                }
                part.extend_from_slice(&plain[from]);
            }
            self.stage(buffer, at, &part);
        });
    }

    /// Writes bytes to a place of a buffer, before everything submitted later. Of many only some are
    /// held twice at a time, and in memory that serves again: it is new memory that takes long.
    fn stage(&self, buffer: &wgpu::Buffer, begin: u64, bytes: &[u8]) {
        for (part, at) in bytes.chunks(STAGED).zip((begin..).step_by(STAGED)) {
            self.gpu.queue.write_buffer(buffer, at, part);
            if part.len() > STAGED / 2 {
                // Hands the staged copy on.
                self.gpu.queue.submit([]);
            }
        }
    }

    /// Writes the first bytes of a tensor that is one buffer, before everything submitted later. The
    /// last word is filled up with zeros, what stands behind it stays.
    ///
    /// # Panics
    /// When the tensor is smaller or in shards, or no compiled recording uses it.
    pub fn write_bytes(&mut self, id: TensorId, info: &TensorInfo, bytes: &[u8]) {
        assert!(bytes.len() <= info.len() * 4, "write: tensor {} is smaller", info.name);
        assert_eq!(info.shards.len(), 1, "write: tensor {} is in shards", info.name);
        let buffer = self.memory.buffer(id, 0);
        let (words, over) = bytes.split_at(bytes.len() / 4 * 4);
        self.stage(buffer, 0, words);
        if !over.is_empty() {
            let mut word = [0; 4];
            word[..over.len()].copy_from_slice(over);
            self.stage(buffer, words.len() as u64, &word);
        }
    }

    /// Reads a whole tensor, after everything submitted so far. Waits.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    ///
    /// # Panics
    /// When no compiled recording uses the tensor.
    pub async fn read_async(
        &self,
        id: TensorId,
        info: &TensorInfo,
    ) -> Result<Vec<u8>, EngineError> {
        let mut bytes = Vec::with_capacity(info.len() * 4);
        for copied in self.copy(&[(id, info)])? {
            if let Err(error) = copied.read_async(|part| bytes.extend_from_slice(part)).await {
                return Err(self.explain(error).await);
            }
        }
        self.check()?;
        Ok(bytes)
    }

    /// Begins to copy whole tensors to the host, all as they are after everything submitted so far;
    /// does not wait. Later copies of the same tensors use the same memory of the host.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or has no memory for the copies.
    ///
    /// # Panics
    /// When no compiled recording uses a tensor.
    pub fn copy(&self, tensors: &[(TensorId, &TensorInfo)]) -> Result<Vec<Copied>, EngineError> {
        let shards = |(id, info): &(TensorId, &TensorInfo)| {
            let row = info.row_bytes();
            let sized = info.shards.iter().map(move |rows| (rows * row) as u64);
            let part = |(shard, size)| (self.memory.buffer(*id, shard), size);
            sized.enumerate().map(part).collect::<Vec<_>>()
        };
        let parts: Vec<_> = tensors.iter().flat_map(shards).collect();
        let mut pending = self.begin_copies(&parts).into_iter();
        let copied = |(_, info): &(TensorId, &TensorInfo)| Copied {
            gpu: self.gpu.clone(),
            patience: self.patience,
            info: (*info).clone(),
            pending: pending.by_ref().take(info.shards.len()).collect(),
        };
        let copied = tensors.iter().map(copied).collect();
        self.check_for(|| "a copy of the weights".to_string(), self.memory.bytes)?;
        Ok(copied)
    }

    /// The first `size` bytes of a buffer, after everything submitted so far. Waits.
    pub(crate) async fn read_buffer(
        &self,
        buffer: &wgpu::Buffer,
        size: u64,
    ) -> Result<Vec<u8>, EngineError> {
        let pending = self.begin_copies(&[(buffer, size)]).remove(0);
        self.finish_copy(pending, <[u8]>::to_vec).await
    }

    /// Begins to copy the first `elements` of a small tensor to the host, after everything
    /// submitted so far, without waiting; [`Engine::collect_async`] ends it.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    ///
    /// # Panics
    /// When no compiled recording uses the tensor.
    pub fn fetch(&mut self, id: TensorId, elements: usize) -> Result<Pending, EngineError> {
        let from = self.memory.buffer(id, 0);
        let pending = self.begin_copies(&[(from, elements as u64 * 4)]).remove(0);
        self.check()?;
        Ok(pending)
    }

    /// Takes the host's memory for `copies` of the first `elements` of a tensor on their way at once,
    /// so that no [`Engine::fetch`] has to.
    ///
    /// # Errors
    /// As [`Engine::fetch`].
    pub fn make_room(&mut self, elements: usize, copies: usize) -> Result<(), EngineError> {
        let size = elements as u64 * 4;
        let taken: Vec<_> = (0..copies).map(|_| self.staging.take(&self.gpu, size)).collect();
        taken.into_iter().for_each(|buffer| self.staging.give_back(buffer));
        self.check()
    }

    /// The copied elements; waits for them.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the device was lost or refused something.
    pub async fn collect_async(&mut self, pending: Pending) -> Result<Vec<f32>, EngineError> {
        self.finish_copy(pending, bytemuck::pod_collect_to_vec).await
    }

    /// Begins to copy the first bytes of buffers, in one submission.
    fn begin_copies(&self, parts: &[(&wgpu::Buffer, u64)]) -> Vec<Pending> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let copy = |&(from, size): &(&wgpu::Buffer, u64)| {
            let to = self.staging.take(&self.gpu, size);
            encoder.copy_buffer_to_buffer(from, 0, &to, 0, size);
            to
        };
        let copies: Vec<wgpu::Buffer> = parts.iter().map(copy).collect();
        let submission = self.gpu.queue.submit([encoder.finish()]);
        let pending = |buffer: wgpu::Buffer| {
            let (sender, done) = telling();
            buffer.map_async(wgpu::MapMode::Read, .., move |result| {
                // The receiver is gone only when nobody wants the result any more.
                let _ = sender.send(result);
            });
            let (staging, submission) = (self.staging.clone(), submission.clone());
            Pending { buffer, staging, done, submission }
        };
        copies.into_iter().map(pending).collect()
    }

    async fn finish_copy<T>(
        &self,
        pending: Pending,
        use_bytes: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, EngineError> {
        match pending.arrive(&self.gpu, self.patience, use_bytes).await {
            Ok(result) => self.check().map(|()| result),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Why a read-back failed: if the device is lost, by that, and where in its work it was.
    async fn explain(&self, error: EngineError) -> EngineError {
        let now = self.flights.doing();
        match error {
            EngineError::Device { .. } => self.settle().await.err().unwrap_or(error),
            EngineError::Lost { adapter, reason, .. } if !now.is_empty() => {
                EngineError::Lost { adapter, doing: now, reason }
            }
            EngineError::Hangs { adapter, patience, .. } if !now.is_empty() => {
                EngineError::Hangs { adapter, doing: now, patience }
            }
            other => other,
        }
    }
}
