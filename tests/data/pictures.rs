use std::fs;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{GrayAlphaImage, GrayImage, ImageFormat, Luma, LumaA};
use inception::data::{Dataset, Images, Invert, load_images, load_labelled};

use super::{assert_fails, asset, file};

fn mnist() -> Dataset {
    load_labelled(&asset("mnist/mnist_test.csv.gz")).unwrap()
}

fn digit(images: &Images, index: usize) -> GrayImage {
    let pixels = images.get(index).unwrap().to_vec();
    GrayImage::from_raw(28, 28, pixels).unwrap()
}

/// The picture as a person would have it: dark ink on white, `scale` times as large, off centre.
fn drawn(digit: &GrayImage, scale: u32, filter: FilterType) -> GrayImage {
    let mut large = imageops::resize(digit, 28 * scale, 28 * scale, filter);
    imageops::invert(&mut large);
    let mut paper = GrayImage::from_pixel(50 * scale, 40 * scale, Luma([255]));
    imageops::replace(&mut paper, &large, 67, 3);
    paper
}

fn save(picture: impl Into<image::DynamicImage>, path: &Path) {
    let picture = picture.into();
    picture.save_with_format(path, ImageFormat::Png).unwrap();
}

/// Writes the picture as PNG and loads it.
fn convert(picture: impl Into<image::DynamicImage>, invert: Invert) -> Vec<u8> {
    let (_folder, path) = file("digit", "");
    save(picture, &path);
    let images = load_images(&path, invert).unwrap();
    assert_eq!(images.len(), 1);
    images.pixels
}

/// Mean absolute difference of the grey values, 0 to 255.
fn difference(one: &[u8], other: &[u8]) -> f64 {
    let pairs = one.iter().zip(other);
    let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    f64::from(sum) / one.len() as f64
}

#[test]
fn an_mnist_digit_comes_through_unchanged() {
    let set = mnist();
    for index in 0..200 {
        let original = digit(&set.images, index);
        let mut inverted = original.clone();
        imageops::invert(&mut inverted);
        for picture in [original.clone(), inverted] {
            let converted = convert(picture, Invert::Auto);
            // Only the strongest values are brought to 255.
            let most = converted.iter().zip(original.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(most <= Some(16), "digit {index} differs by {most:?}");
        }
    }
}

#[test]
fn a_drawn_digit_becomes_the_mnist_digit_again() {
    let set = mnist();
    // Two digits differ by some 40; a shift of one by a single pixel makes some 15.
    for (scale, filter, at_most) in [
        (5, FilterType::Nearest, 4.0),
        (5, FilterType::Triangle, 9.0),
        (10, FilterType::CatmullRom, 9.0),
    ] {
        let mut differences: Vec<f64> = (0..100)
            .map(|index| {
                let original = digit(&set.images, index);
                let converted = convert(drawn(&original, scale, filter), Invert::Auto);
                difference(&converted, original.as_raw())
            })
            .collect();
        differences.sort_unstable_by(f64::total_cmp);
        let (median, tenth) = (differences[50], differences[90]);
        assert!(median < at_most, "{filter:?}: median {median}, 90% {tenth}");
        assert!(tenth < 15.0, "{filter:?}: median {median}, 90% {tenth}");
    }
}

#[test]
fn a_drawn_digit_is_still_that_digit() {
    // Judged by the most similar of the 10,000 real digits, itself left out.
    let set = mnist();
    let right = |index: usize, pixels: &[u8]| {
        let others = set.images.pixels.chunks_exact(784).enumerate().filter(|&(at, _)| at != index);
        let nearest =
            others.min_by(|a, b| difference(a.1, pixels).total_cmp(&difference(b.1, pixels)));
        set.labels[nearest.unwrap().0] == set.labels[index]
    };
    let count = |pixels: &dyn Fn(usize) -> Vec<u8>| {
        (0..100).filter(|&index| right(index, &pixels(index))).count()
    };
    let before = count(&|index| set.images.get(index).unwrap().to_vec());
    let after = count(&|index| {
        let picture = drawn(&digit(&set.images, index), 6, FilterType::CatmullRom);
        convert(noisy(&picture), Invert::Auto)
    });
    assert!(after + 3 >= before, "{after} of 100 recognised, {before} before");
}

/// As a camera would see it: grey paper, uneven light, grain, pale ink.
fn noisy(picture: &GrayImage) -> GrayImage {
    let mut state = 1u32;
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (state >> 29) as f32 - 3.5;
        let light = (x + y) as f32 / (picture.width() + picture.height()) as f32 * 20.0;
        let value = f32::from(picture.get_pixel(x, y).0[0]);
        Luma([(70.0 + value * 0.5 + light + grain) as u8])
    })
}

#[test]
fn the_ground_is_black_even_in_a_photograph() {
    let set = mnist();
    let converted =
        convert(noisy(&drawn(&digit(&set.images, 0), 6, FilterType::CatmullRom)), Invert::Auto);
    // This digit, a seven, has no ink there; below it has, for it is centred by its mass.
    let rim = (0..784).filter(|at| at / 28 < 4 || at % 28 < 4 || at % 28 > 23);
    let brightest = rim.map(|at| converted[at]).max();
    assert!(brightest <= Some(20), "{brightest:?}");
}

#[test]
fn invert_can_be_told() {
    let set = mnist();
    let light = digit(&set.images, 2);
    let dark = drawn(&light, 5, FilterType::Nearest);
    assert_eq!(convert(light.clone(), Invert::No), convert(light.clone(), Invert::Auto));
    assert_eq!(convert(dark.clone(), Invert::Yes), convert(dark.clone(), Invert::Auto));
    let (_folder, path) = file("dark.png", "");
    save(dark, &path);
    assert_fails(load_images(&path, Invert::No), &path, &["no digit"]);
}

#[test]
fn a_transparent_ground_is_ground() {
    let set = mnist();
    let original = digit(&set.images, 4);
    let expected = convert(original.clone(), Invert::Auto);
    for ink in [0, 255] {
        let picture = GrayAlphaImage::from_fn(28, 28, |x, y| {
            // What a fully transparent pixel hides must not matter.
            let alpha = original.get_pixel(x, y).0[0];
            LumaA([if alpha == 0 { 128 } else { ink }, alpha])
        });
        let converted = convert(picture, Invert::Auto);
        assert!(difference(&converted, &expected) < 1.0, "ink {ink}");
    }
    // Opaque paper with see-through corners.
    let paper = drawn(&original, 5, FilterType::Nearest);
    let expected = convert(paper.clone(), Invert::Auto);
    let picture = GrayAlphaImage::from_fn(paper.width(), paper.height(), |x, y| {
        let alpha = if x + y < 12 { 0 } else { 255 };
        LumaA([paper.get_pixel(x, y).0[0].saturating_sub(alpha ^ 255), alpha])
    });
    assert!(difference(&convert(picture, Invert::Auto), &expected) < 3.0);
}

#[test]
fn the_pictures_of_the_repository_are_those_digits() {
    let set = mnist();
    for (name, index) in [("seven", 0), ("two", 1), ("zero", 3), ("four", 4)] {
        let path = asset(&format!("digits/{name}.png"));
        let images = load_images(&path, Invert::Auto).unwrap();
        let differs = difference(&images.pixels, set.images.get(index).unwrap());
        assert!(differs < 15.0, "{name}: {differs}");
    }
}

#[test]
fn jpeg_and_odd_shapes_work() {
    let set = mnist();
    let picture = drawn(&digit(&set.images, 0), 8, FilterType::CatmullRom);
    let (_folder, path) = file("digit.png", "");
    picture.save_with_format(&path, ImageFormat::Jpeg).unwrap();
    let jpeg = load_images(&path, Invert::Auto).unwrap();
    assert!(difference(&jpeg.pixels, &convert(picture, Invert::Auto)) < 3.0);
    // A bar as wide as the picture, and one 5,000 pixels long.
    for (width, height) in [(3, 1), (1, 3), (5_000, 7)] {
        let bar = GrayImage::from_fn(width, height, |x, y| Luma([((x + y) % 2 * 255) as u8]));
        let (_folder, path) = file("bar.png", "");
        save(bar, &path);
        // Whether there is a digit in it is of no interest; it must not panic.
        drop(load_images(&path, Invert::Auto));
    }
}

#[test]
fn a_photograph_is_turned_as_the_camera_was_held() {
    let picture = drawn(&digit(&mnist().images, 0), 8, FilterType::CatmullRom);
    let (_folder, path) = file("digit.jpg", "");
    let turned = imageops::rotate180(&picture);
    turned.save(&path).unwrap();
    // An Exif segment with one entry: orientation (0x112), one short number, 3 for upside down.
    let exif =
        b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
    let jpeg = fs::read(&path).unwrap();
    fs::write(&path, [&jpeg[..2], exif, &jpeg[2..]].concat()).unwrap();
    let upright = load_images(&path, Invert::Auto).unwrap();
    assert!(difference(&upright.pixels, &convert(picture, Invert::Auto)) < 3.0);
}

#[test]
fn blank_pictures_are_refused() {
    for (width, height, grey) in [(28, 28, 0), (200, 100, 255), (1, 1, 90)] {
        let (_folder, path) = file("blank.png", "");
        save(GrayImage::from_pixel(width, height, Luma([grey])), &path);
        for invert in [Invert::Auto, Invert::Yes, Invert::No] {
            assert_fails(load_images(&path, invert), &path, &["no digit"]);
        }
    }
    let (_folder, path) = file("clear.png", "");
    save(GrayAlphaImage::from_pixel(9, 9, LumaA([0, 0])), &path);
    assert_fails(load_images(&path, Invert::Auto), &path, &["no digit"]);
}

/// With what `change` makes of the pixels as they lie in the file, in chunks whose own checksums fit.
fn with_pixels(png: &[u8], parts: usize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let (mut out, mut rest, mut pixels) = (png[..8].to_vec(), &png[8..], Vec::new());
    let chunk = |kind: &[u8], content: &[u8]| {
        let body = [kind, content].concat();
        let length = (content.len() as u32).to_be_bytes();
        [&length[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
    };
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let (kind, content) = (&rest[4..8], &rest[8..8 + length]);
        match kind {
            b"IDAT" => pixels.extend(content),
            b"IEND" => {
                change(&mut pixels);
                let size = pixels.len().div_ceil(parts);
                pixels.chunks(size).for_each(|part| out.extend(chunk(b"IDAT", part)));
                out.extend(chunk(kind, content));
            }
            _ => out.extend(chunk(kind, content)),
        }
        rest = &rest[12 + length..];
    }
    out
}

#[test]
fn the_checksum_of_a_pngs_pixels_is_looked_at() {
    for name in ["digits/seven.png", "digits/two.png"] {
        let bytes = fs::read(asset(name)).unwrap();
        for parts in [1, 3, 50] {
            let (_folder, path) = file("whole.png", with_pixels(&bytes, parts, |_| {}));
            load_images(&path, Invert::Auto).expect("it is whole");
            for bit in [1, 0x80] {
                for from_end in 1..=4 {
                    let wrong = with_pixels(&bytes, parts, |pixels| {
                        let at = pixels.len() - from_end;
                        pixels[at] ^= bit;
                    });
                    let (_folder, path) = file("wrong.png", wrong);
                    let said = ["the checksum of its pixels does not fit", "save or copy it again"];
                    assert_fails(load_images(&path, Invert::Auto), &path, &said);
                }
            }
            let short = with_pixels(&bytes, parts, |pixels| pixels.truncate(pixels.len() - 2));
            let (_folder, path) = file("short.png", short);
            assert_fails(load_images(&path, Invert::Auto), &path, &["cannot be decoded"]);
            let more = with_pixels(&bytes, parts, |pixels| pixels.extend([7; 100]));
            let (_folder, path) = file("more.png", more);
            load_images(&path, Invert::Auto).expect("what follows is not looked at");
        }
    }
}

/// Though the decoder has more than one for it.
#[test]
fn what_is_wrong_with_a_picture_is_one_line() {
    let length_of_none = [0xff, 0xd8, 0xff, 0xe0, 0, 1, 0xff, 0xd9];
    let (_folder, path) = file("lines.jpg", length_of_none);
    let said = ["invalid length:1", "cannot be decoded"];
    assert_fails(load_images(&path, Invert::Auto), &path, &said);
}

#[test]
fn pictures_that_lie_or_are_damaged_are_refused() {
    let bytes = fs::read(asset("digits/seven.png")).unwrap();
    for length in [8, 30, 1_000, bytes.len() - 20] {
        let (_folder, path) = file("cut.png", &bytes[..length]);
        assert_fails(load_images(&path, Invert::Auto), &path, &["cannot be decoded", "cut short"]);
    }
    // Width and height in the header, which carries a checksum.
    for size in [8_193u32, 60_000, 0x7fff_ffff] {
        let mut huge = bytes.clone();
        huge[16..20].copy_from_slice(&size.to_be_bytes());
        huge[20..24].copy_from_slice(&size.to_be_bytes());
        let mut sum = flate2::Crc::new();
        sum.update(&huge[12..29]);
        huge[29..33].copy_from_slice(&sum.sum().to_be_bytes());
        let (_folder, path) = file("huge.png", huge);
        assert_fails(load_images(&path, Invert::Auto), &path, &["too large", "8192"]);
    }
    let (_folder, path) = file("seven.png", bytes);
    assert_fails(load_labelled(&path), &path, &["picture", "no label"]);
}
