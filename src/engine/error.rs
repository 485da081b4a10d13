//! What can go wrong between a recording and its results.

use std::time::Duration;

/// What can go wrong between a recording and its results.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A pass that this adapter cannot run.
    #[error("pass `{pass}` cannot run on {adapter}: {reason}")]
    Pass {
        /// Its label.
        pass: String,
        /// The adapter's name.
        adapter: String,
        /// What is wrong.
        reason: String,
    },
    /// The device has no memory left.
    #[error(
        "{adapter} has no memory left for {what}, {held} bytes being in use by this program: {advice}, \
         close other programs that use the GPU, or try another --adapter"
    )]
    Memory {
        /// The adapter's name.
        adapter: String,
        /// What asked for it: tensor and bytes.
        what: String,
        /// Bytes that tensors have already.
        held: u64,
        /// What takes less.
        advice: &'static str,
    },
    /// The device is gone, with all that it held.
    #[error(
        "the device {adapter} was lost{doing}: {reason}. The driver ended it: a reset, a pass that took \
         longer than it allows (often two seconds), or an unplugged GPU. A lower --batch-size makes \
         shorter passes; `inception profile` shows how long each takes"
    )]
    Lost {
        /// The adapter's name.
        adapter: String,
        /// Where in its work, as far as is known: ` in or behind pass ..`, or nothing.
        doing: String,
        /// The driver's words.
        reason: String,
    },
    /// The device does not come to an end.
    #[error(
        "{adapter} has not finished its work in {} seconds{doing}; it hangs, or the network is too large \
         for it: lower --batch-size or --maps, update the driver, or try another --adapter",
        patience.as_secs()
    )]
    Hangs {
        /// The adapter's name.
        adapter: String,
        /// Where in its work, as far as is known: ` in or behind pass ..`, or nothing.
        doing: String,
        /// How long was waited.
        patience: Duration,
    },
    /// Numbers that are none.
    #[error("{what}")]
    Numbers {
        /// Of which images, and what is known of it.
        what: String,
        /// Some were never written: a fault of the program or the driver, not of the weights.
        unwritten: bool,
    },
    /// The driver said no.
    #[error(
        "{adapter}: {reason}; lower --batch-size or the network's sizes, or try another --adapter"
    )]
    Device {
        /// The adapter's name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
}

impl EngineError {
    /// With this advice, where it is about memory.
    pub(crate) fn advising(mut self, better: &'static str) -> EngineError {
        if let EngineError::Memory { advice, .. } = &mut self {
            *advice = better;
        }
        self
    }

    /// Whether the device is of no use any more, so that only a new one can go on.
    pub fn ends_device(&self) -> bool {
        matches!(self, EngineError::Lost { .. } | EngineError::Hangs { .. })
    }
}
