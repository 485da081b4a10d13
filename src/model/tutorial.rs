//! The tutorial's network: Inception modules, a dense layer, dropout, ten logits.

use super::{Widths, inception};
use crate::config::Config;
use crate::tape::Tensor;

/// Digits to tell apart.
const CLASSES: usize = 10;

/// The channels of each module's convolutions.
pub fn widths(config: &Config) -> Vec<Widths> {
    config.maps.iter().map(|&map| Widths::even(map, config.reduce1x1)).collect()
}

/// Logits `[batch, 10]` for images `x` `[batch, height, width, 1]`. `dropout_key` (u32 `[2]`, seed
/// and step) is given in training only.
pub fn logits<'t>(x: Tensor<'t>, config: &Config, dropout_key: Option<Tensor<'t>>) -> Tensor<'t> {
    let tape = x.tape();
    let mut maps = x;
    for (module, widths) in widths(config).into_iter().enumerate() {
        maps = inception(maps, module + 1, config.module, widths);
    }
    let depth = maps.len() / maps.shape()[0];
    let w1 = tape.parameter("W_fc1", &[depth, config.num_fc1]);
    let b1 = tape.parameter("b_fc1", &[config.num_fc1]);
    let w2 = tape.parameter("W_fc2", &[config.num_fc1, CLASSES]);
    let b2 = tape.parameter("b_fc2", &[CLASSES]);
    let mut hidden = tape.scope("fc1", || maps.dense(w1, b1).relu());
    if let Some(key) = dropout_key {
        hidden = tape.scope("fc1", || hidden.dropout(config.dropout, key, 0));
    }
    tape.scope("fc2", || hidden.dense(w2, b2))
}
