//! `evaluation.json`: what a run last found out about itself.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ReportError;
use super::filters::Filters;
use crate::bounded;
use crate::checkpoint::atomic;
use crate::data::{Images, MOST_CLASSES, SIDE};
use crate::foreign::{complaint, shown};
use crate::train::likeliest;

/// File name of the evaluation in a run's folder.
pub const EVALUATION_FILE: &str = "evaluation.json";

/// Most digits that an evaluation keeps.
const MOST_WRONG: usize = 15;
/// Longest side of an image that a file may claim.
const LONGEST_SIDE: usize = 1 << 14;
/// Bytes of an evaluation; one has some ten thousand, and more with many filters.
const LONGEST: u64 = 1 << 26;

/// What a run last found out about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Of the program that trained.
    pub version: String,
    /// What it trained on.
    pub adapter: String,
    /// Trained numbers.
    pub parameters: u64,
    /// Steps done.
    pub step: u64,
    /// Which digits were classified.
    pub split: Split,
    /// `confusion[true class][predicted class]`.
    pub confusion: Vec<Vec<u64>>,
    /// What the classes are called, unless they are digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Height, width and channels of an image.
    #[serde(default = "of_a_digit", skip_serializing_if = "is_of_a_digit")]
    pub image: [usize; 3],
    /// The most confidently wrong ones, the most confident first.
    pub wrong: Vec<WrongDigit>,
    /// The first module's.
    pub filters: Vec<Filters>,
}

fn of_a_digit() -> [usize; 3] {
    [SIDE, SIDE, 1]
}

fn is_of_a_digit(image: &[usize; 3]) -> bool {
    *image == of_a_digit()
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The rows kept back from the training file.
    Validation,
    /// The test file.
    Test,
}

impl Split {
    /// The name, as in `98 % of the test digits`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// A digit that was taken for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WrongDigit {
    /// Its row in its file, from 1.
    pub row: usize,
    /// What it shows.
    pub label: u8,
    /// How likely the network takes it for each class.
    pub probabilities: Vec<f32>,
    /// Values from 0 to 255, shape `[height, width, channels]`.
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    pub pixels: Vec<u8>,
}

impl WrongDigit {
    /// The likeliest classes, three at most, with their probabilities, the likeliest first.
    pub fn likeliest(&self) -> Vec<(usize, f32)> {
        let mut classes: Vec<_> = self.probabilities.iter().copied().enumerate().collect();
        classes.sort_by(|a, b| b.1.total_cmp(&a.1)); // stable: the first of equals
        classes.truncate(3);
        classes
    }
}

/// The digits taken for others with the most confidence. `first` is the index among `images` and
/// `labels` of the first one classified, `row` its row in its file.
pub fn most_wrong(
    images: &Images,
    labels: &[u8],
    probabilities: &[Vec<f32>],
    first: usize,
    row: usize,
) -> Vec<WrongDigit> {
    let wrong = |index: &usize| {
        let finite = probabilities[*index].iter().all(|p| p.is_finite());
        finite && likeliest(&probabilities[*index]) != labels[first + *index]
    };
    let most = |index: &usize| probabilities[*index].iter().copied().fold(0.0, f32::max);
    let mut found: Vec<usize> = (0..probabilities.len()).filter(wrong).collect();
    found.sort_by(|a, b| most(b).total_cmp(&most(a)));
    found.truncate(MOST_WRONG);
    let digit = |index: usize| {
        Some(WrongDigit {
            row: row + index,
            label: labels[first + index],
            probabilities: probabilities[index].clone(),
            pixels: images.get(first + index)?.to_vec(),
        })
    };
    found.into_iter().filter_map(digit).collect()
}

impl Evaluation {
    /// What was classified, in the plural.
    pub(super) fn noun(&self) -> &'static str {
        if self.classes.is_empty() { "digits" } else { "images" }
    }

    /// What they were taken for.
    pub(super) fn kinds(&self) -> &'static str {
        if self.classes.is_empty() { "digits" } else { "classes" }
    }

    /// Puts `evaluation.json` into the folder, whole or not at all.
    ///
    /// # Errors
    /// [`ReportError`] when it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), ReportError> {
        let text = serde_json::to_string(self).map_err(ReportError::Encode)?;
        Ok(atomic::write_file(&dir.join(EVALUATION_FILE), text.as_bytes())?)
    }

    /// Reads what [`Evaluation::write`] wrote.
    ///
    /// # Errors
    /// [`ReportError`] when the file cannot be read or is damaged.
    pub(super) fn read(path: &Path) -> Result<Evaluation, ReportError> {
        let text = bounded::read_text(path, LONGEST)
            .map_err(|why| ReportError::Read { path: path.into(), why })?;
        let damaged =
            |why: String| Err(ReportError::Damaged { path: path.into(), why: complaint(why) });
        let evaluation: Evaluation = match serde_json::from_str(&text) {
            Ok(evaluation) => evaluation,
            Err(why) => return damaged(why.to_string()),
        };
        if let Some(why) = evaluation.misfit() {
            return damaged(why);
        }
        let mut counts = evaluation.confusion.iter().flatten();
        if counts.try_fold(0u64, |sum, &count| sum.checked_add(count)).is_none() {
            return damaged("the confusion matrix counts too many images".into());
        }
        match evaluation.filters.iter().find(|filters| !filters.fit()) {
            Some(filters) => {
                damaged(format!("the {} filters have another size", shown(&filters.name)))
            }
            None => Ok(evaluation),
        }
    }
}

impl Evaluation {
    /// What does not go together in it, if anything.
    fn misfit(&self) -> Option<String> {
        let classes = self.confusion.len();
        if !(2..=MOST_CLASSES).contains(&classes) {
            return Some(format!("a confusion table of {classes} classes"));
        }
        if let Some(row) = self.confusion.iter().find(|row| row.len() != classes) {
            return Some(format!("{} counts instead of {classes} in a row", row.len()));
        }
        let [height, width, channels] = self.image;
        let side = 1..=LONGEST_SIDE;
        if !side.contains(&height) || !side.contains(&width) || ![1, 3].contains(&channels) {
            return Some(format!("images of {height}x{width}x{channels}"));
        }
        let pixels = height * width * channels;
        self.wrong.iter().find_map(|digit| {
            let found = (digit.pixels.len(), digit.probabilities.len());
            match usize::from(digit.label) {
                label if label >= classes => Some(format!("{label} is none of {classes} classes")),
                _ if found.0 != pixels => {
                    Some(format!("an image of {} pixels instead of {pixels}", found.0))
                }
                _ if found.1 != classes => {
                    Some(format!("{} probabilities instead of {classes}", found.1))
                }
                _ => None,
            }
        })
    }
}

fn encode<S: Serializer>(pixels: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(pixels))
}

fn decode<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    use serde::de::Error;
    STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
}
