//! Work on all processors at once.

use std::sync::Mutex;

/// The work done for each job, in no order, by as many threads as there are processors, this one among
/// them. In a browser, and out of memory, there may be no other.
pub(crate) fn on_all<J: Send, R: Send>(jobs: Vec<J>, work: impl Fn(J) -> R + Sync) -> Vec<R> {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    let threads = processors.min(jobs.len());
    let jobs = Mutex::new(jobs);
    let work = || {
        let mut done = Vec::new();
        // A block of its own, so that the lock is not held while working.
        while let Some(job) = { jobs.lock().unwrap_or_else(|e| e.into_inner()).pop() } {
            done.push(work(job));
        }
        done
    };
    std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
        let workers: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mut done = work();
        for worker in workers {
            match worker.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    })
}
