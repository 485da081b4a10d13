//! A saved network opened for use: what `test` and `predict` share.

use std::path::Path;

use super::{Failure, Global, open_gpu, progress_bar, while_preparing};
use crate::checkpoint::WeightFile;
use crate::config::Config;
use crate::data::{Images, LABELS};
use crate::engine::EngineError;
use crate::model::SizeError;
use crate::train::{Recordings, Trainer};

/// The saved network on the device, with these images.
pub(super) fn open(model: &Path, images: &Images, global: &Global) -> Result<Trainer, Failure> {
    let (file, config) = read(model)?;
    with_weights(&file, &config, images, global)
}

/// The saved weights, and the configuration of their network.
pub(super) fn read(model: &Path) -> Result<(WeightFile, Config), Failure> {
    let file = WeightFile::open(model)?;
    match file.config().cloned() {
        Some(config) => Ok((file, config)),
        None => Err(Failure::new(format!(
            "{} holds weights but not the network's sizes, so another program made it; train on \
             from it with `inception train --init-weights`, which takes the sizes as flags",
            file.path().display()
        ))),
    }
}

/// Checks that the network takes such images, and tells as many classes apart as there are digits.
pub(super) fn check_fits(config: &Config, images: &Images) -> Result<(), Failure> {
    let network = config.network();
    let extents = |[height, width, channels]: [usize; 3]| format!("{height}x{width}x{channels}");
    if network.image != images.shape() {
        return Err(Failure::new(format!(
            "the network takes images of {} (height, width, channels), and those in {} are {}; give \
             it other images, or change image in the network's file",
            extents(network.image),
            images.path.display(),
            extents(images.shape()),
        )));
    }
    if network.classes() != LABELS {
        return Err(Failure::new(format!(
            "the network tells {} classes apart, and {} has {LABELS}; change classes in the \
             network's file",
            network.classes(),
            images.path.display(),
        )));
    }
    Ok(())
}

/// Images that are classified sooner than kernels are measured for them.
const FEW: usize = 1000;

fn with_weights(
    file: &WeightFile,
    config: &Config,
    images: &Images,
    global: &Global,
) -> Result<Trainer, Failure> {
    Recordings::check(config)?;
    check_fits(config, images)?;
    let mut recordings = Recordings::inference(config, images.len());
    let parameters = recordings.parameters();
    let auxiliary = config.network().auxiliary_variables().map_err(SizeError::from)?;
    let tensors = file.tensors_but(|name| auxiliary.contains(name), &parameters)?;
    let gpu = open_gpu(global)?;
    let (target, gpu) = match images.len() < FEW {
        true => (global.untuned(&gpu), gpu),
        false => global.target(gpu, &recordings)?,
    };
    recordings.fit(&target)?;
    while_preparing(gpu, |gpu| {
        let mut trainer = Trainer::new(gpu, recordings, images, &[], None)?;
        for tensor in tensors {
            trainer.set(tensor.name, tensor.bytes);
        }
        if global.checked {
            trainer.check_all()?;
        }
        Ok(trainer)
    })
}

/// Ten probabilities for each of these images, with a progress bar.
pub(super) fn classify(
    trainer: &mut Trainer,
    images: std::ops::Range<usize>,
) -> Result<Vec<[f32; 10]>, Failure> {
    let template = "classifying {wide_bar} {pos}/{len} images, {rate}, {eta} left";
    let bar = progress_bar(images.len() as u64, template);
    let result = trainer.classify(images, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    result.map_err(failure)
}

/// What to do when a network does not run.
pub(super) fn failure(error: EngineError) -> Failure {
    match error {
        EngineError::Numbers { what, unwritten: true } => Failure::new(unwritten(&what)),
        other => other.into(),
    }
}

/// What to do about numbers that were never written.
pub(super) fn unwritten(what: &str) -> String {
    format!(
        "{what}: a fault of this program or of the driver, so its results cannot be trusted; please \
         report it with the output of `inception selftest`, and try another --backend or --software"
    )
}
