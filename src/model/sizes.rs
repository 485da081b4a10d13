//! How large a network's tensors get, before any is recorded.

use super::widths;
use crate::config::{Config, Module};

/// A tensor with more elements than a shader can count, whatever the adapter.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "the network is too large for any adapter: tensor {tensor} {shape:?} has {elements} elements, \
     the limit is {}; lower --maps, --num-fc1 or --batch-size",
    u32::MAX
)]
pub struct Uncountable {
    /// The tensor's name, or the place that makes it.
    pub tensor: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How many elements that is.
    pub elements: usize,
}

/// Checks that the network's tensors can be recorded for batches of that many images of that height
/// and width.
///
/// # Errors
/// [`Uncountable`], of the largest tensor.
pub fn check_sizes(config: &Config, batch: usize, size: [usize; 2]) -> Result<(), Uncountable> {
    let [height, width] = size;
    let mut tensors = Vec::new();
    let mut channels = 1;
    for (module, widths) in (1..).zip(widths(config)) {
        let inputs = match config.module {
            Module::Reduced => widths.reduce_five,
            Module::Naive => channels,
        };
        let out = widths.towers(config.module, channels).iter().sum();
        tensors.extend([
            (format!("W_conv{module}_1x1_1"), vec![1, 1, channels, widths.one]),
            (format!("W_conv{module}_1x1_2"), vec![1, 1, channels, widths.reduce_three]),
            (format!("W_conv{module}_5x5"), vec![5, 5, inputs, widths.five]),
            (format!("inception{module}/1x1_2"), vec![batch, height, width, widths.reduce_three]),
            (format!("inception{module}"), vec![batch, height, width, out]),
        ]);
        channels = out;
    }
    tensors.push(("W_fc1".to_string(), vec![height * width * channels, config.num_fc1]));
    tensors.push(("fc1".to_string(), vec![batch, config.num_fc1]));
    let too_large = tensors
        .into_iter()
        .map(|(tensor, shape)| Uncountable { elements: shape.iter().product(), tensor, shape })
        .filter(|tensor| tensor.elements > u32::MAX as usize);
    too_large.max_by_key(|tensor| tensor.elements).map_or(Ok(()), Err)
}
