//! `inception test`: how good a saved network is.

use std::path::PathBuf;

use clap::Args;

use super::network;
use super::{Failure, Global, print_results};
use crate::data::{Dataset, Digits, OnBadImage, Part, Wanted};
use crate::metrics::Confusion;
use crate::train::likeliest;

/// Measure a saved network on labelled images
///
/// Prints accuracy, a table by class and the confusion matrix.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    inception test --model runs/quick\n  \
    inception test --model runs/quick/model.safetensors --test t10k-images-idx3-ubyte.gz --json")]
pub(super) struct TestCommand {
    /// The model's file, or the folder that `train --out` made
    #[arg(long, value_name = "FILE|DIR")]
    model: PathBuf,
    /// Labelled images: digits as CSV or IDX, also gzipped; a folder of pictures by class; or CIFAR-10's
    #[arg(long, value_name = "FILE|DIR", default_value = "assets/mnist/mnist_test.csv.gz")]
    test: PathBuf,
    /// What to do about a picture of a folder that cannot be read
    #[arg(long, value_enum, default_value = "fail")]
    on_bad_image: OnBadImage,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: TestCommand, global: &Global) -> Result<(), Failure> {
    let model = network::read(&command.model)?;
    let (_, config) = &model;
    let wanted = Wanted { on_bad_image: command.on_bad_image, ..config.wanted(Part::Test) };
    let mut images = Digits::labelled_as(&command.test, &wanted)?;
    network::check_classes(config, &command.test, images.classes())?;
    network::check_names(&config.classes, &images)?;
    let mut confusion = Confusion::new(images.classes());
    let (most, mut skipped) = (network::held(config, global), Vec::new());
    let next = |held: &mut Dataset| {
        images.read(most, held)?;
        skipped.extend(images.take_skipped());
        Ok(images.expected())
    };
    network::classify_all(&model, &command.test, global, next, |held, probabilities| {
        count(&mut confusion, &held.labels, probabilities)?;
        Ok(true)
    })?;
    network::warn_of_skipped(&command.test, &skipped);
    let names = &config.classes;
    match command.json {
        true => print_results(&serde_json::to_string_pretty(&confusion.report(names))?),
        false => print_results(&confusion.table(names)),
    }
}

/// Counts truths against the likeliest classes.
pub(super) fn confusion(labels: &[u8], probabilities: &[Vec<f32>]) -> Result<Confusion, Failure> {
    let mut confusion = Confusion::new(probabilities.first().map_or(0, Vec::len));
    count(&mut confusion, labels, probabilities)?;
    Ok(confusion)
}

/// Counts more of them.
fn count(
    confusion: &mut Confusion,
    labels: &[u8],
    probabilities: &[Vec<f32>],
) -> Result<(), Failure> {
    for (label, row) in labels.iter().zip(probabilities) {
        confusion.add(usize::from(*label), usize::from(likeliest(row)))?;
    }
    Ok(())
}
