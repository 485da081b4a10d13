//! A run's folder, read for the report.

use std::path::Path;

use super::{EVALUATION_FILE, Evaluation, PROFILE_FILE, ReportError};
use crate::checkpoint::CONFIG_FILE;
use crate::config::{Config, TrainArgs};
use crate::metrics::{self, METRICS_FILE, Row};
use crate::profile::Profile;

/// What a file of the folder gives: nothing where it is missing, a sentence where it is damaged.
pub type Part<T> = Result<Option<T>, String>;

/// What a run's folder holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The folder's name, without the folders around it.
    pub name: String,
    /// From `config.toml`.
    pub config: Part<Config>,
    /// From `metrics.csv`.
    pub metrics: Part<Vec<Row>>,
    /// From `evaluation.json`.
    pub evaluation: Part<Evaluation>,
    /// From `profile.json`.
    pub profile: Part<Profile>,
}

impl Run {
    /// A sentence for each file of the folder that is damaged.
    pub fn damage(&self) -> Vec<&str> {
        let Run { name: _, config, metrics, evaluation, profile } = self;
        let all = [
            metrics.as_ref().err(),
            config.as_ref().err(),
            evaluation.as_ref().err(),
            profile.as_ref().err(),
        ];
        all.into_iter().flatten().map(String::as_str).collect()
    }
}

/// Reads the folder of a run: finished, stopped or still going on.
///
/// # Errors
/// [`ReportError`] when there is no such folder, or it holds no file of a run. A file that is
/// damaged is no error: the report says so in its place.
pub fn load(dir: &Path) -> Result<Run, ReportError> {
    let whole = dir.canonicalize().map_err(|why| ReportError::Folder { path: dir.into(), why })?;
    let files = [METRICS_FILE, EVALUATION_FILE, CONFIG_FILE, PROFILE_FILE];
    if !files.iter().any(|name| dir.join(name).is_file()) {
        return Err(ReportError::NoRun { path: dir.into() });
    }
    let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned();
    Ok(Run {
        name,
        config: part(&dir.join(CONFIG_FILE), |path| {
            TrainArgs { config: Some(path.into()), ..TrainArgs::default() }.resolve()
        }),
        metrics: part(&dir.join(METRICS_FILE), metrics::read),
        evaluation: part(&dir.join(EVALUATION_FILE), Evaluation::read),
        profile: part(&dir.join(PROFILE_FILE), Profile::read),
    })
}

/// What `read` makes of a file, if there is one.
fn part<T, E: std::error::Error>(path: &Path, read: impl FnOnce(&Path) -> Result<T, E>) -> Part<T> {
    match path.is_file() {
        true => read(path).map(Some).map_err(|why| why.to_string()),
        false => Ok(None),
    }
}
