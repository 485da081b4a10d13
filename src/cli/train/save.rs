//! Saving a run's checkpoints while the training goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::out::shown;
use super::run::Run;
use crate::checkpoint::{self, CheckpointError, Lock, Origin, TensorSource};
use crate::cli::{Failure, bytes, so_far, warn};
use crate::config::Every;
use crate::engine::Copied;
use crate::recording::TensorInfo;
use crate::train::Snapshot;

/// The checkpoints of a run.
pub(super) struct Saver {
    pub(super) out: PathBuf,
    pub(super) lock: Lock,
    /// Step of the newest one.
    saved: Option<u64>,
    /// Best validation accuracy among them.
    best: Option<f64>,
    /// When the last one was begun, or else the run.
    begun: Instant,
    writing: Option<Writing>,
    /// Why the last one is missing.
    failed: Option<String>,
    /// What the last one has left that was to be removed, and why.
    left: Option<String>,
    /// Whether the run has begun in another folder, or in one that is gone.
    moved: bool,
}

/// A checkpoint on its way to the disk.
struct Writing {
    origin: Origin,
    begun: Instant,
    /// Bytes of all tensors, and of those that are written.
    bytes: u64,
    written: Arc<AtomicU64>,
    /// Gives what could not be removed when the checkpoint was saved.
    thread: JoinHandle<Result<Option<CheckpointError>, CheckpointError>>,
}

impl Saver {
    /// For a run into the folder `out`, which goes on from the checkpoint of step `saved`.
    pub(super) fn new(out: PathBuf, lock: Lock, saved: Option<u64>) -> Saver {
        let best = saved.and_then(|_| checkpoint::best_accuracy(&out));
        let begun = Instant::now();
        Saver {
            out,
            lock,
            saved,
            best,
            begun,
            writing: None,
            failed: None,
            left: None,
            moved: false,
        }
    }

    /// From now on into a folder in which nothing is saved yet, best weights neither.
    pub(super) fn moved(&mut self, out: PathBuf) {
        (self.out, self.saved, self.best, self.moved) = (out, None, None, true);
    }

    fn is_due(&self, every: Every, step: u64, accuracy: Option<f64>) -> bool {
        let due = match every {
            Every::Evaluation => accuracy.is_some(),
            Every::Steps(count) => step.is_multiple_of(count),
            Every::Time(time) => self.begun.elapsed() >= time,
        };
        due || accuracy.is_some_and(|accuracy| self.best.is_none_or(|best| accuracy > best))
    }
}

impl Run {
    /// Whether there is one to go on from.
    pub(super) fn has_checkpoint(&self) -> bool {
        self.saver.as_ref().is_some_and(|saver| saver.saved.is_some())
    }

    /// What there is to go on from.
    pub(super) fn kept(&self) -> String {
        let none = "no checkpoint had been saved".to_string();
        let Some(saver) = &self.saver else { return none };
        let out = shown(self.given.as_deref(), &saver.out).display();
        match saver.saved {
            Some(step)
                if saver.lock.check().is_ok() && checkpoint::holds_step(&saver.out, step) =>
            {
                format!("the checkpoint of step {step} in {out} is kept")
            }
            Some(step) => {
                format!(
                    "the checkpoint of step {step} is gone from {out}, or the folder is another run's"
                )
            }
            None if saver.moved => format!("{none} in {out}"),
            None => none,
        }
    }

    /// The same where no training can go on from the weights of step `bad` and later, although they are
    /// finite: a checkpoint of them is discarded, unless there is no older one.
    pub(super) fn kept_before(&mut self, bad: u64) -> String {
        let Some(saver) = &mut self.saver else { return self.kept() };
        let Some(step) = saver.saved.filter(|step| *step >= bad) else { return self.kept() };
        if saver.lock.check().is_err() || !checkpoint::holds_step(&saver.out, step) {
            return self.kept();
        }
        match checkpoint::go_back(&saver.out, bad) {
            Ok(Some(older)) => {
                saver.saved = Some(older);
                format!(
                    "the checkpoint of step {step} leads to this at any rate, so it is discarded; {}",
                    self.kept()
                )
            }
            Ok(None) => format!(
                "{}, as there is no older one, but it leads to this at any rate: begin another run",
                self.kept()
            ),
            Err(error) => {
                format!("{}, but it leads to this at any rate; {error}", self.kept())
            }
        }
    }

    /// Begins to save a checkpoint if it is time to, and hears what became of the last one.
    pub(super) fn save_if_due(&mut self) -> Result<(), Failure> {
        self.hear_of_saving(false)?;
        let (step, accuracy) = (self.trainer.step(), self.accuracy_now());
        let every = self.config.checkpoint_every;
        match &self.saver {
            Some(saver) if saver.is_due(every, step, accuracy) => self.save(),
            _ => Ok(()),
        }
    }

    /// Begins to save a checkpoint, unless this step has one. Waits for the one before.
    pub(super) fn save(&mut self) -> Result<(), Failure> {
        self.hear_of_saving(true)?;
        let step = self.trainer.step();
        if self.saver.as_ref().is_none_or(|saver| saver.saved == Some(step)) {
            return Ok(());
        }
        // The metrics are to hold all that came before the checkpoint.
        self.note_remaining()?;
        let origin = Origin {
            step,
            config: self.config.clone(),
            validation_accuracy: self.accuracy_now(),
            training_data: Some(self.samples.fingerprint.clone()),
            test_data: Some(self.samples.test_fingerprint.clone()),
        };
        if let Err(failure) = self.begin_saving(origin) {
            self.not_saved(step, &failure.message);
        }
        Ok(())
    }

    fn begin_saving(&mut self, origin: Origin) -> Result<(), Failure> {
        self.hold_folder()?;
        let Some(saver) = &mut self.saver else { return Ok(()) };
        saver.begun = Instant::now();
        self.sync_metrics()?;
        let Some(saver) = &mut self.saver else { return Ok(()) };
        let snapshot = self.trainer.snapshot()?;
        let tensors = snapshot.weights.iter().chain(&snapshot.moments);
        let bytes = tensors.map(|(info, _)| info.len() as u64 * 4).sum();
        let written = Arc::new(AtomicU64::new(0));
        let (out, of, count) = (saver.out.clone(), origin.clone(), Arc::clone(&written));
        let (thread, lock) =
            (thread::Builder::new().name("checkpoint".to_string()), saver.lock.clone());
        let thread = thread.spawn(move || write(&out, &lock, &of, snapshot, &count))?;
        saver.writing = Some(Writing { origin, begun: saver.begun, bytes, written, thread });
        Ok(())
    }

    /// Hears what became of the checkpoint being written, if it is done; waits for it if asked to.
    /// One that could not be written is missed, not fatal: there will be others.
    pub(super) fn hear_of_saving(&mut self, wait: bool) -> Result<(), Failure> {
        let Some(saver) = &mut self.saver else { return Ok(()) };
        let done = |writing: &mut Writing| wait || writing.thread.is_finished();
        let Some(writing) = saver.writing.take_if(done) else { return Ok(()) };
        self.watch(&writing);
        let Some(saver) = &mut self.saver else { return Ok(()) };
        let Writing { origin, thread, .. } = writing;
        let step = origin.step;
        match thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            Ok(left) => {
                saver.saved = Some(step);
                saver.failed = None;
                let left = left.map(|error| error.to_string());
                // Each save says the same.
                if let Some(why) = left.as_ref().filter(|_| saver.left != left) {
                    let what = "not all older checkpoints could be removed, and they take room";
                    self.bar.suspend(|| warn(&format!("{what}: {why}")));
                }
                saver.left = left;
                // None is less than any number.
                if origin.validation_accuracy > saver.best {
                    saver.best = origin.validation_accuracy;
                }
            }
            Err(CheckpointError::Diverged { name, value, .. }) => {
                let what = format!("after step {step} tensor {name} holds {value}");
                // Its gradients were so, whatever the rate.
                return Err(self.wrong(&what, false, step - 1));
            }
            Err(error) => self.not_saved(step, &error.to_string()),
        }
        Ok(())
    }

    /// Shows how far a checkpoint has come, where somebody sees it, until it is written.
    fn watch(&self, writing: &Writing) {
        let message = self.bar.message();
        while !self.bar.is_hidden() && !writing.thread.is_finished() {
            let written = writing.written.load(Ordering::Relaxed);
            let so_far = so_far(written, writing.bytes, writing.begun, bytes);
            self.bar.set_message(format!("saving {so_far},"));
            thread::sleep(Duration::from_millis(20));
        }
        self.bar.set_message(message);
    }

    fn not_saved(&mut self, step: u64, why: &str) {
        let message =
            format!("the checkpoint of step {step} was not saved: {why}; {}", self.kept());
        let Some(saver) = &mut self.saver else { return };
        self.bar.suspend(|| warn(&message));
        saver.failed = Some(message);
    }

    /// Fails when the last checkpoint could not be saved.
    pub(super) fn check_saved(&self) -> Result<(), Failure> {
        match self.saver.as_ref().and_then(|saver| saver.failed.as_ref()) {
            Some(message) => Err(Failure::new(message)),
            None => Ok(()),
        }
    }
}

fn write(
    out: &std::path::Path,
    lock: &Lock,
    origin: &Origin,
    snapshot: Snapshot,
    written: &AtomicU64,
) -> Result<Option<CheckpointError>, CheckpointError> {
    let source = |(info, copied): (TensorInfo, Copied)| TensorSource {
        name: info.name,
        shape: info.shape,
        read: Box::new(move |use_part| {
            let read = copied.read(|part| {
                use_part(part);
                written.fetch_add(part.len() as u64, Ordering::Relaxed);
            });
            read.map_err(|error| error.to_string())
        }),
    };
    let weights = snapshot.weights.into_iter().map(source).collect();
    let moments = snapshot.moments.into_iter().map(source).collect();
    checkpoint::save(out, origin, weights, moments, || lock.check())
}
