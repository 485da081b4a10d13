//! Training steps and batches of inference that are timed: the same arithmetic as any others, but
//! each alone on the device.

use std::time::Instant;

use super::Trainer;
use crate::engine::EngineError;
use crate::timing::Timed;

impl Trainer {
    /// One training step whose passes are timed one by one: see
    /// [`Engine::run_timed`](crate::engine::Engine::run_timed). Its loss arrives as that of any other
    /// step, with [`Trainer::arrived_losses`].
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub fn timed_step(&mut self) -> Result<Timed, EngineError> {
        self.alone(|trainer| trainer.step_by(|engine, program| engine.run_timed(program)))
    }

    /// One training step that only the host's clock times. Its loss arrives as that of any other.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub fn lone_step(&mut self) -> Result<Timed, EngineError> {
        self.alone(|trainer| trainer.step_by(|engine, program| engine.run_alone(program)))
    }

    /// Classifies the first batch of images, its passes timed one by one.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only training was recorded.
    pub fn timed_batch(&mut self) -> Result<Timed, EngineError> {
        self.alone(|trainer| {
            trainer.batch_by(0..usize::MAX, |engine, program| engine.run_timed(program))
        })
    }

    /// Classifies the first batch of images; only the host's clock times it.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only training was recorded.
    pub fn lone_batch(&mut self) -> Result<Timed, EngineError> {
        self.alone(|trainer| {
            trainer.batch_by(0..usize::MAX, |engine, program| engine.run_alone(program))
        })
    }

    /// What was under way is waited for; then the clock begins, with the writing of the inputs.
    fn alone(
        &mut self,
        run: impl FnOnce(&mut Trainer) -> Result<Timed, EngineError>,
    ) -> Result<Timed, EngineError> {
        self.wait()?;
        let begin = Instant::now();
        let mut timed = run(self)?;
        timed.host.begin = begin;
        Ok(timed)
    }
}
