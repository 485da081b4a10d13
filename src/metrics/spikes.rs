//! Losses far above those before.

use std::collections::VecDeque;
use std::fmt;

/// Steps whose losses are remembered, and between two warnings at least.
const RECENT: usize = 100;
/// Losses that must be known before one can be far above them.
const LEAST: usize = 20;
/// How many times their median a loss must be.
const TIMES: f32 = 10.0;

/// Watches the losses of a run.
///
/// A loss is far above the recent ones when it is more than 10 times the median of the last 100, and
/// more than guessing among ten classes costs, ln 10: near the end of a run most batches cost nearly
/// nothing, and one digit in them that is hard is no accident.
#[derive(Debug, Default)]
pub struct Spikes {
    recent: VecDeque<f32>,
    /// Steps since the last warning; none when there was none.
    quiet: Option<usize>,
}

/// A loss far above those before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    /// Its step.
    pub step: u64,
    /// The loss.
    pub loss: f32,
    /// The middle one of the losses before.
    pub median: f32,
}

impl fmt::Display for Spike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spike { step, loss, median } = self;
        let times = loss / median;
        write!(
            f,
            "the loss of step {step} is {loss:.4}, {times:.0} times the median of the steps before; if \
             it does not fall again, try a lower --learning-rate"
        )
    }
}

impl Spikes {
    /// Takes the loss of the next step. Returns it when it is far above the recent ones, and nothing
    /// was said of the 100 steps before.
    pub fn note(&mut self, step: u64, loss: f32) -> Option<Spike> {
        let median = self.median();
        self.quiet = self.quiet.map(|steps| steps + 1).filter(|steps| *steps < RECENT);
        self.recent.push_back(loss);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let median = median.filter(|_| self.quiet.is_none())?;
        if loss <= TIMES * median || loss <= std::f32::consts::LN_10 {
            return None;
        }
        self.quiet = Some(0);
        Some(Spike { step, loss, median })
    }

    /// The middle one of the recent losses, if there are enough.
    fn median(&self) -> Option<f32> {
        let mut sorted: Vec<f32> = self.recent.iter().copied().collect();
        sorted.sort_by(f32::total_cmp);
        sorted.get(sorted.len() / 2).copied().filter(|_| sorted.len() >= LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps warned of.
    fn spikes(losses: impl IntoIterator<Item = f32>) -> Vec<u64> {
        let mut spikes = Spikes::default();
        (1..)
            .zip(losses)
            .filter_map(|(step, loss)| spikes.note(step, loss))
            .map(|s| s.step)
            .collect()
    }

    #[test]
    fn a_loss_far_above_the_others_is_told_of_once() {
        let mut losses = vec![0.5; 300];
        losses[49] = 5.1;
        losses[60] = 100.0; // too soon after
        losses[149] = 5.1;
        assert_eq!(spikes(losses), [50, 150]);
        assert_eq!(spikes([vec![0.5; 20], vec![5.1]].concat()), [21]);
        assert_eq!(spikes([vec![0.5; 19], vec![5.1]].concat()), [0; 0], "too few before");
    }

    #[test]
    fn what_is_less_than_guessing_or_ten_times_as_much_is_no_spike() {
        assert_eq!(spikes([vec![1e-6; 100], vec![2.3]].concat()), [0; 0]);
        assert_eq!(spikes([vec![1e-6; 100], vec![2.31]].concat()), [101]);
        assert_eq!(spikes([vec![30.0; 100], vec![299.0]].concat()), [0; 0]);
        // A new level is told of, and then is the level.
        assert_eq!(spikes([vec![1.0; 100], vec![20.0; 500]].concat()), [101]);
        // A falling loss, as runs begin with.
        assert_eq!(spikes((0..1000).map(|i| 4000.0 / (1.0 + i as f32))), [0; 0]);
    }

    #[test]
    fn the_sentence_says_how_far() {
        let spike = Spike { step: 812, loss: 153.25, median: 3.0 };
        assert!(spike.to_string().starts_with(
            "the loss of step 812 is 153.2500, 51 times the median of the steps before; if"
        ));
    }
}
