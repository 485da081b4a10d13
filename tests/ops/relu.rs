//! Rectified linear unit.

use inception::ops::PlainRelu;

use crate::check::{self, Draw, Random, Reference, float};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(31);
    let mut shapes = vec![vec![1], vec![3], vec![4], vec![5], vec![1023], vec![1025]];
    shapes.extend((0..30).map(|_| random.shape()));
    for shape in shapes {
        let relu = PlainRelu(shape);
        check::agrees(&mut lab, &relu, &relu.inputs(&mut random), 0.0);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let x = [float("x", &[50], Random::new(32).floats(&[50]))];
    check::differentiates(&PlainRelu(vec![50]), &x);
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    let golden = &check::golden("misc_f32.safetensors")["relu"];
    let dy = golden["dy"].1.clone();
    let made = lab.run(&[check::input(golden, "x")], |_| dy, |t| t[0].relu());
    check::same(&"relu", "y", &made.y, &golden["y"].1);
    check::same(&"relu", "dx", &made.gradients["x"], &golden["dx"].1);
}

#[test]
fn edges_of_the_numbers() {
    let Some(mut lab) = check::lab() else { return };
    let x = [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e-30];
    let made = lab.run(&[float("x", &[7], x)], |_| vec![2.0; 7], |t| t[0].relu());
    assert!(made.y[2].is_nan(), "a NaN must be noticed: {:?}", made.y);
    let truth = [0.0, 0.0, f32::NAN, f32::INFINITY, 0.0, f32::MAX, 0.0];
    check::same(&"edges", "y", &made.y[3..], &truth[3..]);
    check::same(&"edges", "y", &made.y[..2], &truth[..2]);
    let dx = &made.gradients["x"];
    check::same(&"edges", "dx", &dx[..2], &[0.0, 0.0]);
    check::same(&"edges", "dx", &dx[3..], &[2.0, 0.0, 2.0, 0.0]);
}
