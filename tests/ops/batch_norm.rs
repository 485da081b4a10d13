//! Batch normalisation.

use inception::ops::{Normal, PlainBatchNorm};

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

/// Two channels of four pixels: means 2.5 and 10, variances of all pixels there are 5/3 and 0.
#[test]
fn running_means_move_by_the_momentum() {
    let Some(mut lab) = check::lab() else { return };
    let x = check::float("x", &[2, 2, 1, 2], [1.0, 10.0, 2.0, 10.0, 3.0, 10.0, 4.0, 10.0]);
    let one_each = |name, values: [f32; 2]| check::float(name, &[2], values);
    let inputs = [
        x,
        one_each("gamma", [1.0, 1.0]),
        one_each("beta", [0.0, 0.0]),
        one_each("mean", [0.5, 0.0]),
        one_each("variance", [1.0, 1.0]),
    ];
    let read = |lab: &mut check::Lab, which: usize| {
        lab.run(
            &inputs,
            |y| vec![0.0; y.len()],
            |t| {
                let (epsilon, momentum) = (1e-3, 0.25);
                let [gamma, beta, mean, variance] = [t[1], t[2], t[3], t[4]];
                t[0].batch_norm(Normal { gamma, beta, mean, variance, epsilon, momentum });
                // A copy, as what is run is read from a result.
                t[which].add(t[which].like().filled(0.0))
            },
        )
        .y
    };
    assert_eq!(read(&mut lab, 3), [1.0, 2.5]);
    let variance = read(&mut lab, 4);
    assert!(
        (variance[0] - (0.75 + 0.25 * 5.0 / 3.0)).abs() < 1e-6 && variance[1] == 0.75,
        "{variance:?}"
    );
}
