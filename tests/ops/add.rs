//! Sum of two tensors, and the sums of gradients that the tape makes of it.

use inception::tape::Tape;

use crate::check::{self, PRODUCTS, Random, Reference, float};

#[derive(Debug)]
struct Add(#[allow(dead_code)] Vec<usize>);

impl Reference for Add {
    fn forward(&self, inputs: &[Vec<f64>]) -> Vec<f64> {
        inputs[0].iter().zip(&inputs[1]).map(|(a, b)| a + b).collect()
    }

    fn backward(&self, _: &[Vec<f64>], dy: &[f64]) -> Vec<Vec<f64>> {
        vec![dy.to_vec(), dy.to_vec()]
    }
}

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(41);
    for _ in 0..24 {
        let shape = random.shape();
        let inputs = ["a", "b"].map(|name| float(name, &shape, random.floats(&shape)));
        // One rounding, of at most 2^-24 of the sum.
        Add(shape).agrees(&mut lab, &inputs, 1e-7, |t| t[0].add(t[1]));
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(42);
    let inputs = ["a", "b"].map(|name| float(name, &[9], random.floats(&[9])));
    Add(vec![9]).differentiates(&inputs);
}

/// y = relu(x) + (x + x) + relu(x), with x and relu(x) used several times.
#[derive(Debug)]
struct Branches;

impl Reference for Branches {
    fn forward(&self, inputs: &[Vec<f64>]) -> Vec<f64> {
        inputs[0].iter().map(|x| 2.0 * x + 2.0 * x.max(0.0)).collect()
    }

    fn backward(&self, inputs: &[Vec<f64>], dy: &[f64]) -> Vec<Vec<f64>> {
        let slope = |x: f64| if x > 0.0 { 4.0 } else { 2.0 };
        vec![inputs[0].iter().zip(dy).map(|(x, dy)| slope(*x) * dy).collect()]
    }
}

#[test]
fn a_tensor_used_often_gets_the_sum_of_its_gradients() {
    let Some(mut lab) = check::lab() else { return };
    let x = [float("x", &[5, 7], Random::new(43).floats(&[5, 7]))];
    Branches.differentiates(&x);
    Branches.agrees(&mut lab, &x, PRODUCTS, |t| {
        let r = t[0].relu();
        r.add(t[0].add(t[0])).add(r)
    });
}

#[test]
fn a_gradient_that_reached_two_tensors_stays_whole() {
    // Both inputs of the sum hold dy itself; a's second gradient must not change b's.
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(44);
    let inputs = ["a", "b"].map(|name| float(name, &[6], random.floats(&[6])));
    let dy = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let made = lab.run(&inputs, |_| dy.to_vec(), |t| t[0].add(t[1]).add(t[0]));
    check::same(&"a + b + a", "db", &made.gradients["b"], &dy);
    check::same(&"a + b + a", "da", &made.gradients["a"], &dy.map(|v| 2.0 * v));
}

#[test]
fn only_the_side_that_wants_a_gradient_gets_one() {
    let tape = Tape::new();
    let a = tape.input("a", &[3]);
    let b = tape.tracked_input("b", &[3]);
    a.add(b).backward(tape.input("dy", &[3]));
    assert!(a.gradient().is_none());
    assert_eq!(b.gradient().expect("a gradient").name(), "dy");
    assert_eq!(tape.finish().passes.len(), 1);
}
