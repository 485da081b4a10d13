//! What a run records: the training step and inference, suited to an adapter.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::cost::weight;
use crate::model::{self, LayersError, SizeError};
use crate::ops::{self, Adam};
use crate::plan::{self, Target, TooLarge};
use crate::recording::{Recording, TensorId, TensorInfo};
use crate::tape::{Tape, Tensor};

/// Images of an inference batch, if nothing else is asked for and they are no larger than digits.
const INFERENCE_BATCH: usize = 100;
/// The fewest images of such a batch beside training, if they are no larger than digits: it should take no
/// more memory than a training batch but not idle either.
const LEAST_BESIDE_TRAINING: usize = 50;
/// Pixels of a digit.
const DIGIT: usize = 28 * 28;
/// Bytes that WebGPU promises to bind at once.
const BINDABLE: u64 = 128 << 20;

/// Images of an inference batch beside training.
fn batch_beside_training(config: &Config) -> usize {
    bindable_batch(config, config.batch_size.clamp(least_beside_training(config), INFERENCE_BATCH))
}

/// The same where a training batch has fewer.
fn least_beside_training(config: &Config) -> usize {
    let [height, width, _] = config.network().image;
    (LEAST_BESIDE_TRAINING * DIGIT / (height * width)).clamp(1, LEAST_BESIDE_TRAINING)
}

/// `most` images, or fewer where a layer's output for all of them could not be bound by any adapter.
fn bindable_batch(config: &Config, most: usize) -> usize {
    let one = Recordings::inference_by(1, config, 1);
    let made = one.inference_passes().into_iter().flat_map(Recording::used);
    let made = made.filter(|id| *id != one.images && !one.parameters.contains(id));
    let largest = made.map(|id| one.tensors[id.0 as usize].bytes()).max().unwrap_or(1);
    most.min((BINDABLE / largest) as usize).max(1)
}

/// The passes of a training step and of inference, which share weights and images, with the
/// numbers of the tensors that the host writes and reads.
pub struct Recordings {
    pub(super) config: Config,
    /// Absent when only inference is wanted.
    pub(super) training: Option<TrainingStep>,
    /// Absent when only training is wanted.
    pub(super) inference: Option<Inference>,
    pub(super) images: TensorId,
    /// All tensors, with their shards once sharded.
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) parameters: Vec<TensorId>,
    /// Operations to submit at once, once a target said so.
    pub(super) longest: Option<u64>,
}

pub(super) struct TrainingStep {
    pub(super) recording: Recording,
    pub(super) labels: TensorId,
    pub(super) rows: TensorId,
    pub(super) rate: TensorId,
    /// Seed and step; absent when nothing is drawn at random.
    pub(super) key: Option<TensorId>,
    pub(super) loss: TensorId,
}

pub(super) struct Inference {
    pub(super) recording: Recording,
    pub(super) rows: TensorId,
    pub(super) probabilities: TensorId,
}

/// Why a network cannot be recorded.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(transparent)]
pub enum Unrecordable {
    /// It is too large, or no network.
    Size(#[from] SizeError),
    /// What it is to freeze.
    Freeze(#[from] LayersError),
}

impl Recordings {
    /// Records training and inference of the configured network over `images` images. Needs no GPU.
    ///
    /// # Panics
    /// When [`Recordings::check`] fails.
    pub fn training(config: &Config, images: usize) -> Recordings {
        Self::record(config, images, true, Some(batch_beside_training(config)))
    }

    /// As [`Recordings::training`], over images of which the device has one batch at a time: see
    /// [`Trainer::streaming`](super::Trainer::streaming).
    ///
    /// # Panics
    /// When [`Recordings::check`] fails.
    pub fn streamed(config: &Config) -> Recordings {
        Self::training(config, config.batch_size.max(batch_beside_training(config)))
    }

    /// Records training alone, which takes no memory for inference.
    pub fn training_alone(config: &Config, images: usize) -> Recordings {
        Self::record(config, images, true, None)
    }

    /// Records inference alone, on so many images at once that any adapter binds what a layer makes.
    pub fn inference(config: &Config, images: usize) -> Recordings {
        Self::inference_by(bindable_batch(config, INFERENCE_BATCH), config, images)
    }

    /// Records inference alone, on that many images at once.
    pub fn inference_by(batch: usize, config: &Config, images: usize) -> Recordings {
        Self::record(config, images, false, Some(batch))
    }

    /// Checks that a network of that configuration can be recorded at all.
    ///
    /// # Errors
    /// [`Unrecordable`] when its layers do not fit together, a tensor has more elements than a shader
    /// can count, or the configuration freezes layers that there are not, or all.
    pub fn check(config: &Config) -> Result<(), Unrecordable> {
        model::check_sizes(config, config.batch_size)?;
        let variables = Self::training_alone(config, 1).parameters();
        Ok(model::check_frozen(&config.freeze, &variables)?)
    }

    fn record(
        config: &Config,
        images: usize,
        train: bool,
        inference_batch: Option<usize>,
    ) -> Recordings {
        let freeze = config.freeze.clone();
        let network = config.network();
        let tape = Tape::freezing(move |name| model::is_chosen(&freeze, name));
        let bytes =
            tape.input("images", &[(images * network.image.iter().product::<usize>()).div_ceil(4)]);
        let scale = config.scale.offset_and_divisor();
        let image = network.image;
        let gather = |rows| tape.scope("batch", || ops::batch_images(bytes, rows, image, scale));
        let training = train.then(|| {
            let rows = tape.input("rows", &[config.batch_size]);
            let labels = tape.input("labels", &[images.div_ceil(4)]);
            let rate = tape.input("rate", &[1]);
            let augmentation = config.augment.augmentation(image[0]);
            let random = model::drops(&network.layers) || augmentation.is_some();
            let key = random.then(|| tape.input("random key", &[2]));
            let mut x = gather(rows);
            if let (Some(by), Some(key)) = (augmentation, key) {
                x = tape.scope("batch", || x.augment(key, by, [image[0], image[1]]));
            }
            let made = model::training(x, &network, key);
            let label = tape.scope("batch", || ops::batch_labels(labels, rows));
            // The loss that is told is the classifier's; auxiliary ones add their gradients.
            for (logits, weight) in made.auxiliary {
                tape.scope("loss", || {
                    let loss = logits.softmax_cross_entropy(label);
                    loss.accumulate(loss.like().filled(weight));
                });
            }
            let loss = tape.scope("loss", || made.logits.softmax_cross_entropy(label));
            loss.backward(tape.scope("loss", || loss.ones()));
            ops::adam(&tape.parameters(), rate, Adam::default());
            TrainingStep {
                recording: tape.finish(),
                labels: labels.id(),
                rows: rows.id(),
                rate: rate.id(),
                key: key.map(Tensor::id),
                loss: loss.id(),
            }
        });
        let inference = inference_batch.map(|batch| {
            let rows = tape.input("inference rows", &[batch.min(images)]);
            let logits = model::logits(gather(rows), &network);
            let probabilities = tape.scope("softmax", || logits.softmax());
            let (rows, probabilities) = (rows.id(), probabilities.id());
            Inference { recording: tape.finish(), rows, probabilities }
        });
        Recordings {
            config: config.clone(),
            training,
            inference,
            images: bytes.id(),
            parameters: tape.parameters().into_iter().map(Tensor::id).collect(),
            tensors: tape.finish().tensors,
            longest: None,
        }
    }

    /// Suits the passes to an adapter: see [`plan::plan`].
    ///
    /// # Errors
    /// [`TooLarge`] when a tensor is over the target's limit and cannot be split.
    pub fn fit(&mut self, target: &Target) -> Result<(), TooLarge> {
        let (mut all, mut keep) = (Vec::new(), Vec::new());
        // Training first: it is the larger, so its buffers hold what inference needs.
        if let Some(training) = &mut self.training {
            all.push(std::mem::take(&mut training.recording));
            keep.push(training.loss);
        }
        if let Some(inference) = &mut self.inference {
            all.push(std::mem::take(&mut inference.recording));
            keep.push(inference.probabilities);
        }
        let advice = self.advice();
        let result = plan::plan(&mut all, target, &keep);
        let result = result.map_err(|error| TooLarge { advice, ..error });
        self.longest = Some(target.longest_pass);
        // The last was recorded last and knows all tensors.
        if let Some(last) = all.last() {
            self.tensors.clone_from(&last.tensors);
        }
        let mut planned = all.into_iter();
        let training = self.training.as_mut().map(|training| &mut training.recording);
        let inference = self.inference.as_mut().map(|inference| &mut inference.recording);
        for recording in training.into_iter().chain(inference) {
            *recording = planned.next().unwrap_or_default();
        }
        result
    }

    /// What would take less memory: not the batch of training where inference takes more images.
    pub(crate) fn advice(&self) -> &'static str {
        match (&self.training, &self.inference) {
            (None, _) => "use a network whose layers make less",
            (_, Some(_)) if self.config.batch_size <= least_beside_training(&self.config) => {
                "lower what the layers make (--maps, --num-fc1, or in the --network's file; a lower \
                 --batch-size changes little, as evaluations take as many images at once)"
            }
            _ => plan::SMALLER,
        }
    }

    /// Operations of a training step, roughly: a byte moved counts as ten.
    pub fn step_operations(&self) -> u64 {
        let passes = |all: &Recording| {
            all.passes.iter().fold(0u64, |sum, pass| sum.saturating_add(weight(pass, all)))
        };
        self.training_passes().map_or(0, passes)
    }

    /// The training step's passes, if training was recorded.
    pub fn training_passes(&self) -> Option<&Recording> {
        self.training.as_ref().map(|training| &training.recording)
    }

    /// The passes of inference on one batch, if inference was recorded.
    pub fn inference_passes(&self) -> Option<&Recording> {
        self.inference.as_ref().map(|inference| &inference.recording)
    }

    /// The passes of all that was recorded.
    pub fn passes(&self) -> impl Iterator<Item = &Recording> {
        self.training_passes().into_iter().chain(self.inference_passes())
    }

    /// Name and shape of each variable.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let info = |id: &TensorId| &self.tensors[id.0 as usize];
        self.parameters.iter().map(|id| (info(id).name.clone(), info(id).shape.clone())).collect()
    }

    /// How many numbers the variables hold.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// How many of them are frozen: training leaves them as they are.
    pub fn frozen_count(&self) -> usize {
        let frozen = |name: &str| model::is_chosen(&self.config.freeze, name);
        let all = self.parameters();
        let shapes = all.iter().filter(|(name, _)| frozen(name)).map(|(_, shape)| shape);
        shapes.map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Bytes of device memory that the tensors take, shared buffers once.
    pub fn memory(&self) -> u64 {
        let mut used: Vec<_> = self.passes().flat_map(Recording::used).collect();
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
