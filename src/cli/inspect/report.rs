//! What `inspect` prints.

use std::fmt;

use serde::Serialize;

use crate::cli::{steps, thousands};
use crate::config::Config;
use crate::inspect::{Distribution, Sparsity};

#[derive(Serialize)]
pub(super) struct Report {
    pub(super) model: String,
    pub(super) step: Option<u64>,
    pub(super) config: Config,
    pub(super) parameters: usize,
    /// For one image.
    pub(super) multiply_accumulates: u64,
    pub(super) layers: Vec<Layer>,
    pub(super) variables: Vec<Variable>,
    pub(super) images: Option<Seen>,
    pub(super) pictures: Vec<Picture>,
}

/// A layer by the name of its weights.
#[derive(Serialize)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Weights and bias.
    pub(super) parameters: usize,
    pub(super) multiply_accumulates: u64,
}

#[derive(Serialize)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    #[serde(flatten)]
    pub(super) distribution: Distribution,
}

/// What was seen of images.
#[derive(Serialize)]
pub(super) struct Seen {
    pub(super) source: String,
    pub(super) count: usize,
    pub(super) predictions: Vec<Prediction>,
    pub(super) relus: Vec<Sparsity>,
}

#[derive(Serialize)]
pub(super) struct Prediction {
    /// In its file, from 1.
    pub(super) row: usize,
    pub(super) prediction: u8,
    /// What the class is called, where classes have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) probability: f32,
}

#[derive(Serialize)]
pub(super) struct Picture {
    pub(super) file: String,
    pub(super) shows: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.step.map_or(String::new(), |step| format!(" after {}", steps(step)));
        writeln!(
            f,
            "{}{after}: {} parameters, {} multiply-accumulates an image\n",
            self.model,
            thousands(self.parameters as u64),
            thousands(self.multiply_accumulates)
        )?;
        self.layers(f)?;
        writeln!(f)?;
        self.variables(f)?;
        if let Some(seen) = &self.images {
            writeln!(f)?;
            seen.fmt(f)?;
        }
        if !self.pictures.is_empty() {
            writeln!(f)?;
        }
        for alike in self.pictures.chunk_by(|a, b| a.shows == b.shows) {
            writeln!(f, "{}:", alike[0].shows)?;
            alike.iter().try_for_each(|picture| writeln!(f, "  {}", picture.file))?;
        }
        Ok(())
    }
}

impl Report {
    fn layers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:14} {:14} {:>12} {:>8} {:>21} {:>8}",
            "layer", "shape", "parameters", "share", "multiply-accumulates", "share"
        )?;
        for layer in &self.layers {
            let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
            writeln!(
                f,
                "{:14} {:14} {:>12} {:>8} {:>21} {:>8}",
                layer.name,
                shape.join("x"),
                thousands(layer.parameters as u64),
                percent(layer.parameters as u64, self.parameters as u64),
                thousands(layer.multiply_accumulates),
                percent(layer.multiply_accumulates, self.multiply_accumulates)
            )?;
        }
        Ok(())
    }

    fn variables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["min", "1/4", "1/2", "3/4", "max", "mean", "std"];
        write!(f, "{:14} {:>7}", "variable", "zeros")?;
        head.iter().try_for_each(|name| write!(f, " {name:>7}"))?;
        writeln!(f, "  min to max")?;
        for Variable { name, distribution: d, .. } in &self.variables {
            write!(f, "{name:14} {:>7}", percent(d.zeros as u64, d.count as u64))?;
            for value in [d.min, d.q1, d.median, d.q3, d.max] {
                write!(f, " {value:>7.4}")?;
            }
            writeln!(f, " {:>7.4} {:>7.4}  {}", d.mean, d.std, bars(&d.histogram))?;
        }
        Ok(())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &self.predictions[..] {
            let percent = only.probability * 100.0;
            let name = only.name.clone().unwrap_or_else(|| only.prediction.to_string());
            writeln!(f, "{} is taken for a {name} ({percent:.2} %)\n", self.source)?;
        } else {
            writeln!(f, "{} images of {}\n", thousands(self.count as u64), self.source)?;
        }
        writeln!(
            f,
            "{:24} {:>8} {:>8} {:>16} {:>10}",
            "after ReLU", "zeros", "channels", "always zero", "max"
        )?;
        for relu in &self.relus {
            writeln!(
                f,
                "{:24} {:>8} {:>8} {:>16} {:>10.3}",
                relu.name,
                percent(relu.zeros, relu.count),
                relu.channels,
                relu.silent,
                relu.max
            )?;
        }
        Ok(())
    }
}

fn percent(part: u64, all: u64) -> String {
    format!("{:.1} %", part as f64 / all as f64 * 100.0)
}

/// A histogram as a line of bars; what is empty is blank.
fn bars(counts: &[usize]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |&count: &usize| match count {
        0 => ' ',
        _ => BARS[(count * BARS.len()).div_ceil(most).clamp(1, BARS.len()) - 1],
    };
    counts.iter().map(bar).collect()
}
