//! Work beside the time that it took, and beside the least that it could have taken.

use serde::{Deserialize, Serialize};

use crate::ceiling::Ceiling;
use crate::cost::costs;
use crate::recording::Recording;

/// What there is to do, and the least time that the adapter would take for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Operations on f32.
    pub flop: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Seconds that the adapter's ceilings allow, pass by pass.
    pub least: f64,
}

impl Work {
    /// The work of each pass.
    pub fn of(recording: &Recording, ceiling: &Ceiling) -> Vec<Work> {
        let costs = costs(recording).into_iter();
        costs
            .map(|cost| Work {
                flop: cost.flop(),
                bytes: cost.bytes(),
                least: ceiling.seconds(&cost),
            })
            .collect()
    }

    /// How fast it was done. Of a time of zero, such as a coarse clock measures, nothing is known.
    pub fn speed(&self, seconds: Option<f64>) -> Speed {
        let a_second = |amount: f64| Some(amount / seconds.filter(|seconds| *seconds > 0.0)?);
        Speed {
            gflop_per_second: a_second(self.flop as f64 * 1e-9),
            gb_per_second: a_second(self.bytes as f64 * 1e-9),
            share_of_limit: a_second(self.least),
        }
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Work>>(parts: I) -> Work {
        parts.fold(Work::default(), |a, b| Work {
            flop: a.flop + b.flop,
            bytes: a.bytes + b.bytes,
            least: a.least + b.least,
        })
    }
}

/// How fast work was done; nothing where its time is not known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Operations on f32 in a second, in 1e9.
    pub gflop_per_second: Option<f64>,
    /// Bytes read and written in a second, in 1e9.
    pub gb_per_second: Option<f64>,
    /// The least time over the time taken: 1 at the adapter's limit. What a cache still holds comes
    /// faster than memory, so it may be over 1.
    pub share_of_limit: Option<f64>,
}

/// The middle one of some times in seconds, with the least and the most; of an even number the upper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Times {
    /// `None` when there is none.
    pub fn of(mut times: Vec<f64>) -> Option<Times> {
        times.sort_by(f64::total_cmp);
        let (min, max) = (*times.first()?, *times.last()?);
        Some(Times { median: times[times.len() / 2], min, max })
    }
}
