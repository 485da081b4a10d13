//! A saved network opened for use: what `test` and `predict` share.

use std::ops::Range;
use std::path::Path;

use super::{Failure, Global, open_gpu, progress_bar, thousands, warn, while_preparing};
use crate::checkpoint::WeightFile;
use crate::config::Config;
use crate::data::{Dataset, Digits, Images};
use crate::engine::EngineError;
use crate::model::SizeError;
use crate::train::{Recordings, Trainer};

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

/// Checks that the network takes such images.
pub(super) fn check_fits(config: &Config, path: &Path, shape: [usize; 3]) -> Result<(), Failure> {
    let network = config.network();
    let extents = |[height, width, channels]: [usize; 3]| format!("{height}x{width}x{channels}");
    if network.image != shape {
        return Err(Failure::new(format!(
            "the network takes images of {} (height, width, channels), and those in {} are {}; give \
             it other images, or change image in the network's file",
            extents(network.image),
            path.display(),
            extents(shape),
        )));
    }
    Ok(())
}

/// Checks that the network tells as many classes apart as there are.
pub(super) fn check_classes(config: &Config, path: &Path, classes: usize) -> Result<(), Failure> {
    let network = config.network();
    if network.classes() != classes {
        return Err(Failure::new(format!(
            "the network tells {} classes apart, and {} has {classes}; change classes in the \
             network's file",
            network.classes(),
            path.display(),
        )));
    }
    Ok(())
}

/// Checks that the images are of the classes of these names, which stand for digits where there are none.
pub(super) fn check_names(names: &[String], images: &Digits) -> Result<(), Failure> {
    if images.names() == names {
        return Ok(());
    }
    let of = |names: &[String]| match names {
        [] => "digits".to_string(),
        [first, .., last] => format!("classes {first} to {last}"),
        [only] => format!("the class {only}"),
    };
    Err(Failure::new(format!(
        "{} holds images of {}, and the network is for {}; give it images of these",
        images.path().display(),
        of(images.names()),
        of(names)
    )))
}

/// Says which pictures were left out: the first few by name, all by their number.
pub(super) fn warn_of_skipped(path: &Path, skipped: &[String]) {
    const SAID: usize = 10;
    skipped.iter().take(SAID).for_each(|why| warn(&format!("left out: {why}")));
    if !skipped.is_empty() {
        let (path, noun) =
            (path.display(), if skipped.len() == 1 { "picture" } else { "pictures" });
        warn(&format!("{path}: {} {noun} left out", thousands(skipped.len() as u64)));
    }
}

/// Images that are read, and held on the device, at once, unless they are large. Fewer are classified
/// sooner than kernels are measured for them.
const HELD: usize = 1000;

/// Bytes of the images that are held: every adapter binds that many.
const HELD_BYTES: usize = 64 << 20;

/// Images of the network's size that are held at once.
pub(super) fn held(config: &Config, global: &Global) -> usize {
    let size: usize = config.network().image.iter().product();
    let most = global.largest_buffer.map_or(HELD_BYTES, |most| HELD_BYTES.min(most as usize));
    (most / size).clamp(1, HELD)
}

fn with_weights(
    file: &WeightFile,
    config: &Config,
    images: &Images,
    global: &Global,
) -> Result<Trainer, Failure> {
    Recordings::check(config)?;
    let mut recordings = Recordings::inference(config, images.len());
    let parameters = recordings.parameters();
    let auxiliary = config.network().auxiliary_variables().map_err(SizeError::from)?;
    let tensors = file.tensors_but(|name| auxiliary.contains(name), &parameters);
    let tensors = tensors.map_err(|error| error.of(config))?;
    let gpu = open_gpu(global)?;
    let (target, gpu) = match images.len() < held(config, global) {
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

/// Classifies any number of images with a saved network, as many at a time as are [`held`]. `next` appends up to so
/// many, none at the end, and says how many there seem to be in all; `tell` gets them with the
/// classes' probabilities of each, and says whether more are wanted. `source` is where the images are from.
pub(super) fn classify_all(
    (file, config): &(WeightFile, Config),
    source: &Path,
    global: &Global,
    mut next: impl FnMut(&mut Dataset) -> Result<Option<usize>, Failure>,
    mut tell: impl FnMut(&Dataset, &[Vec<f32>]) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let (mut held, most) = (Dataset::empty(source), held(config, global));
    let mut expected = next(&mut held)?;
    check_fits(config, &held.images.path, held.images.shape())?;
    let mut trainer = with_weights(file, config, &held.images, global)?;
    let bar = progress_bar(0, CLASSIFYING);
    let mut done = 0;
    let mut classify_held = || {
        while !held.images.is_empty() {
            let count = held.images.len();
            bar.set_length(expected.unwrap_or(0).max(done + count) as u64);
            let progress = |now| bar.set_position((done + now) as u64);
            let probabilities = trainer.classify(0..count, progress).map_err(failure)?;
            done += count;
            // In a terminal the bar would get between what is told.
            let more = bar.suspend(|| tell(&held, &probabilities))?;
            held.images.pixels.clear();
            held.labels.clear();
            if more && count == most {
                expected = next(&mut held)?;
                check_fits(config, &held.images.path, held.images.shape())?;
                trainer.replace_images(&held.images, done);
            }
        }
        Ok(())
    };
    let result = classify_held();
    bar.finish_and_clear();
    result
}

const CLASSIFYING: &str = "classifying {wide_bar} {pos}/{len} images, {rate}, {eta} left";

/// The classes' probabilities for each of these images, with a progress bar.
pub(super) fn classify(
    trainer: &mut Trainer,
    images: Range<usize>,
) -> Result<Vec<Vec<f32>>, Failure> {
    let bar = progress_bar(images.len() as u64, CLASSIFYING);
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
