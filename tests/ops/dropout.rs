//! Dropout.

use inception::ops::PlainDropout;
use inception::tape::Tape;

use crate::check::{self, Draw, Lab, Random, Reference, float, whole};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(71);
    for case in 0..30 {
        let dropout = PlainDropout {
            shape: random.shape(),
            rate: [0.5, 0.4, 0.1, 0.9, 0.999][case % 5],
            layer: random.between(0, 3) as u32,
        };
        // A half is divided by exactly; otherwise WGSL lets a division be off by 2.5 units in the
        // last place.
        let tolerance = if dropout.rate == 0.5 { 0.0 } else { 4e-7 };
        check::agrees(&mut lab, &dropout, &dropout.inputs(&mut random), tolerance);
    }
}

#[test]
fn the_plain_loops_differentiate() {
    let dropout = PlainDropout { shape: vec![40], rate: 0.4, layer: 1 };
    let x = float("x", &[40], Random::new(72).floats(&[40]));
    check::differentiates(&dropout, &[x, whole("key", &[2], [3, 4])]);
}

const COUNT: usize = 40_000;

/// The mask, after checking that forward and backward have the same.
fn mask(lab: &mut Lab, rate: f32, key: [u32; 2], layer: u32) -> Vec<f32> {
    let x = float("x", &[COUNT], vec![1.0; COUNT]);
    let made = lab.run(
        &[x, whole("key", &[2], key)],
        |_| vec![1.0; COUNT],
        |t| t[0].dropout(rate, t[1], layer),
    );
    check::same(&"forward and backward", "mask", &made.gradients["x"], &made.y);
    made.y
}

#[test]
fn masks_follow_from_seed_step_and_layer_alone() {
    let Some(mut lab) = check::lab() else { return };
    let one = mask(&mut lab, 0.5, [1, 2], 3);
    check::same(&"again", "mask", &mask(&mut lab, 0.5, [1, 2], 3), &one);
    for (key, layer) in [([2, 2], 3), ([1, 3], 3), ([1, 2], 4), ([2, 1], 3), ([0, 0], 0)] {
        let other = mask(&mut lab, 0.5, key, layer);
        let equal = one.iter().zip(&other).filter(|(a, b)| a == b).count();
        // Independent masks agree in half of the elements; 5 standard deviations are 500.
        assert!(equal.abs_diff(COUNT / 2) < 500, "key {key:?} layer {layer}: {equal} equal");
    }
}

#[test]
fn the_share_kept_is_one_minus_the_rate() {
    let Some(mut lab) = check::lab() else { return };
    for (step, rate) in [0.5f32, 0.1, 0.4, 0.75, 0.98].into_iter().enumerate() {
        let mask = mask(&mut lab, rate, [9, step as u32], 0);
        let kept = mask.iter().filter(|&&v| v != 0.0).count() as f64 / COUNT as f64;
        let keep = 1.0 - f64::from(rate);
        let deviation = (keep * (1.0 - keep) / COUNT as f64).sqrt();
        assert!((kept - keep).abs() < 5.0 * deviation, "rate {rate}: kept {kept}");
        // Neighbours are independent: pairs both kept are as many as chance makes.
        let both = mask.windows(2).filter(|pair| pair[0] != 0.0 && pair[1] != 0.0);
        let both = both.count() as f64 / COUNT as f64;
        assert!((both - keep * keep).abs() < 0.02, "rate {rate}: both kept {both}");
    }
}

#[test]
fn a_rate_of_zero_records_nothing() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[3]);
    let y = x.dropout(0.0, tape.input("key", &[2]), 0);
    assert_eq!(y.id(), x.id());
    assert!(tape.finish().passes.is_empty());
}
