//! Whether a file that is kept open for writing is still the one that others find under its name.

use std::fs::{File, symlink_metadata};
use std::path::Path;

/// Whether `path` is the file that is open, as long as it was written. Otherwise it was removed,
/// replaced, cut or added to, and what is written to the open file may be read by nobody.
pub fn is_intact(file: &File, path: &Path, length: u64) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), symlink_metadata(path)) else { return false };
    // A number that is in use is given to no other file.
    #[cfg(unix)]
    let is_same = {
        use std::os::unix::fs::MetadataExt;
        (held.dev(), held.ino()) == (there.dev(), there.ino())
    };
    // Elsewhere only the length tells.
    #[cfg(not(unix))]
    let is_same = held.is_file() && there.is_file();
    is_same && there.len() == length
}
