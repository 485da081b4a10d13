//! What plans join: convolutions, their concatenation and ReLU, sums of gradients, a dense layer.

use crate::ops::{Padding, PlainConcat, PlainConv2d, PlainDense, PlainMaxPool, PlainRelu, concat};
use crate::reference::{Given, Number, Random, Reference};
use crate::tape::Tensor;

/// `relu(x)` through a 1x1 and a 3x3 convolution and a max-pool, concatenated, ReLU, a dense layer.
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
        let channels = vec![self.map, self.map, self.shape[3]];
        PlainConcat { pixels: self.shape[..3].to_vec(), channels }
    }

    fn dense(&self) -> PlainDense {
        let [batch, height, width, channels] = self.shape;
        PlainDense(batch, height * width * (2 * self.map + channels), self.map)
    }

    /// What the layers make: ReLU, the concatenation and its ReLU.
    fn layers(&self, inputs: &[Vec<Number>]) -> [Vec<Number>; 3] {
        let [x, w1, b1, w3, b3, ..] = inputs else { unreachable!() };
        let x = self.relu().forward(std::slice::from_ref(x));
        let one = self.conv(1).forward(&[x.clone(), w1.clone(), b1.clone()]);
        let three = self.conv(3).forward(&[x.clone(), w3.clone(), b3.clone()]);
        let pooled = self.pool().forward(std::slice::from_ref(&x));
        let joined = self.concat().forward(&[one, three, pooled]);
        let hidden = self.relu().forward(std::slice::from_ref(&joined));
        [x, joined, hidden]
    }
}

impl Reference for PlainJoined {
    fn op(&self) -> &'static str {
        "joined"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let [one, three] = [1, 3].map(|extent| self.conv(extent).inputs(random));
        let dense = self.dense().inputs(random);
        let [_, w, b] = [&one[0], &dense[1], &dense[2]].map(Clone::clone);
        let named = |given: &Given, name| Given { name, ..given.clone() };
        vec![
            one[0].clone(),
            named(&one[1], "w1"),
            named(&one[2], "b1"),
            named(&three[1], "w3"),
            named(&three[2], "b3"),
            w,
            b,
        ]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        let x = inputs[0].relu();
        let one = x.conv2d(inputs[1], inputs[2], 1, Padding::Same);
        let three = x.conv2d(inputs[3], inputs[4], 1, Padding::Same);
        let pooled = x.max_pool(3, 1, Padding::Same);
        concat(&[one, three, pooled]).relu().dense(inputs[5], inputs[6])
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let [_, _, hidden] = self.layers(inputs);
        self.dense().forward(&[hidden, inputs[5].clone(), inputs[6].clone()])
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let [x, joined, hidden] = self.layers(inputs);
        let given = [hidden, inputs[5].clone(), inputs[6].clone()];
        let [dhidden, dw, db] = three(self.dense().backward(&given, dy));
        let [djoined] = self.relu().backward(&[joined], &dhidden).try_into().expect("one");
        let parts = three(self.concat().backward(&[], &djoined));
        let conv = |extent, index: usize, dy: &[Number]| {
            let given = [x.clone(), inputs[index].clone(), inputs[index + 1].clone()];
            three(self.conv(extent).backward(&given, dy))
        };
        let [dx1, dw1, db1] = conv(1, 1, &parts[0]);
        let [dx3, dw3, db3] = conv(3, 3, &parts[1]);
        let dx_pool = &self.pool().backward(std::slice::from_ref(&x), &parts[2])[0];
        let sums =
            dx1.iter().zip(&dx3).zip(dx_pool).map(|((one, three), pool)| *one + *three + *pool);
        let dx = self.relu().backward(&inputs[..1], &sums.collect::<Vec<_>>()).remove(0);
        vec![dx, dw1, db1, dw3, db3, dw, db]
    }
}

fn three(gradients: Vec<Vec<Number>>) -> [Vec<Number>; 3] {
    gradients.try_into().expect("three gradients")
}
