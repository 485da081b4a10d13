//! `inception bench`: how long a training step and inference take, and how near to the adapter's
//! limits that is.

mod sizes;

use std::time::Instant;

use clap::Args;
use serde::Serialize;

use self::sizes::{check_training, misfit, random};
use super::rates::{HEAD, columns};
use super::{
    Failure, Global, bytes, open_gpu, print_results, progress_bar, thousands, while_preparing,
};
use crate::ceiling::Ceiling;
use crate::config::{Config, TrainArgs};
use crate::data::{Batches, Images};
use crate::gpu::{AdapterFacts, Gpu};
use crate::profile::{Speed, Times, Work};
use crate::train::{Recordings, Trainer};

/// Steps that nobody measures, the first among them: drivers compile, clocks rise, and the device
/// is not yet busy when they are submitted.
const WARM_UP: usize = 4;
/// About how long each size of inference is measured, in seconds.
const INFERENCE: f64 = 3.0;

/// Measure a training step and inference, as users run them, beside the adapter's limits
///
/// Images and labels are random, so no data file is read: arithmetic takes the same time on them.
/// Training and inference are measured one after the other, each with its own memory only.
#[derive(Args)]
#[command(mut_arg("steps", |arg| arg.help("Steps, and at most so many batches, to measure [default: 20]")))]
#[command(after_help = "Examples:\n  inception bench --preset quick\n  \
    inception bench --preset tutorial --steps 10 --batch-sizes 1,100 --json")]
pub(super) struct BenchCommand {
    #[command(flatten)]
    settings: TrainArgs,
    /// Images of an inference batch, each to be measured
    #[arg(long, value_name = "N,N..", value_delimiter = ',', default_value = "1,10,100,1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_sizes: Vec<u32>,
    /// Measure the training step only
    #[arg(long, conflicts_with = "batch_sizes")]
    no_inference: bool,
    /// Measure the adapter's limits anew; of what was ever measured the highest stays
    #[arg(long)]
    measure_limits: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    adapter: AdapterFacts,
    ceiling: Ceiling,
    config: Config,
    parameters: usize,
    training: Measured,
    /// From planning the network, its kernels tuned, to its first finished step, in seconds.
    first_step: f64,
    /// The host's work in a step: writing inputs, encoding, submitting; in seconds. Some software
    /// adapters compute before they return from a submission.
    host: Times,
    inference: Vec<Inference>,
}

#[derive(Serialize)]
struct Inference {
    batch_size: usize,
    #[serde(flatten)]
    measured: Option<Measured>,
    /// Why it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    misfit: Option<String>,
}

impl Inference {
    fn misfit(batch_size: usize, why: String) -> Inference {
        Inference { batch_size, measured: None, misfit: Some(why) }
    }
}

/// A step or a batch.
#[derive(Serialize)]
struct Measured {
    samples: usize,
    #[serde(flatten)]
    times: Times,
    images_per_second: f64,
    #[serde(flatten)]
    work: Work,
    #[serde(flatten)]
    speed: Speed,
    /// Device memory, in bytes.
    memory: u64,
}

impl Measured {
    fn new(batch: usize, times: Vec<f64>, work: &[Work], memory: u64) -> Measured {
        let (samples, times) = (times.len(), times_of(times));
        let work: Work = work.iter().copied().sum();
        let speed = work.speed(Some(times.median));
        let images_per_second = batch as f64 / times.median;
        Measured { samples, times, images_per_second, work, speed, memory }
    }
}

/// At least one sample is taken of everything.
fn times_of(times: Vec<f64>) -> Times {
    Times::of(times).expect("a sample was taken")
}

pub(super) fn run(command: BenchCommand, global: &Global) -> Result<(), Failure> {
    let config = command.settings.resolve().map_err(Failure::config)?;
    let steps = command.settings.steps.unwrap_or(20) as usize;
    let sizes: Vec<usize> = match command.no_inference {
        true => Vec::new(),
        false => command.batch_sizes.iter().map(|&size| size as usize).collect(),
    };
    Recordings::check(&config)?;
    let gpu = open_gpu(global)?;
    let target = global.untuned(&gpu);
    check_training(&config, &target)?;
    let misfits: Vec<_> = sizes.iter().map(|&size| misfit(&config, size, &target)).collect();
    let fitting = sizes.iter().zip(&misfits).filter(|(_, misfit)| misfit.is_none());
    let largest = fitting.map(|(&size, _)| size).max().unwrap_or(1);
    let (images, labels) = random(&config, steps, largest);
    let adapter = gpu.facts.clone();
    let (ceiling, gpu) = global.ceiling(gpu, command.measure_limits)?;
    let mut bench = Bench { config: &config, images, labels, steps, ceiling, global };
    let (training, gpu) = bench.training(gpu)?;
    let (mut inference, mut gpu) = (Vec::new(), gpu);
    for (batch_size, misfit) in sizes.into_iter().zip(misfits) {
        let measured;
        (measured, gpu) = match misfit {
            Some(why) => (Inference::misfit(batch_size, why), gpu),
            None => bench.inference(batch_size, gpu)?,
        };
        inference.push(measured);
    }
    let Training { parameters, training, first_step, host } = training;
    let version = env!("CARGO_PKG_VERSION");
    let report = Report {
        version,
        adapter,
        ceiling,
        parameters,
        training,
        first_step,
        host,
        inference,
        config: config.clone(),
    };
    match command.json {
        true => print_results(&serde_json::to_string_pretty(&report)?),
        false => print_results(&table(&report)),
    }
}

struct Bench<'a> {
    config: &'a Config,
    images: Images,
    labels: Vec<u8>,
    steps: usize,
    ceiling: Ceiling,
    global: &'a Global,
}

struct Training {
    parameters: usize,
    training: Measured,
    first_step: f64,
    host: Times,
}

impl Bench<'_> {
    fn training(&mut self, gpu: Gpu) -> Result<(Training, Gpu), Failure> {
        let (config, count) = (self.config, self.labels.len());
        let mut recordings = Recordings::training_alone(config, count);
        let (target, gpu) = self.global.target(gpu, &recordings)?;
        let begin = Instant::now();
        let batches = Batches::new(config.order, config.seed, config.batch_size, count)?;
        recordings.fit(&target)?;
        let mut trainer = while_preparing(gpu, |gpu| {
            let (images, labels) = (&self.images, &self.labels);
            let mut trainer = Trainer::new(gpu, recordings, images, labels, Some(batches))?;
            trainer.initialize();
            trainer.train_step()?;
            trainer.remaining_losses()?;
            Ok::<_, Failure>(trainer)
        })?;
        let first_step = begin.elapsed().as_secs_f64();

        let template = "training {wide_bar} {pos}/{len} steps, {rate}, {eta} left";
        let bar = progress_bar((WARM_UP + self.steps) as u64, template);
        let (mut times, mut host) = (Vec::new(), Vec::new());
        let mut last = Instant::now();
        for _ in 1..WARM_UP + self.steps {
            let begin = Instant::now();
            trainer.submit_step()?;
            host.push(begin.elapsed().as_secs_f64());
            // Waits for an earlier step, so that from one return to the next a step passes.
            trainer.arrived_losses()?;
            times.push(last.elapsed().as_secs_f64());
            last = Instant::now();
            bar.inc(1);
        }
        trainer.remaining_losses()?;
        bar.finish_and_clear();

        let recordings = trainer.recordings();
        let passes = recordings.training_passes().map(|r| Work::of(r, &self.ceiling));
        let work = passes.unwrap_or_default();
        let times = times.split_off(WARM_UP - 1);
        let memory = trainer.engine().bytes();
        let training = Measured::new(config.batch_size, times, &work, memory);
        let (parameters, host) = (recordings.parameter_count(), times_of(host));
        Ok((Training { parameters, training, first_step, host }, trainer.into_gpu()?))
    }

    fn inference(&mut self, batch: usize, gpu: Gpu) -> Result<(Inference, Gpu), Failure> {
        let (config, count) = (self.config, self.labels.len());
        let mut recordings = Recordings::inference_by(batch, config, count);
        let (target, gpu) = self.global.target(gpu, &recordings)?;
        if let Err(why) = recordings.fit(&target) {
            return Ok((Inference::misfit(batch, why.to_string()), gpu));
        }
        let passes = recordings.inference_passes().map(|r| Work::of(r, &self.ceiling));
        let work = passes.unwrap_or_default();
        let mut trainer = Trainer::new(gpu, recordings, &self.images, &[], None)?;
        trainer.initialize();
        trainer.classify(0..batch, |_| {})?;
        let begin = Instant::now();
        trainer.classify(0..batch, |_| {})?;
        let enough = (INFERENCE / begin.elapsed().as_secs_f64()) as usize;
        let samples = enough.clamp(3.min(self.steps), self.steps).min(count / batch - 2);
        let images = batch * (samples + 2);

        let template = "inference {wide_bar} {pos}/{len} images, {rate}, {eta} left";
        let bar = progress_bar(images as u64, template);
        let (mut times, mut last) = (Vec::new(), Instant::now());
        trainer.classify(0..images, |done| {
            times.push(last.elapsed().as_secs_f64());
            last = Instant::now();
            bar.set_position(done as u64);
        })?;
        bar.finish_and_clear();
        // Nothing was under way when the first began, and nothing more is begun with the last.
        let times = times[1..=samples].to_vec();
        let measured = Measured::new(batch, times, &work, trainer.engine().bytes());
        let measured = Inference { batch_size: batch, measured: Some(measured), misfit: None };
        Ok((measured, trainer.into_gpu()?))
    }
}

fn table(report: &Report) -> String {
    let mut table = format!(
        "{:9} {:>5} {:>10} {:>10} {:>10} {:>9} {} {:>9}\n",
        "", "batch", "median ms", "min ms", "max ms", "images/s", HEAD, "memory"
    );
    table.push_str(&row("training", report.config.batch_size, &report.training));
    for inference in &report.inference {
        match (&inference.measured, &inference.misfit) {
            (Some(measured), _) => {
                table.push_str(&row("inference", inference.batch_size, measured));
            }
            (None, why) => {
                let why = why.as_deref().unwrap_or_default();
                table.push_str(&format!("inference {:5}  {why}\n", inference.batch_size));
            }
        }
    }
    table.push_str(&format!(
        "{} parameters; first step after {:.2} s; the host's part of a step {:.2} ms\n",
        thousands(report.parameters as u64),
        report.first_step,
        report.host.median * 1e3
    ));
    table
}

fn row(name: &str, batch: usize, measured: &Measured) -> String {
    let Times { median, min, max } = measured.times;
    let (rates, memory) = (columns(&measured.speed), bytes(measured.memory));
    let images = measured.images_per_second;
    let [median, min, max] = [median, min, max].map(|seconds| seconds * 1e3);
    format!(
        "{name:9} {batch:5} {median:10.3} {min:10.3} {max:10.3} {images:9.0} {rates} {memory:>9}\n"
    )
}
