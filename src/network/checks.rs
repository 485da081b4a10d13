//! What is looked at in a layer by itself.

use super::shapes::Shaped;
use super::{BatchNorm, Conv, Lrn};
use crate::config::Module;
use crate::ops::Padding;

/// The largest extent, stride and number of channels or classes. No product of a layer's sizes overflows
/// 64 bits.
const MAX_SIZE: usize = 1 << 20;
/// The largest window, where it does not reach twice over all there is: what is beyond that sees nothing
/// more, and takes long.
const MAX_WINDOW: usize = 64;
/// The most channels on each side that local response normalisation looks at, for each number anew.
const MAX_RADIUS: usize = 64;

pub(super) fn convolution(conv: &Conv, x: [usize; 3], within: &str) -> Result<Shaped, String> {
    let [height, width, channels] = x;
    let out = |n| windows(n, conv.size, conv.stride, conv.padding);
    let output = vec![out(height)?, out(width)?, size("out", conv.out)?];
    let weights = vec![conv.size, conv.size, channels, conv.out];
    Ok(Shaped {
        place: format!("{within}{}", conv.name),
        kind: "conv",
        output,
        variables: variables(&conv.name, weights, conv.bias),
        within: vec![],
    })
}

pub(super) fn check_norm(norm: &BatchNorm) -> Result<(), String> {
    let fits = norm.epsilon > 0.0 && norm.epsilon.is_finite();
    match fits && (0.0..=1.0).contains(&norm.momentum) {
        true => Ok(()),
        false => Err("epsilon must be above 0 and finite, momentum from 0 to 1".into()),
    }
}

pub(super) fn check_lrn(lrn: &Lrn) -> Result<(), String> {
    if !(1..=MAX_RADIUS).contains(&lrn.radius) {
        return Err(format!("radius is {}; it must be from 1 to {MAX_RADIUS}", lrn.radius));
    }
    // As ONNX's layer wants them.
    match [lrn.bias, lrn.alpha, lrn.beta].iter().all(|&n| n > 0.0 && n.is_finite()) {
        true => Ok(()),
        false => Err("bias, alpha and beta must be finite numbers above 0".into()),
    }
}

/// The layer's variables; the last extent of its weights is that of its bias.
pub(super) fn variables(name: &str, weights: Vec<usize>, bias: bool) -> Vec<(String, Vec<usize>)> {
    let out = weights[weights.len() - 1];
    let bias = bias.then(|| (format!("b_{name}"), vec![out]));
    [(format!("W_{name}"), weights)].into_iter().chain(bias).collect()
}

/// What a layer that works on maps gets.
pub(super) fn maps(x: &[usize]) -> Result<[usize; 3], String> {
    x.try_into().map_err(|_| {
        let numbers = x[0];
        format!("it needs maps, and the layer before makes {numbers} numbers; put it before dense")
    })
}

/// Windows along an axis of `n` pixels.
pub(super) fn windows(
    n: usize,
    window: usize,
    stride: usize,
    padding: Padding,
) -> Result<usize, String> {
    let most = MAX_WINDOW.max(2 * n);
    if !(1..=most).contains(&window) {
        return Err(format!("size is {window}; on {n} pixels it must be from 1 to {most}"));
    }
    size("stride", stride)?;
    padding.windows(n, window, stride).ok_or_else(|| match padding {
        Padding::Pixels(pixels) if pixels >= window => {
            format!("padding is {pixels}; it must be less than the window's size, {window}")
        }
        _ => format!("a window of {window} does not fit into {n} pixels; use padding = \"same\""),
    })
}

/// Channels that were joined, which may be more than any layer makes by itself.
pub(super) fn joined_channels(channels: usize) -> Result<usize, String> {
    match channels <= u32::MAX as usize {
        true => Ok(channels),
        false => Err(format!("it joins {channels} channels; {} are the most", u32::MAX)),
    }
}

pub(super) fn size(key: &str, n: usize) -> Result<usize, String> {
    match (1..=MAX_SIZE).contains(&n) {
        true => Ok(n),
        false => Err(format!("{key} is {n}; it must be from 1 to {MAX_SIZE}")),
    }
}

impl crate::model::Widths {
    /// The convolutions of a module whose input has `channels`: name, window, channels in and out.
    pub(super) fn convolutions(
        &self,
        kind: Module,
        channels: usize,
    ) -> Vec<(&'static str, usize, usize, usize)> {
        match kind {
            Module::Reduced => vec![
                ("1x1_1", 1, channels, self.one),
                ("1x1_2", 1, channels, self.reduce_three),
                ("3x3", 3, self.reduce_three, self.three),
                ("1x1_3", 1, channels, self.reduce_five),
                ("5x5", 5, self.reduce_five, self.five),
                ("1x1_4", 1, channels, self.pool),
            ],
            Module::Naive => vec![
                ("1x1_1", 1, channels, self.one),
                ("3x3", 3, channels, self.three),
                ("5x5", 5, channels, self.five),
            ],
        }
    }
}
