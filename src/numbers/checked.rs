//! A recording with its checks on a device.

use std::ops::Range;

use super::{Found, Watch, poison, watch};
use crate::engine::{Engine, EngineError, Pending, Program};
use crate::recording::{Pass, Recording, TensorInfo};

/// A recording made ready with its checks.
pub struct Checked {
    watch: Watch,
    program: Program,
}

impl Checked {
    /// Makes these passes ready with a check behind each, over `poisoned` memory where that is
    /// wanted. The checks' own tensors are added to `tensors`, which must be all that the engine
    /// knows.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub fn new(
        engine: &mut Engine,
        passes: &[Pass],
        tensors: &mut Vec<TensorInfo>,
        poisoned: bool,
    ) -> Result<Checked, EngineError> {
        let plain = Recording { passes: passes.to_vec(), tensors: std::mem::take(tensors) };
        let watch = watch(&if poisoned { poison(&plain) } else { plain });
        tensors.clone_from(&watch.recording.tensors);
        let program = engine.compile(&watch.recording)?;
        for (id, view) in &watch.views {
            engine.write(*id, watch.recording.tensor(*id), bytemuck::cast_slice(view));
        }
        Ok(Checked { watch, program })
    }

    /// Takes the host's memory for what so many runs found, on its way at once.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub fn make_room(&self, engine: &mut Engine, runs: usize) -> Result<(), EngineError> {
        engine.make_room(self.watch.words(), runs)
    }

    /// Runs it; what the checks found is on its way to the host.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub async fn run(&self, engine: &mut Engine) -> Result<Pending, EngineError> {
        engine.run_async(&self.program).await?;
        engine.fetch(self.watch.found, self.watch.words())
    }

    /// What a run has found; waits for it.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub async fn hear(
        &self,
        engine: &mut Engine,
        found: Pending,
    ) -> Result<Option<Found>, EngineError> {
        let found = engine.collect_async(found).await?;
        let words: Vec<u32> = found.into_iter().map(f32::to_bits).collect();
        Ok(self.watch.found(&words))
    }

    /// Runs it on these images, counted from 0, and waits for what the checks find.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails; [`EngineError::Numbers`] when they find something.
    pub async fn run_images(
        &self,
        engine: &mut Engine,
        images: Range<usize>,
    ) -> Result<(), EngineError> {
        let found = self.run(engine).await?;
        self.hear(engine, found).await?.map_or(Ok(()), |found| Err(found.in_images(images)))
    }
}

impl Found {
    /// That there are no answers for these images, counted from 0.
    pub fn in_images(&self, images: Range<usize>) -> EngineError {
        let images = match images.len() {
            1 => format!("image {}", images.end),
            _ => format!("images {} to {}", images.start + 1, images.end),
        };
        EngineError::Numbers { what: format!("{images}: {self}"), unwritten: self.unwritten > 0 }
    }
}
