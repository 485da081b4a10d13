//! `inception profile`: where a training step's time goes.

use clap::Args;
use serde::Serialize;

use super::rates::{Rates, Times, Work, ceiling_line};
use super::samples::Samples;
use super::{Failure, Global, open_gpu, print_results, say};
use crate::ceiling::Ceiling;
use crate::config::TrainArgs;
use crate::data::{Batches, SIDE};
use crate::recording::Pass;
use crate::train::{Recordings, Trainer};

/// Time each pass of a training step by the adapter's timestamps, beside the adapter's limits
///
/// The limit of a pass is the longer of two times: for its arithmetic at the adapter's rate of
/// multiplications and additions, and for its bytes, each tensor once, at the rate of its memory.
/// Both rates are measured at the start. What a cache still holds comes faster, so a pass may be
/// over 100 %.
#[derive(Args)]
#[command(after_help = "Examples:\n  inception profile --preset quick\n  \
    inception profile --preset quick --by-time --samples 20")]
pub(super) struct ProfileCommand {
    #[command(flatten)]
    settings: TrainArgs,
    /// Steps to take the median of
    #[arg(long, value_name = "N", default_value_t = 10)]
    samples: usize,
    /// Sort by time instead of by place
    #[arg(long)]
    by_time: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: ProfileCommand, global: &Global) -> Result<(), Failure> {
    let config = command.settings.resolve().map_err(Failure::config)?;
    let samples = Samples::load(&config)?;
    let batches = Batches::new(config.order, config.seed, config.batch_size, samples.train)?;
    Recordings::check(&config, [SIDE, SIDE])?;
    let mut recordings = Recordings::training(&config, samples.labels.len(), [SIDE, SIDE]);
    let (ceiling, gpu) = Ceiling::measure(open_gpu(global)?)?;
    say(&ceiling_line(&ceiling));
    let (target, gpu) = global.target(gpu, &recordings)?;
    recordings.fit(&target)?;
    let labels = &samples.labels;
    let mut trainer = Trainer::new(gpu, recordings, &samples.images, labels, Some(batches))?;
    trainer.initialize();
    let mut times: Vec<Vec<f64>> = Vec::new();
    // In the first step some drivers compile the kernels, so it stands apart.
    for _ in 0..=command.samples.max(1) {
        let Some(step) = trainer.timed_step()? else {
            return Err(Failure::new("this adapter has no timestamps, so passes cannot be timed"));
        };
        times.resize(step.len(), Vec::new());
        for (pass, seconds) in times.iter_mut().zip(step) {
            pass.push(seconds);
        }
    }
    let recording = trainer.recordings().training_passes();
    let recording = recording.expect("training was recorded");
    let works = Work::of(recording, &ceiling);
    let directions = directions(&recording.passes);
    let passes = recording.passes.iter().zip(directions).zip(works).zip(times);
    let mut rows: Vec<Row> = passes
        .map(|(((pass, direction), work), times)| Row::new(pass, direction, work, times))
        .collect();
    let modules = Total::by(&rows, |row| &row.module);
    let directions = Total::by(&rows, |row| row.direction);
    let all = Total::of(&format!("all {} passes", rows.len()), &rows.iter().collect::<Vec<_>>());
    if command.by_time {
        rows.sort_by(|a, b| b.times.median.total_cmp(&a.times.median));
    }
    if command.json {
        let object = serde_json::json!({
            "samples": command.samples,
            "ceiling": ceiling,
            "passes": rows,
            "modules": modules,
            "directions": directions,
            "all": all,
        });
        return print_results(&serde_json::to_string_pretty(&object)?);
    }
    let head = |what: &str| {
        format!("{:>10} {:>10}  {:>6} {}  {what}\n", "median ms", "min ms", "share", Rates::HEAD)
    };
    let line = |median: f64, min: f64, rates: &Rates, what: &str| {
        let share = median / all.median * 100.0;
        let (median, min, rates) = (median * 1e3, min * 1e3, rates.columns());
        format!("{median:10.3} {min:10.3} {share:5.1} % {rates}  {what}\n")
    };
    let mut table = head("pass");
    for row in &rows {
        table.push_str(&line(row.times.median, row.times.min, &row.rates, &row.pass));
    }
    for (what, totals) in [("module", &modules), ("direction", &directions)] {
        table.push('\n');
        table.push_str(&head(what));
        for total in totals {
            table.push_str(&line(total.median, total.min, &total.rates, &total.name));
        }
    }
    table.push('\n');
    table.push_str(&line(all.median, all.min, &all.rates, &all.name));
    print_results(&table)
}

/// Whether each pass goes forward or backward or updates variables. Sums serve both ways, so what
/// tells them apart is where they stand.
fn directions(passes: &[Pass]) -> Vec<&'static str> {
    let mut backward = false;
    let mut direction = |pass: &Pass| {
        backward |= pass.entry.starts_with("backward");
        match pass.entry {
            "update" => "update",
            // The update is fused into the product that makes the gradient.
            _ if pass.tensors.iter().any(|bound| bound.name == "trained") => "backward, update",
            _ if backward => "backward",
            _ => "forward",
        }
    };
    passes.iter().map(&mut direction).collect()
}

/// A pass's time over the samples, in seconds.
#[derive(Serialize)]
struct Row {
    pass: String,
    /// The first part of its place.
    module: String,
    direction: &'static str,
    first: f64,
    #[serde(flatten)]
    times: Times,
    #[serde(flatten)]
    rates: Rates,
    #[serde(skip)]
    work: Work,
}

impl Row {
    fn new(pass: &Pass, direction: &'static str, work: Work, mut times: Vec<f64>) -> Row {
        let first = times.remove(0);
        let times = Times::of(times);
        let module = pass.place.split('/').next().filter(|name| !name.is_empty());
        Row {
            pass: pass.label(),
            module: module.unwrap_or("elsewhere").to_string(),
            direction,
            first,
            times,
            rates: work.rates(times.median),
            work,
        }
    }
}

/// The sum of some passes.
#[derive(Serialize)]
struct Total {
    name: String,
    median: f64,
    min: f64,
    #[serde(flatten)]
    rates: Rates,
}

impl Total {
    fn of(name: &str, rows: &[&Row]) -> Total {
        let median = rows.iter().map(|row| row.times.median).sum();
        let min = rows.iter().map(|row| row.times.min).sum();
        let work: Work = rows.iter().map(|row| row.work).sum();
        Total { name: name.to_string(), median, min, rates: work.rates(median) }
    }

    /// One for each name, in the order in which they are met.
    fn by<'a>(rows: &'a [Row], name: impl Fn(&'a Row) -> &'a str) -> Vec<Total> {
        let mut names: Vec<&str> = Vec::new();
        for row in rows {
            if !names.contains(&name(row)) {
                names.push(name(row));
            }
        }
        let total = |wanted: &&str| {
            let rows: Vec<&Row> = rows.iter().filter(|row| name(row) == *wanted).collect();
            Total::of(wanted, &rows)
        };
        names.iter().map(total).collect()
    }
}
