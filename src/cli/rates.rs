//! A time beside the work done in it: what `profile` and `bench` share.

use serde::Serialize;

use crate::ceiling::Ceiling;
use crate::cost::{Cost, costs};
use crate::recording::Recording;

/// Work, and the least time that the adapter would take for it.
#[derive(Clone, Copy, Default)]
pub(super) struct Work {
    pub(super) cost: Cost,
    pub(super) least: f64,
}

impl Work {
    /// The work of each pass.
    pub(super) fn of(recording: &Recording, ceiling: &Ceiling) -> Vec<Work> {
        let work = |cost: Cost| Work { cost, least: ceiling.seconds(&cost) };
        costs(recording).into_iter().map(work).collect()
    }

    /// How fast it was done.
    pub(super) fn rates(&self, seconds: f64) -> Rates {
        let (flop, bytes) = (self.cost.flop(), self.cost.bytes());
        Rates {
            flop,
            bytes,
            gflop_per_second: flop as f64 / seconds * 1e-9,
            gb_per_second: bytes as f64 / seconds * 1e-9,
            least: self.least,
            share_of_limit: self.least / seconds,
        }
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Work>>(parts: I) -> Work {
        let join = |a: Work, b: Work| Work { cost: a.cost + b.cost, least: a.least + b.least };
        parts.fold(Work::default(), join)
    }
}

/// How fast work was done.
#[derive(Serialize)]
pub(super) struct Rates {
    pub(super) flop: u64,
    pub(super) bytes: u64,
    gflop_per_second: f64,
    gb_per_second: f64,
    /// Seconds that the adapter's ceilings allow, pass by pass.
    least: f64,
    share_of_limit: f64,
}

impl Rates {
    /// The columns' names, as wide as the columns.
    pub(super) const HEAD: &'static str = " GFLOP/s    GB/s  % of limit";

    /// Three columns of a table.
    pub(super) fn columns(&self) -> String {
        let (flop, bytes, share) =
            (self.gflop_per_second, self.gb_per_second, self.share_of_limit * 100.0);
        format!("{flop:8.1} {bytes:7.2}  {share:10.1}")
    }
}

/// The adapter's limits in one line.
pub(super) fn ceiling_line(ceiling: &Ceiling) -> String {
    let (flop, bytes) = (ceiling.flop_per_second * 1e-9, ceiling.bytes_per_second * 1e-9);
    format!("limits measured: {flop:.0} GFLOP/s in registers, {bytes:.1} GB/s from and to memory")
}

/// The middle one of some times, with the least and the most; of an even number the upper.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Times {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Times {
    /// # Panics
    /// When there is none.
    pub(super) fn of(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        Times { median: times[times.len() / 2], min: times[0], max: times[times.len() - 1] }
    }
}
