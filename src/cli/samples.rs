//! The images of a run: what `train` and `profile` share.

use super::{Failure, network, progress_bar, thousands};
use crate::config::Config;
use crate::data::{Dataset, Digits, Images, Part, Wanted};
use crate::gpu::Gpu;

/// All labelled images of a run, one after the other: training, validation and test rows.
pub(super) struct Samples {
    pub(super) images: Images,
    pub(super) labels: Vec<u8>,
    pub(super) train: usize,
    pub(super) validation: usize,
    /// What the classes are called, by label; nothing of digits.
    pub(super) names: Vec<String>,
    /// Of the whole training file.
    pub(super) fingerprint: String,
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
        append(images, &mut all)?;
        let Dataset { images, labels } = all;
        Ok(Samples { images, labels, train, validation: config.val_rows, names, fingerprint })
    }

    /// Refuses more images than the adapter binds at once.
    pub(super) fn check(&self, config: &Config, gpu: &Gpu) -> Result<(), Failure> {
        let (limit, count) = (gpu.buffer_limit(), self.labels.len());
        let size: usize = self.images.shape().iter().product();
        let most = limit / size as u64;
        if count as u64 <= most {
            return Ok(());
        }
        let (a, noun) = if self.names.is_empty() { ("a", "digit") } else { ("an", "image") };
        Err(Failure::new(format!(
            "{} and {} hold {} {noun}s, and {} are the most that this adapter takes (its limit for \
             one buffer is {limit} bytes, {a} {noun} takes {size}): give it fewer, or choose another \
             --adapter",
            config.train.display(),
            config.test.display(),
            thousands(count as u64),
            thousands(most)
        )))
    }

    pub(super) fn validation(&self) -> std::ops::Range<usize> {
        self.train..self.train + self.validation
    }

    pub(super) fn test(&self) -> std::ops::Range<usize> {
        self.train + self.validation..self.labels.len()
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
