//! Softmax, and its mean cross-entropy with class labels.

use crate::kernel::{Constant, Kernel, kernel};
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
        let tensors = [("loss_row", loss_row), ("loss", loss)];
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
