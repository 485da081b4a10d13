//! The folder `--out`: what may be replaced there, and its being made ready.

use std::path::{Path, absolute};

use super::TrainCommand;
use super::save::Saver;
use crate::checkpoint::{
    self, BEST_FILE, CHECKPOINTS, CONFIG_FILE, Checkpoint, Lock, MODEL_FILE, atomic,
};
use crate::cli::Failure;
use crate::metrics::{self, METRICS_FILE, MetricsFile};
use crate::report::{EVALUATION_FILE, PROFILE_FILE, REPORT_FILE};

/// What a run writes into its folder, besides checkpoints and the lock, which look after themselves.
const FILES: [&str; 7] =
    [MODEL_FILE, BEST_FILE, CONFIG_FILE, METRICS_FILE, EVALUATION_FILE, PROFILE_FILE, REPORT_FILE];

/// The folder `out` in the words of a user who gave it as `given`.
pub(super) fn shown<'a>(given: Option<&'a Path>, out: &'a Path) -> &'a Path {
    // The working folder may be another now, or gone.
    given.filter(|given| absolute(given).is_ok_and(|path| path == out)).unwrap_or(out)
}

/// Refuses a folder in which a new run would replace something, unless it is asked to.
pub(super) fn refuse_to_replace(command: &TrainCommand, out: &Path) -> Result<(), Failure> {
    let folder = |path: &Path| !path.exists() || path.is_dir();
    if let Some(file) = [out, &out.join(CHECKPOINTS)].into_iter().find(|path| !folder(path)) {
        return Err(Failure::new(format!(
            "{} is no folder, and a run's files go into one; name another --out",
            file.display()
        )));
    }
    if command.resume || command.overwrite {
        return Ok(());
    }
    let out_name = shown(command.given.as_deref(), out).display();
    if checkpoint::holds_a_model(out) {
        return Err(Failure::new(format!(
            "{out_name} holds a model already: give --resume to go on training it, --overwrite to \
             replace it, or another --out"
        )));
    }
    let is_there = |name: &&str| {
        let path = out.join(name);
        // A run that came to nothing has left no more than a header.
        let bare = *name == METRICS_FILE && metrics::is_bare(&path);
        path.symlink_metadata().is_ok() && !bare
    };
    let found: Vec<&str> = FILES.into_iter().filter(is_there).collect();
    if command.begun || found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{out_name} holds {} already, which the run would replace: give another --out, or \
         --overwrite to replace what has such names",
        found.join(", ")
    )))
}

/// Makes the folder `--out` ready for checkpoints.
pub(super) fn open_out(
    command: &TrainCommand,
    lock: Option<Lock>,
    resumed: Option<&Checkpoint>,
) -> Result<Option<Saver>, Failure> {
    let Some(out) = &command.out else { return Ok(None) };
    std::fs::create_dir_all(out)
        .map_err(|why| Failure::new(format!("cannot make the folder {}: {why}", out.display())))?;
    let mut lock = lock.map_or_else(|| Lock::take(out), Ok)?;
    // Another run may have used the folder before it was taken, or taken it while this one was prepared.
    lock.renew()?;
    refuse_to_replace(command, out)?;
    atomic::sweep(out)?;
    match resumed {
        Some(checkpoint) => checkpoint::publish(out, &checkpoint.dir)?,
        None => checkpoint::clear(out)?,
    }
    let step = resumed.map(|checkpoint| checkpoint.origin.step);
    Ok(Some(Saver::new(out.clone(), lock, step)))
}

/// The metrics file in `--out`, if there is one, and the seconds of the run before it was resumed.
pub(super) fn open_metrics(
    command: &TrainCommand,
    done: u64,
) -> Result<(Option<MetricsFile>, f64), Failure> {
    let Some(out) = &command.out else { return Ok((None, 0.0)) };
    let path = out.join(METRICS_FILE);
    if !command.resume {
        return Ok((Some(MetricsFile::create(&path)?), 0.0));
    }
    let file = MetricsFile::resume(&path, done)?;
    let seconds = metrics::read(&path)?.last().map_or(0.0, |row| row.seconds);
    Ok((Some(file), seconds))
}
