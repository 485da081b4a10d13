//! What a network holds and makes, as pictures.

use image::{Rgb, RgbImage};

use super::page::{Block, Colours, image_tile, page, tile};
use super::relus::Relu;
use crate::checkpoint::Tensor;

/// Most filters of a picture along its inputs and along its outputs, and most maps of a tower: so
/// that no picture is too large to be looked at.
const MOST: usize = 64;
/// Maps in a row.
const MAPS_IN_A_ROW: usize = 16;
/// Edge of a filter's tile, in pixels, about.
const FILTER: u32 = 30;
/// Edge of a map's tile.
const MAP: u32 = 84;
/// Edge of an image beside its saliency.
const IMAGE: u32 = 140;

/// The filters of convolutions `[height, width, inputs, outputs]`, a block each: a row of tiles for
/// each input, a column for each output, blue where they are negative and red where positive.
pub fn filters(weights: &[Tensor]) -> RgbImage {
    let blocks = weights.iter().map(|tensor| {
        let [height, width, inputs, outputs] = tensor.shape.try_into().unwrap_or([0; 4]);
        let values: Vec<f32> = tensor.values().collect();
        let colours = Colours::Signed(largest(&values));
        let (rows, columns) = (inputs.min(MOST), outputs.min(MOST));
        let filter = |input: usize, output: usize| -> Vec<f32> {
            let place = |tap: usize| values[(tap * inputs + input) * outputs + output];
            (0..height * width).map(place).collect()
        };
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let tiles = places
            .map(|(row, column)| tile(&filter(row, column), width, colours, zoom(FILTER, width)));
        let (inputs, outputs) = (some("inputs down", inputs), some("outputs across", outputs));
        let label = format!("{}: {inputs}, {outputs}", tensor.name);
        Block { label, bar: Some(colours), tiles: tiles.collect(), columns }
    });
    page(&blocks.collect::<Vec<_>>(), 1)
}

/// What ReLUs made of the first image of a batch, `[height, width, channels]` of each: a block for
/// each of them, its numbers from 0, black, to the largest in the block, light yellow.
pub fn maps(relus: &[(&Relu, &[f32])], size: [usize; 2], channels: usize) -> RgbImage {
    let pixels = size[0] * size[1];
    let blocks = relus.iter().map(|(relu, values)| {
        let map = |channel: usize| -> Vec<f32> {
            (0..pixels).map(|pixel| values[pixel * channels + channel]).collect()
        };
        let maps: Vec<Vec<f32>> = relu.channels.clone().take(MOST).map(map).collect();
        let colours = Colours::Rising(maps.iter().map(|map| largest(map)).fold(0.0, f32::max));
        let tile = |map: &Vec<f32>| tile(map, size[1], colours, zoom(MAP, size[1]));
        let label = format!("{}: {}", relu.name, some("maps", relu.channels.len()));
        let (tiles, columns) = (maps.iter().map(tile).collect(), MAPS_IN_A_ROW);
        Block { label, bar: Some(colours), tiles, columns }
    });
    page(&blocks.collect::<Vec<_>>(), 1)
}

/// An image, and how much each pixel says for a class.
pub struct Salient<'a> {
    /// What to write above it.
    pub label: String,
    /// Values from 0 to 255 (of digits: ink), `[height, width, channels]`.
    pub image: &'a [u8],
    /// The gradient of the class's logit, of the same shape.
    pub gradient: &'a [f32],
}

/// Images, each beside the gradient that was found for it with the digit's outline: red where more
/// ink, or light, would raise the class's logit, blue where it would lower it; of a pixel's channels the
/// sum. Each has a scale of its own, on which the largest hundredth of the gradient looks alike. `shape`
/// is height, width and channels; `ink` says that the images are digits.
pub fn saliency(images: &[Salient], shape: [usize; 3], ink: bool) -> RgbImage {
    let [_, width, channels] = shape;
    let blocks = images.iter().map(|image| {
        let sums: Vec<f32> =
            image.gradient.chunks(channels).map(|pixel| pixel.iter().sum()).collect();
        let colours = Colours::Signed(nearly_largest(&sums));
        let zoom = zoom(IMAGE, width);
        let mut gradient = tile(&sums, width, colours, zoom);
        if ink {
            outline(&mut gradient, image.image, width, zoom);
        }
        let tiles = vec![image_tile(image.image, shape, ink, zoom), gradient];
        Block { label: image.label.clone(), bar: Some(colours), tiles, columns: 2 }
    });
    page(&blocks.collect::<Vec<_>>(), 3)
}

/// Draws the border between ink and paper on a tile: on the paper's side.
fn outline(tile: &mut RgbImage, ink: &[u8], width: usize, zoom: u32) {
    let height = ink.len() / width;
    let inked = |x: usize, y: usize| x < width && y < height && ink[y * width + x] >= 128;
    for (x, y) in (0..ink.len()).map(|at| (at % width, at / width)) {
        if inked(x, y) {
            continue;
        }
        let (left, top) = (1 + x as u32 * zoom, 1 + y as u32 * zoom);
        for along in 0..zoom {
            let sides = [
                (x.wrapping_sub(1), y, [left, top + along]),
                (x + 1, y, [left + zoom - 1, top + along]),
                (x, y.wrapping_sub(1), [left + along, top]),
                (x, y + 1, [left + along, top + zoom - 1]),
            ];
            for (x, y, [across, down]) in sides {
                if inked(x, y) {
                    tile.put_pixel(across, down, Rgb([110; 3]));
                }
            }
        }
    }
}

fn zoom(edge: u32, width: usize) -> u32 {
    (edge / width as u32).max(1)
}

/// The largest size of a number.
fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The size that a hundredth of the numbers exceed.
fn nearly_largest(values: &[f32]) -> f32 {
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    sizes.get(sizes.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0.0)
}

/// `8 maps`, or which of them are shown.
fn some(what: &str, count: usize) -> String {
    match count > MOST {
        true => format!("{MOST} of {count} {what}"),
        false => format!("{count} {what}"),
    }
}
