//! How far numbers are from the truth.

/// The norm of the difference over the norm of the truth.
pub fn by_norm(got: &[f64], truth: &[f64]) -> f64 {
    assert_eq!(got.len(), truth.len(), "another number of values");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    ratio(norm(&mut got.iter().zip(truth).map(|(g, t)| g - t)), norm(&mut truth.iter().copied()))
}

/// The largest difference over the largest value of the truth.
pub fn by_value(got: &[f64], truth: &[f64]) -> f64 {
    assert_eq!(got.len(), truth.len(), "another number of values");
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(0.0, |a: f64, v| if v.is_nan() { v } else { a.max(v.abs()) })
    };
    ratio(
        largest(&mut got.iter().zip(truth).map(|(g, t)| g - t)),
        largest(&mut truth.iter().copied()),
    )
}

/// The largest of the differences, each over its own truth.
pub fn by_each(got: &[f64], truth: &[f64]) -> f64 {
    assert_eq!(got.len(), truth.len(), "another number of values");
    let each = got.iter().zip(truth).map(|(g, t)| ratio((g - t).abs(), t.abs()));
    each.fold(0.0, |a: f64, v| if v.is_nan() { f64::INFINITY } else { a.max(v) })
}

fn ratio(difference: f64, truth: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / truth }
}

/// The largest error of several, and whose it is, checked against what is allowed.
#[derive(Debug, Default)]
pub struct Worst {
    error: f64,
    whose: String,
}

impl Worst {
    pub fn note(&mut self, whose: &str, error: f64) {
        // A NaN is worse than anything.
        let error = if error.is_nan() { f64::INFINITY } else { error };
        if error >= self.error {
            (self.error, self.whose) = (error, whose.to_string());
        }
    }

    #[track_caller]
    pub fn at_most(&self, what: &str, allowed: f64) {
        println!("{what}: {:.2e} of {allowed:.0e} allowed ({})", self.error, self.whose);
        assert!(self.error <= allowed, "{what}: {} is off by {:e}", self.whose, self.error);
    }
}
