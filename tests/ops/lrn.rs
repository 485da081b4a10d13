//! Local response normalisation.
//!
//! Compared within [`PRODUCTS`]. The sums are short, so the error is that of `pow`, which WGSL lets
//! be `exp2(y * log2(x))`: 3 units in the last place of the logarithm (2^-21 near 1) and 3 + 2 |p|
//! of `2^p`. At the largest scale here, 54, to the power of -1.3 that is 3.5e-6, near 1 below 1e-6.
//! The gradient's two terms cancel most where a channel has no neighbours, but there both carry the
//! same power, and with it the same error.

use inception::ops::PlainLrn;
use inception::tape::Tape;

use crate::check::{self, Draw, PRODUCTS, Random, float};

fn random_lrn(random: &mut Random) -> PlainLrn {
    PlainLrn {
        shape: [
            random.between(1, 3),
            random.between(1, 7),
            random.between(1, 7),
            random.pick(&[1, 2, 3, 4, 5, 8, 11, 16, 17, 33]),
        ],
        radius: random.between(0, 6),
        bias: random.pick(&[1.0, 2.0]),
        alpha: random.pick(&[0.0, 1e-4, 0.1, 1.0]),
        beta: random.pick(&[0.5, 0.75, 1.0, 1.3]),
    }
}

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(141);
    for case in 0..24 {
        let lrn = random_lrn(&mut random);
        let mut x = random.floats(&lrn.shape);
        if case % 2 == 0 {
            x.iter_mut().for_each(|x| *x *= 2.0);
        }
        let x = [float("x", &lrn.shape, x)];
        check::agrees(&mut lab, &lrn, &x, PRODUCTS);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(142);
    for _ in 0..16 {
        let mut lrn = random_lrn(&mut random);
        lrn.shape[0] = 1;
        let x = random.floats(&lrn.shape).iter().map(|x| x * 2.0).collect::<Vec<_>>();
        check::differentiates(&lrn, &[float("x", &lrn.shape, x)]);
    }
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("lrn_f32.safetensors") {
        let &[radius, bias, alpha, beta] = golden["params"].1.as_slice() else {
            panic!("{case}: four numbers");
        };
        let dy = golden["dy"].1.clone();
        let made = lab.run(
            &[check::input(&golden, "x")],
            |_| dy,
            |t| t[0].local_response_norm(radius as usize, bias, alpha, beta),
        );
        assert_eq!(made.shape, golden["y"].0, "{case}: shape of y");
        check::close(&case, "y", &made.y, &check::wide(&golden["y"].1), PRODUCTS);
        let truth = check::wide(&golden["dx"].1);
        check::close(&case, "dx", &made.gradients["x"], &truth, PRODUCTS);
    }
}

#[test]
fn a_window_wider_than_the_channels_takes_them_all() {
    let Some(mut lab) = check::lab() else { return };
    let shape = [1, 2, 3, 5];
    let x = [float("x", &shape, Random::new(143).floats(&shape))];
    let mut run = |radius| {
        let dy = |shape: &[usize]| vec![1.0; shape.iter().product()];
        lab.run(&x, dy, |t| t[0].local_response_norm(radius, 1.0, 1.0, 0.75))
    };
    let (all, wider) = (run(4), run(usize::MAX));
    check::same(&"wider", "y", &wider.y, &all.y);
    check::same(&"wider", "dx", &wider.gradients["x"], &all.gradients["x"]);
}

#[test]
fn a_nan_stays_and_reaches_no_other_pixel() {
    let Some(mut lab) = check::lab() else { return };
    let shape = [1, 1, 3, 9];
    let mut x = Random::new(144).floats(&shape);
    let at = 9 + 4;
    x[at] = f32::NAN;
    let made = lab.run(
        &[float("x", &shape, x)],
        |shape| vec![1.0; shape.iter().product()],
        |t| t[0].local_response_norm(2, 1.0, 1.0, 0.75),
    );
    assert!(made.y[at].is_nan(), "y at the NaN: {}", made.y[at]);
    for (i, (y, dx)) in made.y.iter().zip(&made.gradients["x"]).enumerate() {
        // Not asked of the y of its neighbours: WGSL leaves open what pow() makes of a NaN.
        let (near, pixel) = (i.abs_diff(at) <= 2, i / 9);
        assert!(near || y.is_finite(), "y at {i}: {y}");
        assert!(!near || dx.is_nan(), "dx at {i}: {dx}");
        assert!(pixel == 1 || dx.is_finite(), "dx at {i}: {dx}");
    }
}

#[test]
#[should_panic(expected = "local_response_norm: bias 0 must be positive")]
fn a_bias_of_zero_is_refused() {
    let tape = Tape::new();
    tape.input("x", &[1, 1, 1, 4]).local_response_norm(2, 0.0, 1.0, 0.75);
}
