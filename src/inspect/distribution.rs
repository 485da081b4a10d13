//! How the numbers of a tensor are spread, exactly and without a copy of them.

use serde::Serialize;

/// Parts of a histogram.
pub const BINS: usize = 16;

/// How some numbers are spread. A quartile is one of the numbers: the one that stands at a quarter
/// of the way through them, in order, rounded down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// How many they are.
    pub count: usize,
    /// How many of them are zero.
    pub zeros: usize,
    /// The least.
    pub min: f32,
    /// The first quartile.
    pub q1: f32,
    /// The middle one.
    pub median: f32,
    /// The third quartile.
    pub q3: f32,
    /// The largest.
    pub max: f32,
    /// Their mean.
    pub mean: f64,
    /// The root of the mean square distance from the mean.
    pub std: f64,
    /// How many lie in each of [`BINS`] equal parts from the least to the largest; all in the first
    /// if these are equal.
    pub histogram: [usize; BINS],
}

impl Distribution {
    /// Of these numbers, which are gone through several times.
    ///
    /// # Panics
    /// When there are none, or one is not finite.
    pub fn of(values: impl Iterator<Item = f32> + Clone) -> Distribution {
        let (mut count, mut zeros, mut sum) = (0, 0, 0.0);
        let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
        for value in values.clone() {
            assert!(value.is_finite(), "a distribution of numbers that are not finite");
            count += 1;
            zeros += usize::from(value == 0.0);
            sum += f64::from(value);
            (min, max) = (min.min(value), max.max(value));
        }
        assert!(count > 0, "a distribution of no numbers");
        let mean = sum / count as f64;
        let (low, range) = (f64::from(min), f64::from(max) - f64::from(min));
        let (mut squares, mut histogram) = (0.0, [0; BINS]);
        for value in values.clone().map(f64::from) {
            squares += (value - mean).powi(2);
            let bin = match range > 0.0 {
                true => ((value - low) / range * BINS as f64) as usize,
                false => 0,
            };
            histogram[bin.min(BINS - 1)] += 1;
        }
        let last = count - 1;
        let [q1, median, q3] = ranked(values, [last / 4, last / 2, last * 3 / 4]);
        let std = (squares / count as f64).sqrt();
        Distribution { count, zeros, min, q1, median, q3, max, mean, std, histogram }
    }
}

/// The numbers at these places (from 0) of all in order: counted by the upper halves of their bits,
/// then for each place, among those of its upper half, by the lower.
fn ranked<const N: usize>(
    values: impl Iterator<Item = f32> + Clone,
    places: [usize; N],
) -> [f32; N] {
    let halves = |value: f32| [ordered(value) >> 16, ordered(value) & 0xffff].map(|n| n as usize);
    let mut counts = vec![0; 1 << 16];
    values.clone().for_each(|value| counts[halves(value)[0]] += 1);
    places.map(|place| {
        let (upper, place) = locate(&counts, place);
        let mut counts = vec![0; 1 << 16];
        let alike = values.clone().map(halves).filter(|value| value[0] == upper);
        alike.for_each(|value| counts[value[1]] += 1);
        let (lower, _) = locate(&counts, place);
        number((upper << 16 | lower) as u32)
    })
}

/// Which of the counted ones is at this place of all, and at which place of its own.
fn locate(counts: &[usize], mut place: usize) -> (usize, usize) {
    for (which, &count) in counts.iter().enumerate() {
        if place < count {
            return (which, place);
        }
        place -= count;
    }
    unreachable!("a place beyond the last")
}

/// Bits that are in order as the numbers are: negative ones grow downwards.
fn ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The number of which these are the [`ordered`] bits.
fn number(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}
