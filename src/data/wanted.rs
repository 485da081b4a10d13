//! What images are to be, and where they are from: what the readers of whole sets are told.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{MOST_CLASSES, SIDE};

/// Most characters of a class's name.
const LONGEST_NAME: usize = 100;

/// What images are made into, and what they may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Height, width and channels that pictures are brought to. Files of pixels have sizes of their own.
    pub image: [usize; 3],
    /// What the classes are called, by label, where that is known already; else a folder's own names
    /// are taken.
    pub classes: Vec<String>,
    /// Which part of a set that has several.
    pub part: Part,
    /// What to do about a picture of a folder that cannot be read.
    pub on_bad_image: OnBadImage,
}

/// A part of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What is trained on: of a folder of CIFAR-10, `data_batch_*.bin`.
    Training,
    /// What is measured on: `test_batch.bin`.
    Test,
}

/// What to do about a picture of a folder that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum OnBadImage {
    /// Stop, and name it.
    #[default]
    Fail,
    /// Leave it out, and name it.
    Skip,
}

impl Wanted {
    /// Grey digits of 28x28 pixels.
    #[must_use]
    pub fn digits() -> Wanted {
        let (classes, part) = (Vec::new(), Part::Training);
        Wanted { image: [SIDE, SIDE, 1], classes, part, on_bad_image: OnBadImage::Fail }
    }

    /// Whether a picture is to be made into a digit as MNIST has them, ink on an empty ground, and not
    /// taken as it is.
    pub(super) fn is_digit(&self) -> bool {
        self.may_be_digits() && self.classes.is_empty()
    }

    /// Whether files of digits hold images of that size.
    pub(super) fn may_be_digits(&self) -> bool {
        self.image == [SIDE, SIDE, 1]
    }
}

/// What is wrong with these names of classes, if anything is: there may be 256 different ones of up to
/// 100 characters, none of them a control character.
#[must_use]
pub fn misnamed(names: &[String]) -> Option<String> {
    if names.len() > MOST_CLASSES {
        return Some(format!("a list of {}", names.len()));
    }
    let mut seen = HashSet::new();
    let wrong = names.iter().find(|name| {
        let long = name.chars().count() > LONGEST_NAME;
        name.is_empty() || long || name.contains(char::is_control) || !seen.insert(*name)
    });
    wrong.map(|name| format!("a list with {name:?}"))
}
