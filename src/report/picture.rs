//! Small pictures within the page, as PNG.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{Rgba, RgbaImage};

use super::Evaluation;
use crate::inspect::png;

/// The picture as an address that holds all of it.
///
/// # Panics
/// When it has no pixels.
pub(super) fn data_uri(picture: &RgbaImage) -> String {
    let file = png(picture).expect("PNG takes any picture with pixels");
    format!("data:image/png;base64,{}", STANDARD.encode(file))
}

/// A picture of one of the evaluation's images: of a digit black ink of that opacity, so that it suits
/// any ground.
pub(super) fn wrong(evaluation: &Evaluation, pixels: &[u8]) -> RgbaImage {
    let [height, width, channels] = evaluation.image;
    RgbaImage::from_fn(width as u32, height as u32, |x, y| {
        let at = (y as usize * width + x as usize) * channels;
        match pixels[at..at + channels] {
            [red, green, blue] => Rgba([red, green, blue, 255]),
            [grey] if evaluation.classes.is_empty() => Rgba([0, 0, 0, grey]),
            _ => Rgba([pixels[at], pixels[at], pixels[at], 255]),
        }
    })
}
