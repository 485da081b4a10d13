//! The folder of a run: which checkpoints it holds, saving one, finding the newest that is whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::read::origin_of;
use super::write::{metadata, write_tensors};
use super::{
    BEST_FILE, CHECKPOINTS, CONFIG_FILE, Checkpoint, CheckpointError, MODEL_FILE, OPTIMIZER_FILE,
    Origin, TensorSource, atomic, own,
};

/// Checkpoints that are kept at least while nobody knows whether training can go on from the newest.
const KEPT_UNTRIED: usize = 2;

/// Saves a checkpoint in the folder of a run, which is made if need be, shows it as the newest and,
/// where it is, as the best, and removes those that are not to be kept. Its weights may be finite and
/// too large to go on from; so the one before it stays where it was not evaluated, whatever is to be kept.
/// What could not be removed is returned: the checkpoint is saved all the same.
///
/// All is written to a folder of a temporary name, which gets its own when all is on the disk. So
/// whatever fails or is interrupted leaves the older checkpoints as they were, and room for one more
/// than are kept is needed. `held` is asked whether the folder is still the run's before something is put
/// where another run might have something: writing may take minutes. The temporary name is this
/// process's alone.
///
/// # Errors
/// [`CheckpointError`] when a file cannot be written, or a tensor cannot be read, has the wrong
/// length or holds numbers that are not finite; that of `held`.
pub fn save(
    run: &Path,
    origin: &Origin,
    weights: Vec<TensorSource>,
    optimizer: Vec<TensorSource>,
    held: impl Fn() -> Result<(), CheckpointError>,
) -> Result<Option<CheckpointError>, CheckpointError> {
    origin.config.validate()?;
    let (metadata, toml) = (metadata(origin)?, origin.config.to_toml()?);
    let folder = run.join(CHECKPOINTS);
    held()?;
    make_folder(&folder)?;
    let swept = sweep(&folder);
    let dir = folder.join(own::step_name(origin.step));
    let staged = atomic::with_ending(&dir, &format!(".{}.tmp", std::process::id()));
    // Not in a folder that was removed since.
    let made = fs::create_dir(&staged);
    let written = made
        .map_err(|why| CheckpointError::io("make the folder", &staged, why))
        .and_then(|()| write_tensors(&staged.join(MODEL_FILE), &metadata, weights))
        .and_then(|()| write_tensors(&staged.join(OPTIMIZER_FILE), &metadata, optimizer))
        .and_then(|()| atomic::sync_folder(&staged))
        .and_then(|()| held());
    // One of the same step is there when it was found damaged and the run went on from an older one.
    let written = written
        .and_then(|()| own::retire(&dir))
        .and_then(|()| own::carry_over(&dir, &staged))
        .and_then(|()| atomic::publish(&staged, &dir));
    if let Err(failed) = written {
        // Should this fail too, the first failure is still the one to report.
        let _ = own::discard(&staged);
        return Err(failed);
    }
    held()?;
    atomic::write_file(&run.join(CONFIG_FILE), toml.as_bytes())?;
    publish(run, &dir)?;
    held()?;
    let all = checkpoints(run)?;
    let untried = origin.validation_accuracy.is_none();
    let keep = origin.config.keep.max(if untried { KEPT_UNTRIED } else { 1 });
    let past = all.range(..=origin.step).rev().skip(keep);
    // Later ones are damaged, and of a course that was given up for an older checkpoint.
    let later = all.range(origin.step + 1..);
    // All are tried, whichever fails.
    let removed = past.chain(later).map(|(_, dir)| own::retire(dir));
    let failed: Vec<_> = [swept].into_iter().chain(removed).filter_map(Result::err).collect();
    Ok(failed.into_iter().next())
}

/// Removes the checkpoints of step `bad` and later from the folder of a run, from which no training can go
/// on, where there is an older one that is whole: that one is shown as the newest, its configuration beside
/// it, and its step is returned. Where there is none, nothing is removed.
///
/// # Errors
/// [`CheckpointError`] when the older one cannot be put in place, or another not be removed.
pub fn go_back(run: &Path, bad: u64) -> Result<Option<u64>, CheckpointError> {
    let all = checkpoints(run)?;
    let older = all.range(..bad).rev().find_map(|(_, dir)| Checkpoint::open(dir).ok());
    let Some(Checkpoint { dir, origin, .. }) = older else { return Ok(None) };
    let best = run.join(BEST_FILE);
    if origin_of(&best).is_ok_and(|best| best.is_some_and(|best| best.step >= bad)) {
        atomic::remove(&best)?;
    }
    atomic::write_file(&run.join(CONFIG_FILE), origin.config.to_toml()?.as_bytes())?;
    publish(run, &dir)?;
    all.range(bad..).try_for_each(|(_, dir)| own::retire(dir))?;
    Ok(Some(origin.step))
}

/// Shows the checkpoint in `dir` as the newest of its run and, if its validation accuracy is higher
/// than that of the best so far, as the best. [`save`] does it too; this is for a run that was
/// interrupted in between.
///
/// # Errors
/// [`CheckpointError`] when the files cannot be put in place.
pub fn publish(run: &Path, dir: &Path) -> Result<(), CheckpointError> {
    let model = dir.join(MODEL_FILE);
    atomic::link(&model, &run.join(MODEL_FILE))?;
    let accuracy = origin_of(&model)?.and_then(|origin| origin.validation_accuracy);
    if accuracy.is_some_and(|accuracy| best_accuracy(run).is_none_or(|best| accuracy > best)) {
        atomic::link(&model, &run.join(BEST_FILE))?;
    }
    Ok(())
}

/// The best validation accuracy of the run's checkpoints so far, if any was measured.
pub fn best_accuracy(run: &Path) -> Option<f64> {
    // One that cannot be read is replaced by the next.
    let best = origin_of(&run.join(BEST_FILE)).ok()??;
    best.validation_accuracy
}

/// Opens the newest whole checkpoint in the folder of a run, to go on training from it. The errors
/// beside it are of newer ones, which are damaged.
///
/// # Errors
/// [`CheckpointError`] when there is none, or it cannot be read for another reason than damage.
pub fn load(run: &Path) -> Result<(Checkpoint, Vec<CheckpointError>), CheckpointError> {
    let mut damaged = Vec::new();
    for dir in checkpoints(run)?.values().rev() {
        match Checkpoint::open(dir) {
            Ok(checkpoint) => return Ok((checkpoint, damaged)),
            Err(error) if error.is_damage() => damaged.push(error),
            Err(error) => return Err(error),
        }
    }
    let run = run.to_path_buf();
    Err(match damaged.is_empty() {
        true => CheckpointError::None { run },
        false => CheckpointError::NoneWhole { run, damaged },
    })
}

/// Whether the folder of a run has a checkpoint of that step, in whatever state.
pub fn holds_step(run: &Path, step: u64) -> bool {
    own::holds_any(&run.join(CHECKPOINTS).join(own::step_name(step)))
}

/// Whether the folder of a run holds weights, in whatever state.
pub fn holds_a_model(run: &Path) -> bool {
    run.join(MODEL_FILE).exists() || checkpoints(run).is_ok_and(|found| !found.is_empty())
}

/// Removes all weights and the configuration from the folder of a run, and nothing that no run has
/// written.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn clear(run: &Path) -> Result<(), CheckpointError> {
    // First what fails where the folder cannot be written.
    let files = [MODEL_FILE, BEST_FILE, CONFIG_FILE];
    files.iter().try_for_each(|name| atomic::remove(&run.join(name)))?;
    let folder = run.join(CHECKPOINTS);
    sweep(&folder)?;
    checkpoints(run)?.values().try_for_each(|dir| own::retire(dir))?;
    own::remove_if_empty(&folder)
}

/// The folders of checkpoints by step.
fn checkpoints(run: &Path) -> Result<BTreeMap<u64, PathBuf>, CheckpointError> {
    let paths = entries(&run.join(CHECKPOINTS))?.into_iter();
    let paths = paths.filter(|path| own::holds_any(path));
    Ok(paths.filter_map(|path| Some((own::step_of(path.file_name()?.to_str()?)?, path))).collect())
}

/// Removes what interrupted runs have left behind.
fn sweep(folder: &Path) -> Result<(), CheckpointError> {
    let left = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((step, ending)) = name.split_once('.') else { return false };
        let process = ending.strip_suffix(".tmp").map(str::parse::<u32>);
        let is_ours = ["tmp", "old"].contains(&ending) || process.is_some_and(|it| it.is_ok());
        is_ours && own::step_of(step).is_some()
    };
    entries(folder)?.iter().filter(|path| left(path)).try_for_each(|path| own::discard(path))
}

/// The paths in a folder; none where there is no folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()
    });
    match listed {
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(why) => Err(CheckpointError::io("list the folder", folder, why)),
        Ok(paths) => Ok(paths),
    }
}

fn make_folder(folder: &Path) -> Result<(), CheckpointError> {
    fs::create_dir_all(folder).map_err(|why| CheckpointError::io("make the folder", folder, why))
}
