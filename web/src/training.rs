//! Training of the quick network on the bundled digits, as `inception train --preset quick` does it.

use std::io::Cursor;
use std::path::Path;

use inception::ceiling::Ceiling;
use inception::checkpoint::{Origin, TensorSource, to_bytes};
use inception::config::{Config, Preset};
use inception::data::{Batches, SIDE, read_labelled};
use inception::profile::{Part, PassFacts, Runs};
use inception::train::{Recordings, Trainer, likeliest};
use wasm_bindgen::prelude::*;

use crate::Device;

/// A network on the device that learns.
#[wasm_bindgen]
pub struct Training {
    trainer: Trainer,
    config: Config,
    /// Rows behind those that are trained on, and what they show.
    test_labels: Vec<u8>,
    train_rows: usize,
}

/// Test digits that accuracy is measured on.
const TEST_ROWS: usize = 1000;

#[wasm_bindgen]
impl Training {
    /// Begins with initial weights, and the digits of two files of `assets/mnist/`.
    #[wasm_bindgen(constructor)]
    pub fn new(device: &Device, train: Vec<u8>, test: Vec<u8>) -> Result<Training, JsError> {
        let config = Config::preset(Preset::Quick);
        let train = read_labelled(&config.train, Cursor::new(train))?;
        let (mut digits, _) = train.split_validation(config.val_rows)?;
        let test = read_labelled(&config.test, Cursor::new(test))?;
        let train_rows = digits.len();
        let count = TEST_ROWS.min(test.len());
        digits.images.pixels.extend(&test.images.pixels[..count * SIDE * SIDE]);
        let mut recordings = Recordings::training(&config, digits.images.len());
        recordings.fit(&device.target())?;
        let batches = Batches::new(config.order, config.seed, config.batch_size, train_rows)?;
        digits.labels.extend(&test.labels[..count]);
        let gpu = device.0.clone();
        let (images, labels) = (&digits.images, &digits.labels);
        let mut trainer = Trainer::new(gpu, recordings, images, labels, Some(batches))?;
        trainer.initialize();
        let test_labels = digits.labels.split_off(train_rows);
        Ok(Training { trainer, config, test_labels, train_rows })
    }

    /// Steps of the whole run, over which the learning rate falls.
    pub fn steps(&self) -> u32 {
        self.config.steps as u32
    }

    /// Steps done.
    pub fn step(&self) -> u32 {
        self.trainer.step() as u32
    }

    /// Images of a step.
    pub fn batch_size(&self) -> usize {
        self.config.batch_size
    }

    /// Does so many steps, and returns the loss of each.
    pub async fn train(&mut self, steps: u32) -> Result<Vec<f32>, JsError> {
        let mut losses = Vec::new();
        for _ in 0..steps {
            losses.extend(self.trainer.train_step_async().await?);
        }
        losses.extend(self.trainer.remaining_losses_async().await?);
        Ok(losses.into_iter().map(|(_, loss)| loss).collect())
    }

    /// The share of the first `count` test digits that is classified rightly.
    pub async fn accuracy(&mut self, count: usize) -> Result<f64, JsError> {
        let labels = &self.test_labels[..count.min(self.test_labels.len())];
        let rows = self.train_rows..self.train_rows + labels.len();
        let probabilities = self.trainer.classify_async(rows, |_| {}).await?;
        let right = probabilities.iter().zip(labels).filter(|(p, label)| likeliest(p) == **label);
        Ok(right.count() as f64 / labels.len() as f64)
    }

    /// The weights, as the bytes of a `model.safetensors`.
    pub async fn weights(&self) -> Result<Vec<u8>, JsError> {
        let mut tensors = Vec::new();
        for (name, shape) in self.trainer.recordings().parameters() {
            let bytes = self.trainer.get_async(&name).await?;
            let read = Box::new(move |give: &mut dyn FnMut(&[u8])| {
                give(&bytes);
                Ok(())
            });
            tensors.push(TensorSource { name, shape, read });
        }
        let origin = Origin {
            step: self.trainer.step(),
            config: self.config.clone(),
            validation_accuracy: None,
            training_data: None,
            test_data: None,
        };
        Ok(to_bytes(Path::new("model.safetensors"), &origin, tensors)?)
    }

    /// How long each pass of a training step takes, over so many steps, which train as any others: a
    /// `Part` as JSON. Where the device has no timestamps its passes have no times.
    pub async fn timings(&mut self, device: &Device, samples: usize) -> Result<String, JsError> {
        let (ceiling, _) = Ceiling::measure_async(device.0.clone()).await?;
        let recording = self.trainer.recordings().training_passes().cloned().unwrap_or_default();
        let facts = PassFacts::of(&recording, &ceiling);
        let runs = Runs::of_training_async(&mut self.trainer, samples, || {}).await?;
        Ok(serde_json::to_string(&Part::new(self.config.batch_size, &facts, &runs))?)
    }
}
