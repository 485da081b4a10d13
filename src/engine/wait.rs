//! Waiting for the device, in programs: it is polled until it is done, so these futures never sleep, and
//! any executor may run them. `wait_web.rs` is the same for browsers.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::EngineError;
use super::transfer::Told;
use crate::gpu::Gpu;

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
    let mut told = pin!(told.receive());
    let mut heard = || told.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    if let Poll::Ready(it) = heard() {
        return Ok(it);
    }
    wait(gpu, Some(submission), patience, doing).await?;
    // It is done, and if it was another thread that asked the device, that is about to say so.
    let asked = Instant::now();
    while asked.elapsed() < patience {
        if let Poll::Ready(it) = heard() {
            return Ok(it);
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(None)
}
