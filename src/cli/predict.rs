//! `inception predict`: what a saved network sees in pictures.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, Global, network};
use crate::data::{Images, Invert, load_images};
use crate::train::likeliest;

/// Classify pictures of digits
///
/// Prints CSV with a header: source, row (from 1), prediction, and the probabilities p0 to p9.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    inception predict --model runs/quick assets/digits/*.png\n  \
    inception predict --model runs/quick digits.csv > predictions.csv")]
pub(super) struct PredictCommand {
    /// The model's file, or the folder that `train --out` made
    #[arg(long, value_name = "FILE|DIR")]
    model: PathBuf,
    /// Whether pictures show dark ink on light ground and must be inverted
    #[arg(long, value_enum, default_value = "auto")]
    invert: Invert,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// PNG or JPEG of any size, CSV with 784 or 785 columns, or IDX; also gzipped
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

pub(super) fn run(command: PredictCommand, global: &Global) -> Result<(), Failure> {
    let parts: Result<Vec<Images>, _> =
        command.inputs.iter().map(|path| load_images(path, command.invert)).collect();
    let parts = parts?;
    let mut all = parts[0].clone();
    for part in &parts[1..] {
        all.pixels.extend_from_slice(&part.pixels);
    }
    let mut trainer = network::open(&command.model, &all, global)?;
    let probabilities = network::classify(&mut trainer, 0..all.len())?;
    let sources = parts
        .iter()
        .flat_map(|part| (1..=part.len()).map(move |row| (part.path.display().to_string(), row)));
    let stdout = std::io::stdout().lock();
    match print(stdout, sources.zip(&probabilities), command.json) {
        // Whoever read us has had enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

fn print<'a>(
    stdout: impl Write,
    rows: impl Iterator<Item = ((String, usize), &'a [f32; 10])>,
    json: bool,
) -> std::io::Result<()> {
    let mut buffered = std::io::BufWriter::new(stdout);
    if json {
        for ((source, row), p) in rows {
            let prediction = likeliest(p);
            let object = serde_json::json!({
                "source": source, "row": row, "prediction": prediction, "probabilities": p,
            });
            writeln!(buffered, "{object}")?;
        }
        return buffered.flush();
    }
    let mut csv = csv::Writer::from_writer(buffered);
    let header = ["source", "row", "prediction"].map(String::from);
    csv.write_record(header.into_iter().chain((0..10).map(|class| format!("p{class}"))))?;
    for ((source, row), p) in rows {
        let front = [source, row.to_string(), likeliest(p).to_string()];
        csv.write_record(front.into_iter().chain(p.iter().map(|p| format!("{p:.6}"))))?;
    }
    csv.flush()
}
