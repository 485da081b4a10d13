//! Max-pooling.

use inception::ops::{Padding, PlainMaxPool};

use crate::check::{self, Draw, Number, PRODUCTS, Random, float};
use crate::conv2d::padding;

fn random_pool(random: &mut Random) -> PlainMaxPool {
    let size = random.between(1, 5);
    let padding = random.pick(&[Padding::Same, Padding::Valid]);
    let least = if padding == Padding::Same { 1 } else { size };
    PlainMaxPool {
        shape: [
            random.between(1, 3),
            random.between(least, 27),
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
    let mut random = Random::new(51);
    for case in 0..28 {
        let pool = random_pool(&mut random);
        let mut x = random.floats(&pool.shape);
        match case % 4 {
            // few values: ties
            0 => x.iter_mut().for_each(|x| *x = (*x * 2.0).round()),
            1 => x.iter_mut().for_each(|x| *x = -x.abs() - 1.0),
            _ => {}
        }
        let x = [float("x", &pool.shape, x)];
        check::agrees(&mut lab, &pool, &x, PRODUCTS);
    }
}

/// Heights of one and of several threads, windows beyond the image, strides beyond the window, and
/// windows of more pixels than a byte counts.
#[rustfmt::skip]
const ODD: [PlainMaxPool; 17] = [
    PlainMaxPool { shape: [1, 1, 1, 1], size: 1, stride: 1, padding: Padding::Same },
    PlainMaxPool { shape: [2, 1, 1, 4], size: 3, stride: 1, padding: Padding::Same },
    PlainMaxPool { shape: [2, 8, 1, 1], size: 3, stride: 1, padding: Padding::Same },
    PlainMaxPool { shape: [1, 9, 1, 4], size: 3, stride: 2, padding: Padding::Same },
    PlainMaxPool { shape: [1, 1, 9, 3], size: 3, stride: 1, padding: Padding::Same },
    PlainMaxPool { shape: [2, 16, 3, 8], size: 3, stride: 1, padding: Padding::Same },
    PlainMaxPool { shape: [1, 17, 5, 4], size: 2, stride: 3, padding: Padding::Valid },
    PlainMaxPool { shape: [1, 25, 4, 6], size: 1, stride: 3, padding: Padding::Same },
    PlainMaxPool { shape: [1, 31, 2, 4], size: 2, stride: 5, padding: Padding::Valid },
    PlainMaxPool { shape: [1, 3, 4, 4], size: 7, stride: 1, padding: Padding::Same },
    PlainMaxPool { shape: [2, 2, 3, 5], size: 9, stride: 2, padding: Padding::Same },
    PlainMaxPool { shape: [1, 19, 18, 4], size: 16, stride: 1, padding: Padding::Valid },
    PlainMaxPool { shape: [1, 18, 19, 4], size: 17, stride: 1, padding: Padding::Valid },
    PlainMaxPool { shape: [1, 18, 19, 3], size: 17, stride: 1, padding: Padding::Valid },
    PlainMaxPool { shape: [1, 6, 5, 8], size: 18, stride: 3, padding: Padding::Same },
    PlainMaxPool { shape: [3, 28, 28, 72], size: 3, stride: 1, padding: Padding::Same },
    // Many images, of which a thread's last row would reach into the next.
    PlainMaxPool { shape: [60, 9, 7, 64], size: 3, stride: 1, padding: Padding::Same },
];

#[test]
fn odd_shapes() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(53);
    for pool in ODD {
        let x = random.floats(&pool.shape);
        let ties: Vec<_> = x.iter().map(|x| (x * 2.0).round()).collect();
        for x in [x, ties] {
            let x = [float("x", &pool.shape, x)];
            check::agrees(&mut lab, &pool, &x, PRODUCTS);
        }
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(52);
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
    for (case, golden) in check::golden("maxpool_f32.safetensors") {
        let size = if case.contains("_k3_") { 3 } else { 2 };
        let stride = if case.contains("_s2_") { 2 } else { 1 };
        let padding = padding(case.contains("_same_"));
        let dy = golden["dy"].1.clone();
        let made = lab.run(
            &[check::input(&golden, "x")],
            |_| dy,
            |t| t[0].max_pool(size, stride, padding),
        );
        assert_eq!(made.shape, golden["y"].0, "{case}: shape of y");
        check::same(&case, "y", &made.y, &golden["y"].1);
        let truth = check::wide(&golden["dx"].1);
        check::close(&case, "dx", &made.gradients["x"], &truth, PRODUCTS);
    }
}

#[test]
fn the_first_of_equal_values_takes_the_whole_gradient() {
    let Some(mut lab) = check::lab() else { return };
    let zeros = |i: usize| if i.is_multiple_of(3) { 0.0 } else { -0.0 };
    let values = [0.0, 1.0, -1.0, f32::MIN, f32::NEG_INFINITY, f32::INFINITY];
    for pool in ODD {
        let count: usize = pool.shape.iter().product();
        let images = values.iter().map(|&value| vec![value; count]);
        for x in images.chain([(0..count).map(zeros).collect()]) {
            // Whole numbers, so that their sums are exact.
            let dy = |shape: &[usize]| (1..=shape.iter().product()).map(|i| i as f32).collect();
            let given = [float("x", &pool.shape, x.clone())];
            let made = lab.run(&given, dy, |t| t[0].max_pool(pool.size, pool.stride, pool.padding));
            let what = format!("{pool:?}, all {:e}", x[0]);
            let numbers: Vec<_> = x.iter().map(|&v| Number::exact(v.into())).collect();
            let winners = pool.winners(&numbers);
            let y: Vec<_> = winners.iter().map(|&at| x[at]).collect();
            check::same(&what, "y", &made.y, &y);
            let mut dx = vec![0.0; count];
            winners.iter().enumerate().for_each(|(i, &at)| dx[at] += (i + 1) as f32);
            check::same(&what, "dx", &made.gradients["x"], &dx);
        }
    }
}

#[test]
fn padding_never_wins() {
    let Some(mut lab) = check::lab() else { return };
    for channels in [1, 4] {
        let shape = [1, 3, 3, channels];
        let x = [float("x", &shape, vec![f32::MIN; 9 * channels])];
        let made = lab.run(
            &x,
            |shape| vec![1.0; shape.iter().product()],
            |t| t[0].max_pool(3, 1, Padding::Same),
        );
        check::same(&"lowest", "y", &made.y, &vec![f32::MIN; 9 * channels]);
        let sum: f32 = made.gradients["x"].iter().sum();
        assert_eq!(sum, 9.0 * channels as f32, "gradients went into the padding");
    }
}

#[test]
fn a_nan_reaches_every_window_that_it_is_in() {
    let Some(mut lab) = check::lab() else { return };
    for channels in [3, 4] {
        let shape = [1, 5, 5, channels];
        let mut x = Random::new(1).floats(&shape);
        // In the middle of the picture, so that other values come before and after it.
        x[(2 * 5 + 2) * channels + 1] = f32::NAN;
        let made = lab.run(
            &[float("x", &shape, x)],
            |shape| vec![1.0; shape.iter().product()],
            |t| t[0].max_pool(3, 1, Padding::Same),
        );
        for (i, y) in made.y.iter().enumerate() {
            let (row, column, channel) = (i / channels / 5, i / channels % 5, i % channels);
            let near = channel == 1 && row.abs_diff(2) <= 1 && column.abs_diff(2) <= 1;
            assert_eq!(y.is_nan(), near, "{channels} channels, y at {row}, {column}: {y}");
        }
    }
}

#[test]
fn the_last_nan_of_a_window_takes_the_gradient() {
    let Some(mut lab) = check::lab() else { return };
    for channels in [1, 4] {
        let shape = [1, 5, 6, channels];
        let mut x = Random::new(2).floats(&shape);
        let at = |row: usize, column: usize| (row * 6 + column) * channels;
        (x[at(2, 2)], x[at(2, 3)], x[at(3, 2)]) = (f32::NAN, f32::NAN, f32::NAN);
        let made = lab.run(
            &[float("x", &shape, x)],
            |shape| vec![1.0; shape.iter().product()],
            |t| t[0].max_pool(3, 1, Padding::Same),
        );
        let dx = &made.gradients["x"];
        // Of the windows that show one of them, by their last row and columns.
        assert_eq!([dx[at(2, 2)], dx[at(2, 3)], dx[at(3, 2)]], [1.0, 5.0, 9.0]);
    }
}
