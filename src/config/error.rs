//! What can be wrong with a configuration.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::foreign::complaint;
use crate::network::{Mistake, NetworkError};

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value out of bounds.
    #[error("{}{key} is {value}; it must be {allowed}", in_file(file))]
    Value {
        /// The configuration's key.
        key: &'static str,
        /// The value, as text.
        value: String,
        /// What would do.
        allowed: String,
        /// The configuration file it came from, if from one.
        file: Option<PathBuf>,
    },
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}: {why}; {}", path.display(), advice(why))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: std::io::Error,
    },
    /// The configuration file has a syntax error, an unknown key or a value of the wrong type.
    #[error("in {}, line {line}{}: {why}", path.display(), at_key(key))]
    Toml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key that the line belongs to, if one could be made out.
        key: Option<String>,
        /// What is wrong and what was expected.
        why: String,
    },
    /// A network whose layers do not fit together.
    #[error("network: {0}")]
    Network(Mistake),
    /// A network's file that does not hold one.
    #[error(transparent)]
    NetworkFile(#[from] NetworkError),
    /// Sizes of the tutorial's network, given with another.
    #[error(
        "{key} belongs to the tutorial's network, but another one is given; leave it out, or state \
         it in the network's file"
    )]
    NotOfNetwork {
        /// The flag or key.
        key: &'static str,
    },
    /// A value that TOML or JSON cannot hold.
    #[error(
        "the configuration cannot be stored: {why}; whole numbers may go up to {max} and paths must be UTF-8",
        max = i64::MAX
    )]
    Encode {
        /// The serialiser's reason.
        why: String,
    },
    /// A checkpoint's configuration that is not one.
    #[error("the stored configuration cannot be read: {}", complaint(why))]
    Json {
        /// The parser's reason, with the key and the column.
        why: serde_json::Error,
    },
}

impl ConfigError {
    pub(super) fn encode(why: impl ToString) -> ConfigError {
        let why = complaint(why);
        ConfigError::Encode { why }
    }
}

/// What to do about a configuration file that cannot be read.
fn advice(why: &std::io::Error) -> &'static str {
    match why.kind() {
        ErrorKind::IsADirectory => {
            "--config takes a file, such as the config.toml in a run's folder"
        }
        ErrorKind::InvalidData => "save it as UTF-8, or name another after --config",
        ErrorKind::NotFound => "check the path after --config",
        _ => "mend that, or name another after --config",
    }
}

fn in_file(file: &Option<PathBuf>) -> String {
    let text = file.as_ref().map(|path| format!("in {}: ", path.display()));
    text.unwrap_or_default()
}

fn at_key(key: &Option<String>) -> String {
    let text = key.as_ref().map(|key| format!(", key {key}"));
    text.unwrap_or_default()
}
