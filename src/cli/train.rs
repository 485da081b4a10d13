//! `inception train`: the whole of a run.

mod out;
mod profile;
mod recover;
mod report;
mod rescue;
mod result;
mod resume;
mod run;
mod save;
mod stop;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use self::out::{open_metrics, open_out, refuse_to_replace};
use self::profile::Profiling;
use self::report::Shown;
use self::resume::{check_config, check_data, check_schedule, load};
use self::run::{Outputs, Run};
use super::samples::Samples;
use super::{Failure, Global, bytes, open_gpu, say, steps, thousands, warn, while_preparing};
use crate::checkpoint::{Checkpoint, Lock, Tensor, WeightFile};
use crate::config::TrainArgs;
use crate::data::Batches;
use crate::model;
use crate::train::{Recordings, Trainer};

/// Train a network on images and measure it on the test set
///
/// Flags win over the --config file, the file over the --preset.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    inception train --preset quick --out runs/quick\n  \
    inception train --train mnist_train.csv --test mnist_test.csv --out runs/tutorial\n  \
    inception train --resume --out runs/tutorial --steps 30000\n  \
    inception train --preset quick --init-weights runs/quick --freeze 'conv*' --reset fc2\n  \
    inception train --maps 16,32,64 --num-fc1 256 --scale unit --init he --learning-rate 3e-4")]
pub(super) struct TrainCommand {
    #[command(flatten)]
    settings: TrainArgs,
    /// Folder for the checkpoints, the configuration, the metrics and the report; made if missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the newest checkpoint in --out, exactly as if the run had not stopped
    #[arg(long, requires = "out", conflicts_with_all = ["preset", "config", "init_weights", "reset"])]
    resume: bool,
    /// Replace the run that --out holds, file by file; what no run has written stays
    #[arg(long, requires = "out", conflicts_with = "resume")]
    overwrite: bool,
    /// Start from the weights in this file instead of random ones
    #[arg(long, value_name = "FILE|DIR")]
    init_weights: Option<PathBuf>,
    /// But give these layers initial values, whatever the file has for them: fc2, or fc* for all that
    /// begin so
    #[arg(long, value_name = "LAYER,..", value_delimiter = ',', requires = "init_weights")]
    reset: Vec<String>,
    /// Time the passes of every Nth step, and keep the figures in profile.json in --out
    #[arg(long, value_name = "N", requires = "out")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    profile_every: Option<u64>,
    /// Write event files for TensorBoard into this folder; made if missing
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
    /// Check all numbers that a step makes, not only the loss, for NaN and infinity; --checked checks
    /// every step
    #[arg(long, value_name = "WHEN", default_value = "sampled")]
    check_numbers: CheckNumbers,
    /// When the device is lost or hangs, go on with a new one from the newest checkpoint, or from the
    /// beginning if there is none, so many times at most
    #[arg(long, value_name = "N", default_value_t = 3)]
    device_retries: u32,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Lose the device before this step; given again, the next device too: for tests
    #[arg(long, value_name = "STEP", hide = true)]
    lose_device_at: Vec<u64>,
    /// Whether this process has begun the run in `out`, so that what lies there is its own.
    #[arg(skip)]
    begun: bool,
    /// `out` as the user gave it: it is absolute from the beginning on, as the working folder may go.
    #[arg(skip)]
    given: Option<PathBuf>,
    /// Holds `out` from one device to the next.
    #[arg(skip)]
    lock: Option<Lock>,
    /// Let the device hang instead: for tests
    #[arg(long, requires = "lose_device_at", hide = true)]
    hang_instead: bool,
}

/// Operations of a training step above which it is said beforehand that one takes long: some twenty times
/// those of GoogLeNet.
const LONG: u64 = 10_000_000_000_000;

/// Which steps are checked.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum CheckNumbers {
    /// None
    Off,
    /// The first and each hundredth after it
    Sampled,
    /// All, so that the pass is named in which they appear
    Every,
}

impl CheckNumbers {
    /// How many steps lie between two that are checked.
    fn steps(self) -> Option<u64> {
        match self {
            CheckNumbers::Off => None,
            CheckNumbers::Sampled => Some(100),
            CheckNumbers::Every => Some(1),
        }
    }
}

pub(super) fn run(command: TrainCommand, global: &Global) -> Result<(), Failure> {
    recover::train(command, global)
}

/// All that comes before the first step.
fn prepare(command: &mut TrainCommand, global: &Global) -> Result<Run, Failure> {
    let (held, command) = (command.lock.take(), &*command);
    if let Some(out) = &command.out {
        refuse_to_replace(command, out)?;
    }
    // Before anything is read there. A folder yet to be made is taken when it is.
    let existing = command.out.as_ref().filter(|out| out.is_dir());
    let lock = match (held, existing) {
        (None, Some(out)) => Some(Lock::take(out)?),
        (held, _) => held,
    };
    let resumed = match &command.out {
        Some(out) if command.resume => Some(load(out)?),
        _ => None,
    };
    let origin = resumed.as_ref().map(|checkpoint| &checkpoint.origin);
    if let (Some(out), Some(origin)) = (&command.out, origin) {
        check_config(out, origin);
    }
    let mut config = match origin {
        Some(origin) => command.settings.over(&origin.config).map_err(Failure::config)?,
        None => command.settings.resolve().map_err(Failure::config)?,
    };
    if origin.is_none() {
        config.classes.clear(); // those of the images are taken
    }
    let done = origin.map_or(0, |origin| origin.step);
    if done > config.steps {
        return Err(Failure::new(format!(
            "the checkpoint has {} already and --steps is {}; give a larger --steps",
            steps(done),
            config.steps
        )));
    }
    if let Some(begun) = origin.map(|origin| &origin.config.freeze)
        && *begun != config.freeze
    {
        return Err(Failure::new(format!(
            "the run was begun with {begun:?} frozen, and a resumed run freezes the same; to go on \
             with {:?}, start another from its weights with --init-weights",
            config.freeze
        )));
    }
    if done == config.steps {
        let all =
            if done == 1 { "the only step is".into() } else { format!("all {} are", steps(done)) };
        say(&format!("{all} done; a larger --steps goes on"));
    }
    let samples = Samples::load(&config)?;
    config.classes.clone_from(&samples.names);
    if let Some(origin) = origin {
        check_data(origin, &samples, &config, &command.settings)?;
        check_schedule(origin, &config);
    }
    let batches = Batches::new(config.order, config.seed, config.batch_size, samples.train)?;
    Recordings::check(&config)?;
    model::check_statistics(&config)?;
    if config.warmup >= config.steps {
        warn(&format!(
            "the learning rate rises over {} (--warmup) and the run has {}, so it never reaches the whole rate",
            steps(config.warmup),
            steps(config.steps)
        ));
    }
    let mut recordings = Recordings::training(&config, samples.data.len());
    let initial = command.init_weights.as_deref().map(WeightFile::open).transpose()?;
    // Before minutes are spent on the device.
    let parameters = recordings.parameters();
    model::check_patterns("--reset", &command.reset, &parameters)?;
    if let Some(checkpoint) = &resumed {
        checkpoint.model.tensors_matching(&parameters).map_err(|error| error.of(&config))?;
    } else if let Some(file) = &initial {
        let tensors = file.tensors_but(|name| model::is_chosen(&command.reset, name), &parameters);
        tensors.map_err(|error| error.of(&config))?;
    }
    let random = |name| initial.is_none() || model::is_chosen(&command.reset, name);
    let frozen = |name| model::is_chosen(&config.freeze, name);
    if resumed.is_none() && parameters.iter().any(|(name, _)| frozen(name) && random(name)) {
        warn("layers are frozen at random values; --init-weights gives them trained ones");
    }
    let gpu = open_gpu(global)?;
    recordings = samples.suit(recordings, &config, &gpu);
    let (target, gpu) = global.target(gpu, &recordings)?;
    recordings.fit(&target)?;
    say(&format!(
        "network: {} parameters{}, {} of device memory; {} training, {} validation, {} test {}",
        thousands(recordings.parameter_count() as u64),
        match recordings.frozen_count() {
            0 => String::new(),
            frozen => format!(" ({} of them frozen)", thousands(frozen as u64)),
        },
        bytes(recordings.memory()),
        thousands(samples.train as u64),
        thousands(samples.validation as u64),
        thousands(samples.test().len() as u64),
        config.noun(),
    ));
    if recordings.step_operations() > LONG {
        warn(&format!(
            "a training step is some {} billion operations, which takes a processor minutes or hours; \
             smaller windows, images, layers or a lower --batch-size make it less",
            thousands(recordings.step_operations() / 1_000_000_000)
        ));
    }
    // All that can be wrong with the input has been found; a folder that cannot be written is
    // better found now than after the first evaluation.
    let saver = open_out(command, lock, resumed.as_ref())?;
    let (metrics, seconds_before) = open_metrics(command, done)?;
    let shown = Shown::open(command, done)?;
    let (profiling, gpu) = Profiling::prepare(command, &recordings, global, gpu)?;
    let preparing = Instant::now();
    let trainer = while_preparing(gpu, |gpu| {
        let mut trainer = samples.trainer(gpu, recordings, batches)?;
        set_weights(&mut trainer, initial, &command.reset, resumed)?;
        match command.check_numbers.steps() {
            _ if global.checked => trainer.check_all()?,
            Some(every) => trainer.check_numbers(every)?,
            None => {}
        }
        if saver.is_some() {
            trainer.make_room_for_snapshots()?;
        }
        Ok::<_, Failure>(trainer)
    })?;
    say(&format!("prepared in {:.1} s", preparing.elapsed().as_secs_f64()));
    let outputs = Outputs { saver, metrics, seconds_before, profiling, shown };
    Run::new(command, config, samples, trainer, outputs)
}

/// The checkpoint's; the given file's, but for the layers to reset; or the initial values.
fn set_weights(
    trainer: &mut Trainer,
    initial: Option<WeightFile>,
    reset: &[String],
    resumed: Option<Checkpoint>,
) -> Result<(), Failure> {
    let parameters = trainer.recordings().parameters();
    if let Some(checkpoint) = resumed {
        set(trainer, &checkpoint.model.tensors_matching(&parameters)?);
        drop(checkpoint.model); // half the memory before the moments are checked
        let moments = trainer.moments();
        set(trainer, &checkpoint.optimizer.tensors_matching(&moments)?);
        trainer.set_step(checkpoint.origin.step);
    } else if let Some(file) = initial {
        set(trainer, &file.tensors_but(|name| model::is_chosen(reset, name), &parameters)?);
        trainer.initialize_layers(reset);
    } else {
        trainer.initialize();
    }
    Ok(())
}

fn set(trainer: &mut Trainer, tensors: &[Tensor]) {
    tensors.iter().for_each(|tensor| trainer.set(tensor.name, tensor.bytes));
}
