//! Concatenation along the channels.

use inception::ops::{PlainConcat, concat};
use inception::tape::Tape;

use crate::check::{self, Draw, Random, Reference, float};

const NAMES: [&str; 4] = ["x0", "x1", "x2", "x3"];

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(61);
    for case in 0..24 {
        let count = random.between(1, 4);
        let of_four = case % 3 == 0;
        let channels = (0..count).map(|_| match of_four {
            true => 4 * random.between(1, 9),
            false => random.between(1, 37),
        });
        let concatenation = PlainConcat { channels: channels.collect(), pixels: random.shape() };
        let inputs = concatenation.inputs(&mut random);
        check::agrees(&mut lab, &concatenation, &inputs, 0.0);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let concatenation = PlainConcat { channels: vec![3, 1, 2], pixels: vec![2, 3] };
    check::differentiates(&concatenation, &concatenation.inputs(&mut Random::new(62)));
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    let golden = &check::golden("misc_f32.safetensors")["concat"];
    let inputs = NAMES.map(|name| check::input(golden, name));
    // With dy = y the gradients are the inputs again.
    let made = lab.run(&inputs, |_| golden["y"].1.clone(), concat);
    check::same(&"concat", "y", &made.y, &golden["y"].1);
    for name in NAMES {
        check::same(&"concat", name, &made.gradients[name], &golden[name].1);
    }
}

#[test]
fn the_same_tensor_twice() {
    let Some(mut lab) = check::lab() else { return };
    let x = [float("x", &[2, 3], Random::new(63).floats(&[2, 3]))];
    let dy: Vec<f32> = (0..12).map(|v| v as f32).collect();
    let made = lab.run(&x, |_| dy, |t| concat(&[t[0], t[0]]));
    let dx = [3.0, 5.0, 7.0, 15.0, 17.0, 19.0];
    check::same(&"concat", "dx", &made.gradients["x"], &dx);
}

#[test]
fn nothing_is_recorded_for_a_part_without_gradient() {
    let tape = Tape::new();
    let a = tape.input("a", &[2, 3]);
    let b = tape.tracked_input("b", &[2, 4]);
    concat(&[a, b]).backward(tape.input("dy", &[2, 7]));
    assert!(a.gradient().is_none());
    assert!(b.gradient().is_some());
    assert_eq!(tape.finish().passes.len(), 3);
}
