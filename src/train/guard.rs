//! Runs whose numbers are checked.

use super::{Arriving, LOSSES_IN_FLIGHT, Trainer};
use crate::engine::{EngineError, Pending};
use crate::numbers::{Checked, Found};

/// The training step with its checks, and what they found.
pub(super) struct Guard {
    step: Checked,
    /// Each so manieth step is checked.
    every: u64,
    found: Option<(u64, Found)>,
}

impl Trainer {
    /// Checks all numbers that a step makes, pass by pass, in the first step and in each `every`th
    /// after it. What they hold stays the same, bit for bit.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded, or `every` is 0.
    pub fn check_numbers(&mut self, every: u64) -> Result<(), EngineError> {
        assert!(every > 0, "steps are checked each 0 steps");
        // All tensors, lest the checks' own take the numbers of inference's.
        let mut tensors = self.recordings.tensors.clone();
        let passes = &self.recordings.training_passes().expect("training was recorded").passes;
        let step = Checked::new(&mut self.engine, passes, &mut tensors, false)?;
        step.make_room(&mut self.engine, LOSSES_IN_FLIGHT + 1)?;
        self.guard = Some(Guard { step, every, found: None });
        Ok(())
    }

    /// Checks all numbers of every step and of inference, pass by pass, in memory that is
    /// [poisoned](crate::numbers::poison), so that what no pass has written is found too. What they
    /// hold stays the same, bit for bit.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub fn check_all(&mut self) -> Result<(), EngineError> {
        let Trainer { engine, recordings, .. } = self;
        let mut tensors = recordings.tensors.clone();
        if let Some(training) = recordings.training_passes() {
            let step = Checked::new(engine, &training.passes, &mut tensors, true)?;
            step.make_room(engine, LOSSES_IN_FLIGHT + 1)?;
            self.guard = Some(Guard { step, every: 1, found: None });
        }
        if let Some(inference) = recordings.inference_passes() {
            let checked = Checked::new(engine, &inference.passes, &mut tensors, true)?;
            self.checked_inference = Some(checked);
        }
        Ok(())
    }

    /// The step whose loss has arrived that first made a number that is not finite, or met one, and
    /// which.
    pub fn found(&self) -> Option<&(u64, Found)> {
        self.guard.as_ref()?.found.as_ref()
    }

    /// Whether the next step is to be checked.
    pub(super) fn is_checked(&self) -> bool {
        self.guard.as_ref().is_some_and(|guard| self.step.is_multiple_of(guard.every))
    }

    pub(super) async fn checked_step(&mut self) -> Result<(), EngineError> {
        let loss = self.begin_step();
        let guard = self.guard.as_ref().expect("steps are checked");
        let counts = Some(guard.step.run(&mut self.engine).await?);
        self.step += 1;
        let loss = self.engine.fetch(loss, 1)?;
        self.losses.push_back(Arriving { step: self.step, loss, counts });
        Ok(())
    }

    /// Hears what a checked step found.
    pub(super) async fn heed(&mut self, step: u64, counts: Pending) -> Result<(), EngineError> {
        let Some(guard) = &mut self.guard else { return Ok(()) };
        let found = guard.step.hear(&mut self.engine, counts).await?;
        guard.found = guard.found.take().or(found.map(|found| (step, found)));
        Ok(())
    }
}
