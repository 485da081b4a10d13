//! Fully connected layers.

use inception::ops::PlainDense as Dense;
use inception::tape::Tape;

use crate::check::{self, Draw, PRODUCTS, Random, Reference};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    // The edges of tiles (10 examples, 4 and 8 rows, two groups of columns) and of splits (2,048),
    // and of the tiles of variants (up to 64 examples, 128 rows, 256 columns, steps of 16 terms).
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
        Dense(64, 128, 128),
        Dense(65, 132, 132),
        Dense(50, 2060, 20),
        Dense(129, 20, 12),
        Dense(1, 260, 700),
        Dense(17, 4, 260),
        Dense(33, 4100, 36),
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
        check::agrees(&mut lab, &shape, &inputs, PRODUCTS);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(22);
    for shape in [Dense(1, 1, 1), Dense(3, 5, 2), Dense(2, 7, 4)] {
        let inputs = shape.inputs(&mut random);
        check::differentiates(&shape, &inputs);
    }
}

#[test]
fn an_image_is_flattened_in_row_major_order() {
    let Some(mut lab) = check::lab() else { return };
    let layer = Dense(2, 30, 4);
    let mut inputs = layer.inputs(&mut Random::new(23));
    inputs[0].shape = vec![2, 3, 2, 5];
    check::agrees(&mut lab, &layer, &inputs, PRODUCTS);
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
        check::set(&mut inputs[0], 11 * 2100 + 2099, f32::NAN);
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
