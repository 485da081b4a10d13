//! `inception profile`: where a training step's time goes.

use clap::Args;
use serde::Serialize;

use super::samples::Samples;
use super::{Failure, Global, open_gpu, print_results};
use crate::config::TrainArgs;
use crate::data::{Batches, SIDE};
use crate::train::{Recordings, Trainer};

/// Time each pass of a training step by the adapter's timestamps
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
    let gpu = open_gpu(global)?;
    recordings.fit(&global.target(&gpu))?;
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
    let passes = trainer.recordings().training_passes().map(|r| r.passes.as_slice());
    let labels = passes.unwrap_or_default().iter().map(|pass| pass.label());
    let mut rows: Vec<Row> = labels.zip(times).map(|(pass, times)| Row::new(pass, times)).collect();
    let total: f64 = rows.iter().map(|row| row.median).sum();
    let least: f64 = rows.iter().map(|row| row.min).sum();
    if command.by_time {
        rows.sort_by(|a, b| b.median.total_cmp(&a.median));
    }
    if command.json {
        let object = serde_json::json!({"samples": command.samples, "passes": rows});
        return print_results(&serde_json::to_string_pretty(&object)?);
    }
    let mut table = format!("{:>10} {:>10}  {:>6}  pass\n", "median ms", "min ms", "share");
    for row in &rows {
        let share = row.median / total * 100.0;
        let (median, min) = (row.median * 1e3, row.min * 1e3);
        table.push_str(&format!("{median:10.3} {min:10.3}  {share:5.1} %  {}\n", row.pass));
    }
    let (total, least) = (total * 1e3, least * 1e3);
    table.push_str(&format!("{total:10.3} {least:10.3}  all {} passes", rows.len()));
    print_results(&table)
}

/// A pass's time over the samples, in seconds.
#[derive(Serialize)]
struct Row {
    pass: String,
    first: f64,
    median: f64,
    min: f64,
}

impl Row {
    fn new(pass: String, mut times: Vec<f64>) -> Row {
        let first = times.remove(0);
        times.sort_by(f64::total_cmp);
        Row { pass, first, median: times[times.len() / 2], min: times[0] }
    }
}
