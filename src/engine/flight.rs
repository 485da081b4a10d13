//! What was submitted and is not known to have ended: how far ahead the host is, and what to name
//! when the device fails.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Submissions under way, the oldest first.
#[derive(Default)]
pub(super) struct Flights {
    under_way: VecDeque<Flight>,
    submitted: u64,
    /// Number of the newest submission that has ended, as far as the device was asked.
    ended: Arc<AtomicU64>,
}

struct Flight {
    number: u64,
    index: wgpu::SubmissionIndex,
    /// Its passes, in words.
    passes: Arc<str>,
    /// It is the last of a run.
    last: bool,
}

impl Flights {
    /// Notes what was just submitted.
    pub(super) fn begin(
        &mut self,
        queue: &wgpu::Queue,
        index: wgpu::SubmissionIndex,
        passes: &Arc<str>,
        last: bool,
    ) {
        self.submitted += 1;
        let (number, ended, passes) = (self.submitted, self.ended.clone(), passes.clone());
        queue.on_submitted_work_done(move || {
            ended.fetch_max(number, Ordering::Relaxed);
        });
        self.under_way.push_back(Flight { number, index, passes, last });
    }

    /// Takes the oldest run, where more than `most` are under way: its last submission.
    pub(super) fn oldest_over(&mut self, most: usize) -> Option<wgpu::SubmissionIndex> {
        let runs = self.under_way.iter().filter(|flight| flight.last).count();
        let last = self.under_way.iter().position(|flight| flight.last).filter(|_| runs > most)?;
        self.under_way.drain(..=last).next_back().map(|flight| flight.index)
    }

    /// All have ended.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
    }

    /// What the device was doing: the passes of the oldest submission that is not known to have
    /// ended.
    pub(super) fn doing(&self) -> String {
        let ended = self.ended.load(Ordering::Relaxed);
        let flight = self.under_way.iter().find(|flight| flight.number > ended);
        flight.map_or(String::new(), |flight| format!(" in or behind {}", flight.passes))
    }
}
