//! How fast work was done, as columns of a table: what `profile` and `bench` share.

use crate::profile::Speed;

/// The columns' names, as wide as the columns.
pub(super) const HEAD: &str = " GFLOP/s    GB/s  % of limit";

/// Three columns.
pub(super) fn columns(speed: &Speed) -> String {
    format!(
        "{} {}  {}",
        number(speed.gflop_per_second, 8, 1),
        number(speed.gb_per_second, 7, 2),
        number(speed.share_of_limit.map(|share| share * 100.0), 10, 1)
    )
}

/// A number to so many places, `-` where there is none.
pub(super) fn number(value: Option<f64>, width: usize, places: usize) -> String {
    match value {
        Some(value) => format!("{value:width$.places$}"),
        None => format!("{:>width$}", "-"),
    }
}
