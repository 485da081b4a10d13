//! What plans join: convolutions, their concatenation and ReLU, sums of gradients, a dense layer.

use crate::ops::{Padding, PlainConcat, PlainConv2d, PlainDense, PlainMaxPool, PlainRelu, concat};
use crate::reference::{Given, Number, Random, Reference};
use crate::tape::Tensor;

/// `relu(x)` through a 1x1 and a 3x3 convolution, and a 1x1 behind a max-pool; the three concatenated,
/// ReLU, a dense layer.
#[derive(Clone, Copy, Debug)]
pub struct PlainJoined {
    /// Batch, height, width, channels.
    pub shape: [usize; 4],
    /// Channels of each convolution.
    pub map: usize,
}

impl PlainJoined {
    fn relu(&self) -> PlainRelu {
        PlainRelu(self.shape.to_vec())
    }

    fn conv(&self, extent: usize) -> PlainConv2d {
        let [batch, height, width, channels] = self.shape;
        PlainConv2d {
            batch,
            size: [height, width],
            channels,
            kernel: [extent; 2],
            out: self.map,
            stride: 1,
            padding: Padding::Same,
        }
    }

    fn pool(&self) -> PlainMaxPool {
        PlainMaxPool { shape: self.shape, size: 3, stride: 1, padding: Padding::Same }
    }

    fn concat(&self) -> PlainConcat {
        PlainConcat { pixels: self.shape[..3].to_vec(), channels: vec![self.map; 3] }
    }

    fn dense(&self) -> PlainDense {
        let [batch, height, width, _] = self.shape;
        PlainDense(batch, height * width * 3 * self.map, self.map)
    }

    /// What the layers make: ReLU, max-pool, the concatenation and its ReLU.
    fn layers(&self, inputs: &[Vec<Number>]) -> [Vec<Number>; 4] {
        let x = self.relu().forward(&inputs[..1]);
        let pooled = self.pool().forward(std::slice::from_ref(&x));
        let conv = |extent, x: &Vec<Number>, first: usize| {
            self.conv(extent).forward(&[
                x.clone(),
                inputs[first].clone(),
                inputs[first + 1].clone(),
            ])
        };
        let towers = [conv(1, &x, 1), conv(3, &x, 3), conv(1, &pooled, 5)];
        let joined = self.concat().forward(&towers);
        let hidden = self.relu().forward(std::slice::from_ref(&joined));
        [x, pooled, joined, hidden]
    }
}

impl Reference for PlainJoined {
    fn op(&self) -> &'static str {
        "joined"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let mut inputs = self.relu().inputs(random);
        for (extent, w, b) in [(1, "w1", "b1"), (3, "w3", "b3"), (1, "w4", "b4")] {
            let drawn = self.conv(extent).inputs(random);
            let named = |given: &Given, name| Given { name, ..given.clone() };
            inputs.extend([named(&drawn[1], w), named(&drawn[2], b)]);
        }
        inputs.extend(self.dense().inputs(random).drain(1..));
        inputs
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        let conv = |x: Tensor<'t>, first: usize| {
            x.conv2d(inputs[first], inputs[first + 1], 1, Padding::Same)
        };
        let x = inputs[0].relu();
        // The pool last, as in a module: a convolution's gradient is then the last to be added.
        let (one, three) = (conv(x, 1), conv(x, 3));
        let four = conv(x.max_pool(3, 1, Padding::Same), 5);
        concat(&[one, three, four]).relu().dense(inputs[7], inputs[8])
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let [_, _, _, hidden] = self.layers(inputs);
        self.dense().forward(&[hidden, inputs[7].clone(), inputs[8].clone()])
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let [x, pooled, joined, hidden] = self.layers(inputs);
        let given = [hidden, inputs[7].clone(), inputs[8].clone()];
        let [dhidden, dw, db] = three(self.dense().backward(&given, dy));
        let djoined = self.relu().backward(&[joined], &dhidden).remove(0);
        let parts = self.concat().backward(&[], &djoined);
        let conv = |extent, x: &Vec<Number>, first: usize, dy: &[Number]| {
            let given = [x.clone(), inputs[first].clone(), inputs[first + 1].clone()];
            three(self.conv(extent).backward(&given, dy))
        };
        let [dx1, dw1, db1] = conv(1, &x, 1, &parts[0]);
        let [dx3, dw3, db3] = conv(3, &x, 3, &parts[1]);
        let [dpooled, dw4, db4] = conv(1, &pooled, 5, &parts[2]);
        let dx4 = self.pool().backward(&[x], &dpooled).remove(0);
        let sums = dx1.iter().zip(&dx3).zip(&dx4).map(|((one, three), four)| *one + *three + *four);
        let dx = self.relu().backward(&inputs[..1], &sums.collect::<Vec<_>>()).remove(0);
        vec![dx, dw1, db1, dw3, db3, dw4, db4, dw, db]
    }
}

fn three(gradients: Vec<Vec<Number>>) -> [Vec<Number>; 3] {
    gradients.try_into().expect("three gradients")
}
