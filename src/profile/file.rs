//! Profiles in files, as JSON.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{FORMAT, Profile};
use crate::bounded;
use crate::foreign::complaint;

/// Bytes of a profile; one of the tutorial's network has about 200,000.
const LONGEST: u64 = 1 << 26;

/// Why a file is no profile that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file system refuses.
    #[error("cannot read {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// It holds something else.
    #[error("{} is no profile: {why}; make one with `inception profile --json`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another version of this program made it.
    #[error(
        "{} is a profile of format {format}, and this program reads format {FORMAT}; measure it anew",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that it states.
        format: u64,
    },
}

impl Profile {
    /// Reads what `inception profile --json` printed or a run left.
    ///
    /// # Errors
    /// [`ProfileError`] when the file cannot be read or is no profile of this format.
    pub fn read(path: &Path) -> Result<Profile, ProfileError> {
        let text = bounded::read_named(path, LONGEST)
            .map_err(|why| ProfileError::Read { path: path.into(), why })?;
        let foreign =
            |why: String| ProfileError::Foreign { path: path.into(), why: complaint(why) };
        let value: Value = serde_json::from_str(&text).map_err(|why| foreign(why.to_string()))?;
        match value.get("format").and_then(Value::as_u64) {
            // From the text again: it says where something is wrong.
            Some(format) if format == u64::from(FORMAT) => {
                serde_json::from_str(&text).map_err(|why| foreign(why.to_string()))
            }
            Some(format) => Err(ProfileError::Format { path: path.into(), format }),
            None => Err(foreign("it states no format".to_string())),
        }
    }
}
