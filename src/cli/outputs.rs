//! Files that a user has named to be written: what others have made is not replaced.

use std::path::Path;

use super::Failure;
use crate::checkpoint::atomic;

/// Refuses a file that is there, unless it begins as all that this program makes of its kind. To be asked
/// before any work is done.
pub(super) fn refuse_others(
    path: &Path,
    begin: &[u8],
    kind: &str,
    flag: &str,
) -> Result<(), Failure> {
    match atomic::is_of_others(path, begin) {
        false => Ok(()),
        true => Err(Failure::new(format!(
            "{} is there and is no {kind} that this program made; give another {flag}, or remove it",
            path.display()
        ))),
    }
}

/// Refuses whatever is there, but for what takes bytes and keeps none, such as a pipe.
pub(super) fn refuse_any(path: &Path, flag: &str) -> Result<(), Failure> {
    let takes = path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
    match path.symlink_metadata().is_ok() && !takes {
        false => Ok(()),
        true => Err(Failure::new(format!(
            "{} is there already; give another {flag}, or remove it",
            path.display()
        ))),
    }
}
