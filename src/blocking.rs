//! The waiting half of the library, for programs: each function does what the one of the same name with
//! `_async` behind it does, and returns when that is done. There is nothing else to them; browsers,
//! where no function may wait, have the others alone.

use std::ops::Range;

use pollster::block_on;

use crate::ceiling::Ceiling;
use crate::data::Images;
use crate::engine::{Copied, Engine, EngineError, Pending, Program};
use crate::gpu::Gpu;
use crate::inspect::Probe;
use crate::profile::Runs;
use crate::recording::{Recording, TensorId, TensorInfo};
use crate::reference::Given;
use crate::selftest::{Made, Recorded};
use crate::timing::Timed;
use crate::train::Trainer;

impl Engine {
    /// [`Engine::into_gpu_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn into_gpu(self) -> Result<Gpu, EngineError> {
        block_on(self.into_gpu_async())
    }

    /// [`Engine::run_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn run(&mut self, program: &Program) -> Result<(), EngineError> {
        block_on(self.run_async(program))
    }

    /// [`Engine::finish_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn finish(&mut self) -> Result<(), EngineError> {
        block_on(self.finish_async())
    }

    /// [`Engine::read_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn read(&self, id: TensorId, info: &TensorInfo) -> Result<Vec<u8>, EngineError> {
        block_on(self.read_async(id, info))
    }

    /// [`Engine::collect_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn collect(&mut self, pending: Pending) -> Result<Vec<f32>, EngineError> {
        block_on(self.collect_async(pending))
    }

    /// [`Engine::run_timed_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn run_timed(&mut self, program: &Program) -> Result<Timed, EngineError> {
        block_on(self.run_timed_async(program))
    }

    /// [`Engine::run_alone_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn run_alone(&mut self, program: &Program) -> Result<Timed, EngineError> {
        block_on(self.run_alone_async(program))
    }

    /// [`Engine::warm_up_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn warm_up(&mut self, program: &Program) -> Result<(), EngineError> {
        block_on(self.warm_up_async(program))
    }

    /// [`Engine::seconds_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn seconds(&mut self, program: &Program, runs: usize) -> Result<Vec<f64>, EngineError> {
        block_on(self.seconds_async(program, runs))
    }
}

impl Copied {
    /// [`Copied::read_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn read(self, use_part: impl FnMut(&[u8])) -> Result<(), EngineError> {
        block_on(self.read_async(use_part))
    }
}

impl Trainer {
    /// [`Trainer::into_gpu_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn into_gpu(self) -> Result<Gpu, EngineError> {
        block_on(self.into_gpu_async())
    }

    /// [`Trainer::get_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn get(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        block_on(self.get_async(name))
    }

    /// [`Trainer::make_room_for_snapshots_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn make_room_for_snapshots(&self) -> Result<(), EngineError> {
        block_on(self.make_room_for_snapshots_async())
    }

    /// [`Trainer::train_step_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn train_step(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        block_on(self.train_step_async())
    }

    /// [`Trainer::submit_step_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn submit_step(&mut self) -> Result<(), EngineError> {
        block_on(self.submit_step_async())
    }

    /// [`Trainer::arrived_losses_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn arrived_losses(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        block_on(self.arrived_losses_async())
    }

    /// [`Trainer::remaining_losses_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn remaining_losses(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        block_on(self.remaining_losses_async())
    }

    /// [`Trainer::wait_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn wait(&mut self) -> Result<(), EngineError> {
        block_on(self.wait_async())
    }

    /// [`Trainer::classify_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn classify(
        &mut self,
        images: Range<usize>,
        progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        block_on(self.classify_async(images, progress))
    }

    /// [`Trainer::timed_step_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn timed_step(&mut self) -> Result<Timed, EngineError> {
        block_on(self.timed_step_async())
    }

    /// [`Trainer::lone_step_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn lone_step(&mut self) -> Result<Timed, EngineError> {
        block_on(self.lone_step_async())
    }

    /// [`Trainer::timed_batch_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn timed_batch(&mut self) -> Result<Timed, EngineError> {
        block_on(self.timed_batch_async())
    }

    /// [`Trainer::lone_batch_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn lone_batch(&mut self) -> Result<Timed, EngineError> {
        block_on(self.lone_batch_async())
    }
}

impl Probe {
    /// [`Probe::read_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn read(&self, id: TensorId) -> Result<Vec<f32>, EngineError> {
        block_on(self.read_async(id))
    }

    /// [`Probe::infer_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn infer(
        &mut self,
        images: &Images,
        rows: Range<usize>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        block_on(self.infer_async(images, rows))
    }

    /// [`Probe::saliency_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn saliency(
        &mut self,
        images: &Images,
        rows: Range<usize>,
        classes: &[u8],
    ) -> Result<Vec<f32>, EngineError> {
        block_on(self.saliency_async(images, rows, classes))
    }
}

impl Ceiling {
    /// [`Ceiling::measure_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn measure(gpu: Gpu) -> Result<(Ceiling, Gpu), EngineError> {
        block_on(Self::measure_async(gpu))
    }
}

impl Runs {
    /// [`Runs::of_training_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn of_training(
        trainer: &mut Trainer,
        samples: usize,
        progress: impl FnMut(),
    ) -> Result<Runs, EngineError> {
        block_on(Self::of_training_async(trainer, samples, progress))
    }

    /// [`Runs::of_inference_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    ///
    /// # Panics
    /// As that one.
    pub fn of_inference(
        trainer: &mut Trainer,
        samples: usize,
        progress: impl FnMut(),
    ) -> Result<Runs, EngineError> {
        block_on(Self::of_inference_async(trainer, samples, progress))
    }
}

impl Recorded {
    /// [`Recorded::run_async`], waited for.
    ///
    /// # Errors
    /// As that one.
    pub fn run(
        &self,
        engine: &mut Engine,
        recording: &Recording,
        inputs: &[Given],
        dy: &[f32],
        runs: usize,
    ) -> Result<Made, EngineError> {
        block_on(self.run_async(engine, recording, inputs, dy, runs))
    }
}
