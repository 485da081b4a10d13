//! Training steps and batches of inference that are timed: the same arithmetic as any others, but
//! each alone on the device.

use web_time::Instant;

use super::Trainer;
use crate::engine::{Engine, EngineError};
use crate::timing::Timed;

impl Trainer {
    /// One training step whose passes are timed one by one: see
    /// [`Engine::run_timed_async`](crate::engine::Engine::run_timed_async). Its loss arrives as that of any other
    /// step, with [`Trainer::arrived_losses_async`].
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub async fn timed_step_async(&mut self) -> Result<Timed, EngineError> {
        self.alone(async |trainer| trainer.step_by(Engine::run_timed_async).await).await
    }

    /// One training step that only the host's clock times. Its loss arrives as that of any other.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub async fn lone_step_async(&mut self) -> Result<Timed, EngineError> {
        self.alone(async |trainer| trainer.step_by(Engine::run_alone_async).await).await
    }

    /// Classifies the first batch of images, its passes timed one by one.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only training was recorded.
    pub async fn timed_batch_async(&mut self) -> Result<Timed, EngineError> {
        let batch = async |trainer: &mut Trainer| {
            trainer.batch_by(0..usize::MAX, Engine::run_timed_async).await
        };
        self.alone(batch).await
    }

    /// Classifies the first batch of images; only the host's clock times it.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only training was recorded.
    pub async fn lone_batch_async(&mut self) -> Result<Timed, EngineError> {
        let batch = async |trainer: &mut Trainer| {
            trainer.batch_by(0..usize::MAX, Engine::run_alone_async).await
        };
        self.alone(batch).await
    }

    /// What was under way is waited for; then the clock begins, with the writing of the inputs.
    async fn alone(
        &mut self,
        run: impl AsyncFnOnce(&mut Trainer) -> Result<Timed, EngineError>,
    ) -> Result<Timed, EngineError> {
        self.wait_async().await?;
        let begin = Instant::now();
        let mut timed = run(self).await?;
        timed.host.begin = begin;
        Ok(timed)
    }
}
