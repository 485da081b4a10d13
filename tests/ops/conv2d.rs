//! Convolution.

use std::collections::BTreeSet;

use inception::ops::{Padding, PlainConv2d};
use inception::plan;
use inception::selftest::Recorded;
use inception::tape::Tape;

use crate::check::{self, Draw, PRODUCTS, Random, Reference, float};

pub fn padding(same: bool) -> Padding {
    if same { Padding::Same } else { Padding::Valid }
}

fn random_conv(random: &mut Random) -> PlainConv2d {
    let kernel = [random.between(1, 7), random.between(1, 7)];
    let padding = random.pick(&[Padding::Same, Padding::Valid]);
    let least = |kernel: usize| if padding == Padding::Same { 1 } else { kernel };
    PlainConv2d {
        batch: random.between(1, 3),
        size: kernel.map(|k| random.between(least(k), 11)),
        channels: random.pick(&[1, 2, 3, 4, 5, 8, 12]),
        kernel,
        out: random.pick(&[1, 2, 3, 4, 7, 8, 12, 16]),
        stride: random.between(1, 3),
        padding,
    }
}

/// Shapes at the edges of the kernel's tiles (8 pixels, 8 rows of dw, two groups of columns, splits
/// of 64 and more pixels, 256 rows in a sum) and of its variants' (up to 160 pixels, 128 rows of dw,
/// 64 columns, steps of 16 terms), and what the random ones may miss.
const EDGES: [PlainConv2d; 20] = {
    const fn conv(
        batch: usize,
        size: [usize; 2],
        channels: usize,
        kernel: [usize; 2],
        out: usize,
        stride: usize,
        same: bool,
    ) -> PlainConv2d {
        let padding = if same { Padding::Same } else { Padding::Valid };
        PlainConv2d { batch, size, channels, kernel, out, stride, padding }
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
        conv(1, [16, 8], 16, [1, 1], 64, 1, true),
        conv(1, [43, 3], 16, [1, 1], 68, 1, true),
        conv(1, [7, 23], 12, [1, 1], 4, 1, true),
        conv(1, [10, 16], 20, [3, 3], 4, 1, true),
        conv(3, [14, 13], 20, [3, 2], 12, 1, true),
        conv(2, [12, 11], 12, [5, 5], 20, 2, false),
        conv(1, [9, 9], 4, [3, 3], 132, 3, true),
        conv(1, [11, 12], 132, [1, 3], 8, 1, true),
    ]
};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(11);
    let drawn: Vec<_> = (0..16).map(|_| random_conv(&mut random)).collect();
    for conv in EDGES.into_iter().chain(drawn) {
        let inputs = conv.inputs(&mut random);
        check::agrees(&mut lab, &conv, &inputs, PRODUCTS);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let mut random = Random::new(12);
    for _ in 0..12 {
        let mut conv = random_conv(&mut random);
        conv.size = conv.size.map(|n| n.min(7));
        conv.channels = conv.channels.min(3);
        conv.out = conv.out.min(2);
        let inputs = conv.inputs(&mut random);
        check::differentiates(&conv, &inputs);
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

/// Where there is little to do, sizes are bound: convolutions of any size have one text, which does what
/// the usual one does, whole and cut as far as it can be.
#[test]
fn small_ones_share_their_text_and_keep_their_bits() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(41);
    let mut texts = BTreeSet::new();
    let sizes = [[28, 28], [5, 11], [1, 3]];
    let shapes = [(1, [1, 1], 8), (4, [3, 3], 4), (8, [5, 5], 8), (3, [2, 4], 4)];
    for ((channels, kernel, out), size) in shapes.into_iter().flat_map(|s| sizes.map(|z| (s, z))) {
        let (batch, stride, padding) = (1, 1, Padding::Same);
        let case = PlainConv2d { batch, size, channels, kernel, out, stride, padding };
        let inputs = case.inputs(&mut random);
        let recorded = Recorded::new(&lab.tape, &inputs, |tensors| case.record(tensors));
        let dy = random.floats(recorded.shape());
        let usual = recorded.recording.clone();
        let mut small = usual.clone();
        for pass in &mut small.passes {
            *pass = plan::plain_variant(pass, false);
            let product =
                pass.kernel.name == "conv2d" && ["forward", "backward_x"].contains(&pass.entry);
            assert_eq!(pass.sizes_bound, product, "{}", pass.label());
            if product && pass.entry == "forward" {
                texts.insert(pass.text().0);
            }
        }
        let mut cut = small.clone();
        plan::shard(std::slice::from_mut(&mut cut), u64::MAX, 1).expect("it can be cut");
        let mut run = |recording| {
            recorded.run(&mut lab.engine, recording, &inputs, &dy, 1).expect("the case runs")
        };
        let usual = run(&usual);
        for other in [run(&small), run(&cut)] {
            check::same(&format!("{case:?}"), "y", &other.y, &usual.y);
            for (name, gradient) in &usual.gradients {
                check::same(&format!("{case:?}"), name, &other.gradients[name], gradient);
            }
        }
    }
    assert_eq!(texts.len(), 1, "{texts:#?}");
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
