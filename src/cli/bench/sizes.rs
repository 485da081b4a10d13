//! What fits the adapter, found out before anything is made for it.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::config::Config;
use crate::data::Images;
use crate::model;
use crate::plan::{Target, TooLarge};
use crate::train::Recordings;

/// Random images on the device, and bytes of them, unless the largest batch needs more.
const IMAGES: usize = 20_000;
const BYTES: usize = 1 << 26;
/// Batches that there must be images for: two that nobody measures, and the first and last measured.
const BATCHES: usize = 4;

/// Refuses training that does not fit.
pub(super) fn check_training(config: &Config, target: &Target) -> Result<(), TooLarge> {
    Recordings::training_alone(config, config.batch_size + 1).fit(target)
}

/// Why inference on so many images at once cannot be measured, if so.
pub(super) fn misfit(config: &Config, batch: usize, target: &Target) -> Option<String> {
    let (images, limit) = (BATCHES * batch, target.buffer_limit);
    if (images * pixels(config)) as u64 > limit {
        return Some(format!(
            "too large: {images} images, {BATCHES} batches, take more than this adapter's limit for \
             one buffer, {limit} bytes"
        ));
    }
    if let Err(why) = model::check_sizes(config, batch) {
        return Some(why.to_string());
    }
    let mut recordings = Recordings::inference_by(batch, config, images);
    recordings.fit(target).err().map(|why| why.to_string())
}

/// Random images, and as many labels: enough for every batch that is to be measured.
pub(super) fn random(config: &Config, steps: usize, largest: usize) -> (Images, Vec<u8>) {
    let wanted = largest.saturating_mul(steps.saturating_add(2));
    let network = config.network();
    let [height, width, channels] = network.image;
    let enough = IMAGES.min(BYTES / pixels(config)).max(BATCHES * largest);
    let count = wanted.min(enough).max(config.batch_size + 1);
    let mut random = Pcg64Mcg::seed_from_u64(config.seed);
    let mut bytes = vec![0; count * pixels(config)];
    random.fill(&mut bytes[..]);
    let classes = network.classes().min(256) as u32; // a label is a byte
    let labels = (0..count).map(|_| random.random_range(0..classes) as u8).collect();
    (Images { path: "random images".into(), height, width, channels, pixels: bytes }, labels)
}

/// Bytes of an image.
fn pixels(config: &Config) -> usize {
    config.network().image.iter().product()
}
