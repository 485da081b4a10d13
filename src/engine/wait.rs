//! Waiting for the device, in programs: it is polled until it is done, so these futures never sleep, and
//! any executor may run them. `wait_web.rs` is the same for browsers.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use super::EngineError;
use crate::gpu::Gpu;

/// What a callback is about to tell, once.
pub(super) type Told<T> = Receiver<T>;

/// For a callback to tell, and for us to hear.
pub(super) fn telling<T>() -> (SyncSender<T>, Told<T>) {
    sync_channel(1)
}

/// Waits for a submission, or for all; `doing` says what for.
pub(super) async fn wait(
    gpu: &Gpu,
    submission: Option<wgpu::SubmissionIndex>,
    patience: Duration,
    doing: impl FnOnce() -> String,
) -> Result<(), EngineError> {
    let adapter = gpu.facts.name.clone();
    match gpu.wait(submission, patience) {
        Ok(true) => Ok(()),
        Ok(false) => Err(EngineError::Hangs { adapter, doing: doing(), patience }),
        Err(reason) => Err(EngineError::Lost { adapter, doing: doing(), reason }),
    }
}

/// Waits for what a callback tells when the submission is done; none when it never will.
pub(super) async fn hear<T>(
    told: Told<T>,
    gpu: &Gpu,
    submission: wgpu::SubmissionIndex,
    patience: Duration,
    doing: impl FnOnce() -> String,
) -> Result<Option<T>, EngineError> {
    // Another thread's waiting may have brought it already, and might keep this one waiting for what
    // was submitted since.
    match told.try_recv() {
        Ok(it) => Ok(Some(it)),
        Err(TryRecvError::Disconnected) => Ok(None),
        Err(TryRecvError::Empty) => {
            wait(gpu, Some(submission), patience, doing).await?;
            // It is done; a thread that asked the device is about to say so.
            Ok(told.recv_timeout(patience).ok())
        }
    }
}
