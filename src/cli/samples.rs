//! The images of a run: what `train` and `profile` share.

use std::sync::Arc;

use super::{Failure, bytes, network, progress_bar, say};
use crate::config::Config;
use crate::data::{Batches, Dataset, Digits, Part, Wanted};
use crate::engine::EngineError;
use crate::gpu::Gpu;
use crate::train::{Recordings, Trainer};

/// All labelled images of a run, one after the other: training, validation and test rows.
pub(super) struct Samples {
    pub(super) data: Arc<Dataset>,
    pub(super) train: usize,
    pub(super) validation: usize,
    /// What the classes are called, by label; nothing of digits.
    pub(super) names: Vec<String>,
    /// Of the whole training file.
    pub(super) fingerprint: String,
    /// Of the test file.
    pub(super) test_fingerprint: String,
}

impl Samples {
    pub(super) fn load(config: &Config) -> Result<Samples, Failure> {
        let mut all = Dataset::empty(&config.train);
        let images = Digits::labelled_as(&config.train, &config.wanted(Part::Training))?;
        network::check_fits(config, &config.train, images.shape())?;
        network::check_classes(config, &config.train, images.classes())?;
        if !config.classes.is_empty() {
            network::check_names(&config.classes, &images)?;
        }
        let names = images.names().to_vec();
        append(images, &mut all)?;
        let fingerprint = all.fingerprint();
        let train = all.rows_before_validation(config.val_rows)?;
        let wanted = Wanted { classes: names.clone(), ..config.wanted(Part::Test) };
        let images = Digits::labelled_as(&config.test, &wanted)?;
        network::check_names(&names, &images)?;
        let first = all.len();
        append(images, &mut all)?;
        let (test_fingerprint, data) = (all.fingerprint_from(first), Arc::new(all));
        let validation = config.val_rows;
        Ok(Samples { data, train, validation, names, fingerprint, test_fingerprint })
    }

    /// Whether they lie on the device all at once, as they do where the adapter binds so much.
    fn fit(&self, gpu: &Gpu) -> bool {
        self.data.images.pixels.len() as u64 <= gpu.buffer_limit()
    }

    /// The recordings over these images: those over all of them, or, where they do not fit, over a
    /// batch of them.
    pub(super) fn suit(&self, recordings: Recordings, config: &Config, gpu: &Gpu) -> Recordings {
        if self.fit(gpu) {
            return recordings;
        }
        let (held, limit) = (self.data.images.pixels.len() as u64, gpu.buffer_limit());
        say(&format!(
            "the images ({}) are more than this adapter binds at once ({}), so those of each batch are \
             brought to it",
            bytes(held),
            bytes(limit)
        ));
        Recordings::streamed(config)
    }

    /// The network on the device with these images, as far as they fit.
    pub(super) fn trainer(
        &self,
        gpu: Gpu,
        recordings: Recordings,
        batches: Batches,
    ) -> Result<Trainer, EngineError> {
        let (data, batches) = (&self.data, Some(batches));
        match self.fit(&gpu) {
            true => Trainer::new(gpu, recordings, &data.images, &data.labels, batches),
            false => Trainer::streaming(gpu, recordings, data.clone(), batches),
        }
    }

    pub(super) fn validation(&self) -> std::ops::Range<usize> {
        self.train..self.train + self.validation
    }

    pub(super) fn test(&self) -> std::ops::Range<usize> {
        self.train + self.validation..self.data.len()
    }
}

/// Appends all images of a file or folder, with a progress bar. Says which pictures were left out.
fn append(mut images: Digits, to: &mut Dataset) -> Result<(), Failure> {
    let noun = if images.names().is_empty() { "digits" } else { "images" };
    let template = format!("loading {noun} {{wide_bar}} {{pos}}/{{len}}, {{rate}}, {{eta}} left");
    let bar = progress_bar(0, &template);
    let result = images.read_all(to, |done, expected| {
        bar.set_length(expected as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let skipped = images.take_skipped();
    network::warn_of_skipped(images.path(), &skipped);
    Ok(result?)
}
