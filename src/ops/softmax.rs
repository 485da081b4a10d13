//! Softmax, and its mean cross-entropy with class labels.

use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, float, whole};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("softmax");

impl<'t> Tensor<'t> {
    #[track_caller]
    fn classes(self) -> ([Constant; 2], usize) {
        let shape = self.shape();
        assert_eq!(shape.len(), 2, "softmax: logits must be [batch, classes], not {shape:?}");
        ([("BATCH", shape[0].into()), ("CLASSES", shape[1].into())], shape[0])
    }

    /// Probabilities `[batch, classes]` of logits of that shape. Not differentiated: training goes
    /// through [`Tensor::softmax_cross_entropy`].
    #[track_caller]
    pub fn softmax(self) -> Tensor<'t> {
        let (constants, batch) = self.classes();
        let p = self.like();
        let tensors = [("x", self), ("p", p)];
        self.tape().dispatch(&KERNEL, "forward", &constants, &tensors, [batch, 1, 1]);
        p
    }

    /// Mean cross-entropy `[1]` (nats) of logits `[batch, classes]` with labels, u32 `[batch]`.
    #[track_caller]
    pub fn softmax_cross_entropy(self, label: Tensor<'t>) -> Tensor<'t> {
        let (constants, batch) = self.classes();
        assert_eq!(label.shape(), [batch], "softmax_cross_entropy: one label an example");
        let tape = self.tape();
        let loss_row = tape.temporary(&[batch]);
        let loss = tape.temporary(&[1]);
        let tensors = [("x", self), ("label", label), ("loss_row", loss_row)];
        tape.dispatch(&KERNEL, "cross_entropy", &constants, &tensors, [batch, 1, 1]);
        let tensors = [("loss_made", loss_row), ("loss", loss)];
        tape.dispatch(&KERNEL, "mean", &constants[..1], &tensors, [1, 1, 1]);
        let label = label.id();
        loss.made_from(&[self], move |inputs, loss, dloss| {
            let x = inputs[0];
            let dx = x.like();
            let label = loss.tape().tensor(label);
            let tensors = [("x", x), ("label", label), ("dloss", dloss), ("dx", dx)];
            loss.tape().dispatch(&KERNEL, "backward", &constants, &tensors, [batch, 1, 1]);
            x.accumulate(dx);
        })
    }
}

/// Softmax in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainSoftmax {
    /// Examples.
    pub batch: usize,
    /// Classes.
    pub classes: usize,
}

/// The cross-entropy of softmax in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainCrossEntropy(pub PlainSoftmax);

impl PlainSoftmax {
    /// For each example its logits less the largest, and the sum of their exponentials.
    fn rows(&self, x: &[Number]) -> Vec<(Vec<Number>, Number)> {
        let row = |row: &[Number]| {
            let larger = |a: Number, b: Number| if b.value > a.value { b } else { a };
            let top = row.iter().copied().reduce(larger).unwrap_or_default();
            let below: Vec<_> = row.iter().map(|x| *x - top).collect();
            let sum = below.iter().map(|x| x.exp()).sum();
            (below, sum)
        };
        x.chunks(self.classes).map(row).collect()
    }
}

impl Reference for PlainSoftmax {
    fn op(&self) -> &'static str {
        "softmax"
    }

    /// From -5 to 5.
    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let shape = [self.batch, self.classes];
        let x: Vec<f32> = random.floats(&shape).iter().map(|x| 5.0 * x).collect();
        vec![float("x", &shape, x)]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].softmax()
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let p = |(row, sum): (Vec<Number>, Number)| row.into_iter().map(move |x| x.exp() / sum);
        self.rows(&inputs[0]).into_iter().flat_map(p).collect()
    }

    fn backward(&self, _: &[Vec<Number>], _: &[Number]) -> Vec<Vec<Number>> {
        vec![vec![]]
    }
}

impl Reference for PlainCrossEntropy {
    fn op(&self) -> &'static str {
        "softmax"
    }

    /// Logits and labels.
    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let PlainSoftmax { batch, classes } = self.0;
        let mut inputs = self.0.inputs(random);
        let labels: Vec<_> = (0..batch).map(|_| random.between(0, classes - 1) as u32).collect();
        inputs.push(whole("label", &[batch], labels));
        inputs
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].softmax_cross_entropy(inputs[1])
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let rows = self.0.rows(&inputs[0]);
        let losses = rows.iter().zip(&inputs[1]);
        let losses = losses.map(|((row, sum), label)| sum.ln() - row[label.value as usize]);
        vec![losses.sum::<Number>() / Number::exact(self.0.batch as f64)]
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let share = dy[0] / Number::exact(self.0.batch as f64);
        let rows = self.0.rows(&inputs[0]);
        let mut dx = Vec::new();
        for ((row, sum), label) in rows.into_iter().zip(&inputs[1]) {
            for (class, x) in row.into_iter().enumerate() {
                let right = if class == label.value as usize { 1.0 } else { 0.0 };
                dx.push(share * (x.exp() / sum - Number::exact(right)));
            }
        }
        vec![dx, vec![]]
    }
}
