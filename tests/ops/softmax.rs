//! Softmax and its cross-entropy.

use inception::ops::{PlainCrossEntropy, PlainSoftmax};

use crate::check::{self, Given, PRODUCTS, Random, float, whole};

/// Batch, classes.
#[derive(Clone, Copy)]
struct Shape(usize, usize);

impl Shape {
    fn softmax(self) -> PlainSoftmax {
        PlainSoftmax { batch: self.0, classes: self.1 }
    }

    fn inputs(self, scale: f32, random: &mut Random) -> [Given; 2] {
        let Shape(batch, classes) = self;
        let logits = random.floats(&[batch, classes]).into_iter();
        let labels: Vec<_> = (0..batch).map(|_| random.between(0, classes - 1) as u32).collect();
        [
            float("x", &[batch, classes], logits.map(|v| v * scale).collect::<Vec<_>>()),
            whole("label", &[batch], labels),
        ]
    }
}

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(81);
    let mut shapes = vec![(1, 2), (63, 3), (64, 10), (65, 10), (300, 10), (1, 1000)];
    shapes.extend((0..10).map(|_| (random.between(1, 70), random.between(2, 20))));
    for (batch, classes) in shapes {
        let shape = Shape(batch, classes);
        let inputs = shape.inputs(5.0, &mut random);
        check::agrees(&mut lab, &shape.softmax(), &inputs[..1], PRODUCTS);
        // Logits within 1 of 0 keep each loss above 0.12. A smaller one is the logarithm of a sum
        // near 1, which f32 knows to 6e-8 and WGSL's log to 5e-7 whatever the loss: not 1e-5 of it.
        // (Large logits are among the golden cases.)
        let inputs = shape.inputs(1.0, &mut random);
        check::agrees(&mut lab, &PlainCrossEntropy(shape.softmax()), &inputs, PRODUCTS);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(82);
    for shape in [Shape(1, 2), Shape(4, 5), Shape(3, 10)] {
        let entropy = PlainCrossEntropy(shape.softmax());
        check::differentiates(&entropy, &shape.inputs(2.0, &mut random));
    }
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("xent_f32.safetensors") {
        let labels: Vec<u32> = golden["labels"].1.iter().map(|&v| v as u32).collect();
        let inputs =
            [check::input(&golden, "logits"), whole("labels", &golden["labels"].0, labels)];
        let truth = |name: &str| check::wide(&golden[name].1);
        let made = lab.run(&inputs, |_| vec![1.0], |t| t[0].softmax_cross_entropy(t[1]));
        check::close(&case, "loss", &made.y, &truth("loss"), PRODUCTS);
        let dlogits = &made.gradients["logits"];
        check::close(&case, "dlogits", dlogits, &truth("dlogits"), PRODUCTS);
        let made = lab.run(&inputs[..1], |_| Vec::new(), |t| t[0].softmax());
        check::close(&case, "probs", &made.y, &truth("probs"), PRODUCTS);
    }
}

#[test]
fn a_nan_reaches_the_loss() {
    let Some(mut lab) = check::lab() else { return };
    for at in [0, 1, 2, 5] {
        let mut inputs = Shape(2, 3).inputs(1.0, &mut Random::new(83));
        check::set(&mut inputs[0], at, f32::NAN);
        let made = lab.run(&inputs, |_| vec![1.0], |t| t[0].softmax_cross_entropy(t[1]));
        assert!(made.y[0].is_nan(), "NaN at {at}: loss {}", made.y[0]);
        let row = at / 3;
        let dx = &made.gradients["x"];
        assert!(dx[row * 3..][..3].iter().all(|v| v.is_nan()), "{dx:?}");
        assert!(dx[(1 - row) * 3..][..3].iter().all(|v| v.is_finite()), "{dx:?}");
    }
}
