//! Numbers that know how far off a kernel's may be.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// The relative error of a rounding. WGSL leaves open whether a result goes to the nearest f32 or to
/// the other neighbour, so it is a whole unit in the last place.
const UNIT: f64 = f32::EPSILON as f64;
/// Roundings that count in full. Of more, which are independent, so that some go up and some down,
/// the root counts: n of them add up to more than 6 sqrt(n) with a probability below 1e-7 (Higham and
/// Mary 2019, *A new approach to probabilistic rounding error analysis*, with lambda 6).
const IN_FULL: f64 = 36.0;

/// A value in f64, and a bound for the error that a kernel computing the same in f32 may make,
/// whatever the order in which it adds up.
///
/// A sum of n terms is off by at most n roundings of the sum of the terms' sizes, in any order
/// (Higham 2002, *Accuracy and Stability of Numerical Algorithms*, section 4.2), so both are counted
/// while loops compute the value. Division and functions are as accurate as WGSL asks for (section
/// 15.7.4 of its specification).
#[derive(Clone, Copy, Debug, Default)]
pub struct Number {
    /// The value.
    pub value: f64,
    /// What the value would be if all terms had one sign.
    size: f64,
    /// Most roundings that a term went through.
    roundings: f64,
    /// Error that does not come from these roundings.
    error: f64,
}

impl Number {
    /// A number that f32 holds.
    pub fn exact(value: f64) -> Number {
        Number { value, size: value.abs(), ..Number::default() }
    }

    /// A number that the kernel holds as the next f32.
    pub fn rounded(value: f64) -> Number {
        Number { roundings: 1.0, ..Number::exact(value) }
    }

    /// A number that may be off by that share of it.
    pub fn within(value: f64, share: f64) -> Number {
        Number { error: share * value.abs(), ..Number::exact(value) }
    }

    /// How far off a kernel's result may be; 0 where it must be exact.
    pub fn bound(self) -> f64 {
        if self.roundings == 0.0 && self.error == 0.0 {
            return 0.0;
        }
        let roundings = self.roundings.min((IN_FULL * self.roundings).sqrt());
        // Adapters may flush what is smaller than normal numbers.
        roundings * UNIT * self.size + self.error + f64::from(f32::MIN_POSITIVE)
    }

    /// A function's value here, with its slope, to so many units in the last place.
    fn function(self, value: f64, slope: f64, units: f64) -> Number {
        let error = slope.abs() * self.bound() + units * UNIT * value.abs();
        Number { error, ..Number::exact(value) }
    }

    /// e to its power.
    pub fn exp(self) -> Number {
        let value = self.value.exp();
        self.function(value, value, 3.0 + 2.0 * self.value.abs())
    }

    /// Its natural logarithm.
    pub fn ln(self) -> Number {
        let result = self.function(self.value.ln(), 1.0 / self.value, 3.0);
        Number { error: result.error + near_one(self.value), ..result }
    }

    /// Its square root, which WGSL takes for 1 / inverseSqrt.
    pub fn sqrt(self) -> Number {
        let value = self.value.sqrt();
        // The slope is infinite at 0, where the root of the bound bounds the error.
        let slope = if value > 0.0 { 0.5 / value } else { 0.0 };
        let result = self.function(value, slope, 2.0 + 2.5);
        let at_zero = if value > 0.0 { 0.0 } else { self.bound().sqrt() };
        Number { error: result.error + at_zero, ..result }
    }

    /// Its power, which WGSL takes for `exp2(power * log2(x))`.
    pub fn powf(self, power: f64) -> Number {
        let logarithm = self.value.log2();
        let units = (3.0 + 1.0) * power.abs() * logarithm.abs();
        let off = power.abs() * near_one(self.value) + units * UNIT;
        let value = self.value.powf(power);
        let exponent = 3.0 + 2.0 * (power * logarithm).abs();
        let result = self.function(value, power * value / self.value, exponent);
        Number { error: result.error + value.abs() * std::f64::consts::LN_2 * off, ..result }
    }

    /// It where it is positive, else 0.
    pub fn relu(self) -> Number {
        match self.value > 0.0 {
            true => self,
            // What may be positive after all.
            false => {
                let error = (self.bound() + self.value).max(0.0);
                Number { error: if self.bound() > 0.0 { error } else { 0.0 }, ..Number::exact(0.0) }
            }
        }
    }

    /// It where `sign` is positive, else 0; either where rounding decides the sign.
    pub fn where_positive(self, sign: Number) -> Number {
        let kept = if sign.value > 0.0 { self } else { Number::exact(0.0) };
        let either = sign.bound() > 0.0 && sign.value.abs() <= sign.bound();
        let error = if either { self.value.abs() + self.bound() } else { kept.error };
        Number { error, ..kept }
    }
}

/// The error of a logarithm where it goes through 0, in which WGSL measures it absolutely.
fn near_one(x: f64) -> f64 {
    if (0.5..=2.0).contains(&x) { (-21f64).exp2() } else { 0.0 }
}

impl Add for Number {
    type Output = Number;

    fn add(self, other: Number) -> Number {
        Number {
            value: self.value + other.value,
            size: self.size + other.size,
            roundings: self.roundings.max(other.roundings) + 1.0,
            error: self.error + other.error,
        }
    }
}

impl AddAssign for Number {
    fn add_assign(&mut self, other: Number) {
        *self = *self + other;
    }
}

impl Neg for Number {
    type Output = Number;

    fn neg(self) -> Number {
        Number { value: -self.value, ..self }
    }
}

impl Sub for Number {
    type Output = Number;

    fn sub(self, other: Number) -> Number {
        self + -other
    }
}

impl Mul for Number {
    type Output = Number;

    fn mul(self, other: Number) -> Number {
        Number {
            value: self.value * other.value,
            size: self.size * other.size,
            roundings: self.roundings + other.roundings + 1.0,
            error: self.error * other.size + other.error * self.size,
        }
    }
}

impl Div for Number {
    type Output = Number;

    fn div(self, other: Number) -> Number {
        let value = self.value / other.value;
        // The divisor's error relative to it, and WGSL's 2.5 units.
        let off = other.bound() / other.value.abs() + 2.5 * UNIT;
        Number {
            value,
            size: self.size / other.value.abs(),
            roundings: self.roundings,
            error: self.error / other.value.abs() + value.abs() * off,
        }
    }
}

impl std::iter::Sum for Number {
    fn sum<I: Iterator<Item = Number>>(numbers: I) -> Number {
        numbers.reduce(Add::add).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What f32 makes of it must lie within the bound, and the bound must not be loose.
    #[track_caller]
    fn holds(truth: Number, got: f32, most: f64) {
        let off = (f64::from(got) - truth.value).abs();
        assert!(off <= truth.bound(), "{got} is off by {off:e}, {truth:?}: {:e}", truth.bound());
        let relative = truth.bound() / truth.value.abs();
        assert!(relative <= most, "a bound of {relative:e} is too loose");
    }

    #[test]
    fn what_is_not_computed_is_exact() {
        assert_eq!(Number::exact(0.1).bound(), 0.0);
        assert_eq!(Number::exact(-3.0).relu().bound(), 0.0);
        assert_eq!((-Number::exact(3.0)).where_positive(Number::exact(1e-30)).bound(), 0.0);
        assert!(Number::rounded(0.1).bound() > 0.0);
    }

    #[test]
    fn sums_in_any_order_hold() {
        let terms: Vec<f32> = (1..2000).map(|i| 1.0 / (i as f32)).collect();
        let truth: Number = terms.iter().map(|&t| Number::exact(t.into())).sum();
        holds(truth, terms.iter().sum(), 4e-5);
        holds(truth, terms.iter().rev().sum(), 4e-5);
        let halves = terms.chunks(2).map(|pair| pair.iter().sum::<f32>());
        holds(truth, halves.sum(), 4e-5);
        // One term left out is noticed.
        let short: f32 = terms[..1900].iter().sum::<f32>() + terms[1901..].iter().sum::<f32>();
        assert!((f64::from(short) - truth.value).abs() > truth.bound());
    }

    #[test]
    fn products_and_functions_hold() {
        let (a, b) = (0.3f32, -1.7f32);
        let [x, y] = [a, b].map(|v| Number::exact(v.into()));
        // Two roundings of 0.51 + 0.3, of which 0.21 is left.
        holds(x * y + x, a * b + a, 2.0 * UNIT * 0.81 / 0.21 * 1.001);
        holds(y / x, b / a, 4e-7);
        holds((x * y).exp(), (a * b).exp(), 1e-6);
        holds((x * x).ln(), (a * a).ln(), 1e-6);
        holds((x * x).sqrt(), (a * a).sqrt(), 1e-6);
        holds((x + x).powf(-0.75), (a + a).powf(-0.75), 2e-6);
    }

    #[test]
    fn a_sign_that_rounding_decides_counts_either_way() {
        let nearly = Number::exact(1.0) + Number::exact(1e-9) - Number::exact(1.0);
        let gated = Number::exact(5.0).where_positive(nearly);
        assert!(gated.bound() >= 5.0, "{gated:?}");
        let below = -nearly;
        assert!(below.relu().value == 0.0 && below.relu().bound() > 0.0);
        assert!(Number::exact(5.0).where_positive(below).bound() >= 5.0);
    }
}
