//! A picture of a handwritten digit, of any size, made into what the makers of MNIST made of
//! theirs: light ink on black, fitted into 20x20 and centred by its mass in 28x28.

use std::fmt::Display;
use std::io::{Cursor, Read};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageReader, Limits, Luma};
use serde::{Deserialize, Serialize};

use super::{DataError, PIXELS, SIDE, jpeg, png, source};
use crate::foreign::complaint;

/// Largest picture file read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Largest width and height of a picture, in pixels; a header may claim any size.
const MAX_SIDE: u32 = 8192;

/// Most memory the decoder may take, in bytes.
const MAX_MEMORY: u64 = 256 << 20;

/// Larger pictures are scaled down to this width or height at once, which saves time and memory
/// and loses nothing that would be seen in 20 pixels.
const ENOUGH: u32 = 1024;

/// The box MNIST's digits are fitted into, in pixels.
const BOX: u32 = 20;

/// Least difference between ink and ground, of 255, for there to be anything drawn.
const MIN_CONTRAST: f32 = 24.0;

/// Part of the ink that may lie beyond each side of the box. It keeps a speck of dust or the faint
/// rim of a blurred stroke from making the box larger and so the digit smaller.
const OUTSIDE: f64 = 0.001;

/// Grey values from 0 to 255, or ink from 0 to 1 (where the scaling of the crate cuts off).
type Grey = ImageBuffer<Luma<f32>, Vec<f32>>;

/// Whether a picture is dark ink on light ground and must be inverted to look like MNIST, which is
/// light ink on black.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Invert {
    /// Find out from each picture: its border shows the ground, and the ink is what differs.
    #[default]
    Auto,
    /// The ink is dark.
    Yes,
    /// The ink is light.
    No,
}

/// Reads a PNG or JPEG picture as one MNIST-like digit, shape `[28, 28]`.
///
/// `path` is only for the errors.
pub(super) fn read(
    path: &Path,
    reader: impl Read,
    invert: Invert,
) -> Result<[u8; PIXELS], DataError> {
    let grey = decode(path, reader, invert)?;
    let blank = || {
        DataError::new(format!(
            "{} shows no digit: nothing in it stands out from the ground. Give it a picture with \
             ink and paper of clearly different brightness.",
            path.display()
        ))
    };
    let ink = ink(&grey, invert).ok_or_else(blank)?;
    let [left, top, right, bottom] = bounds(&ink, OUTSIDE).ok_or_else(blank)?;
    if is_normal(&ink) {
        return Ok(paste(&ink, 0, 0));
    }
    let (width, height) = (right - left, bottom - top);
    let scale = BOX as f32 / width.max(height) as f32;
    let fit = |length: u32| ((length as f32 * scale).round() as u32).clamp(1, BOX);
    let digit = imageops::crop_imm(&ink, left, top, width, height).to_image();
    let mut digit = imageops::resize(&digit, fit(width), fit(height), FilterType::CatmullRom);
    // A thin stroke of a large picture is averaged with the ground around it, so it is brought
    // back to full strength; where strokes are as thick as MNIST's this changes little.
    let most = digit.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    digit.iter_mut().for_each(|value| *value /= most);
    let (x, y) = centre_of_mass(&digit);
    let place = |centre: f32, length: u32| {
        let free = (SIDE as u32 - length) as f32;
        (SIDE as f32 / 2.0 - centre).round().clamp(0.0, free) as usize
    };
    let (x, y) = (place(x, digit.width()), place(y, digit.height()));
    Ok(paste(&digit, x, y))
}

/// Decodes to grey, with transparent parts filled in.
fn decode(path: &Path, reader: impl Read, invert: Invert) -> Result<Grey, DataError> {
    let picture = upright(path, reader, Some(ENOUGH))?.to_luma_alpha8();
    let ground = ground_under(picture.pixels().map(|pixel| pixel.0), invert);
    Ok(Grey::from_fn(picture.width(), picture.height(), |x, y| {
        let [grey, alpha] = picture.get_pixel(x, y).0.map(f32::from);
        Luma([ground + (grey - ground) * alpha / 255.0])
    }))
}

/// Decodes a picture and turns it as the camera was held. Larger ones than `enough`, if that is given,
/// are scaled down to it.
pub(super) fn upright(
    path: &Path,
    reader: impl Read,
    enough: Option<u32>,
) -> Result<DynamicImage, DataError> {
    let name = path.display();
    let mut bytes = Vec::new();
    reader
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| source::read_error(path, &error))?;
    let hint = if enough.is_some() { "; 200 x 200 pixels are plenty for one digit" } else { "" };
    let too_large = || {
        DataError::new(format!(
            "{name} is too large a picture: at most {MAX_SIDE} x {MAX_SIDE} pixels and {} MiB are \
             read. Scale it down{hint}.",
            MAX_FILE >> 20
        ))
    };
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    let not_whole = |why: &dyn Display| {
        // A decoder may say it in several lines.
        let why = why.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let why = complaint(why);
        DataError::new(format!(
            "{name} cannot be decoded as a PNG or JPEG picture ({why}). The file may be damaged \
             or cut short: save or copy it again."
        ))
    };
    let damaged = |error: ImageError| match error {
        ImageError::Limits(_) => too_large(),
        error => not_whole(&error),
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    let mut reader = ImageReader::new(Cursor::new(&bytes[..]))
        .with_guessed_format()
        .map_err(|error| source::read_error(path, &error))?;
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    if decoder.total_bytes() > MAX_MEMORY {
        return Err(too_large());
    }
    // Cameras store the picture as the sensor lay, with a note on how it was held.
    let upright = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    if bytes.starts_with(&jpeg::BEGIN) {
        jpeg::check(&bytes).map_err(|why| not_whole(&why))?;
    }
    if bytes.starts_with(png::BEGIN) {
        png::check(&bytes, MAX_MEMORY).map_err(|why| not_whole(&why))?;
    }
    if let Some(enough) = enough.filter(|&enough| picture.width().max(picture.height()) > enough) {
        picture = picture.thumbnail(enough, enough);
    }
    picture.apply_orientation(upright);
    Ok(picture)
}

/// The grey to put under the transparent parts of a picture of `[grey, alpha]` pixels.
fn ground_under(pixels: impl Iterator<Item = [u8; 2]>, invert: Invert) -> f32 {
    let (mut all, mut weights) = (0, [0u64; 256]);
    for [grey, alpha] in pixels {
        all += 255;
        weights[usize::from(grey)] += u64::from(alpha);
    }
    let visible: u64 = weights.iter().sum();
    let mut passed = 0;
    let median = weights.iter().position(|weight| {
        passed += weight;
        passed * 2 >= visible
    });
    let median = median.unwrap_or_default() as f32;
    if visible > all / 2 {
        // Most is opaque, so what can be seen is mostly ground, and the rest should be like it.
        return median;
    }
    // Most is transparent, so what can be seen is the ink, and the ground must differ from it.
    let ink_is_dark = match invert {
        Invert::Auto => median < 128.0,
        Invert::Yes => true,
        Invert::No => false,
    };
    if ink_is_dark { 255.0 } else { 0.0 }
}

/// The strength of the ink, from 0 for the ground to 1, or `None` if nothing stands out.
fn ink(grey: &Grey, invert: Invert) -> Option<Grey> {
    let mut border = border(grey);
    let ground = median(&mut border);
    // Uneven light and the grain of paper or camera show on the border as well: what differs no
    // more than they do is ground. The border of a clean picture is even, so nothing is lost.
    let mut differences: Vec<f32> = border.iter().map(|value| (value - ground).abs()).collect();
    let noise = 4.0 * median(&mut differences);
    let dark = match invert {
        Invert::Yes => true,
        Invert::No => false,
        // Squares, so that ink outweighs any amount of faint shading.
        Invert::Auto => {
            let weight = |value: &f32| f64::from((value - ground) * (value - ground).abs());
            grey.iter().map(weight).sum::<f64>() < 0.0
        }
    };
    let sign = if dark { -1.0 } else { 1.0 };
    let mut ink = grey.clone();
    for value in ink.iter_mut() {
        *value = (sign * (*value - ground) - noise).max(0.0);
    }
    let most = ink.iter().copied().fold(0.0, f32::max);
    if most < MIN_CONTRAST {
        return None;
    }
    // Full strength is what the strongest tenth of the ink has, not one stray pixel.
    let mut strong: Vec<f32> = ink.iter().copied().filter(|&value| value > most / 2.0).collect();
    let tenth = strong.len() * 9 / 10;
    let full = *strong.select_nth_unstable_by(tenth, f32::total_cmp).1;
    ink.iter_mut().for_each(|value| *value = (*value / full).min(1.0));
    Some(ink)
}

/// The outermost pixels.
fn border(grey: &Grey) -> Vec<f32> {
    let (right, bottom) = (grey.width() - 1, grey.height() - 1);
    grey.enumerate_pixels()
        .filter(|&(x, y, _)| x == 0 || y == 0 || x == right || y == bottom)
        .map(|(_, _, pixel)| pixel.0[0])
        .collect()
}

/// The median of values that are not empty; reorders them.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// The sums of the columns and of the rows.
fn sums(ink: &Grey) -> [Vec<f64>; 2] {
    let mut columns = vec![0.0; ink.width() as usize];
    let mut rows = vec![0.0; ink.height() as usize];
    for (x, y, pixel) in ink.enumerate_pixels() {
        columns[x as usize] += f64::from(pixel.0[0]);
        rows[y as usize] += f64::from(pixel.0[0]);
    }
    [columns, rows]
}

/// The box `[left, top, right, bottom]` (the last two exclusive) that leaves no more than the part
/// `outside` of the ink beyond each of its sides, or `None` if there is no ink.
fn bounds(ink: &Grey, outside: f64) -> Option<[u32; 4]> {
    let sums = sums(ink);
    let spare = sums[0].iter().sum::<f64>() * outside;
    let passes = |value: &f64, passed: &mut f64| {
        *passed += value;
        *passed > spare
    };
    let [columns, rows] = sums.map(|sums| {
        let (mut before, mut after) = (0.0, 0.0);
        let first = sums.iter().position(|sum| passes(sum, &mut before))?;
        let last = sums.iter().rposition(|sum| passes(sum, &mut after))?;
        (first <= last).then_some((first as u32, last as u32 + 1))
    });
    let ((left, right), (top, bottom)) = (columns?, rows?);
    Some([left, top, right, bottom])
}

/// The centre of mass, from the left and from the top, where 0 is the centre of the first pixel.
fn centre_of_mass(ink: &Grey) -> (f32, f32) {
    let [x, y] = sums(ink).map(|sums| {
        let mass: f64 = sums.iter().sum();
        let moment: f64 = sums.iter().enumerate().map(|(at, sum)| at as f64 * sum).sum();
        (moment / mass) as f32
    });
    (x, y)
}

/// Whether the picture is a digit as MNIST has it, which is best taken as it is: any scaling
/// would only blur it.
fn is_normal(ink: &Grey) -> bool {
    let Some([left, top, right, bottom]) = bounds(ink, 0.0) else {
        return false;
    };
    let (x, y) = centre_of_mass(ink);
    let centred = |centre: f32| (centre - SIDE as f32 / 2.0).abs() <= 0.51;
    (ink.width(), ink.height()) == (SIDE as u32, SIDE as u32)
        && (right - left).max(bottom - top) == BOX
        && centred(x)
        && centred(y)
}

/// Puts `ink`, which must fit, on a black 28x28 picture at (`x`, `y`).
fn paste(ink: &Grey, x: usize, y: usize) -> [u8; PIXELS] {
    let mut pixels = [0; PIXELS];
    for (column, row, pixel) in ink.enumerate_pixels() {
        let at = (y + row as usize) * SIDE + x + column as usize;
        pixels[at] = (pixel.0[0] * 255.0).round().clamp(0.0, 255.0) as u8;
    }
    pixels
}
