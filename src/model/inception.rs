//! The Inception module (Szegedy et al. 2014, "Going Deeper with Convolutions", figure 2).

use serde::Serialize;

use crate::config::Module;
use crate::ops::{Padding, concat};
use crate::tape::Tensor;

/// The towers in the order in which a module joins them, each with its convolutions, by the names
/// that their variables have. A naive module has no convolution but those of windows: `1x1_1`,
/// `3x3` and `5x5`.
pub const TOWERS: [(&str, &[&str]); 4] = [
    ("1x1", &["1x1_1"]),
    ("3x3", &["1x1_2", "3x3"]),
    ("5x5", &["1x1_3", "5x5"]),
    ("pool", &["1x1_4"]),
];

/// How many channels each convolution of a module makes: the columns of the paper's table 1. A
/// naive module has `one`, `three` and `five` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Widths {
    /// "#1x1".
    pub one: usize,
    /// "#3x3 reduce".
    pub reduce_three: usize,
    /// "#3x3".
    pub three: usize,
    /// "#5x5 reduce".
    pub reduce_five: usize,
    /// "#5x5".
    pub five: usize,
    /// "pool proj".
    pub pool: usize,
}

impl Widths {
    /// The tutorial's modules: `map` channels from each tower, `reduce` in front of the windows.
    pub fn even(map: usize, reduce: usize) -> Widths {
        let (one, three, five, pool) = (map, map, map, map);
        Widths { one, reduce_three: reduce, three, reduce_five: reduce, five, pool }
    }

    /// The channels that each of [`TOWERS`] gives, where the module's input has `channels`: a naive
    /// module hands these on from its max-pool.
    pub fn towers(&self, kind: Module, channels: usize) -> [usize; 4] {
        let pool = match kind {
            Module::Reduced => self.pool,
            Module::Naive => channels,
        };
        [self.one, self.three, self.five, pool]
    }
}

/// The module of that name on `x` `[batch, height, width, channels]`. With
/// [`Module::Reduced`] (figure 2b) a 1x1 convolution stands in front of the 3x3 and the 5x5 and
/// behind the max-pool; with [`Module::Naive`] (figure 2a) nowhere. Variables carry the tutorial's
/// names, where modules are called `1` and `2`.
pub fn inception<'t>(x: Tensor<'t>, module: &str, kind: Module, widths: Widths) -> Tensor<'t> {
    let conv = |x, name: &str, size, out| conv(x, module, name, size, out);
    x.tape().scope(&format!("inception{module}"), || match kind {
        Module::Reduced => {
            let one = conv(x, "1x1_1", 1, widths.one);
            let reduced = conv(x, "1x1_2", 1, widths.reduce_three).relu();
            let three = conv(reduced, "3x3", 3, widths.three);
            let reduced = conv(x, "1x1_3", 1, widths.reduce_five).relu();
            let five = conv(reduced, "5x5", 5, widths.five);
            let pool = conv(x.max_pool(3, 1, Padding::Same), "1x1_4", 1, widths.pool);
            concat(&[one, three, five, pool]).relu()
        }
        Module::Naive => {
            let one = conv(x, "1x1_1", 1, widths.one);
            let three = conv(x, "3x3", 3, widths.three);
            let five = conv(x, "5x5", 5, widths.five);
            let pool = x.max_pool(3, 1, Padding::Same);
            concat(&[one, three, five, pool]).relu()
        }
    })
}

/// A convolution with the variables `W_conv<module>_<name>` and `b_conv<module>_<name>`.
fn conv<'t>(x: Tensor<'t>, module: &str, name: &str, size: usize, out: usize) -> Tensor<'t> {
    let tape = x.tape();
    let channels = x.shape()[3];
    let w = tape.parameter(&format!("W_conv{module}_{name}"), &[size, size, channels, out]);
    let b = tape.parameter(&format!("b_conv{module}_{name}"), &[out]);
    tape.scope(name, || x.conv2d(w, b, 1, Padding::Same))
}
