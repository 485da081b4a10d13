//! The report of a run, and of several side by side: one HTML file each that needs no other.
//!
//! It is made from what lies in a run's folder ([`load`]) by a function without side effects
//! ([`html`]), so that a report can be made again at any time, without an adapter. Charts are SVG,
//! digits and filters PNG, all within the page; it asks for nothing from elsewhere and runs no
//! script.

pub mod chart;
mod compare;
pub mod curves;
mod evaluation;
mod filters;
mod load;
mod page;
mod parts;
mod picture;
mod text;
mod times;

use std::path::{Path, PathBuf};

pub use evaluation::{EVALUATION_FILE, Evaluation, Split, WrongDigit, most_wrong};
pub use filters::{FIRST_LAYER, Filters};
pub use load::{Part, Run, load};
pub use text::thousands;
pub use times::PROFILE_FILE;

use crate::checkpoint::{CheckpointError, atomic};

/// File name of the report in a run's folder.
pub const REPORT_FILE: &str = "report.html";

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no such folder.
    #[error("cannot open the folder {}: {why}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// Nothing in the folder is of a run.
    #[error("{} holds no run; name a folder that `inception train --out` has written", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// The evaluation cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// The evaluation is not what the program wrote.
    #[error("{} is damaged: {why}; the run's next evaluation writes it anew; \
         `inception train --resume` makes one also where the run has ended", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The evaluation cannot be written as JSON.
    #[error("cannot write the evaluation: {0}")]
    Encode(serde_json::Error),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] CheckpointError),
}

/// The page of one run, or the one that compares several.
pub fn html(runs: &[Run]) -> String {
    match runs {
        [run] => page::page(&run.name, page::one(run)),
        _ => page::page("Runs compared", compare::several(runs)),
    }
    .into_string()
}

/// Whether the file is there and holds something else than a report, which is not to be replaced unasked.
pub fn is_of_others(path: &Path) -> bool {
    atomic::is_of_others(path, page::BEGIN.as_bytes())
}

/// Writes a page, whole or not at all; straight into what is no file, such as a pipe.
///
/// # Errors
/// [`ReportError::Write`].
pub fn write(path: &Path, html: &str) -> Result<(), ReportError> {
    Ok(atomic::write_named(path, html.as_bytes())?)
}
