//! The digits of a run: what `train` and `profile` share.

use std::fs::File;
use std::path::Path;

use super::{Failure, network, progress_bar};
use crate::config::Config;
use crate::data::{DataError, Dataset, Images, load_labelled, read_labelled};

/// As [`load_labelled`], with a progress bar.
pub(super) fn load(path: &Path) -> Result<Dataset, DataError> {
    let file = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    match file {
        Ok((facts, file)) if facts.is_file() => {
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
}

impl Samples {
    pub(super) fn load(config: &Config) -> Result<Samples, Failure> {
        let (train, validation) = load(&config.train)?.split_validation(config.val_rows)?;
        let test = load(&config.test)?;
        let (trained, validated) = (train.len(), validation.len());
        let Dataset { mut images, mut labels } = train;
        for part in [validation, test] {
            images.pixels.extend_from_slice(&part.images.pixels);
            labels.extend_from_slice(&part.labels);
        }
        network::check_fits(config, &images)?;
        Ok(Samples { images, labels, train: trained, validation: validated })
    }

    pub(super) fn validation(&self) -> std::ops::Range<usize> {
        self.train..self.train + self.validation
    }

    pub(super) fn test(&self) -> std::ops::Range<usize> {
        self.train + self.validation..self.labels.len()
    }
}
