//! Small pictures within the page, as PNG.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{Rgba, RgbaImage};

use crate::data::SIDE;
use crate::inspect::png;

/// The picture as an address that holds all of it.
///
/// # Panics
/// When it has no pixels.
pub(super) fn data_uri(picture: &RgbaImage) -> String {
    let file = png(picture).expect("PNG takes any picture with pixels");
    format!("data:image/png;base64,{}", STANDARD.encode(file))
}

/// A digit of 28x28 grey values as black ink of that opacity, so that it suits any ground.
pub(super) fn digit(pixels: &[u8]) -> RgbaImage {
    RgbaImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        Rgba([0, 0, 0, pixels[y as usize * SIDE + x as usize]])
    })
}
