//! Makes a small set of coloured pictures in folders by class, to train on: red and blue discs and
//! squares, of several sizes, on grounds of any colour.
//!
//! ```sh
//! cargo run --release --example shapes -- shapes
//! inception train --train shapes/train --test shapes/test --network examples/shapes.toml --preset quick
//! ```

use std::error::Error;
use std::path::Path;

use image::{Rgb, RgbImage};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// The classes, each a folder's name.
pub const CLASSES: [&str; 4] = ["blue_disc", "blue_square", "red_disc", "red_square"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder to make")?;
    make(Path::new(&folder), [200, 50])?;
    println!("made {folder}/train and {folder}/test");
    Ok(())
}

/// Makes `train` and `test` in a folder, with so many pictures of each class.
pub fn make(folder: &Path, counts: [usize; 2]) -> Result<(), Box<dyn Error>> {
    let mut random = Pcg64::seed_from_u64(7);
    for (part, count) in ["train", "test"].into_iter().zip(counts) {
        for class in CLASSES {
            let folder = folder.join(part).join(class);
            std::fs::create_dir_all(&folder)?;
            for number in 0..count {
                picture(class, &mut random).save(folder.join(format!("{number:03}.png")))?;
            }
        }
    }
    Ok(())
}

/// From 0 to below `end`.
fn below(random: &mut Pcg64, end: u32) -> u32 {
    (((random.next_u64() >> 32) * u64::from(end)) >> 32) as u32
}

/// A shape in the middle part of a ground of one colour, with some noise on both.
fn picture(class: &str, random: &mut Pcg64) -> RgbImage {
    let (width, height) = (36 + below(random, 40), 36 + below(random, 40));
    let short = width.min(height);
    let radius = (short / 4 + below(random, short / 8)) as i32;
    let mut near = |middle: u32| {
        let free = ((short / 2) as i32 - radius) / 2;
        middle as i32 + below(random, 2 * free as u32 + 1) as i32 - free
    };
    let (x0, y0) = (near(width / 2), near(height / 2));
    let ground = [0; 3].map(|_| 40 + below(random, 150));
    let strong = 170 + below(random, 70);
    let (weak, other) = (below(random, 70), below(random, 70));
    let colour = match class.starts_with("red") {
        true => [strong, weak, other],
        false => [weak, other, strong],
    };
    RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (x as i32 - x0, y as i32 - y0);
        let inside = match class.ends_with("disc") {
            true => dx * dx + dy * dy <= radius * radius,
            false => dx.abs().max(dy.abs()) <= radius,
        };
        let base = if inside { colour } else { ground };
        Rgb(base.map(|value| (value + below(random, 15)) as u8))
    })
}
