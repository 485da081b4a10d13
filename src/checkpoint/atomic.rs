//! Files that are never seen half-written: a temporary name in the same folder, synced, renamed.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::CheckpointError;

/// The temporary name beside `path`: `.tmp` added to its name. It is always the same, so that what
/// an interrupted run left behind is replaced by the next.
pub fn temporary(path: &Path) -> PathBuf {
    with_ending(path, ".tmp")
}

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes a whole small file, in place of any older one.
///
/// # Errors
/// [`CheckpointError::Io`]; the older file is as it was then.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), CheckpointError> {
    let temporary = temporary(path);
    // Were it a link, another's file would be written. What cannot be removed, nothing is written to.
    let _ = fs::remove_file(&temporary);
    let written = File::create_new(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let written = written.map_err(|why| CheckpointError::io("write", &temporary, why));
    publish_file(path, written)
}

/// Writes a file that a user has named: what a link leads to, not the link; and straight into what is
/// no file, such as a pipe or `/dev/stdout`. Weights, which may be hours of training, are not replaced.
///
/// # Errors
/// [`CheckpointError::Io`]; an older file is as it was then.
pub fn write_named(path: &Path, content: &[u8]) -> Result<(), CheckpointError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let why = std::io::Error::new(ErrorKind::IsADirectory, "it is a folder");
            Err(CheckpointError::io("write", path, why))
        }
        Ok(found) if !found.is_file() => {
            let written = File::options().write(true).open(path);
            let written = written.and_then(|mut file| file.write_all(content));
            written.map_err(|why| CheckpointError::io("write", path, why))
        }
        Ok(_) => {
            let file = fs::canonicalize(path);
            let file = file.map_err(|why| CheckpointError::io("find", path, why))?;
            if file.extension().is_some_and(|extension| extension == "safetensors") {
                let why = "it holds weights, which would be lost; name another file, or remove it";
                return Err(CheckpointError::io("write", path, std::io::Error::other(why)));
            }
            write_file(&file, content)
        }
        Err(_) => write_file(path, content),
    }
}

/// Gives the file under the temporary name its final one if it was written; whatever fails, it does
/// not stay.
fn publish_file(path: &Path, written: Result<(), CheckpointError>) -> Result<(), CheckpointError> {
    let published = written.and_then(|()| publish(path));
    if published.is_err() {
        // Should this fail too, the first failure is still the one to report.
        let _ = fs::remove_file(temporary(path));
    }
    published
}

/// Gives what lies under the temporary name, a file or a folder, its final one.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn publish(path: &Path) -> Result<(), CheckpointError> {
    let temporary = temporary(path);
    let failed = |why| CheckpointError::io("rename to its final name", &temporary, why);
    fs::rename(&temporary, path).map_err(failed)?;
    sync_parent(path)
}

/// Shows the file `from` as `to` too, in place of any older one: by a second name for the same bytes
/// or, where the file system knows no such names, by a copy.
///
/// # Errors
/// [`CheckpointError::Io`]; the older file is as it was then.
pub fn link(from: &Path, to: &Path) -> Result<(), CheckpointError> {
    let temporary = temporary(to);
    remove(&temporary)?;
    let mut linked = Ok(());
    if fs::hard_link(from, &temporary).is_err() {
        let copied = fs::copy(from, &temporary).and_then(|_| File::open(&temporary)?.sync_all());
        linked = copied.map_err(|why| CheckpointError::io("copy to its final place", from, why));
    }
    publish_file(to, linked)?;
    // Renaming one name of a file to another of the same file leaves both.
    remove(&temporary)
}

/// Removes a file, if it is there: of a link the link. A folder it leaves, and says so.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => {
            Err(CheckpointError::io("remove", path, why))
        }
        _ => Ok(()),
    }
}

fn sync_parent(path: &Path) -> Result<(), CheckpointError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    sync_folder(parent.unwrap_or(Path::new(".")))
}

/// Waits until the names in a folder are on the disk: without this a new one might not survive a
/// power failure.
///
/// # Errors
/// [`CheckpointError::Io`].
#[cfg(unix)]
pub fn sync_folder(folder: &Path) -> Result<(), CheckpointError> {
    let sync = File::open(folder).and_then(|f| f.sync_all());
    sync.map_err(|why| CheckpointError::io("sync", folder, why))
}

/// Folders cannot be synced on this system.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> Result<(), CheckpointError> {
    Ok(())
}
