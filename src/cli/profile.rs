//! `inception profile`: where the time of a training step and of inference goes.

mod compared;
mod print;

use std::path::PathBuf;

use clap::Args;

use super::outputs::refuse_others;
use super::samples::Samples;
use super::{
    Failure, Global, network, open_gpu, print_results, progress_bar, say, while_preparing,
};
use crate::ceiling::Ceiling;
use crate::checkpoint::{WeightFile, atomic};
use crate::config::{Config, TrainArgs};
use crate::data::Batches;
use crate::profile::trace::{BEGIN, Track, trace};
use crate::profile::{INFERENCE, Part, PassFacts, Profile, Runs, TRAINING};
use crate::train::{Recordings, Trainer};

/// Time each pass of a training step and of inference by the adapter's timestamps, beside the
/// adapter's limits
///
/// The limit of a pass is the longer of two times: for its arithmetic at the adapter's rate of
/// multiplications and additions, and for its bytes, each tensor once, at the rate of its memory.
/// Both rates are measured once and remembered. What a cache still holds comes faster, so a pass may
/// be over 100 %.
///
/// Timed, each pass is a submission's compute pass of its own, which takes time too: the last lines
/// say how much. There a run is alone on the device and waited for; training keeps several under way.
#[derive(Args)]
#[command(after_help = "Examples:\n  inception profile --preset quick\n  \
    inception profile --preset quick --by-time --samples 20\n  \
    inception profile --model runs/quick --trace trace.json    (open it in ui.perfetto.dev)\n  \
    inception profile --preset quick --json > before.json\n  \
    inception profile --compare before.json after.json")]
pub(super) struct ProfileCommand {
    #[command(flatten)]
    settings: TrainArgs,
    /// Profile this saved model with its weights; other flags change its configuration
    #[arg(long, value_name = "FILE|DIR", conflicts_with_all = ["preset", "config"])]
    model: Option<PathBuf>,
    /// Steps and batches to take the median of
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: u32,
    /// Measure the adapter's limits anew; of what was ever measured the highest stays
    #[arg(long)]
    measure_limits: bool,
    /// Sort by time instead of by place; JSON stays in order of execution
    #[arg(long)]
    by_time: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print CSV, one line a pass, times in seconds
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write the samples on a line of time too, for ui.perfetto.dev or chrome://tracing
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Compare two profiles that --json printed; nothing is measured
    #[arg(long, value_names = ["A.json", "B.json"], num_args = 2)]
    #[arg(conflicts_with_all = ["TrainArgs", "model", "samples", "measure_limits", "csv", "trace"])]
    compare: Option<Vec<PathBuf>>,
}

pub(super) fn run(command: ProfileCommand, global: &Global) -> Result<(), Failure> {
    if let Some([a, b]) = command.compare.as_deref() {
        return compared::run([a, b], command.by_time, command.json);
    }
    if let Some(path) = &command.trace {
        refuse_others(path, BEGIN, "trace", "--trace")?;
    }
    let (file, config) = match command.model.as_deref().map(network::read).transpose()? {
        Some((file, config)) => (Some(file), command.settings.over(&config)),
        None => (None, command.settings.resolve()),
    };
    let config = config.map_err(Failure::config)?;
    if let Some(path) = &command.trace {
        if atomic::is_stdout(path) {
            return Err(Failure::usage(
                "the times themselves go to stdout; give --trace a file, or a pipe with a name",
            ));
        }
        // Better found now than after minutes of measuring.
        atomic::check_named(path)?;
    }
    let (ceiling, mut trainer) = prepare(&command, &config, file, global)?;
    let batch = trainer.inference_batch();
    let training = trainer.recordings().training_passes().expect("training was recorded");
    let inference = trainer.recordings().inference_passes().expect("inference was recorded");
    let [training, inference] = [training, inference].map(|r| PassFacts::of(r, &ceiling));

    let samples = command.samples as usize;
    let bar = progress_bar(
        2 * samples as u64,
        "profiling {wide_bar} {pos}/{len} runs, {rate}, {eta} left",
    );
    let steps = Runs::of_training(&mut trainer, samples, || bar.inc(1))?;
    let batches = Runs::of_inference(&mut trainer, samples, || bar.inc(1))?;
    bar.finish_and_clear();

    let gpu = trainer.engine().gpu();
    let tracks = [
        Track { name: TRAINING, facts: &training, runs: &steps },
        Track { name: INFERENCE, facts: &inference, runs: &batches },
    ];
    // What was measured is printed also where the trace cannot be written any more.
    let traced = command.trace.as_ref().map_or(Ok(()), |path| {
        atomic::write_named(path, trace(&gpu.facts, &tracks).to_string().as_bytes())?;
        say(&format!("wrote {}; open it in ui.perfetto.dev or chrome://tracing", path.display()));
        Ok::<_, Failure>(())
    });
    let steps = Part::new(config.batch_size, &training, &steps);
    let batches = Part::new(batch, &inference, &batches);
    let profile = Profile::new(gpu, &config, ceiling, steps, Some(batches));
    match (command.json, command.csv) {
        (true, _) => print_results(&serde_json::to_string_pretty(&profile)?),
        (_, true) => print_results(&print::csv(&profile, command.by_time)?),
        _ => print_results(&print::tables(&profile, command.by_time)),
    }?;
    traced
}

/// The network on the device with weights, and the device's limits.
fn prepare(
    command: &ProfileCommand,
    config: &Config,
    file: Option<WeightFile>,
    global: &Global,
) -> Result<(Ceiling, Trainer), Failure> {
    let samples = Samples::load(config)?;
    let batches = Batches::new(config.order, config.seed, config.batch_size, samples.train)?;
    Recordings::check(config)?;
    let mut recordings = Recordings::training(config, samples.data.len());
    let parameters = recordings.parameters();
    let tensors = file
        .as_ref()
        .map(|file| file.tensors_matching(&parameters).map_err(|e| e.of(config)))
        .transpose()?;
    let gpu = open_gpu(global)?;
    recordings = samples.suit(recordings, config, &gpu);
    let (ceiling, gpu) = global.ceiling(gpu, command.measure_limits)?;
    let (target, gpu) = global.target(gpu, &recordings)?;
    recordings.fit(&target)?;
    let trainer = while_preparing(gpu, |gpu| {
        let mut trainer = samples.trainer(gpu, recordings, batches)?;
        match tensors {
            Some(all) => all.iter().for_each(|tensor| trainer.set(tensor.name, tensor.bytes)),
            None => trainer.initialize(),
        }
        Ok::<_, Failure>(trainer)
    })?;
    Ok((ceiling, trainer))
}
