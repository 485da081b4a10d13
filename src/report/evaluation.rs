//! `evaluation.json`: what a run last found out about itself.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ReportError;
use super::filters::Filters;
use crate::bounded;
use crate::checkpoint::atomic;
use crate::data::{Images, LABELS, PIXELS};
use crate::foreign::{complaint, shown};
use crate::metrics::CLASSES;
use crate::train::likeliest;

/// File name of the evaluation in a run's folder.
pub const EVALUATION_FILE: &str = "evaluation.json";

/// Most digits that an evaluation keeps.
const MOST_WRONG: usize = 15;
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
    /// `confusion[true digit][predicted digit]`.
    pub confusion: [[u64; CLASSES]; CLASSES],
    /// The most confidently wrong ones, the most confident first.
    pub wrong: Vec<WrongDigit>,
    /// The first module's.
    pub filters: Vec<Filters>,
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
    /// How likely the network takes it for each digit.
    pub probabilities: [f32; LABELS],
    /// Grey values, shape `[28, 28]`.
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    pub pixels: Vec<u8>,
}

impl WrongDigit {
    /// The three likeliest digits with their probabilities, the likeliest first.
    pub fn likeliest(&self) -> [(usize, f32); 3] {
        let mut classes: Vec<_> = self.probabilities.into_iter().enumerate().collect();
        classes.sort_by(|a, b| b.1.total_cmp(&a.1)); // stable: the first of equals
        [classes[0], classes[1], classes[2]]
    }
}

/// The digits taken for others with the most confidence. `first` is the index among `images` and
/// `labels` of the first one classified, `row` its row in its file.
pub fn most_wrong(
    images: &Images,
    labels: &[u8],
    probabilities: &[[f32; LABELS]],
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
            probabilities: probabilities[index],
            pixels: images.get(first + index)?.to_vec(),
        })
    };
    found.into_iter().filter_map(digit).collect()
}

impl Evaluation {
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
        if let Some(digit) = evaluation.wrong.iter().find(|d| usize::from(d.label) >= LABELS) {
            return damaged(format!("{} is no digit", digit.label));
        }
        let mut counts = evaluation.confusion.iter().flatten();
        if counts.try_fold(0u64, |sum, &count| sum.checked_add(count)).is_none() {
            return damaged("the confusion matrix counts too many digits".into());
        }
        match evaluation.filters.iter().find(|filters| !filters.fit()) {
            Some(filters) => {
                damaged(format!("the {} filters have another size", shown(&filters.name)))
            }
            None => Ok(evaluation),
        }
    }
}

fn encode<S: Serializer>(pixels: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(pixels))
}

fn decode<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    use serde::de::Error;
    let pixels = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    match pixels.len() {
        PIXELS => Ok(pixels),
        other => Err(D::Error::custom(format!("a digit of {other} pixels instead of {PIXELS}"))),
    }
}
