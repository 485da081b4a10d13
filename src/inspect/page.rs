//! Pages of small pictures: tiles of coloured squares in blocks, each block with a line above it.

use image::codecs::png::{self, CompressionType};
use image::imageops::{self, FilterType};
use image::{ImageBuffer, PixelWithColorType, Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Between blocks, and round the page, in pixels.
const MARGIN: u32 = 14;
/// Between tiles.
const GAP: u32 = 4;
/// Height of a block's line, with the room below it.
const LINE: u32 = 20;
/// Width of the colour bar in a block's line.
const BAR: u32 = 72;

const PAPER: Rgb<u8> = Rgb([255; 3]);
const FRAME: Rgb<u8> = Rgb([205; 3]);
const TEXT: Rgb<u8> = Rgb([36, 41, 47]);

/// How numbers become colours; both scales are told apart by colour-blind eyes, too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colours {
    /// From 0, black, through purple, red and orange to this number, light yellow.
    Rising(f32),
    /// From minus this number, blue, through 0, white, to this number, red.
    Signed(f32),
    /// From 0, white, to this number, black.
    Ink(f32),
}

impl Colours {
    /// The colour of a number; what is beyond the ends is as they are.
    pub fn of(self, value: f32) -> Rgb<u8> {
        let (Colours::Rising(end) | Colours::Signed(end) | Colours::Ink(end)) = self;
        let part = f64::from(if end > 0.0 { (value / end).clamp(-1.0, 1.0) } else { 0.0 });
        let colour = match self {
            Colours::Rising(_) => colorous::INFERNO.eval_continuous(part.max(0.0)),
            Colours::Signed(_) => colorous::RED_BLUE.eval_continuous(0.5 - part / 2.0),
            Colours::Ink(_) => colorous::GREYS.eval_continuous(part.max(0.0)),
        };
        Rgb(colour.as_array())
    }

    /// Least and largest number that have colours of their own.
    fn ends(self) -> [f32; 2] {
        match self {
            Colours::Rising(end) | Colours::Ink(end) => [0.0, end],
            Colours::Signed(end) => [-end, end],
        }
    }
}

/// Numbers as a picture: each a square of `zoom` pixels, `width` in a row, framed.
///
/// # Panics
/// When the numbers do not fill the rows.
pub fn tile(values: &[f32], width: usize, colours: Colours, zoom: u32) -> RgbImage {
    assert!(values.len().is_multiple_of(width), "{} numbers in rows of {width}", values.len());
    let (columns, rows) = (width as u32, (values.len() / width) as u32);
    let small = RgbImage::from_fn(columns, rows, |x, y| {
        colours.of(values[y as usize * width + x as usize])
    });
    framed(&small, zoom)
}

fn framed(small: &RgbImage, zoom: u32) -> RgbImage {
    let (width, height) = (small.width() * zoom, small.height() * zoom);
    let large = imageops::resize(small, width, height, FilterType::Nearest);
    let mut framed = RgbImage::from_pixel(width + 2, height + 2, FRAME);
    imageops::replace(&mut framed, &large, 1, 1);
    framed
}

/// An image of that height, width and channels, each pixel a square of `zoom` pixels, framed: coloured
/// ones and photos as they are, digits as ink on paper.
///
/// # Panics
/// When the pixels are not those of one image.
pub fn image_tile(
    pixels: &[u8],
    [height, width, channels]: [usize; 3],
    ink: bool,
    zoom: u32,
) -> RgbImage {
    assert_eq!(pixels.len(), height * width * channels, "pixels of an image");
    if ink && channels == 1 {
        let values: Vec<f32> = pixels.iter().map(|&pixel| pixel.into()).collect();
        return tile(&values, width, Colours::Ink(255.0), zoom);
    }
    let small = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = (y as usize * width + x as usize) * channels;
        let of = |channel: usize| pixels[at + channel.min(channels - 1)];
        Rgb([of(0), of(1), of(2)])
    });
    framed(&small, zoom)
}

/// Tiles of one size with a line above them.
pub struct Block {
    /// The line; other characters than ASCII's become question marks.
    pub label: String,
    /// The scale to show behind it.
    pub bar: Option<Colours>,
    /// The tiles, row by row.
    pub tiles: Vec<RgbImage>,
    /// Tiles in a row.
    pub columns: usize,
}

impl Block {
    fn size(&self) -> [u32; 2] {
        let columns = self.columns.min(self.tiles.len()) as u32;
        let rows = self.tiles.len().div_ceil(self.columns) as u32;
        let [width, height] = self.pitch();
        let bar = self.bar.map_or(0, |bar| {
            let [low, high] = bar.ends().map(|end| text_width(&number(end)));
            text_width(" ") * 4 + low + BAR + high
        });
        [(columns * width).max(text_width(&self.label) + bar + GAP), LINE + rows * height]
    }

    /// From one tile to the next, across and down.
    fn pitch(&self) -> [u32; 2] {
        self.tiles.first().map_or([0, 0], |tile| [tile.width() + GAP, tile.height() + GAP])
    }

    fn draw(&self, page: &mut RgbImage, [left, top]: [u32; 2]) {
        let space = text_width(" ");
        let mut x = write(page, &self.label, [left, top]) + 2 * space;
        if let Some(bar) = self.bar {
            let [low, high] = bar.ends();
            x = write(page, &number(low), [x, top]) + space;
            for along in 0..BAR {
                let value = low + (high - low) * along as f32 / (BAR - 1) as f32;
                let colour = bar.of(value);
                (top + 3..top + 13).for_each(|y| page.put_pixel(x + along, y, colour));
            }
            write(page, &number(high), [x + BAR + space, top]);
        }
        let [width, height] = self.pitch();
        for (place, tile) in self.tiles.iter().enumerate() {
            let (column, row) = ((place % self.columns) as u32, (place / self.columns) as u32);
            let (x, y) = (left + column * width, top + LINE + row * height);
            imageops::replace(page, tile, x.into(), y.into());
        }
    }
}

/// The blocks in rows of that many, on white.
pub fn page(blocks: &[Block], across: usize) -> RgbImage {
    let sizes: Vec<[u32; 2]> = blocks.iter().map(Block::size).collect();
    let across = across.min(blocks.len()).max(1);
    let width = sizes.iter().map(|size| size[0]).max().unwrap_or(0) + MARGIN;
    let heights: Vec<u32> = sizes
        .chunks(across)
        .map(|row| row.iter().map(|size| size[1]).max().unwrap_or(0) + MARGIN)
        .collect();
    let size = [MARGIN + across as u32 * width, MARGIN + heights.iter().sum::<u32>()];
    let mut page = RgbImage::from_pixel(size[0], size[1], PAPER);
    let mut top = MARGIN;
    for (row, height) in blocks.chunks(across).zip(heights) {
        for (column, block) in (0..).zip(row) {
            block.draw(&mut page, [MARGIN + column * width, top]);
        }
        top += height;
    }
    page
}

/// The picture as the bytes of a PNG file.
///
/// # Errors
/// When the picture has no pixels or is too large for the format.
pub fn png<P: PixelWithColorType<Subpixel = u8>>(
    picture: &ImageBuffer<P, Vec<u8>>,
) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = Vec::new();
    // Even areas pack best as they are.
    let (compression, filter) = (CompressionType::Best, png::FilterType::NoFilter);
    picture.write_with_encoder(png::PngEncoder::new_with_quality(
        &mut bytes,
        compression,
        filter,
    ))?;
    Ok(bytes)
}

/// A number in three digits.
fn number(value: f32) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        size => {
            let whole = size.log10().floor().max(0.0) as usize;
            format!("{value:.*}", 2usize.saturating_sub(whole).max(usize::from(size < 0.1) * 3))
        }
    }
}

fn text_width(text: &str) -> u32 {
    let one = get_raster_width(FontWeight::Regular, RasterHeight::Size16);
    (text.chars().count() * one) as u32
}

/// Writes a line of text; where it ends.
fn write(page: &mut RgbImage, text: &str, [mut left, top]: [u32; 2]) -> u32 {
    let glyph = |c| get_raster(c, FontWeight::Regular, RasterHeight::Size16);
    for c in text.chars() {
        let Some(raster) = glyph(c).or_else(|| glyph('?')) else { continue };
        for (y, row) in (top..).zip(raster.rows()) {
            for (x, &strength) in (left..).zip(row) {
                let mixed = [0, 1, 2].map(|i| {
                    let (ink, paper) = (u32::from(TEXT[i]), u32::from(PAPER[i]));
                    ((ink * u32::from(strength) + paper * (255 - u32::from(strength))) / 255) as u8
                });
                page.put_pixel(x, y, Rgb(mixed));
            }
        }
        left += text_width(" ");
    }
    left
}
