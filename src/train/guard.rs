//! Training steps whose numbers are checked.

use super::{Arriving, LOSSES_IN_FLIGHT, Trainer};
use crate::engine::{EngineError, Pending, Program};
use crate::numbers::{self, Found, Watch};
use crate::recording::Recording;

/// The training step with its checks, and what they found.
pub(super) struct Guard {
    watch: Watch,
    program: Program,
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
        let training = self.recordings.training_passes().expect("training was recorded");
        // All tensors, lest the checks' own take the numbers of inference's.
        let tensors = self.recordings.tensors.clone();
        let watch = numbers::watch(&Recording { passes: training.passes.clone(), tensors });
        let program = self.engine.compile(&watch.recording)?;
        for (id, view) in &watch.views {
            self.engine.write(*id, watch.recording.tensor(*id), bytemuck::cast_slice(view));
        }
        self.engine.make_room(watch.found, watch.words(), LOSSES_IN_FLIGHT + 1)?;
        self.guard = Some(Guard { watch, program, every, found: None });
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

    pub(super) fn checked_step(&mut self) -> Result<(), EngineError> {
        let loss = self.begin_step();
        let guard = self.guard.as_ref().expect("steps are checked");
        self.engine.run(&guard.program)?;
        self.step += 1;
        let counts = Some(self.engine.fetch(guard.watch.found, guard.watch.words())?);
        let loss = self.engine.fetch(loss, 1)?;
        self.losses.push_back(Arriving { step: self.step, loss, counts });
        Ok(())
    }

    /// Hears what a checked step found.
    pub(super) fn heed(&mut self, step: u64, counts: Pending) -> Result<(), EngineError> {
        let words: Vec<u32> = self.engine.collect(counts)?.into_iter().map(f32::to_bits).collect();
        if let Some(guard) = &mut self.guard
            && guard.found.is_none()
        {
            guard.found = guard.watch.found(&words).map(|found| (step, found));
        }
        Ok(())
    }
}
