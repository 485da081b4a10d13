//! The digits of a run: what `train` and `profile` share.

use std::fs::File;
use std::path::Path;

use super::{Failure, network, progress_bar};
use crate::config::Config;
use crate::data::{DataError, Dataset, Images, load_labelled, read_labelled};

/// As [`load_labelled`], with a progress bar.
pub(super) fn load(path: &Path) -> Result<Dataset, DataError> {
    // A pipe can be opened but once.
    let facts = std::fs::metadata(path).ok().filter(|facts| facts.is_file());
    match facts.map(|facts| (facts, File::open(path))) {
        Some((facts, Ok(file))) => {
            let template =
                "loading digits {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
            let bar = progress_bar(facts.len(), template);
            let digits = read_labelled(path, bar.wrap_read(file));
            bar.finish_and_clear();
            digits
        }
        // It knows what to say.
        _ => load_labelled(path),
    }
}

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
        let train = load(&config.train)?;
        let fingerprint = train.fingerprint();
        let (train, validation) = train.split_validation(config.val_rows)?;
        let test = load(&config.test)?;
        let (trained, validated) = (train.len(), validation.len());
        let Dataset { mut images, mut labels } = train;
        for part in [validation, test] {
            images.pixels.extend_from_slice(&part.images.pixels);
            labels.extend_from_slice(&part.labels);
        }
        network::check_fits(config, &images)?;
        Ok(Samples { images, labels, train: trained, validation: validated, fingerprint })
    }

    pub(super) fn validation(&self) -> std::ops::Range<usize> {
        self.train..self.train + self.validation
    }

    pub(super) fn test(&self) -> std::ops::Range<usize> {
        self.train + self.validation..self.labels.len()
    }
}
