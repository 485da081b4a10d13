//! Sum of two tensors, and the sums of gradients that the tape makes of it.

use inception::ops::PlainAdd;
use inception::tape::{Tape, Tensor};

use crate::check::{self, Draw, Given, Number, PRODUCTS, Random, Reference, float};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(41);
    for _ in 0..24 {
        let add = PlainAdd(random.shape());
        // One rounding, of at most 2^-24 of the sum.
        check::agrees(&mut lab, &add, &add.inputs(&mut random), 1e-7);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let add = PlainAdd(vec![9]);
    check::differentiates(&add, &add.inputs(&mut Random::new(42)));
}

/// y = relu(x) + (x + x) + relu(x), with x and relu(x) used several times.
#[derive(Debug)]
struct Branches;

impl Reference for Branches {
    fn op(&self) -> &'static str {
        "add"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        vec![float("x", &[5, 7], random.floats(&[5, 7]))]
    }

    fn record<'t>(&self, t: &[Tensor<'t>]) -> Tensor<'t> {
        let r = t[0].relu();
        r.add(t[0].add(t[0])).add(r)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        inputs[0].iter().map(|&x| x.relu() + (x + x) + x.relu()).collect()
    }

    fn backward(&self, inputs: &[Vec<Number>], dy: &[Number]) -> Vec<Vec<Number>> {
        let gradient = |(x, &dy): (&Number, &Number)| {
            let through_relu = dy.where_positive(*x);
            through_relu + (dy + dy) + through_relu
        };
        vec![inputs[0].iter().zip(dy).map(gradient).collect()]
    }
}

#[test]
fn a_tensor_used_often_gets_the_sum_of_its_gradients() {
    let Some(mut lab) = check::lab() else { return };
    let x = Branches.inputs(&mut Random::new(43));
    check::differentiates(&Branches, &x);
    check::agrees(&mut lab, &Branches, &x, PRODUCTS);
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
