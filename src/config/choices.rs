//! What can be chosen by name.

use serde::{Deserialize, Serialize};

use crate::ops::Augmentation;

/// The kind of Inception module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Module {
    /// With 1x1 convolutions that reduce the channels in front of the 3x3 and 5x5 ones.
    Reduced,
    /// Without them.
    Naive,
}

/// What is made of the pixels' bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Left as they are, 0 to 255.
    Raw,
    /// Divided by 255, hence 0 to 1.
    Unit,
    /// Less 127.5, and divided by that, hence -1 to 1: the mean of many photos is near 0 then.
    Centered,
}

impl Scale {
    /// What is subtracted from a pixel's byte, and what the rest is divided by.
    pub fn offset_and_divisor(self) -> [f32; 2] {
        match self {
            Scale::Raw => [0.0, 1.0],
            Scale::Unit => [0.0, 255.0],
            Scale::Centered => [127.5, 127.5],
        }
    }
}

/// How the weights are initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// As in the tutorial: truncated normal of deviation 0.1, some biases constant 0.1.
    Tutorial,
    /// He's: deviation sqrt(2 / inputs of a unit).
    He,
}

/// In which order the training rows are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// In the file's order, over and over, as in the tutorial.
    Cyclic,
    /// Shuffled anew for each pass.
    Shuffle,
}

/// How the learning rate falls over a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Not at all, as in the tutorial.
    None,
    /// From the whole rate to zero along half a cosine (Loshchilov and Hutter 2017, equation 5).
    Cosine,
}

/// How training images are changed at random, each anew whenever it is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Augment {
    /// Not at all.
    #[default]
    None,
    /// Turned by up to 10 degrees, zoomed by up to a tenth, shifted by up to two pixels.
    Digits,
    /// Shifted by up to an eighth of the height, and every other one mirrored.
    Photos,
}

impl Augment {
    /// What is done to images of that height.
    pub fn augmentation(self, height: usize) -> Option<Augmentation> {
        let digits = Augmentation { sine: 0.174, zoom: 0.1, shift: 2.0, mirror: false };
        let photos =
            Augmentation { sine: 0.0, zoom: 0.0, shift: height as f32 / 8.0, mirror: true };
        match self {
            Augment::None => None,
            Augment::Digits => Some(digits),
            Augment::Photos => Some(photos),
        }
    }
}
