//! Whether a network can be recorded.

use super::is_chosen;
use crate::config::Config;
use crate::network::{Mistake, Shaped};

/// Why a network cannot be recorded.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SizeError {
    /// Its layers do not fit together.
    #[error("the network does not work out: {0}")]
    Mistake(#[from] Mistake),
    /// A tensor has more elements than a shader can count, whatever the adapter.
    #[error(
        "the network is too large for any adapter: tensor {tensor} {shape:?} has {elements} \
         elements, the limit is {}; lower {advice}",
        u32::MAX
    )]
    Uncountable {
        /// The tensor's name, or the place that makes it.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many elements that is, or more.
        elements: usize,
        /// What to lower.
        advice: &'static str,
    },
    /// A channel of one number is its own mean.
    #[error(
        "{layer} normalises each channel over a batch, and has only one number for that: an image of one \
         pixel with --batch-size 1. It would make 0 of all; give a larger --batch-size, or freeze the \
         layer"
    )]
    OneNumber {
        /// The layer's place.
        layer: String,
    },
}

/// Checks that what is normalised over a training batch has more than one number to do so.
///
/// # Errors
/// [`SizeError::OneNumber`] for the first layer that has not; [`SizeError::Mistake`].
pub fn check_statistics(config: &Config) -> Result<(), SizeError> {
    let alone = |layer: &Shaped| {
        let frozen = |(name, _): &(String, _)| is_chosen(&config.freeze, name);
        let one = config.batch_size == 1 && layer.output.starts_with(&[1, 1]);
        layer.kind == "batch_norm" && one && !layer.variables.iter().all(frozen)
    };
    match config.network().shapes()?.into_iter().find(alone) {
        Some(layer) => Err(SizeError::OneNumber { layer: layer.place }),
        None => Ok(()),
    }
}

/// Checks that the configured network can be recorded for batches of that many images.
///
/// # Errors
/// [`SizeError`], of the first mistake or of the largest tensor.
pub fn check_sizes(config: &Config, batch: usize) -> Result<(), SizeError> {
    let network = config.network();
    // A batch of inference may be the larger one, whatever that of training; and one cannot be lowered.
    let batch_helps = config.batch_size >= batch && batch > 1;
    let advice = match (&config.network, batch_helps) {
        (None, false) => "--maps, --reduce1x1 or --num-fc1",
        (None, true) => "--maps, --reduce1x1, --num-fc1 or --batch-size",
        (Some(_), false) => "what the network's layers make",
        (Some(_), true) => "what the network's layers make, or --batch-size",
    };
    let mut tensors = Vec::new();
    for layer in network.shapes()? {
        let of_batch = |shape: Vec<usize>| [vec![batch], shape].concat();
        tensors.extend(layer.variables);
        tensors.extend(layer.within.into_iter().map(|(place, shape)| (place, of_batch(shape))));
        tensors.push((layer.place, of_batch(layer.output)));
    }
    tensors.push(("batch".into(), [&[batch][..], &network.image].concat()));
    let elements = |shape: &[usize]| shape.iter().fold(1usize, |all, &n| all.saturating_mul(n));
    let largest = tensors.into_iter().max_by_key(|(_, shape)| elements(shape));
    match largest.filter(|(_, shape)| elements(shape) > u32::MAX as usize) {
        None => Ok(()),
        Some((tensor, shape)) => {
            let elements = elements(&shape);
            Err(SizeError::Uncountable { tensor, shape, elements, advice })
        }
    }
}
