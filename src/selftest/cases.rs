//! The shapes that operations are checked at: small, for the check is to be quick; odd, at the edges
//! of the kernels' tiles and splits and of all their variants'.

use super::joined::PlainJoined;
use crate::ops::{
    Augmentation, Padding, PlainAdam, PlainAdd, PlainAugment, PlainAvgPool, PlainBatch,
    PlainBatchNorm, PlainConcat, PlainConv2d, PlainCrossEntropy, PlainDense, PlainDropout,
    PlainLrn, PlainMaxPool, PlainRelu, PlainSoftmax, PlainSumRows,
};
use crate::reference::Reference;

const SAME: Padding = Padding::Same;
const VALID: Padding = Padding::Valid;

/// All cases, by operation.
pub fn cases() -> Vec<Box<dyn Reference>> {
    let mut cases: Vec<Box<dyn Reference>> = Vec::new();
    for conv in CONVOLUTIONS {
        cases.push(Box::new(conv));
    }
    for layer in DENSE {
        cases.push(Box::new(layer));
    }
    for (shape, map) in [([2, 5, 7, 8], 4), ([1, 6, 5, 3], 5)] {
        cases.push(Box::new(PlainJoined { shape, map }));
    }
    for (shape, size, stride, padding) in POOLS {
        cases.push(Box::new(PlainMaxPool { shape, size, stride, padding }));
    }
    for (shape, size, stride, padding) in &POOLS[..2] {
        let (&shape, &size, &stride, &padding) = (shape, size, stride, padding);
        cases.push(Box::new(PlainAvgPool { shape, size, stride, padding }));
    }
    cases.push(Box::new(PlainLrn {
        shape: [2, 3, 5, 17],
        radius: 2,
        bias: 1.0,
        alpha: 0.1,
        beta: 0.75,
    }));
    for shape in [vec![1025], vec![3, 5, 7]] {
        cases.push(Box::new(PlainRelu(shape.clone())));
        cases.push(Box::new(PlainAdd(shape.clone())));
        cases.push(Box::new(PlainDropout { shape, rate: 0.4, layer: 1 }));
    }
    for channels in [vec![3, 1, 37], vec![4, 12, 8, 4]] {
        cases.push(Box::new(PlainConcat { pixels: vec![2, 3, 5], channels }));
    }
    for (rows, columns) in [(65, 9), (2049, 20)] {
        cases.push(Box::new(PlainSumRows(rows, columns)));
    }
    for (batch, classes) in [(65, 10), (3, 1000)] {
        let softmax = PlainSoftmax { batch, classes };
        cases.push(Box::new(softmax));
        cases.push(Box::new(PlainCrossEntropy(softmax)));
    }
    cases.push(Box::new(PlainBatch {
        count: 9,
        image: [9, 5, 3],
        scale: [127.5, 127.5],
        batch: 70,
    }));
    for given in [false, true] {
        cases.push(Box::new(PlainBatchNorm { shape: [101, 12], epsilon: 1e-3, given }));
    }
    let by = Augmentation { sine: 0.2, zoom: 0.1, shift: 2.0, mirror: true };
    cases.push(Box::new(PlainAugment { shape: [5, 9, 11, 3], size: [7, 12], by }));
    for (shape, examples) in [([257, 3], 0), ([37, 5], 3), ([260, 132], 51)] {
        cases.push(Box::new(PlainAdam { shape, examples }));
    }
    cases
}

/// Tiles of 8 pixels, 8 rows of dw, two groups of columns, splits of 64 pixels; in variants up to 160
/// pixels, 128 rows of dw, 64 columns, steps of 16 terms.
const CONVOLUTIONS: [PlainConv2d; 7] = [
    conv(1, [1, 1], 1, [7, 7], 4, 3, SAME),
    conv(2, [17, 19], 3, [3, 3], 5, 2, SAME),
    conv(3, [14, 13], 20, [3, 2], 12, 1, SAME),
    conv(2, [12, 11], 12, [5, 5], 20, 2, VALID),
    conv(1, [43, 3], 16, [1, 1], 68, 1, SAME),
    conv(1, [9, 9], 4, [3, 3], 132, 3, SAME),
    conv(1, [11, 12], 132, [1, 3], 8, 1, SAME),
];

const fn conv(
    batch: usize,
    size: [usize; 2],
    channels: usize,
    kernel: [usize; 2],
    out: usize,
    stride: usize,
    padding: Padding,
) -> PlainConv2d {
    PlainConv2d { batch, size, channels, kernel, out, stride, padding }
}

/// Tiles of 10 examples, 4 and 8 rows, two groups of columns, splits of 2,048 terms; in variants up
/// to 64 examples, 128 rows, 256 columns, steps of 16 terms.
const DENSE: [PlainDense; 6] = [
    PlainDense(1, 1, 1),
    PlainDense(3, 2049, 5),
    PlainDense(51, 40, 148),
    PlainDense(65, 132, 132),
    PlainDense(2, 4100, 20),
    PlainDense(17, 4, 260),
];

/// Shape, window, stride, padding: windows beyond the image, strides beyond the window, windows of
/// more places than a byte counts.
const POOLS: [([usize; 4], usize, usize, Padding); 3] =
    [([2, 9, 7, 8], 3, 1, SAME), ([1, 17, 5, 3], 2, 3, VALID), ([1, 18, 19, 4], 17, 1, VALID)];
