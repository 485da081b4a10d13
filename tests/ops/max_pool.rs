//! Max-pooling.

use inception::ops::Padding;

use crate::check::{self, PRODUCTS, Random, Reference, float};
use crate::conv2d::{extent, padding};

/// Max-pooling in plain loops.
#[derive(Clone, Copy, Debug)]
struct Pool {
    /// Batch, height, width, channels.
    shape: [usize; 4],
    size: usize,
    stride: usize,
    same: bool,
}

impl Pool {
    fn random(random: &mut Random) -> Pool {
        let size = random.between(1, 5);
        let same = random.between(0, 1) == 0;
        let least = if same { 1 } else { size };
        Pool {
            shape: [
                random.between(1, 3),
                random.between(least, 27),
                random.between(least, 11),
                random.pick(&[1, 2, 3, 4, 5, 8, 12, 36]),
            ],
            size,
            stride: random.between(1, 3),
            same,
        }
    }

    /// For each output the place in x of its maximum, the first of equal ones.
    fn winners(&self, x: &[f64]) -> Vec<usize> {
        let [batch, height, width, channels] = self.shape;
        let (out_h, top) = extent(height, self.size, self.stride, self.same);
        let (out_w, left) = extent(width, self.size, self.stride, self.same);
        let mut winners = Vec::new();
        for b in 0..batch {
            for oy in 0..out_h {
                for ox in 0..out_w {
                    for c in 0..channels {
                        let mut best = None;
                        for py in oy * self.stride..oy * self.stride + self.size {
                            for px in ox * self.stride..ox * self.stride + self.size {
                                if py < top || px < left || py - top >= height || px - left >= width
                                {
                                    continue;
                                }
                                let pixel = (b * height + py - top) * width + px - left;
                                let here = pixel * channels + c;
                                if best.is_none_or(|best: usize| x[here] > x[best]) {
                                    best = Some(here);
                                }
                            }
                        }
                        winners.push(best.expect("a window shows something"));
                    }
                }
            }
        }
        winners
    }
}

impl Reference for Pool {
    fn forward(&self, inputs: &[Vec<f64>]) -> Vec<f64> {
        let x = &inputs[0];
        self.winners(x).into_iter().map(|at| x[at]).collect()
    }

    fn backward(&self, inputs: &[Vec<f64>], dy: &[f64]) -> Vec<Vec<f64>> {
        let mut dx = vec![0.0; inputs[0].len()];
        for (at, dy) in self.winners(&inputs[0]).into_iter().zip(dy) {
            dx[at] += dy;
        }
        vec![dx]
    }
}

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(51);
    for case in 0..28 {
        let pool = Pool::random(&mut random);
        let mut x = random.floats(&pool.shape);
        match case % 4 {
            // few values: ties
            0 => x.iter_mut().for_each(|x| *x = (*x * 2.0).round()),
            1 => x.iter_mut().for_each(|x| *x = -x.abs() - 1.0),
            _ => {}
        }
        let x = [float("x", &pool.shape, x)];
        pool.agrees(&mut lab, &x, PRODUCTS, |t| {
            t[0].max_pool(pool.size, pool.stride, padding(pool.same))
        });
    }
}

/// Heights of one and of several threads, windows beyond the image, strides beyond the window, and
/// windows of more pixels than a byte counts.
#[rustfmt::skip]
const ODD: [Pool; 17] = [
    Pool { shape: [1, 1, 1, 1], size: 1, stride: 1, same: true },
    Pool { shape: [2, 1, 1, 4], size: 3, stride: 1, same: true },
    Pool { shape: [2, 8, 1, 1], size: 3, stride: 1, same: true },
    Pool { shape: [1, 9, 1, 4], size: 3, stride: 2, same: true },
    Pool { shape: [1, 1, 9, 3], size: 3, stride: 1, same: true },
    Pool { shape: [2, 16, 3, 8], size: 3, stride: 1, same: true },
    Pool { shape: [1, 17, 5, 4], size: 2, stride: 3, same: false },
    Pool { shape: [1, 25, 4, 6], size: 1, stride: 3, same: true },
    Pool { shape: [1, 31, 2, 4], size: 2, stride: 5, same: false },
    Pool { shape: [1, 3, 4, 4], size: 7, stride: 1, same: true },
    Pool { shape: [2, 2, 3, 5], size: 9, stride: 2, same: true },
    Pool { shape: [1, 19, 18, 4], size: 16, stride: 1, same: false },
    Pool { shape: [1, 18, 19, 4], size: 17, stride: 1, same: false },
    Pool { shape: [1, 18, 19, 3], size: 17, stride: 1, same: false },
    Pool { shape: [1, 6, 5, 8], size: 18, stride: 3, same: true },
    Pool { shape: [3, 28, 28, 72], size: 3, stride: 1, same: true },
    // Many images, of which a thread's last row would reach into the next.
    Pool { shape: [60, 9, 7, 64], size: 3, stride: 1, same: true },
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
            pool.agrees(&mut lab, &x, PRODUCTS, |t| {
                t[0].max_pool(pool.size, pool.stride, padding(pool.same))
            });
        }
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(52);
    for _ in 0..12 {
        let mut pool = Pool::random(&mut random);
        pool.shape[3] = pool.shape[3].min(3);
        let x = [float("x", &pool.shape, random.floats(&pool.shape))];
        pool.differentiates(&x);
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
            let made =
                lab.run(&given, dy, |t| t[0].max_pool(pool.size, pool.stride, padding(pool.same)));
            let what = format!("{pool:?}, all {:e}", x[0]);
            let winners = pool.winners(&check::wide(&x));
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
