//! A picture of anything, brought to the size that a network takes.

use std::io::Read;
use std::path::Path;

use ::image::DynamicImage;
use ::image::imageops::{self, FilterType};

use super::DataError;
use super::image::upright;

/// Reads a PNG or JPEG picture: the middle of it in the shape's proportions, scaled, so that the shorter
/// side fits and the longer is cut on both ends alike. Of a transparent one the ground is white. With one
/// channel it is grey, with three coloured. `[height, width, channels]`.
///
/// `path` is only for the errors.
pub(super) fn read(
    path: &Path,
    reader: impl Read,
    [height, width, channels]: [usize; 3],
) -> Result<Vec<u8>, DataError> {
    let mut picture = upright(path, reader, None)?.into_rgba8();
    for pixel in picture.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        let over = |value: u8| {
            ((u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255)
                as u8
        };
        pixel.0 = [over(red), over(green), over(blue), 255];
    }
    let (from, to) = ([picture.height(), picture.width()], [height as u32, width as u32]);
    let [tall, wide] = middle(from, to);
    let (left, top) = ((from[1] - wide) / 2, (from[0] - tall) / 2);
    let middle = imageops::crop_imm(&picture, left, top, wide, tall).to_image();
    let picture = match [tall, wide] == to {
        true => middle,
        // Averages over what becomes one pixel.
        false => imageops::resize(&middle, to[1], to[0], FilterType::Triangle),
    };
    let picture = DynamicImage::ImageRgba8(picture);
    Ok(match channels {
        1 => picture.into_luma8().into_raw(),
        _ => picture.into_rgb8().into_raw(),
    })
}

/// Height and width of the largest part in the proportions of `to`; at least a pixel.
fn middle(from: [u32; 2], to: [u32; 2]) -> [u32; 2] {
    let [from_tall, from_wide] = from.map(u64::from);
    let [to_tall, to_wide] = to.map(u64::from);
    // Rounded to the nearest.
    let scaled = |side: u64, of: u64, by: u64| ((side * of * 2 + by) / (by * 2)).max(1);
    let tall = scaled(from_wide, to_tall, to_wide).min(from_tall);
    let wide = scaled(from_tall, to_wide, to_tall).min(from_wide);
    [tall as u32, wide as u32]
}

#[cfg(test)]
mod tests {
    use super::middle;

    #[test]
    fn the_middle_has_the_proportions_and_is_as_large_as_can_be() {
        assert_eq!(middle([100, 300], [32, 32]), [100, 100]);
        assert_eq!(middle([301, 100], [32, 32]), [100, 100]);
        assert_eq!(middle([100, 100], [20, 40]), [50, 100]);
        assert_eq!(middle([8192, 1], [224, 224]), [1, 1]);
        assert_eq!(middle([1, 8192], [1, 224]), [1, 224]);
        assert_eq!(middle([1, 1], [224, 3]), [1, 1]);
        assert_eq!(middle([32, 32], [32, 32]), [32, 32]);
    }
}
