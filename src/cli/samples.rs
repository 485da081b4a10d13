//! The digits of a run: what `train` and `profile` share.

use super::{Failure, while_saying};
use crate::config::Config;
use crate::data::{Dataset, Images, load_labelled};

/// All labelled images of a run, one after the other: training, validation and test rows.
pub(super) struct Samples {
    pub(super) images: Images,
    pub(super) labels: Vec<u8>,
    pub(super) train: usize,
    pub(super) validation: usize,
}

impl Samples {
    pub(super) fn load(config: &Config) -> Result<Samples, Failure> {
        while_saying("loading digits", || Self::read(config))
    }

    fn read(config: &Config) -> Result<Samples, Failure> {
        let (train, validation) =
            load_labelled(&config.train)?.split_validation(config.val_rows)?;
        let test = load_labelled(&config.test)?;
        let (trained, validated) = (train.len(), validation.len());
        let Dataset { mut images, mut labels } = train;
        for part in [validation, test] {
            images.pixels.extend_from_slice(&part.images.pixels);
            labels.extend_from_slice(&part.labels);
        }
        Ok(Samples { images, labels, train: trained, validation: validated })
    }

    pub(super) fn validation(&self) -> std::ops::Range<usize> {
        self.train..self.train + self.validation
    }

    pub(super) fn test(&self) -> std::ops::Range<usize> {
        self.train + self.validation..self.labels.len()
    }
}
