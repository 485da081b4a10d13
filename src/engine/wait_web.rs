//! Waiting for the device, in browsers: callbacks come from the event loop and are awaited. There is no
//! end to the patience, since a browser ends what hangs by itself.

use std::time::Duration;

use super::EngineError;
use super::transfer::{Told, telling};
use crate::gpu::Gpu;

/// Waits for all that was submitted: single submissions have no callbacks of their own. `doing` says
/// what for.
pub(super) async fn wait(
    gpu: &Gpu,
    _submission: Option<wgpu::SubmissionIndex>,
    patience: Duration,
    doing: impl FnOnce() -> String,
) -> Result<(), EngineError> {
    let (sender, done) = telling();
    gpu.queue.on_submitted_work_done(move || {
        // The receiver is gone when nobody waits any more.
        let _ = sender.send(());
    });
    // Where it is dropped, the device is lost, and that is asked for next.
    let _ = done.receive().await;
    let lost =
        |reason| EngineError::Lost { adapter: gpu.facts.name.clone(), doing: doing(), reason };
    gpu.wait(None, patience).map(|_| ()).map_err(lost)
}

/// Waits for what a callback tells; none when it never will.
pub(super) async fn hear<T>(
    told: Told<T>,
    _gpu: &Gpu,
    _submission: wgpu::SubmissionIndex,
    _patience: Duration,
    _doing: impl FnOnce() -> String,
) -> Result<Option<T>, EngineError> {
    Ok(told.receive().await)
}
