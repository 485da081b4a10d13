//! The command line: what was asked for, and one file a command.

mod bench;
mod cost;
mod devices;
mod export;
mod import;
mod inspect;
mod limits;
mod logging;
mod manual;
mod network;
mod outputs;
mod predict;
mod profile;
mod rates;
mod report;
mod samples;
mod selftest;
mod terminal;
mod test;
mod train;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Once;
#[cfg(unix)]
use std::sync::{Arc, atomic::AtomicBool};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use self::terminal::{
    bytes, cannot_print, keep_ticking, print_of, print_results, progress_bar, quoted, say,
    say_above, so_far, steps, warn, while_preparing, while_saying,
};
use crate::config::ConfigError;
use crate::engine::EngineError;
use crate::gpu::{AdapterFacts, Backend, Gpu, GpuOptions, Limits};
use crate::plan::{Rewrite, Target};
use crate::report::thousands;
use crate::train::Recordings;
use crate::tune::{Cache, CacheError, Timings, tune};

/// Train and run Inception networks on any GPU through WebGPU.
#[derive(Parser)]
#[command(name = "inception", version, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage.\n\
    Results go to stdout, everything else to stderr.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Global {
    /// The adapter's number in `inception devices`, or a part of its name
    #[arg(long, global = true, value_name = "NAME|INDEX", help_heading = "Device")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    adapter: Option<String>,
    /// Reach the GPU through this interface only
    #[arg(long, global = true, help_heading = "Device")]
    backend: Option<Backend>,
    /// Compute on the processor, through a software adapter
    #[arg(long, global = true, help_heading = "Device")]
    software: bool,
    /// The limits to ask the adapter for: all it has, or what every browser offers
    #[arg(long, global = true, value_name = "WHICH", default_value = "adapter")]
    #[arg(help_heading = "Device", hide_default_value = true)]
    limits: LimitChoice,
    /// Ask for WebGPU's default limits, but for buffers of so many bytes: for tests
    #[arg(long, global = true, value_name = "BYTES", hide = true, conflicts_with = "limits")]
    largest_buffer: Option<u64>,
    /// Take no more than this share of the adapter's memory, where its driver says how much it has
    #[arg(long, global = true, value_name = "PERCENT", help_heading = "Device")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
    memory_limit: Option<u8>,
    /// Leave out these rewrites of the plan, to measure or to doubt them
    #[arg(long, global = true, value_name = "REWRITE", value_delimiter = ',')]
    #[arg(help_heading = "Device")]
    no_fuse: Vec<Rewrite>,
    /// Choose kernels by a fixed rule instead of measuring which are the fastest here: equal runs on
    /// equal adapters and drivers give equal bits. Always so on software adapters
    #[arg(long, global = true, visible_alias = "deterministic", help_heading = "Device")]
    no_tune: bool,
    /// Time by the host's clock alone, for adapters whose timestamps are wrong
    #[arg(long, global = true, help_heading = "Device")]
    no_timestamps: bool,
    /// Trust nothing: check all numbers of every pass over poisoned memory, so that what is not finite
    /// or was never written is named, with the driver's own validation where it is installed. Results
    /// stay the same; it takes some times as long
    #[arg(long, global = true, help_heading = "Device")]
    checked: bool,
    /// Say more; twice for debugging
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

impl Global {
    /// What to plan for on this adapter, with kernels chosen by the fixed rule.
    fn untuned(&self, gpu: &Gpu) -> Target {
        Target { without: self.no_fuse.clone(), ..Target::of(gpu) }
    }

    /// What to plan these recordings for on this adapter. Measures their kernels there, unless
    /// that was done before or is not wanted.
    fn target(&self, gpu: Gpu, recordings: &Recordings) -> Result<(Target, Gpu), Failure> {
        let target = self.untuned(&gpu);
        if self.no_tune || target.software {
            return Ok((target, gpu));
        }
        let cache = Cache::of_user(&gpu.facts);
        let (ceiling, gpu) = match cache.as_ref().and_then(|cache| cache.ceiling().ok()?) {
            Some(known) => (known, gpu),
            None => self.ceiling(gpu, false)?,
        };
        let mut target = target.measured(&ceiling);
        let loaded = cache.as_ref().map_or(Ok(Timings::default()), Cache::load);
        let mut known = loaded.unwrap_or_else(|why| {
            warn_once(&LOADED, &why);
            Timings::default()
        });
        let before = known.clone();
        let what = format!("tuning kernels for {}", gpu.facts.name);
        let bar = progress_bar(0, "{msg} {wide_bar} {pos}/{len}, {rate}, {eta} left")
            .with_message(what.clone());
        let progress = |done: usize, of: usize| {
            if done == 0 && bar.is_hidden() {
                say(&what);
            }
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        };
        let (choices, gpu) = tune(gpu, recordings.passes(), &target, &mut known, progress)?;
        bar.finish_and_clear();
        if let Some(Err(why)) = cache.filter(|_| known != before).map(|cache| cache.store(&known)) {
            warn_once(&STORED, &why);
        }
        for (key, family) in choices.iter() {
            log::debug!("{family:?} computes {key}");
        }
        target.choices = choices;
        Ok((target, gpu))
    }
}

static LOADED: Once = Once::new();
static STORED: Once = Once::new();

/// Says what is wrong with the cache, each once: a command may tune several networks.
fn warn_once(said: &'static Once, why: &CacheError) {
    said.call_once(|| warn(&why.to_string()));
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum LimitChoice {
    /// What the adapter offers
    Adapter,
    /// WebGPU's defaults
    Default,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::TrainCommand>),
    Test(test::TestCommand),
    Predict(predict::PredictCommand),
    Devices(devices::DevicesCommand),
    Inspect(inspect::InspectCommand),
    Cost(Box<cost::CostCommand>),
    Report(report::ReportCommand),
    Export(export::ExportCommand),
    Import(import::ImportCommand),
    Profile(Box<profile::ProfileCommand>),
    Bench(Box<bench::BenchCommand>),
    Selftest(selftest::SelftestCommand),
    Completions(manual::CompletionsCommand),
    Man(manual::ManCommand),
}

/// A failure as one sentence, whether it is the command line's fault, and whether the device is gone.
struct Failure {
    message: String,
    usage: bool,
    ends_device: bool,
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let engine = (&error as &dyn std::error::Error).downcast_ref::<EngineError>();
        let ends_device = engine.is_some_and(EngineError::ends_device);
        Failure { ends_device, ..Failure::new(error.to_string()) }
    }
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), usage: false, ends_device: false }
    }

    fn usage(message: impl Into<String>) -> Self {
        Failure { usage: true, ..Failure::new(message) }
    }

    /// A value out of bounds is wrong usage, unless it stands in a file.
    fn config(error: ConfigError) -> Self {
        let usage = matches!(
            &error,
            ConfigError::Value { file: None, .. } | ConfigError::NotOfNetwork { .. }
        );
        Failure { usage, ..Failure::new(error.to_string()) }
    }
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) if !help.use_stderr() => return print_help(&help),
        Err(wrong) => wrong.exit(),
    };
    if cli.global.quiet {
        terminal::be_quiet();
    }
    #[cfg(unix)]
    // A file over the user's limit is then a failed write, as on a full disk, and not the end.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::<AtomicBool>::default());
    logging::begin(cli.global.verbose, cli.global.checked);
    let result = match cli.command {
        Command::Train(command) => train::run(*command, &cli.global),
        Command::Test(command) => test::run(command, &cli.global),
        Command::Predict(command) => predict::run(command, &cli.global),
        Command::Devices(command) => devices::run(command, &cli.global),
        Command::Inspect(command) => inspect::run(command, &cli.global),
        Command::Cost(command) => cost::run(*command),
        Command::Report(command) => report::run(command),
        Command::Export(command) => export::run(command),
        Command::Import(command) => import::run(command),
        Command::Profile(command) => profile::run(*command, &cli.global),
        Command::Bench(command) => bench::run(*command, &cli.global),
        Command::Selftest(command) => selftest::run(command, &cli.global),
        Command::Completions(command) => manual::completions(command),
        Command::Man(command) => manual::man(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::error(&failure.message);
            ExitCode::from(if failure.usage { 2 } else { 1 })
        }
    }
}

/// Prints what `--help` and `--version` ask for, which are results too.
fn print_help(help: &clap::Error) -> ExitCode {
    let printed = help.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            terminal::error(&cannot_print(&why));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Opens the adapter asked for and says which one it is.
fn open_gpu(global: &Global) -> Result<Gpu, Failure> {
    let options = GpuOptions {
        backend: global.backend,
        adapter: global.adapter.clone(),
        software: global.software,
        limits: match (global.limits, global.largest_buffer) {
            (_, Some(buffer)) => Limits::Lowered { buffer, workgroups: 65_535 },
            (LimitChoice::Adapter, None) => Limits::Adapter,
            (LimitChoice::Default, None) => Limits::Default,
        },
        memory_percent: global.memory_limit,
        no_timestamps: global.no_timestamps,
        validate: global.checked,
    };
    let gpu = pollster::block_on(Gpu::open(&options))?;
    say(&format!("adapter: {}", adapter_line(&gpu.facts)));
    Ok(gpu)
}

fn adapter_line(facts: &AdapterFacts) -> String {
    format!("{} ({}, {}, driver {})", facts.name, facts.kind, facts.backend, facts.driver)
}
