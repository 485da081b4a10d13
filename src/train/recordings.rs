//! What a run records: the training step and inference, suited to an adapter.

use std::collections::BTreeMap;

use crate::config::{Config, Scale};
use crate::model::{self, Uncountable};
use crate::ops::{self, Adam};
use crate::plan::{self, Target, TooLarge};
use crate::recording::{Recording, TensorId, TensorInfo};
use crate::tape::{Tape, Tensor};

/// Images of an inference batch.
const INFERENCE_BATCH: usize = 100;

/// The passes of a training step and of inference, which share weights and images, with the
/// numbers of the tensors that the host writes and reads.
pub struct Recordings {
    pub(super) config: Config,
    /// Absent when only inference is wanted.
    pub(super) training: Option<TrainingStep>,
    pub(super) inference: Recording,
    pub(super) images: TensorId,
    pub(super) rows: TensorId,
    pub(super) probabilities: TensorId,
    /// All tensors, with their shards once sharded.
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) parameters: Vec<TensorId>,
}

pub(super) struct TrainingStep {
    pub(super) recording: Recording,
    pub(super) labels: TensorId,
    pub(super) rows: TensorId,
    pub(super) rate: TensorId,
    /// Absent when nothing is dropped.
    pub(super) dropout_key: Option<TensorId>,
    pub(super) loss: TensorId,
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

    /// Suits the passes to an adapter: see [`plan::plan`].
    ///
    /// # Errors
    /// [`TooLarge`] when a tensor is over the target's limit and cannot be split.
    pub fn fit(&mut self, target: &Target) -> Result<(), TooLarge> {
        // Training first: it is the larger, so its buffers hold what inference needs.
        let mut all: Vec<Recording> = Vec::new();
        let mut keep = vec![self.probabilities];
        if let Some(training) = &mut self.training {
            all.push(std::mem::take(&mut training.recording));
            keep.push(training.loss);
        }
        all.push(std::mem::take(&mut self.inference));
        let result = plan::plan(&mut all, target, &keep);
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
