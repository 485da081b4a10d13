//! Average pooling.
//!
//! Compared within [`PRODUCTS`]: a mean is a sum of at most some dozens of f32 and a division, for
//! which WGSL allows 2.5 units in the last place; a gradient is a sum of such quotients.

use inception::ops::{Padding, PlainAvgPool};

use crate::check::{self, Draw, PRODUCTS, Random, float};
use crate::conv2d::padding;

fn random_pool(random: &mut Random) -> PlainAvgPool {
    let size = random.between(1, 7);
    let padding = random.pick(&[Padding::Same, Padding::Valid]);
    let least = if padding == Padding::Same { 1 } else { size };
    PlainAvgPool {
        shape: [
            random.between(1, 3),
            random.between(least, 11),
            random.between(least, 11),
            random.pick(&[1, 2, 3, 4, 5, 8, 12, 36]),
        ],
        size,
        stride: random.between(1, 3),
        padding,
    }
}

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(131);
    for case in 0..24 {
        let pool = random_pool(&mut random);
        let mut x = random.floats(&pool.shape);
        if case % 3 == 0 {
            // Far from zero, where a padding pixel in the divisor would weigh most.
            x.iter_mut().for_each(|x| *x += 10.0);
        }
        let x = [float("x", &pool.shape, x)];
        check::agrees(&mut lab, &pool, &x, PRODUCTS);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(132);
    for _ in 0..12 {
        let mut pool = random_pool(&mut random);
        pool.shape[3] = pool.shape[3].min(3);
        let x = [float("x", &pool.shape, random.floats(&pool.shape))];
        check::differentiates(&pool, &x);
    }
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("avgpool_f32.safetensors") {
        let number = |before: &str| -> usize {
            let digits = case.split(before).nth(1).and_then(|rest| rest.get(..1));
            digits.expect(&case).parse().expect(&case)
        };
        let (size, stride) = (number("_k"), number("_s"));
        let padding = padding(case.contains("_same"));
        let dy = golden["dy"].1.clone();
        let made = lab.run(
            &[check::input(&golden, "x")],
            |_| dy,
            |t| t[0].avg_pool(size, stride, padding),
        );
        assert_eq!(made.shape, golden["y"].0, "{case}: shape of y");
        check::close(&case, "y", &made.y, &check::wide(&golden["y"].1), PRODUCTS);
        let truth = check::wide(&golden["dx"].1);
        check::close(&case, "dx", &made.gradients["x"], &truth, PRODUCTS);
    }
}

#[test]
fn padding_does_not_count() {
    let Some(mut lab) = check::lab() else { return };
    for channels in [1, 4] {
        let shape = [1, 3, 3, channels];
        let x = [float("x", &shape, vec![8.0; 9 * channels])];
        let dy = |shape: &[usize]| vec![1.0; shape.iter().product()];
        let made = lab.run(&x, dy, |t| t[0].avg_pool(3, 1, Padding::Same));
        check::close(&"equal", "y", &made.y, &vec![8.0; 9 * channels], PRODUCTS);
        // Corners, sides and the middle show 4, 6 and 9 pixels.
        let (corner, side, middle) = (1.0 / 4.0, 1.0 / 6.0, 1.0 / 9.0);
        let corner = corner + 2.0 * side + middle;
        let side = 2.0 / 4.0 + 3.0 * side + middle;
        let dx = [corner, side, corner, side, 4.0 / 4.0 + 4.0 / 6.0 + middle, side];
        let dx = dx.iter().chain(&dx[..3]).flat_map(|dx| vec![*dx; channels]);
        let dx: Vec<f64> = dx.collect();
        check::close(&"equal", "dx", &made.gradients["x"], &dx, PRODUCTS);
    }
}

#[test]
fn a_nan_reaches_every_window_that_it_is_in() {
    let Some(mut lab) = check::lab() else { return };
    for channels in [3, 4] {
        let shape = [1, 5, 5, channels];
        let mut x = Random::new(133).floats(&shape);
        x[(2 * 5 + 2) * channels + 1] = f32::NAN;
        let made = lab.run(
            &[float("x", &shape, x)],
            |shape| vec![1.0; shape.iter().product()],
            |t| t[0].avg_pool(3, 1, Padding::Same),
        );
        for (i, y) in made.y.iter().enumerate() {
            let (row, column, channel) = (i / channels / 5, i / channels % 5, i % channels);
            let near = channel == 1 && row.abs_diff(2) <= 1 && column.abs_diff(2) <= 1;
            assert_eq!(y.is_nan(), near, "{channels} channels, y at {row}, {column}: {y}");
        }
        assert!(made.gradients["x"].iter().all(|dx| dx.is_finite()), "dx does not depend on x");
    }
}
