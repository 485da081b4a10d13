//! `inception test`: how good a saved network is.

use std::path::PathBuf;

use clap::Args;

use super::network::{self, HELD};
use super::{Failure, Global, print_results};
use crate::data::{Dataset, Digits};
use crate::metrics::Confusion;
use crate::train::likeliest;

/// Measure a saved network on labelled digits
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
    /// Labelled digits, CSV or IDX, also gzipped
    #[arg(long, value_name = "FILE", default_value = "assets/mnist/mnist_test.csv.gz")]
    test: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: TestCommand, global: &Global) -> Result<(), Failure> {
    let mut digits = Digits::labelled(&command.test)?;
    let mut confusion = Confusion::default();
    let next = |held: &mut Dataset| {
        digits.read(HELD, held)?;
        Ok(digits.expected())
    };
    network::classify_all(&command.model, &command.test, global, next, |held, probabilities| {
        count(&mut confusion, &held.labels, probabilities)?;
        Ok(true)
    })?;
    match command.json {
        true => print_results(&serde_json::to_string_pretty(&confusion)?),
        false => print_results(&confusion.to_string()),
    }
}

/// Counts truths against the likeliest classes.
pub(super) fn confusion(labels: &[u8], probabilities: &[[f32; 10]]) -> Result<Confusion, Failure> {
    let mut confusion = Confusion::default();
    count(&mut confusion, labels, probabilities)?;
    Ok(confusion)
}

/// Counts more of them.
fn count(
    confusion: &mut Confusion,
    labels: &[u8],
    probabilities: &[[f32; 10]],
) -> Result<(), Failure> {
    for (label, row) in labels.iter().zip(probabilities) {
        confusion.add(usize::from(*label), usize::from(likeliest(row)))?;
    }
    Ok(())
}
