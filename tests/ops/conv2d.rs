//! Convolution.

use inception::ops::Padding;
use inception::tape::Tape;

use crate::check::{self, Given, PRODUCTS, Random, Reference, float};

/// A convolution in plain loops.
#[derive(Clone, Copy, Debug)]
struct Conv {
    batch: usize,
    size: [usize; 2],
    channels: usize,
    kernel: [usize; 2],
    out: usize,
    stride: usize,
    same: bool,
}

/// Output extent and padding before, by TensorFlow's formula for SAME and VALID.
pub fn extent(n: usize, kernel: usize, stride: usize, same: bool) -> (usize, usize) {
    if same {
        let out = n.div_ceil(stride);
        let total = ((out - 1) * stride + kernel).saturating_sub(n);
        (out, total / 2)
    } else {
        ((n - kernel) / stride + 1, 0)
    }
}

pub fn padding(same: bool) -> Padding {
    if same { Padding::Same } else { Padding::Valid }
}

impl Conv {
    fn random(random: &mut Random) -> Conv {
        let kernel = [random.between(1, 7), random.between(1, 7)];
        let same = random.between(0, 1) == 0;
        let least = |kernel: usize| if same { 1 } else { kernel };
        Conv {
            batch: random.between(1, 3),
            size: kernel.map(|k| random.between(least(k), 11)),
            channels: random.pick(&[1, 2, 3, 4, 5, 8, 12]),
            kernel,
            out: random.pick(&[1, 2, 3, 4, 7, 8, 12, 16]),
            stride: random.between(1, 3),
            same,
        }
    }

    fn inputs(&self, random: &mut Random) -> [Given; 3] {
        let x = [self.batch, self.size[0], self.size[1], self.channels];
        let w = [self.kernel[0], self.kernel[1], self.channels, self.out];
        [
            float("x", &x, random.floats(&x)),
            float("w", &w, random.floats(&w)),
            float("b", &[self.out], random.floats(&[self.out])),
        ]
    }

    fn output(&self) -> [usize; 2] {
        [0, 1].map(|a| extent(self.size[a], self.kernel[a], self.stride, self.same).0)
    }

    /// Calls `visit` with the places in x, w and y of each product of the sum.
    fn products(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [height, width] = self.size;
        let [out_h, out_w] = self.output();
        let [top, left] =
            [0, 1].map(|a| extent(self.size[a], self.kernel[a], self.stride, self.same).1);
        for b in 0..self.batch {
            for oy in 0..out_h {
                for ox in 0..out_w {
                    for ky in 0..self.kernel[0] {
                        for kx in 0..self.kernel[1] {
                            // In padded x; what lies in the padding is zero.
                            let (py, px) = (oy * self.stride + ky, ox * self.stride + kx);
                            if py < top || px < left || py - top >= height || px - left >= width {
                                continue;
                            }
                            let (iy, ix) = (py - top, px - left);
                            for c in 0..self.channels {
                                for n in 0..self.out {
                                    visit(
                                        ((b * height + iy) * width + ix) * self.channels + c,
                                        ((ky * self.kernel[1] + kx) * self.channels + c) * self.out
                                            + n,
                                        ((b * out_h + oy) * out_w + ox) * self.out + n,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Reference for Conv {
    fn forward(&self, inputs: &[Vec<f64>]) -> Vec<f64> {
        let [x, w, b] = inputs else { unreachable!() };
        let [out_h, out_w] = self.output();
        let mut y = b.repeat(self.batch * out_h * out_w);
        self.products(|at_x, at_w, at_y| y[at_y] += x[at_x] * w[at_w]);
        y
    }

    fn backward(&self, inputs: &[Vec<f64>], dy: &[f64]) -> Vec<Vec<f64>> {
        let [x, w, b] = inputs else { unreachable!() };
        let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
        self.products(|at_x, at_w, at_y| {
            dx[at_x] += dy[at_y] * w[at_w];
            dw[at_w] += dy[at_y] * x[at_x];
        });
        let mut db = vec![0.0; b.len()];
        for (i, dy) in dy.iter().enumerate() {
            db[i % b.len()] += dy;
        }
        vec![dx, dw, db]
    }
}

/// Shapes at the edges of the kernel's tiles (8 pixels, 8 rows of dw, two groups of columns, splits
/// of 64 and more pixels, 256 rows in a sum), and what the random ones may miss.
const EDGES: [Conv; 12] = {
    const fn conv(
        batch: usize,
        size: [usize; 2],
        channels: usize,
        kernel: [usize; 2],
        out: usize,
        stride: usize,
        same: bool,
    ) -> Conv {
        Conv { batch, size, channels, kernel, out, stride, same }
    }
    [
        conv(1, [1, 1], 1, [1, 1], 1, 1, true),
        conv(1, [1, 1], 1, [7, 7], 4, 3, true),
        conv(1, [7, 7], 3, [7, 7], 5, 1, false),
        conv(1, [2, 4], 4, [1, 1], 4, 1, true),
        conv(1, [3, 3], 8, [1, 1], 8, 1, true),
        conv(2, [9, 10], 4, [1, 1], 12, 3, true),
        conv(1, [64, 1], 1, [3, 1], 4, 1, true),
        conv(1, [65, 1], 1, [1, 1], 3, 1, true),
        conv(3, [28, 28], 1, [1, 1], 4, 1, true),
        conv(2, [17, 19], 3, [3, 3], 20, 2, true),
        conv(1, [8, 8], 2, [2, 4], 6, 2, true),
        conv(1, [5, 40], 5, [5, 5], 9, 1, true),
    ]
};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(11);
    let drawn: Vec<_> = (0..16).map(|_| Conv::random(&mut random)).collect();
    for conv in EDGES.into_iter().chain(drawn) {
        let inputs = conv.inputs(&mut random);
        conv.agrees(&mut lab, &inputs, PRODUCTS, |t| {
            t[0].conv2d(t[1], t[2], conv.stride, padding(conv.same))
        });
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(12);
    for _ in 0..12 {
        let mut conv = Conv::random(&mut random);
        conv.size = conv.size.map(|n| n.min(7));
        conv.channels = conv.channels.min(3);
        conv.out = conv.out.min(2);
        let inputs = conv.inputs(&mut random);
        conv.differentiates(&inputs);
    }
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("conv_f32.safetensors") {
        let stride = if case.contains("_s2_") { 2 } else { 1 };
        let padding = padding(case.contains("_same_"));
        let inputs = ["x", "w", "b"].map(|name| check::input(&golden, name));
        let made = lab.run(
            &inputs,
            |_| golden["dy"].1.clone(),
            |t| t[0].conv2d(t[1], t[2], stride, padding),
        );
        assert_eq!(made.shape, golden["y"].0, "{case}: shape of y");
        let truth = |name: &str| check::wide(&golden[name].1);
        check::close(&case, "y", &made.y, &truth("y"), PRODUCTS);
        for (input, gradient) in [("x", "dx"), ("w", "dw"), ("b", "db")] {
            let got = &made.gradients[input];
            check::close(&case, gradient, got, &truth(gradient), PRODUCTS);
        }
    }
}

#[test]
fn a_nan_reaches_every_window_that_it_is_in() {
    let Some(mut lab) = check::lab() else { return };
    for out in [3, 4] {
        let shape = [1, 5, 5, 2];
        let mut x = Random::new(1).floats(&shape);
        x[(2 * 5 + 2) * 2] = f32::NAN;
        let inputs = [
            float("x", &shape, x),
            float("w", &[3, 3, 2, out], vec![0.0; 18 * out]),
            float("b", &[out], vec![1.0; out]),
        ];
        let made = lab.run(
            &inputs,
            |shape| vec![1.0; shape.iter().product()],
            |t| t[0].conv2d(t[1], t[2], 1, Padding::Same),
        );
        for (i, y) in made.y.iter().enumerate() {
            let (row, column) = (i / out / 5, i / out % 5);
            let near = row.abs_diff(2) <= 1 && column.abs_diff(2) <= 1;
            assert_eq!(y.is_nan(), near, "{out} columns, y at {row}, {column}: {y}");
        }
    }
}

#[test]
fn nothing_is_recorded_for_an_image_without_gradient() {
    let tape = Tape::new();
    let x = tape.input("x", &[2, 5, 5, 1]);
    let w = tape.parameter("w", &[3, 3, 1, 4]);
    let y = x.conv2d(w, tape.parameter("b", &[4]), 1, Padding::Same);
    y.backward(tape.input("dy", &y.shape()));
    assert!(x.gradient().is_none());
    let recording = tape.finish();
    let entries: Vec<_> = recording.passes.iter().map(|p| p.entry).collect();
    assert!(entries.contains(&"backward_w"), "{entries:?}");
    assert!(!entries.contains(&"backward_x") && !entries.contains(&"flip"), "{entries:?}");
}

/// Sums of gradients and ReLU's mask joined to the convolutions and dense layers that make them:
/// `run` holds the planned passes against the plain ones, which are held against loops elsewhere.
#[test]
fn gradients_are_added_and_masked_where_they_are_made() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(35);
    for channels in [8, 6] {
        let x = float("x", &[2, 5, 7, channels], random.floats(&[2, 5, 7, channels]));
        let mut inputs = vec![x];
        for (name, kernel) in [("w1", 1), ("w3", 3), ("w5", 5)] {
            let shape = [kernel, kernel, channels, 4];
            inputs.push(float(name, &shape, random.floats(&shape)));
        }
        inputs.push(float("b", &[4], random.floats(&[4])));
        let shape = [35 * 4, 4];
        inputs.push(float("fc", &shape, random.floats(&shape)));
        let made = lab.run(
            &inputs,
            |shape| vec![0.5; shape.iter().product()],
            |t| {
                let x = t[0].relu();
                let [one, three, five] = [1, 2, 3].map(|i| x.conv2d(t[i], t[4], 1, Padding::Same));
                one.add(three).add(five).relu().dense(t[5], t[4])
            },
        );
        let zeros = made.gradients["x"].iter().filter(|&&v| v == 0.0).count();
        assert!(zeros > 0 && zeros < made.gradients["x"].len(), "{zeros} zeros");
    }
}
