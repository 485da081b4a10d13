//! Initial values.

use inception::config::Init;
use inception::model::initial_values;

const SEED: u64 = 3;
const COUNT: usize = 200_000;

/// Mean and deviation.
fn moments(values: &[f32]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    (mean, square.sqrt())
}

/// Whether the estimate from `COUNT` values is within four of its own deviations.
#[track_caller]
fn assert_moments(values: &[f32], deviation: f64) {
    let (mean, found) = moments(values);
    let unsure = deviation / (values.len() as f64).sqrt();
    assert!(mean.abs() < 4.0 * unsure, "mean {mean}");
    assert!((found - deviation).abs() < 4.0 * unsure, "deviation {found} for {deviation}");
}

#[test]
fn tutorial_weights_are_truncated_normal() {
    let shape = [COUNT / 10, 10];
    for name in ["W_fc1", "W_conv1_5x5", "b_conv1_1x1_1"] {
        let shape = if name.starts_with('b') { &[COUNT][..] } else { &shape };
        let values = initial_values(name, shape, Init::Tutorial, SEED);
        assert_eq!(values.len(), COUNT);
        // A normal cut at two deviations has 0.8796 of its deviation left.
        assert_moments(&values, 0.087_96);
        let largest = values.iter().fold(0.0f32, |a, v| a.max(v.abs()));
        assert!((0.199..=0.2).contains(&largest), "{name}: {largest}");
    }
}

#[test]
fn tutorial_biases() {
    for name in ["b_conv1_5x5", "b_conv2_5x5", "b_conv3_5x5", "b_fc1", "b_fc2"] {
        assert_eq!(initial_values(name, &[3], Init::Tutorial, SEED), [0.1; 3], "{name}");
    }
    for name in ["b_conv1_1x1_1", "b_conv1_1x1_2", "b_conv2_1x1_3", "b_conv1_1x1_4", "b_conv2_3x3"]
    {
        let values = initial_values(name, &[3], Init::Tutorial, SEED);
        assert!(values.iter().all(|&v| v != 0.1 && v.abs() <= 0.2), "{name}: {values:?}");
    }
}

#[test]
fn he_depends_on_the_inputs_of_a_unit() {
    let dense = initial_values("W_fc1", &[400, 500], Init::He, SEED);
    assert_moments(&dense, (2.0f64 / 400.0).sqrt());
    assert!(dense.iter().any(|v| v.abs() > 2.0 * 0.0707), "not truncated");
    let filters = initial_values("W_conv2_5x5", &[5, 5, 16, 500], Init::He, SEED);
    assert_moments(&filters, (2.0f64 / 400.0).sqrt());
    for name in ["b_conv1_5x5", "b_conv1_1x1_1", "b_fc1", "b_fc2"] {
        assert_eq!(initial_values(name, &[3], Init::He, SEED), [0.0; 3], "{name}");
    }
}

#[test]
fn values_follow_from_seed_and_name_alone() {
    for init in [Init::Tutorial, Init::He] {
        let draw = |name: &str, seed| initial_values(name, &[1000, 700], init, seed);
        let values = draw("W_fc1", SEED);
        assert!(values == draw("W_fc1", SEED), "the same seed draws other values");
        assert!(values != draw("W_fc1", SEED + 1), "another seed draws the same values");
        assert!(values != draw("W_fc2", SEED), "another name draws the same values");
        // The streams of the threads' parts must not repeat each other.
        assert!(values[..65_536] != values[65_536..131_072], "parts repeat");
    }
}
