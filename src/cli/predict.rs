//! `inception predict`: what a saved network sees in pictures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufWriter, ErrorKind, Stdout, Write, stdout};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;

use super::network;
use super::terminal::cannot_print;
use super::{Failure, Global};
use crate::config::Config;
use crate::data::{self, Dataset, Digits, Invert, Wanted};
use crate::metrics::class_name;
use crate::train::likeliest;

/// Classify pictures
///
/// Prints CSV with a header: source, row (from 1), prediction, and the probabilities p0 to p9 of digits;
/// of classes with names these, p_cat for example. Rows are read, classified and printed a thousand at a
/// time, so there may be any number; pipes will do. One that cannot be read ends it by its name: what was
/// printed are the whole thousands before.
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
    /// PNG or JPEG of any size, CSV with 784 or 785 columns, IDX, also gzipped; or a file of CIFAR-10
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

pub(super) fn run(command: PredictCommand, global: &Global) -> Result<(), Failure> {
    let (inputs, invert) = (&command.inputs, command.invert);
    let model = network::read(&command.model)?;
    let (_, config) = &model;
    let (wanted, most) = (config.wanted(data::Part::Test), network::held(config, global));
    // A wrong name is better found now than when all before it are classified.
    let named = |path: &&PathBuf| std::fs::metadata(path).is_ok_and(|facts| !facts.is_dir());
    if let Some(wrong) = inputs.iter().find(|path| !named(path)) {
        Digits::unlabelled_as(wrong, &wanted, invert)?;
    }
    let left = inputs.iter();
    let mut inputs = Inputs { wanted, most, invert, left, open: None, rows: 0, before: 0 };
    // Where the images that are held come from.
    let parts = RefCell::new(Vec::new());
    let mut printer = Printer::new(command.json, config);
    let next = |held: &mut Dataset| {
        let (read, expected) = inputs.next(held)?;
        parts.replace(read);
        Ok(expected)
    };
    network::classify_all(&model, &command.inputs[0], global, next, |_, probabilities| {
        let parts = parts.borrow();
        let rows =
            parts.iter().flat_map(|(source, rows)| rows.clone().map(move |row| (*source, row)));
        match printer.print(rows.zip(probabilities)) {
            // Whoever read us has had enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::new(cannot_print(&error))),
            Ok(()) => Ok(true),
        }
    })
}

/// Rows of a source, from 1.
type Part<'a> = (&'a Path, Range<usize>);

/// The images of several files, one after the other.
struct Inputs<'a> {
    wanted: Wanted,
    /// Images that are held at once.
    most: usize,
    invert: Invert,
    left: std::slice::Iter<'a, PathBuf>,
    open: Option<(&'a Path, Digits)>,
    /// Rows read of the one that is open.
    rows: usize,
    /// Images of those before it.
    before: usize,
}

impl<'a> Inputs<'a> {
    /// Appends the next images, as many as are held at once. Says where they are from, and how many
    /// there seem to be in all, each file that was not opened yet counting as one.
    fn next(&mut self, held: &mut Dataset) -> Result<(Vec<Part<'a>>, Option<usize>), Failure> {
        let mut parts = Vec::new();
        while held.images.len() < self.most {
            let Some((path, digits)) = &mut self.open else {
                let Some(path) = self.left.next() else { break };
                self.open = Some((path, Digits::unlabelled_as(path, &self.wanted, self.invert)?));
                continue;
            };
            let read = digits.read(self.most - held.images.len(), held)?;
            let first = self.rows + 1;
            self.rows += read;
            parts.push((*path, first..first + read));
            if read == 0 {
                self.before += std::mem::take(&mut self.rows);
                self.open = None;
            }
        }
        let open = match &self.open {
            Some((_, digits)) => digits.expected(),
            None => Some(0),
        };
        Ok((parts, open.map(|open| self.before + open + self.left.len())))
    }
}

/// Prints predictions as CSV, or as JSON.
struct Printer {
    json: bool,
    csv: csv::Writer<Stdout>,
    begun: bool,
    classes: usize,
    /// What they are called; digits have no names.
    names: Vec<String>,
}

impl Printer {
    fn new(json: bool, config: &Config) -> Printer {
        let (classes, names) = (config.network().classes(), config.classes.clone());
        Printer { json, csv: csv::Writer::from_writer(stdout()), begun: false, classes, names }
    }

    fn print<'a>(
        &mut self,
        rows: impl Iterator<Item = ((&'a Path, usize), &'a Vec<f32>)>,
    ) -> std::io::Result<()> {
        if self.json {
            let mut buffered = BufWriter::new(stdout().lock());
            for ((source, row), p) in rows {
                let (source, class) = (source.display().to_string(), likeliest(p));
                let named = self.names.iter().zip(p);
                let object = match self.names.get(usize::from(class)) {
                    Some(name) => serde_json::json!({
                        "source": source, "row": row, "prediction": name,
                        "probabilities": named.collect::<BTreeMap<_, _>>(),
                    }),
                    None => serde_json::json!({
                        "source": source, "row": row, "prediction": class, "probabilities": p,
                    }),
                };
                writeln!(buffered, "{object}")?;
            }
            return buffered.flush();
        }
        if !std::mem::replace(&mut self.begun, true) {
            let header = ["source", "row", "prediction"].map(String::from);
            let column = |class| match self.names.get(class) {
                Some(name) => format!("p_{name}"),
                None => format!("p{class}"),
            };
            let header = header.into_iter().chain((0..self.classes).map(column));
            self.csv.write_record(header)?;
        }
        for ((source, row), p) in rows {
            let source = source.display().to_string();
            let prediction = class_name(&self.names, usize::from(likeliest(p)));
            let front = [source, row.to_string(), prediction];
            self.csv.write_record(front.into_iter().chain(p.iter().map(|p| format!("{p:.6}"))))?;
        }
        self.csv.flush()
    }
}
