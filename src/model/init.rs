//! Initial values of the variables.

use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_pcg::Pcg64Mcg;

use crate::config::Init;
use crate::processors::on_all;

/// Values drawn from one random stream; streams are numbered, so that several threads draw the
/// very same values as one.
const CHUNK: usize = 1 << 16;

/// Values for the variable `name` of that shape (weights `W_*` with the fan-in before the last
/// axis, biases `b_*`): a pure function of the arguments.
///
/// [`Init::Tutorial`]: truncated normal of deviation 0.1, redrawn beyond two deviations, for weights
/// and convolution biases, but the constant 0.1 for the biases of 5x5 convolutions and of the dense
/// layers. [`Init::He`]: normal of deviation `sqrt(2 / fan-in)` (He et al. 2015, section 2.2), zero
/// biases. Of batch normalisation `gamma_*` and `variance_*` are one and `beta_*` and `mean_*` zero.
pub fn initial_values(name: &str, shape: &[usize], init: Init, seed: u64) -> Vec<f32> {
    let count = shape.iter().product();
    let bias = name.starts_with("b_");
    // Batch normalisation begins as it is, with the mean and variance of normal numbers.
    match name.split('_').next() {
        Some("gamma" | "variance") => return vec![1.0; count],
        Some("beta" | "mean") => return vec![0.0; count],
        _ => {}
    }
    let fan_in: usize = shape[..shape.len() - 1].iter().product();
    match (init, bias) {
        (Init::Tutorial, true) if name.ends_with("_5x5") || name.starts_with("b_fc") => {
            vec![0.1; count]
        }
        (Init::Tutorial, _) => normal(name, count, 0.1, 2.0, seed),
        (Init::He, true) => vec![0.0; count],
        (Init::He, false) => normal(name, count, (2.0 / fan_in as f32).sqrt(), f32::INFINITY, seed),
    }
}

/// `count` normal values of that deviation, redrawn beyond `bound` deviations.
fn normal(name: &str, count: usize, deviation: f32, bound: f32, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    on_all(values.chunks_mut(CHUNK).enumerate().collect(), |(number, values)| {
        let mut random = Pcg64Mcg::seed_from_u64(stream(seed, name, number as u64));
        for value in values {
            *value = loop {
                let drawn: f32 = random.sample(StandardNormal);
                if drawn.abs() <= bound {
                    break drawn * deviation;
                }
            };
        }
    });
    values
}

/// A seed for chunk `number` of the variable `name`: FNV-1a over all three.
fn stream(seed: u64, name: &str, number: u64) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes()).chain(number.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
