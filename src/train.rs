//! Training: what a run records, and the network on a device that trains and classifies.

mod classify;
mod guard;
mod recordings;
mod stream;
mod timed;

pub use recordings::{Recordings, Unrecordable};

use std::collections::VecDeque;

pub use self::classify::likeliest;
pub(crate) use self::classify::refuse_nan;
use self::guard::Guard;
use self::stream::Stream;
use crate::data::{Batches, Images};
use crate::engine::{Copied, Engine, EngineError, Pending, Program};
use crate::gpu::Gpu;
use crate::model;
use crate::numbers::Checked;
use crate::ops::Adam;
use crate::recording::{Recording, Role, TensorId, TensorInfo};

/// Losses on their way to the host before the oldest is waited for.
const LOSSES_IN_FLIGHT: usize = 2;

/// All that a checkpoint holds, as it was after one step, on its way to the host. Any thread may
/// wait for it while the training goes on.
pub struct Snapshot {
    /// Steps done.
    pub step: u64,
    /// The variables, in the order in which they were recorded.
    pub weights: Vec<(TensorInfo, Copied)>,
    /// Adam's moments, named `m/<variable>` and `v/<variable>`.
    pub moments: Vec<(TensorInfo, Copied)>,
}

/// A network on a device: trains, classifies, gives its tensors back.
pub struct Trainer {
    engine: Engine,
    recordings: Recordings,
    training: Option<Program>,
    inference: Option<Program>,
    batches: Option<Batches>,
    /// The images, where they do not all lie on the device.
    stream: Option<Stream>,
    losses: VecDeque<Arriving>,
    guard: Option<Guard>,
    checked_inference: Option<Checked>,
    /// Images that were classified and replaced.
    replaced: usize,
    step: u64,
}

/// What a step has to say, on its way to the host.
struct Arriving {
    step: u64,
    loss: Pending,
    /// Counts of numbers that are not finite, of steps that are checked.
    counts: Option<Pending>,
}

impl Trainer {
    /// Puts the (sharded) recordings on the device, with the images, whose rows `0..train_rows` are
    /// trained on, and their labels. The variables are zero until written.
    ///
    /// # Errors
    /// [`EngineError`] when the device cannot run the network.
    pub fn new(
        gpu: Gpu,
        recordings: Recordings,
        images: &Images,
        labels: &[u8],
        batches: Option<Batches>,
    ) -> Result<Trainer, EngineError> {
        let mut trainer = Trainer::without_images(gpu, recordings, batches)?;
        trainer.write_bytes(trainer.recordings.images, &images.pixels);
        if let Some(id) = trainer.recordings.training.as_ref().map(|training| training.labels) {
            trainer.write_bytes(id, labels);
        }
        Ok(trainer)
    }

    fn without_images(
        gpu: Gpu,
        recordings: Recordings,
        batches: Option<Batches>,
    ) -> Result<Trainer, EngineError> {
        let mut engine = Engine::new(gpu);
        if let Some(longest) = recordings.longest {
            engine.set_longest_submission(longest);
        }
        let mut compile = |recording: Option<&Recording>| {
            let compiled = recording.map(|recording| engine.compile(recording)).transpose();
            compiled.map_err(|error| error.advising(recordings.advice()))
        };
        let inference = compile(recordings.inference_passes())?;
        let training = compile(recordings.training_passes())?;
        let mut trainer = Trainer {
            engine,
            recordings,
            training,
            inference,
            batches,
            stream: None,
            losses: VecDeque::new(),
            guard: None,
            checked_inference: None,
            replaced: 0,
            step: 0,
        };
        if trainer.training.is_some() {
            let room = trainer.engine.make_room(1, LOSSES_IN_FLIGHT + 1);
            room.map_err(|error| error.advising(trainer.recordings.advice()))?;
        }
        Ok(trainer)
    }

    /// Writes the first bytes of a tensor of u32.
    fn write_bytes(&mut self, id: TensorId, bytes: &[u8]) {
        self.engine.write_bytes(id, &self.recordings.tensors[id.0 as usize], bytes);
    }

    fn write(&mut self, id: TensorId, bytes: &[u8]) {
        self.engine.write(id, &self.recordings.tensors[id.0 as usize], bytes);
    }

    /// The recordings it runs.
    pub fn recordings(&self) -> &Recordings {
        &self.recordings
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Gives the device back and the network's memory free.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub async fn into_gpu_async(self) -> Result<Gpu, EngineError> {
        self.engine.into_gpu_async().await
    }

    /// Steps done since the first of the run, resumed ones included.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Goes on as after `step` steps.
    pub fn set_step(&mut self, step: u64) {
        self.step = step;
    }

    /// Names and shapes of Adam's moments, `m/<variable>` and `v/<variable>`.
    pub fn moments(&self) -> Vec<(String, Vec<usize>)> {
        let states = self.recordings.tensors.iter().filter(|info| info.role == Role::State);
        states.map(|info| (info.name.clone(), info.shape.clone())).collect()
    }

    fn id_of(&self, name: &str) -> TensorId {
        let named = |info: &TensorInfo| {
            matches!(info.role, Role::Parameter | Role::State) && info.name == name
        };
        let found = self.recordings.tensors.iter().position(named);
        TensorId(found.unwrap_or_else(|| panic!("no variable is named {name}")) as u32)
    }

    /// Sets a variable or moment, f32 little-endian.
    ///
    /// # Panics
    /// When there is none of that name and size.
    pub fn set(&mut self, name: &str, bytes: &[u8]) {
        self.write(self.id_of(name), bytes);
    }

    /// Reads a variable or moment, f32 little-endian.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When there is none of that name.
    pub async fn get_async(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        let id = self.id_of(name);
        self.engine.read_async(id, &self.recordings.tensors[id.0 as usize]).await
    }

    /// Begins to copy all that a checkpoint holds, as it is after the steps submitted so far; does
    /// not wait.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails or has no memory for the copies.
    pub fn snapshot(&self) -> Result<Snapshot, EngineError> {
        let tensors = (0..).map(TensorId).zip(&self.recordings.tensors);
        let kept = |(_, info): &(TensorId, &TensorInfo)| {
            matches!(info.role, Role::Parameter | Role::State)
        };
        let kept: Vec<(TensorId, &TensorInfo)> = tensors.filter(kept).collect();
        let copies = self.engine.copy(&kept)?;
        let pairs = kept.into_iter().map(|(_, info)| info.clone()).zip(copies);
        let (weights, moments) = pairs.partition(|(info, _)| info.role == Role::Parameter);
        Ok(Snapshot { step: self.step, weights, moments })
    }

    /// Takes the host's memory for snapshots, so that the first is as quick as the others. Waits.
    ///
    /// # Errors
    /// As [`Trainer::snapshot`].
    pub async fn make_room_for_snapshots_async(&self) -> Result<(), EngineError> {
        let snapshot = self.snapshot().map_err(|error| error.advising(self.recordings.advice()))?;
        let Snapshot { weights, moments, .. } = snapshot;
        for (_, copied) in weights.into_iter().chain(moments) {
            copied.read_async(|_| {}).await?;
        }
        Ok(())
    }

    /// Sets every variable to its initial value; moments stay zero.
    pub fn initialize(&mut self) {
        self.initialize_layers(&["*".to_string()]);
    }

    /// Sets the variables of the layers that these patterns choose to their initial values.
    pub fn initialize_layers(&mut self, patterns: &[String]) {
        for (name, shape) in self.recordings.parameters() {
            if model::is_chosen(patterns, &name) {
                let config = &self.recordings.config;
                let values = model::initial_values(&name, &shape, config.init, config.seed);
                self.set(&name, bytemuck::cast_slice(&values));
            }
        }
    }

    /// Submits one training step. The losses come back late: those that have arrived are returned,
    /// each with the number (from 1) of its step; it was taken before that step's update.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub async fn train_step_async(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        self.submit_step_async().await?;
        self.arrived_losses_async().await
    }

    /// The host's part of [`Trainer::train_step_async`]: submits, and waits only where too much is
    /// under way. [`Trainer::arrived_losses_async`] is the other.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub async fn submit_step_async(&mut self) -> Result<(), EngineError> {
        match self.is_checked() {
            true => self.checked_step().await,
            false => self.step_by(Engine::run_async).await,
        }
    }

    /// A step, its passes run by one of the engine's ways to run a program.
    async fn step_by<T>(
        &mut self,
        run: impl AsyncFnOnce(&mut Engine, &Program) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let loss = self.begin_step();
        let program = self.training.as_ref().expect("training was compiled");
        let ran = run(&mut self.engine, program).await?;
        self.step += 1;
        let loss = self.engine.fetch(loss, 1)?;
        self.losses.push_back(Arriving { step: self.step, loss, counts: None });
        Ok(ran)
    }

    /// The losses of all steps but the last two, which may still be under way; waits for them.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub async fn arrived_losses_async(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        self.arrived(LOSSES_IN_FLIGHT).await
    }

    /// Writes what this step needs; the tensor that will hold its loss.
    fn begin_step(&mut self) -> TensorId {
        let config = &self.recordings.config;
        let ids = self.recordings.training.as_ref().expect("training was recorded");
        let (rate_id, key_id, loss) = (ids.rate, ids.key, ids.loss);
        let rate = Adam::default().rate(config.learning_rate_at(self.step), self.step + 1);
        let seed = (config.seed ^ (config.seed >> 32)) as u32;
        let key = [seed, self.step as u32];
        self.write_rows();
        self.write(rate_id, bytemuck::bytes_of(&rate));
        if let Some(key_id) = key_id {
            self.write(key_id, bytemuck::cast_slice(&key));
        }
        loss
    }

    /// Waits until the device has done everything submitted so far.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub async fn wait_async(&mut self) -> Result<(), EngineError> {
        self.engine.finish_async().await
    }

    /// Waits for all losses that are still on their way.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub async fn remaining_losses_async(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        self.arrived(0).await
    }

    async fn arrived(&mut self, keep: usize) -> Result<Vec<(u64, f32)>, EngineError> {
        let mut arrived = Vec::new();
        while self.losses.len() > keep {
            let Some(Arriving { step, loss, counts }) = self.losses.pop_front() else { break };
            if let Some(counts) = counts {
                self.heed(step, counts).await?;
            }
            arrived.push((step, self.engine.collect_async(loss).await?[0]));
        }
        Ok(arrived)
    }
}
