//! How often a checkpoint is written.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often a checkpoint is written. As text: `evaluation`, `500` (steps), `90s`, `10m` or `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub enum Every {
    /// At each evaluation.
    Evaluation,
    /// At each step that is a multiple of this.
    Steps(u64),
    /// At the first step after this much time since the last one: a whole number of seconds.
    Time(Duration),
}

/// What stands in a file; for a number of steps nobody wants to write quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Every {
    type Error = String;

    fn try_from(written: Written) -> Result<Every, String> {
        match written {
            Written::Number(number) => number.to_string().parse(),
            Written::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Every, String> {
        if text == "evaluation" {
            return Ok(Every::Evaluation);
        }
        let (number, seconds) = match text.split_at_checked(text.len().saturating_sub(1)) {
            Some((number, "s")) => (number, Some(1)),
            Some((number, "m")) => (number, Some(60)),
            Some((number, "h")) => (number, Some(3600)),
            _ => (text, None),
        };
        // Small enough for TOML's whole numbers, also as seconds.
        let count = number.parse::<u32>().ok().filter(|&count| count > 0).map(u64::from);
        match (count, seconds) {
            (Some(count), None) => Ok(Every::Steps(count)),
            (Some(count), Some(seconds)) => Ok(Every::Time(Duration::from_secs(count * seconds))),
            (None, _) => Err(format!(
                "{text:?} is neither a number of steps (500), nor a time (90s, 10m, 2h), nor \
                 `evaluation`"
            )),
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Every::Evaluation => write!(f, "evaluation"),
            Every::Steps(count) => write!(f, "{count}"),
            Every::Time(time) => match time.as_secs() {
                s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
                s if s % 60 == 0 => write!(f, "{}m", s / 60),
                s => write!(f, "{s}s"),
            },
        }
    }
}

impl From<Every> for String {
    fn from(every: Every) -> String {
        every.to_string()
    }
}
