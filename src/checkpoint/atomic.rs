//! Files that are never seen half-written: a temporary file in the same folder, synced, renamed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::CheckpointError;

/// The temporary name beside `path`: `.tmp` added to the file's name. It is always the same, so that
/// what an interrupted run left behind is overwritten by the next.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".tmp");
    PathBuf::from(name)
}

/// Writes `content` to the temporary file beside `path` and syncs it; removes it on failure.
///
/// # Errors
/// Whatever `content` gives, or [`CheckpointError::Io`].
pub fn stage(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let temporary = temporary(path);
    let failed = |why| CheckpointError::io("write", &temporary, why);
    let result = File::create(&temporary).map_err(failed).and_then(|file| {
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        content(&mut writer)?;
        let file = writer.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)
    });
    if result.is_err() {
        // Should this fail too, the first failure is still the one to report.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// Gives the staged file its name, in place of any older one.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn publish(path: &Path) -> Result<(), CheckpointError> {
    let failed = |why| CheckpointError::io("rename to its final name", &temporary(path), why);
    fs::rename(temporary(path), path).map_err(failed)?;
    sync_folder(path)
}

/// Writes a whole small file: [`stage`], then [`publish`].
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), CheckpointError> {
    stage(path, |out| {
        let failed = |why| CheckpointError::io("write", &temporary(path), why);
        out.write_all(content).map_err(failed)
    })?;
    publish(path)
}

/// Without this the new name might not survive a power failure.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), CheckpointError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    let sync = File::open(folder).and_then(|f| f.sync_all());
    sync.map_err(|why| CheckpointError::io("sync", folder, why))
}

/// Folders cannot be synced on other systems.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), CheckpointError> {
    Ok(())
}
