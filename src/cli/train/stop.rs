//! Ctrl-C, SIGTERM and a terminal that is closed: each asks the run to save and end, a second Ctrl-C or
//! SIGTERM ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::Failure;

/// Whether the run was asked to stop.
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Stop, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        let failed = |why| Failure::new(format!("cannot listen for Ctrl-C: {why}"));
        for signal in [SIGINT, SIGTERM] {
            // Before the flag is, so that the signal which asks is not taken for the second one. A
            // process that a signal has ended is known by 128 and the signal's number.
            flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())
                .map_err(failed)?;
        }
        // The shell and the system may both tell of a closed terminal, so that one only asks.
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup()) {
            flag::register(signal, asked.clone()).map_err(failed)?;
        }
        Ok(Stop(asked))
    }

    pub(super) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// From now on there is nothing to save, and the first signal ends the process.
    pub(super) fn no_longer_needed(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The signal of a terminal that is closed, unless whoever started the program had it ignored, as
/// `nohup` does. The standard library cannot ask for that, so where Linux's file of it is missing the
/// signal does what it does by default: it ends the process, or is ignored.
fn hangup() -> Option<i32> {
    #[cfg(unix)]
    {
        use signal_hook::consts::SIGHUP;
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
        (ignored >> (SIGHUP - 1) & 1 == 0).then_some(SIGHUP)
    }
    #[cfg(not(unix))]
    None
}
