//! The filters of the first module, as pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{Rgba, RgbaImage};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::inspect::Colours;

/// The weights of the first module that look at more than one pixel, and the windows' names.
pub const FIRST_LAYER: [(&str, &str); 2] = [("W_conv1_3x3", "3x3"), ("W_conv1_5x5", "5x5")];

/// Most channels in and out that are drawn.
const MOST: usize = 64;

/// The weights of one convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filters {
    /// The window's size, such as `3x3`.
    pub name: String,
    /// Height, width, channels in, channels out.
    pub shape: [usize; 4],
    /// The weights, row-major.
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    pub weights: Vec<f32>,
}

impl Filters {
    /// Whether there are as many weights as the shape says, and some.
    pub(super) fn fit(&self) -> bool {
        let product =
            self.shape.iter().try_fold(1usize, |product, side| product.checked_mul(*side));
        product == Some(self.weights.len()) && product != Some(0)
    }

    /// The largest weight without its sign.
    pub(super) fn largest(&self) -> f32 {
        self.weights.iter().fold(0.0, |most, weight| weight.abs().max(most))
    }

    /// Channels in and channels out that are drawn.
    pub(super) fn shown(&self) -> [usize; 2] {
        [self.shape[2].min(MOST), self.shape[3].min(MOST)]
    }

    /// A pixel a weight: a row of filters for each channel in, a column for each channel out, with
    /// transparent lines between them.
    pub(super) fn picture(&self) -> RgbaImage {
        let [height, width, channels, maps] = self.shape;
        let colours = Colours::Signed(self.largest());
        let [rows, columns] = self.shown();
        let (across, down) = (columns * (width + 1) - 1, rows * (height + 1) - 1);
        RgbaImage::from_fn(across as u32, down as u32, |x, y| {
            let (map, x) = (x as usize / (width + 1), x as usize % (width + 1));
            let (channel, y) = (y as usize / (height + 1), y as usize % (height + 1));
            if x == width || y == height {
                return Rgba([0; 4]);
            }
            let weight = self.weights[((y * width + x) * channels + channel) * maps + map];
            let [red, green, blue] = colours.of(weight).0;
            Rgba([red, green, blue, 255])
        })
    }
}

fn encode<S: Serializer>(weights: &[f32], to: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    to.serialize_str(&STANDARD.encode(bytes))
}

fn decode<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f32>, D::Error> {
    use serde::de::Error;
    let bytes = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    let weights: Vec<f32> =
        bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
    match weights.iter().find(|weight| !weight.is_finite()) {
        Some(weight) => Err(D::Error::custom(format!("a weight is {weight}"))),
        None => Ok(weights),
    }
}
