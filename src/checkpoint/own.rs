//! What in the folder of checkpoints is a run's own. Nothing else there is ever removed.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::run::entries;
use super::{CheckpointError, MODEL_FILE, OPTIMIZER_FILE, atomic};

/// The name of a checkpoint's folder.
pub(super) fn step_name(step: u64) -> String {
    format!("step-{step:06}")
}

/// The step in such a name; none of any other.
pub(super) fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.parse().ok()?;
    (step_name(step) == name).then_some(step)
}

fn is_own(path: &Path) -> bool {
    let named = [MODEL_FILE, OPTIMIZER_FILE].iter().any(|name| path.ends_with(name));
    named && fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir())
}

/// Whether a file of a checkpoint is in the folder.
pub(super) fn holds_any(dir: &Path) -> bool {
    entries(dir).is_ok_and(|paths| paths.iter().any(|path| is_own(path)))
}

/// Removes a checkpoint's files, then its folder unless others have put something there. Of a link it
/// removes the link.
pub(super) fn discard(dir: &Path) -> Result<(), CheckpointError> {
    match fs::symlink_metadata(dir) {
        Ok(found) if found.is_symlink() => return atomic::remove(dir),
        Ok(found) if found.is_dir() => {}
        _ => return Ok(()),
    }
    entries(dir)?.iter().filter(|path| is_own(path)).try_for_each(|path| atomic::remove(path))?;
    remove_if_empty(dir)
}

/// The same, but under another name, lest a checkpoint removed in part be taken for a damaged one.
/// Where others' files lie in it, it keeps its name for them.
pub(super) fn retire(dir: &Path) -> Result<(), CheckpointError> {
    let link = fs::symlink_metadata(dir).is_ok_and(|found| found.is_symlink());
    let old = atomic::with_ending(dir, ".old");
    discard(&old)?;
    if link || old.exists() || !entries(dir)?.iter().all(|path| is_own(path)) {
        return discard(dir);
    }
    match fs::rename(dir, &old) {
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(()),
        Err(why) => Err(CheckpointError::io("remove", dir, why)),
        Ok(()) => discard(&old),
    }
}

/// Moves what others have put into a checkpoint's folder, of which no more is left, into the one that
/// is to take its name.
pub(super) fn carry_over(dir: &Path, staged: &Path) -> Result<(), CheckpointError> {
    for path in entries(dir)? {
        let Some(name) = path.file_name() else { continue };
        let moved = fs::rename(&path, staged.join(name));
        moved.map_err(|why| CheckpointError::io("move", &path, why))?;
    }
    remove_if_empty(dir)
}

/// Removes a folder in which nothing is; a link to one stays.
pub(super) fn remove_if_empty(dir: &Path) -> Result<(), CheckpointError> {
    use ErrorKind::{DirectoryNotEmpty, NotADirectory, NotFound};
    match fs::remove_dir(dir) {
        Err(why) if ![DirectoryNotEmpty, NotADirectory, NotFound].contains(&why.kind()) => {
            Err(CheckpointError::io("remove", dir, why))
        }
        _ => Ok(()),
    }
}
