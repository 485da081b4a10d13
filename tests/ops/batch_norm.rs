//! Batch normalisation.

use inception::ops::{Normal, PlainBatchNorm};
use inception::tape::Tensor;

use crate::check::{self, Random, Reference};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(131);
    for case in 0..20 {
        let shape = [random.between(1, 300), random.between(1, [40, 3][case % 2])];
        let shape = if case % 4 == 0 { [shape[0], shape[1] * 4] } else { shape };
        let op = PlainBatchNorm { shape, epsilon: [1e-3, 1e-2][case % 2], given: case % 3 == 0 };
        check::agrees(&mut lab, &op, &op.inputs(&mut random), 2e-4);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    for given in [false, true] {
        let op = PlainBatchNorm { shape: [7, 3], epsilon: 1e-3, given };
        check::differentiates(&op, &op.inputs(&mut Random::new(132)));
    }
}

const EPSILON: f32 = 1e-3;

fn by<'t>(t: &[Tensor<'t>]) -> Normal<'t> {
    let [_, gamma, beta, mean, variance] = t.try_into().expect("five inputs");
    Normal { gamma, beta, mean, variance, epsilon: EPSILON, momentum: 0.25 }
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("batch_norm_f32.safetensors") {
        let inputs =
            ["x", "gamma", "beta", "mean", "variance"].map(|name| check::input(&golden, name));
        let near = |what: &str, got: &[f32]| {
            check::close(&case, what, got, &check::wide(&golden[what].1), 1e-5);
        };
        let dy = golden["dy"].1.clone();
        let made = lab.run(&inputs, |_| dy, |t| t[0].batch_norm(by(t)));
        near("y", &made.y);
        for name in ["x", "gamma", "beta"] {
            near(&format!("d{name}"), &made.gradients[name]);
        }
        let zeros = |shape: &[usize]| vec![0.0; shape.iter().product()];
        near("y_given", &lab.run(&inputs, zeros, |t| t[0].batch_norm_given(by(t))).y);
        for (which, name) in [(3, "mean_after"), (4, "variance_after")] {
            let made = lab.run(&inputs, zeros, |t| {
                t[0].batch_norm(by(t));
                // A copy: what is run gives its result back.
                t[which].add(t[which].like().filled(0.0))
            });
            near(name, &made.y);
        }
    }
}
