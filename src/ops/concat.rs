//! Concatenation along the channels.

use super::{columns_type, width};
use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, float};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("concat");

/// Joins tensors `[.., c_i]` that differ in their channels only to `[.., sum of c_i]`.
///
/// # Panics
/// When there is none, or their other extents differ.
#[track_caller]
pub fn concat<'t>(inputs: &[Tensor<'t>]) -> Tensor<'t> {
    let shapes: Vec<_> = inputs.iter().map(|input| input.shape()).collect();
    let rank = shapes.first().expect("concat: needs at least one tensor").len();
    let outer = &shapes[0][..rank - 1];
    let fits = |shape: &Vec<usize>| shape.len() == rank && &shape[..rank - 1] == outer;
    assert!(shapes.iter().all(fits), "concat: shapes {shapes:?} differ before the channels");
    let channels: Vec<_> = shapes.iter().map(|shape| shape[rank - 1]).collect();
    let total: usize = channels.iter().sum();
    let pixels: usize = outer.iter().product();
    let y = inputs[0].tape().temporary(&[outer, &[total]].concat());
    let width = width(&channels);
    // For each input its constants and threads, the same forward and backward.
    let mut first = 0;
    let mut parts: Vec<([Constant; 5], [usize; 3])> = Vec::new();
    for count in channels {
        let constants = [
            columns_type(width),
            ("PIXELS", pixels.into()),
            ("GROUPS", (count / width).into()),
            ("GROUPS_OUT", (total / width).into()),
            ("FIRST", (first / width).into()),
        ];
        parts.push((constants, [count / width, pixels, 1]));
        first += count;
    }
    for (x, (constants, threads)) in inputs.iter().zip(&parts) {
        y.tape().dispatch(&KERNEL, "forward", constants, &[("x", *x), ("y", y)], *threads);
    }
    y.made_from(inputs, move |inputs, y, dy| {
        for (x, (constants, threads)) in inputs.iter().zip(&parts) {
            if x.is_tracked() {
                let dx = x.like();
                let tensors = [("dy", dy), ("dx", dx)];
                y.tape().dispatch(&KERNEL, "backward", constants, &tensors, *threads);
                x.accumulate(dx);
            }
        }
    })
}

/// Concatenation in plain loops.
#[derive(Clone, Debug)]
pub struct PlainConcat {
    /// The extents before the channels.
    pub pixels: Vec<usize>,
    /// Channels of each input, at most four.
    pub channels: Vec<usize>,
}

impl PlainConcat {
    fn count(&self) -> usize {
        self.pixels.iter().product()
    }
}

impl Reference for PlainConcat {
    fn op(&self) -> &'static str {
        "concat"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let inputs = ["x0", "x1", "x2", "x3"].into_iter().zip(&self.channels);
        let made = inputs.map(|(name, channels)| {
            let shape = [&self.pixels[..], &[*channels]].concat();
            float(name, &shape, random.floats(&shape))
        });
        made.collect()
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        concat(inputs)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let mut y = Vec::new();
        for pixel in 0..self.count() {
            for (x, channels) in inputs.iter().zip(&self.channels) {
                y.extend(&x[pixel * channels..][..*channels]);
            }
        }
        y
    }

    fn backward(&self, _: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let mut gradients = vec![Vec::new(); self.channels.len()];
        let mut rest = dy.iter().copied();
        for _ in 0..self.count() {
            for (dx, channels) in gradients.iter_mut().zip(&self.channels) {
                dx.extend(rest.by_ref().take(*channels));
            }
        }
        gradients
    }
}
