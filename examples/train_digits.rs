//! Trains a small Inception network on the bundled digits and measures it on the test digits, with
//! the library alone: `cargo run --release --example train_digits [STEPS]`, 200 steps by default.

use std::error::Error;
use std::io::Write;

use inception::config::{Config, Preset};
use inception::data::{Batches, SIDE, load_labelled};
use inception::gpu::{Gpu, GpuOptions};
use inception::plan::Target;
use inception::train::{Recordings, Trainer, likeliest};

fn main() -> Result<(), Box<dyn Error>> {
    let steps: u64 = std::env::args().nth(1).map_or(Ok(200), |steps| steps.parse())?;
    let config = Config { maps: vec![8], num_fc1: 32, ..Config::preset(Preset::Quick) };

    // The device gets all images once: the rows to train on first, those to test on behind them.
    let mut digits = load_labelled(&config.train)?;
    let train_rows = digits.len();
    let test = load_labelled(&config.test)?;
    digits.images.pixels.extend_from_slice(&test.images.pixels);
    digits.labels.extend_from_slice(&test.labels);

    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
    println!("adapter: {} ({}, {})", gpu.facts.name, gpu.facts.kind, gpu.facts.backend);

    // Recorded once, then replayed: a step uploads its row numbers, its rate and its dropout key.
    let mut recordings = Recordings::training(&config, digits.len());
    recordings.fit(&Target::of(&gpu))?;
    println!("parameters: {}", recordings.parameter_count());
    let batches = Batches::new(config.order, config.seed, config.batch_size, train_rows)?;
    let mut trainer = Trainer::new(gpu, recordings, &digits.images, &digits.labels, Some(batches))?;
    trainer.initialize();

    for _ in 0..steps {
        // Losses arrive some steps late, so that the device never waits for the host.
        for (step, loss) in trainer.train_step()? {
            if step % 20 == 0 {
                println!("step {step:5}  loss {loss:.4}");
            }
        }
    }

    let probabilities = trainer.classify(train_rows..digits.len(), |_| {})?;
    let predictions: Vec<u8> = probabilities.iter().map(|row| likeliest(row)).collect();
    let right = predictions.iter().zip(&test.labels).filter(|(p, label)| p == label).count();
    println!("test accuracy: {:.2} %", right as f64 / test.len() as f64 * 100.0);

    let pixels = test.images.get(0).ok_or("the test set is empty")?;
    println!("\nthe first test digit, taken for a {}:", predictions[0]);
    draw(pixels)?;
    Ok(())
}

/// A digit in characters, two to a pixel.
fn draw(pixels: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for row in pixels.chunks_exact(SIDE) {
        let ink = |&grey: &u8| ["  ", "░░", "▒▒", "▓▓", "██"][usize::from(grey) * 4 / 255];
        writeln!(out, "{}", row.iter().map(ink).collect::<String>().trim_end())?;
    }
    Ok(())
}
