//! Training that outlives its device: when one is lost or hangs, a new one goes on.

use super::out::shown;
use super::run::Run;
use super::{TrainCommand, prepare};
use crate::cli::{Failure, Global, say, steps, warn};

/// Trains and reports. What a new device does is what `--resume` does: it begins with the newest
/// checkpoint, and drops what was measured after it. Without a checkpoint it begins anew.
pub(super) fn train(mut command: TrainCommand, global: &Global) -> Result<(), Failure> {
    command.given.clone_from(&command.out);
    // One that has no absolute path is none, and what reads it says so.
    command.out = command.out.map(|out| std::path::absolute(&out).unwrap_or(out));
    let most = command.device_retries;
    for retry in 1.. {
        let failure = match attempt(&mut command, global) {
            Err(failure) if failure.ends_device => failure,
            ended => return ended,
        };
        if retry > most {
            let tried = match most {
                0 => String::new(),
                _ => format!("; --device-retries {most} are used up"),
            };
            return Err(Failure::new(failure.message + &tried));
        }
        warn(&failure.message);
        let from = if command.resume { "that checkpoint" } else { "the beginning" };
        say(&format!("going back to {from} with a new device: retry {retry} of {most}"));
    }
    Ok(())
}

/// Trains on one device.
fn attempt(command: &mut TrainCommand, global: &Global) -> Result<(), Failure> {
    let mut run = match prepare(command, global) {
        Err(failure) if command.begun && !failure.ends_device => {
            return Err(not_again(command, failure));
        }
        prepared => prepared?,
    };
    command.begun = true;
    let trained = run.train();
    // Whatever has happened, a checkpoint that is being written is one worth having.
    let saved = run.hear_of_saving(true);
    let stopped = run.stop.asked();
    let ended = trained.and(saved).and_then(|()| match stopped {
        true => run.stopped(),
        false => run.report(),
    });
    let Err(failure) = ended else { return Ok(()) };
    if !failure.ends_device {
        return Err(failure);
    }
    // What is to be gone on from, or to be replaced, must be this run's.
    if let Err(other) = run.hold_folder() {
        return Err(Failure::new(format!("{}; {}", failure.message, other.message)));
    }
    command.lose_device_at.drain(..1.min(command.lose_device_at.len()));
    command.resume |= run.has_checkpoint();
    let failure = run.lost_device(failure, stopped, command.resume);
    command.out.clone_from(&run.out); // it may have had to move
    command.lock = run.saver.map(|saver| saver.lock);
    Err(failure)
}

/// Why there is no next attempt, with what was saved before.
fn not_again(command: &TrainCommand, failure: Failure) -> Failure {
    let Some(out) = command.out.as_ref().filter(|_| command.resume) else { return failure };
    let message = format!(
        "{}; the device had been lost, and a checkpoint of this run was in {}: where it is still there, \
         or where the folder was moved to, `inception train --resume --out DIR` goes on from it",
        failure.message,
        shown(command.given.as_deref(), out).display()
    );
    Failure { message, ..failure }
}

impl Run {
    /// The failure with what it means for the run, which is not tried again when it was to stop.
    fn lost_device(&self, failure: Failure, stopped: bool, resumed: bool) -> Failure {
        self.bar.finish_and_clear();
        let (step, kept) = (self.trainer.step(), self.kept());
        let message = format!("{}. {} had been begun; {kept}", failure.message, steps(step));
        // One that was resumed, and has saved nothing in the folder it had to move to, cannot begin anew.
        let again = !stopped && (self.has_checkpoint() || !resumed);
        Failure { message, ends_device: again, ..failure }
    }
}
