//! The Inception module (Szegedy et al. 2014, "Going Deeper with Convolutions", figure 2).

use crate::config::Module;
use crate::ops::{Padding, concat};
use crate::tape::Tensor;

/// Module number `index` (from 1) on `x` `[batch, height, width, channels]`, `map` channels a
/// tower. With [`Module::Reduced`] (figure 2b) `4 * map` channels, a 1x1 convolution to `reduce`
/// channels in front of the 3x3 and the 5x5; with [`Module::Naive`] (figure 2a)
/// `3 * map + channels`, the max-pool without a convolution. Variables carry the tutorial's names.
pub fn inception<'t>(
    x: Tensor<'t>,
    index: usize,
    kind: Module,
    reduce: usize,
    map: usize,
) -> Tensor<'t> {
    let conv = |x, name: &str, size, out| conv(x, index, name, size, out);
    x.tape().scope(&format!("inception{index}"), || match kind {
        Module::Reduced => {
            let one = conv(x, "1x1_1", 1, map);
            let three = conv(conv(x, "1x1_2", 1, reduce).relu(), "3x3", 3, map);
            let five = conv(conv(x, "1x1_3", 1, reduce).relu(), "5x5", 5, map);
            let pool = conv(x.max_pool(3, 1, Padding::Same), "1x1_4", 1, map);
            concat(&[one, three, five, pool]).relu()
        }
        Module::Naive => {
            let one = conv(x, "1x1_1", 1, map);
            let three = conv(x, "3x3", 3, map);
            let five = conv(x, "5x5", 5, map);
            let pool = x.max_pool(3, 1, Padding::Same);
            concat(&[one, three, five, pool]).relu()
        }
    })
}

/// A convolution with the variables `W_conv<index>_<name>` and `b_conv<index>_<name>`.
fn conv<'t>(x: Tensor<'t>, index: usize, name: &str, size: usize, out: usize) -> Tensor<'t> {
    let tape = x.tape();
    let channels = x.shape()[3];
    let w = tape.parameter(&format!("W_conv{index}_{name}"), &[size, size, channels, out]);
    let b = tape.parameter(&format!("b_conv{index}_{name}"), &[out]);
    tape.scope(name, || x.conv2d(w, b, 1, Padding::Same))
}
