//! The digits of a run: what `train` and `profile` share.

use std::path::Path;

use super::{Failure, network, progress_bar, thousands};
use crate::config::Config;
use crate::data::{DataError, Dataset, Digits, Images, PIXELS};
use crate::gpu::Gpu;

/// All labelled images of a run, one after the other: training, validation and test rows.
pub(super) struct Samples {
    pub(super) images: Images,
    pub(super) labels: Vec<u8>,
    pub(super) train: usize,
    pub(super) validation: usize,
    /// Of the whole training file.
    pub(super) fingerprint: String,
}

impl Samples {
    pub(super) fn load(config: &Config) -> Result<Samples, Failure> {
        let mut all = Dataset::empty(&config.train);
        append(&config.train, &mut all)?;
        let fingerprint = all.fingerprint();
        let train = all.rows_before_validation(config.val_rows)?;
        append(&config.test, &mut all)?;
        let Dataset { images, labels } = all;
        network::check_fits(config, &images)?;
        Ok(Samples { images, labels, train, validation: config.val_rows, fingerprint })
    }

    /// Refuses more images than the adapter binds at once.
    pub(super) fn check(&self, config: &Config, gpu: &Gpu) -> Result<(), Failure> {
        let (limit, count) = (gpu.buffer_limit(), self.labels.len());
        let most = limit / PIXELS as u64;
        if count as u64 <= most {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} and {} hold {} digits, and {} are the most that this adapter takes (its limit for \
             one buffer is {limit} bytes, a digit takes {PIXELS}): give it fewer, or choose another \
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

/// Appends all digits of a file, with a progress bar.
fn append(path: &Path, to: &mut Dataset) -> Result<(), DataError> {
    let bar = progress_bar(0, "loading digits {wide_bar} {pos}/{len}, {rate}, {eta} left");
    let result = Digits::labelled(path).and_then(|digits| {
        digits.read_all(to, |done, expected| {
            bar.set_length(expected as u64);
            bar.set_position(done as u64);
        })
    });
    bar.finish_and_clear();
    result
}
