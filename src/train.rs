//! Training: what a run records, and the loop's one step.

use std::collections::{BTreeMap, VecDeque};

use crate::config::{Config, Scale};
use crate::data::{Batches, Images};
use crate::engine::{Engine, EngineError, Pending, Program};
use crate::gpu::Gpu;
use crate::model::{self, Uncountable};
use crate::ops::{self, Adam};
use crate::plan::{self, TooLarge};
use crate::recording::{Recording, Role, TensorId, TensorInfo};
use crate::tape::{Tape, Tensor};

/// Images of an inference batch.
const INFERENCE_BATCH: usize = 100;
/// Losses on their way to the host before the oldest is waited for.
const LOSSES_IN_FLIGHT: usize = 2;

/// The passes of a training step and of inference, which share weights and images, with the
/// numbers of the tensors that the host writes and reads.
pub struct Recordings {
    config: Config,
    /// Absent when only inference is wanted.
    training: Option<TrainingStep>,
    inference: Recording,
    images: TensorId,
    rows: TensorId,
    probabilities: TensorId,
    /// All tensors, with their shards once sharded.
    tensors: Vec<TensorInfo>,
    parameters: Vec<TensorId>,
}

struct TrainingStep {
    recording: Recording,
    labels: TensorId,
    rows: TensorId,
    rate: TensorId,
    /// Absent when nothing is dropped.
    dropout_key: Option<TensorId>,
    loss: TensorId,
}

impl Recordings {
    /// Records training and inference of the configured network over `images` images of that
    /// height and width. Needs no GPU.
    ///
    /// # Panics
    /// When [`Recordings::check`] fails.
    pub fn training(config: &Config, images: usize, size: [usize; 2]) -> Recordings {
        Self::record(config, images, size, true)
    }

    /// Records inference alone.
    pub fn inference(config: &Config, images: usize, size: [usize; 2]) -> Recordings {
        Self::record(config, images, size, false)
    }

    /// Checks that a network of that configuration can be recorded at all.
    ///
    /// # Errors
    /// [`Uncountable`] when a tensor has more elements than a shader can count.
    pub fn check(config: &Config, size: [usize; 2]) -> Result<(), Uncountable> {
        model::check_sizes(config, config.batch_size.max(INFERENCE_BATCH), size)
    }

    fn record(config: &Config, images: usize, size: [usize; 2], train: bool) -> Recordings {
        let tape = Tape::new();
        let bytes = tape.input("images", &[(images * size[0] * size[1]).div_ceil(4)]);
        let divisor = match config.scale {
            Scale::Raw => 1.0,
            Scale::Unit => 255.0,
        };
        let gather = |rows| tape.scope("batch", || ops::batch_images(bytes, rows, size, divisor));
        let training = train.then(|| {
            let rows = tape.input("rows", &[config.batch_size]);
            let labels = tape.input("labels", &[images.div_ceil(4)]);
            let rate = tape.input("rate", &[1]);
            let dropout_key = (config.dropout > 0.0).then(|| tape.input("dropout key", &[2]));
            let logits = model::logits(gather(rows), config, dropout_key);
            let label = tape.scope("batch", || ops::batch_labels(labels, rows));
            let loss = tape.scope("loss", || logits.softmax_cross_entropy(label));
            loss.backward(tape.scope("loss", || loss.ones()));
            ops::adam(&tape.parameters(), rate, Adam::default());
            TrainingStep {
                recording: tape.finish(),
                labels: labels.id(),
                rows: rows.id(),
                rate: rate.id(),
                dropout_key: dropout_key.map(Tensor::id),
                loss: loss.id(),
            }
        });
        let rows = tape.input("inference rows", &[INFERENCE_BATCH.min(images)]);
        let logits = model::logits(gather(rows), config, None);
        let probabilities = tape.scope("softmax", || logits.softmax());
        let parameters = tape.parameters().into_iter().map(Tensor::id).collect();
        let inference = tape.finish();
        Recordings {
            config: config.clone(),
            training,
            images: bytes.id(),
            rows: rows.id(),
            probabilities: probabilities.id(),
            tensors: inference.tensors.clone(),
            inference,
            parameters,
        }
    }

    /// Suits the passes to this adapter: [`Recordings::plan`] with its limit and its subgroups.
    ///
    /// # Errors
    /// [`TooLarge`] when a tensor is over the adapter's limit and cannot be split.
    pub fn fit(&mut self, gpu: &Gpu) -> Result<(), TooLarge> {
        self.plan(gpu.buffer_limit(), gpu.subgroup())
    }

    /// Joins passes, takes the variants that suit subgroups of that smallest and largest size,
    /// splits what is larger than `buffer_limit` bytes and lets tensors share memory.
    ///
    /// # Errors
    /// [`TooLarge`] when a tensor is over the limit and cannot be split.
    pub fn plan(&mut self, buffer_limit: u64, subgroup: [u32; 2]) -> Result<(), TooLarge> {
        // Training first: it is the larger, so its buffers hold what inference needs.
        let mut all: Vec<Recording> = Vec::new();
        let mut keep = vec![self.probabilities];
        if let Some(training) = &mut self.training {
            plan::fuse_adam(&mut training.recording);
            all.push(std::mem::take(&mut training.recording));
            keep.push(training.loss);
        }
        all.push(std::mem::take(&mut self.inference));
        if subgroup[0] == subgroup[1] {
            all.iter_mut().for_each(|recording| plan::subgroup(recording, subgroup[0]));
        }
        let result = plan::shard(&mut all, buffer_limit);
        if result.is_ok() {
            plan::place(&mut all, &keep);
        }
        self.inference = all.pop().unwrap_or_default();
        if let Some(training) = &mut self.training {
            training.recording = all.remove(0);
        }
        self.tensors.clone_from(&self.inference.tensors);
        result
    }

    /// The training step's passes, if training was recorded.
    pub fn training_passes(&self) -> Option<&Recording> {
        self.training.as_ref().map(|training| &training.recording)
    }

    /// The passes of inference on one batch.
    pub fn inference_passes(&self) -> &Recording {
        &self.inference
    }

    /// Name and shape of each variable.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let info = |id: &TensorId| &self.tensors[id.0 as usize];
        self.parameters.iter().map(|id| (info(id).name.clone(), info(id).shape.clone())).collect()
    }

    /// Number of trained numbers.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Bytes of device memory that the tensors take, shared buffers once.
    pub fn memory(&self) -> u64 {
        let mut used = self.inference.used();
        used.extend(self.training_passes().map(Recording::used).unwrap_or_default());
        used.sort();
        used.dedup();
        let infos = used.iter().map(|id| &self.tensors[id.0 as usize]);
        let (shared, own): (Vec<_>, Vec<_>) = infos.partition(|info| info.storage.is_some());
        let buffers: BTreeMap<usize, u64> = shared
            .iter()
            .flat_map(|info| info.storage.iter().flatten())
            .map(|storage| (storage.number, storage.bytes))
            .collect();
        own.iter().map(|info| info.bytes()).sum::<u64>() + buffers.values().sum::<u64>()
    }
}

/// A network on a device: trains, classifies, gives its tensors back.
pub struct Trainer {
    engine: Engine,
    recordings: Recordings,
    training: Option<Program>,
    inference: Program,
    batches: Option<Batches>,
    losses: VecDeque<(u64, Pending)>,
    step: u64,
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
        let mut engine = Engine::new(gpu);
        let inference = engine.compile(&recordings.inference)?;
        let training = match &recordings.training {
            Some(training) => Some(engine.compile(&training.recording)?),
            None => None,
        };
        let mut trainer = Trainer {
            engine,
            recordings,
            training,
            inference,
            batches,
            losses: VecDeque::new(),
            step: 0,
        };
        trainer.write_bytes(trainer.recordings.images, &images.pixels);
        if let Some(id) = trainer.recordings.training.as_ref().map(|training| training.labels) {
            trainer.write_bytes(id, labels);
        }
        Ok(trainer)
    }

    /// Writes bytes to a tensor of u32, the rest of the last one zero.
    fn write_bytes(&mut self, id: TensorId, bytes: &[u8]) {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(4), 0);
        self.write(id, &padded);
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
    pub fn get(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        let id = self.id_of(name);
        self.engine.read(id, &self.recordings.tensors[id.0 as usize])
    }

    /// Sets every variable to its initial value; moments stay zero.
    pub fn initialize(&mut self) {
        for (name, shape) in self.recordings.parameters() {
            let config = &self.recordings.config;
            let values = model::initial_values(&name, &shape, config.init, config.seed);
            self.set(&name, bytemuck::cast_slice(&values));
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
    pub fn train_step(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        let loss = self.begin_step();
        self.engine.run(self.training.as_ref().expect("training was compiled"))?;
        self.step += 1;
        let pending = self.engine.fetch(loss, 1)?;
        self.losses.push_back((self.step, pending));
        self.arrived(LOSSES_IN_FLIGHT)
    }

    /// A training step whose passes are timed one by one, in seconds: see
    /// [`Engine::run_timed`](crate::engine::Engine::run_timed).
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub fn timed_step(&mut self) -> Result<Option<Vec<f64>>, EngineError> {
        self.begin_step();
        let times =
            self.engine.run_timed(self.training.as_ref().expect("training was compiled"))?;
        self.step += 1;
        Ok(times)
    }

    /// Writes what this step needs; the tensor that will hold its loss.
    fn begin_step(&mut self) -> TensorId {
        let config = &self.recordings.config;
        let ids = self.recordings.training.as_ref().expect("training was recorded");
        let (rows_id, rate_id, key_id) = (ids.rows, ids.rate, ids.dropout_key);
        let loss = ids.loss;
        let batches = self.batches.as_mut().expect("training has batches");
        let rows = batches.rows(self.step);
        let rate = Adam::default().rate(config.learning_rate_at(self.step), self.step + 1);
        let seed = (config.seed ^ (config.seed >> 32)) as u32;
        let key = [seed, self.step as u32];
        self.write(rows_id, bytemuck::cast_slice(&rows));
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
    pub fn wait(&mut self) -> Result<(), EngineError> {
        self.engine.finish()
    }

    /// Waits for all losses that are still on their way.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub fn remaining_losses(&mut self) -> Result<Vec<(u64, f32)>, EngineError> {
        self.arrived(0)
    }

    fn arrived(&mut self, keep: usize) -> Result<Vec<(u64, f32)>, EngineError> {
        let mut arrived = Vec::new();
        while self.losses.len() > keep {
            let Some((step, pending)) = self.losses.pop_front() else { break };
            arrived.push((step, self.engine.collect(pending)?[0]));
        }
        Ok(arrived)
    }

    /// Classifies the images of these rows: ten probabilities each. `progress` hears how many are
    /// done.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub fn classify(
        &mut self,
        images: std::ops::Range<usize>,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<[f32; 10]>, EngineError> {
        let batch = self.recordings.tensors[self.recordings.rows.0 as usize].len();
        let mut probabilities = Vec::with_capacity(images.len());
        let mut waiting: Option<(Pending, usize)> = None;
        let mut first = images.start;
        while first < images.end || waiting.is_some() {
            // The next batch is submitted before the last one is read, so the device never idles.
            let next = if first < images.end {
                let count = batch.min(images.end - first);
                let last = (images.end - 1) as u32;
                let rows: Vec<u32> =
                    (0..batch as u32).map(|i| (first as u32 + i).min(last)).collect();
                self.write(self.recordings.rows, bytemuck::cast_slice(&rows));
                self.engine.run(&self.inference)?;
                first += count;
                Some((self.engine.fetch(self.recordings.probabilities, batch * 10)?, count))
            } else {
                None
            };
            if let Some((pending, count)) = std::mem::replace(&mut waiting, next) {
                let values = self.engine.collect(pending)?;
                let rows = values.chunks_exact(10).take(count);
                probabilities
                    .extend(rows.map(|row| <[f32; 10]>::try_from(row).unwrap_or_default()));
                progress(probabilities.len());
            }
        }
        Ok(probabilities)
    }
}

/// The likeliest class; the first of equals.
pub fn likeliest(probabilities: &[f32; 10]) -> u8 {
    let mut best = 0;
    for class in 1..10 {
        if probabilities[class] > probabilities[best] {
            best = class;
        }
    }
    best as u8
}
