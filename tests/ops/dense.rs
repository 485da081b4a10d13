//! Fully connected layers.

use inception::tape::Tape;

use crate::check::{self, Given, PRODUCTS, Random, Reference, float};

/// A fully connected layer in plain loops: batch, depth, columns.
#[derive(Clone, Copy, Debug)]
struct Dense(usize, usize, usize);

impl Dense {
    fn inputs(self, random: &mut Random) -> [Given; 3] {
        let Dense(batch, depth, out) = self;
        [
            float("x", &[batch, depth], random.floats(&[batch, depth])),
            float("w", &[depth, out], random.floats(&[depth, out])),
            float("b", &[out], random.floats(&[out])),
        ]
    }
}

impl Reference for Dense {
    fn forward(&self, inputs: &[Vec<f64>]) -> Vec<f64> {
        let &Dense(batch, depth, out) = self;
        let [x, w, b] = inputs else { unreachable!() };
        let mut y = b.repeat(batch);
        for m in 0..batch {
            for k in 0..depth {
                for n in 0..out {
                    y[m * out + n] += x[m * depth + k] * w[k * out + n];
                }
            }
        }
        y
    }

    fn backward(&self, inputs: &[Vec<f64>], dy: &[f64]) -> Vec<Vec<f64>> {
        let &Dense(batch, depth, out) = self;
        let [x, w, b] = inputs else { unreachable!() };
        let [mut dx, mut dw, mut db] = [x, w, b].map(|v| vec![0.0; v.len()]);
        for m in 0..batch {
            for n in 0..out {
                let dy = dy[m * out + n];
                db[n] += dy;
                for k in 0..depth {
                    dx[m * depth + k] += dy * w[k * out + n];
                    dw[k * out + n] += dy * x[m * depth + k];
                }
            }
        }
        vec![dx, dw, db]
    }
}

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    // The edges of tiles (10 examples, 4 and 8 rows, two groups of columns) and of splits (2,048).
    let mut shapes = vec![
        Dense(1, 1, 1),
        Dense(1, 1, 4),
        Dense(10, 8, 8),
        Dense(11, 9, 8),
        Dense(20, 4, 12),
        Dense(50, 64, 10),
        Dense(1, 2047, 4),
        Dense(2, 2048, 3),
        Dense(3, 2049, 4),
        Dense(1, 4096, 1),
        Dense(12, 4097, 8),
        Dense(3, 5000, 5),
        Dense(2, 9001, 4),
        Dense(7, 36, 68),
        Dense(51, 40, 148),
        Dense(2, 4100, 128),
    ];
    let mut random = Random::new(21);
    for _ in 0..10 {
        shapes.push(Dense(
            random.between(1, 31),
            random.between(1, 90),
            random.pick(&[1, 2, 3, 4, 5, 7, 8, 10, 12, 16, 20, 33, 64, 68, 132]),
        ));
    }
    for shape in shapes {
        let inputs = shape.inputs(&mut random);
        shape.agrees(&mut lab, &inputs, PRODUCTS, |t| t[0].dense(t[1], t[2]));
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(22);
    for shape in [Dense(1, 1, 1), Dense(3, 5, 2), Dense(2, 7, 4)] {
        let inputs = shape.inputs(&mut random);
        shape.differentiates(&inputs);
    }
}

#[test]
fn an_image_is_flattened_in_row_major_order() {
    let Some(mut lab) = check::lab() else { return };
    let layer = Dense(2, 30, 4);
    let mut inputs = layer.inputs(&mut Random::new(23));
    inputs[0].shape = vec![2, 3, 2, 5];
    layer.agrees(&mut lab, &inputs, PRODUCTS, |t| t[0].dense(t[1], t[2]));
}

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("dense_f32.safetensors") {
        let inputs = ["x", "w", "b"].map(|name| check::input(&golden, name));
        let dy = &golden["dy"].1;
        let made = lab.run(&inputs, |_| dy.clone(), |t| t[0].dense(t[1], t[2]));
        let truth = |name: &str| check::wide(&golden[name].1);
        check::close(&case, "y", &made.y, &truth("y"), PRODUCTS);
        for (input, gradient) in [("x", "dx"), ("w", "dw"), ("b", "db")] {
            let got = &made.gradients[input];
            check::close(&case, gradient, got, &truth(gradient), PRODUCTS);
        }
        // The same with relu and a fixed dropout mask behind it: the mask enters as dy does.
        let masked = |values: &[f32]| {
            let mask = &golden["mask"].1;
            let pairs = values.iter().zip(mask);
            pairs.map(|(v, m)| v * m * 2.0).collect::<Vec<_>>()
        };
        let made = lab.run(&inputs, |_| masked(dy), |t| t[0].dense(t[1], t[2]).relu());
        let y = masked(&made.y);
        check::close(&case, "relu_drop_y", &y, &truth("relu_drop_y"), PRODUCTS);
        for (input, gradient) in [("x", "dx"), ("w", "dw"), ("b", "db")] {
            let gradient = format!("relu_drop_{gradient}");
            let got = &made.gradients[input];
            check::close(&case, &gradient, got, &truth(&gradient), PRODUCTS);
        }
    }
}

#[test]
fn a_nan_reaches_its_example_and_no_other() {
    let Some(mut lab) = check::lab() else { return };
    for out in [3, 4] {
        let mut inputs = Dense(12, 2100, out).inputs(&mut Random::new(24));
        inputs[0].values.set(11 * 2100 + 2099, f32::NAN);
        let made =
            lab.run(&inputs, |shape| vec![1.0; shape.iter().product()], |t| t[0].dense(t[1], t[2]));
        for (i, y) in made.y.iter().enumerate() {
            assert_eq!(y.is_nan(), i / out == 11, "{out} columns, element {i}: {y}");
        }
        let dw = &made.gradients["w"];
        for (i, dw) in dw.iter().enumerate() {
            assert_eq!(dw.is_nan(), i / out == 2099, "{out} columns, dw {i}: {dw}");
        }
    }
}

#[test]
fn nothing_is_recorded_for_an_input_without_gradient() {
    let tape = Tape::new();
    let x = tape.input("x", &[2, 5]);
    let y = x.dense(tape.parameter("w", &[5, 4]), tape.parameter("b", &[4]));
    y.backward(tape.input("dy", &[2, 4]));
    assert!(x.gradient().is_none());
    let recording = tape.finish();
    let entries: Vec<_> = recording.passes.iter().map(|p| p.entry).collect();
    assert_eq!(entries, ["forward", "backward_w", "forward"]);
}
