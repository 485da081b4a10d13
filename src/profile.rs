//! Where the time of a training step and of inference goes: measured, as plain data.
//!
//! [`Runs`] are timed runs of a step or a batch. With the facts of its passes ([`PassFacts`]) they make
//! a [`Part`], and these a [`Profile`], which serde writes and reads. [`trace`] draws the same runs on a
//! line of time, [`compare`] puts two profiles side by side.
//!
//! All times are in seconds. A time that was not measured is `None`, in JSON `null`.

pub mod compare;
mod file;
mod measure;
mod rates;
pub mod trace;

use serde::{Deserialize, Serialize};

pub use self::file::ProfileError;
pub use self::measure::Runs;
pub use self::rates::{Speed, Times, Work};
use crate::ceiling::Ceiling;
use crate::config::Config;
use crate::gpu::{AdapterFacts, Gpu};
use crate::ops;
use crate::recording::{Pass, Recording};

/// The format of the data, for readers: it grows when a field changes its meaning.
pub const FORMAT: u32 = 1;

/// A network on an adapter: which pass takes how long, beside the least that it could take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of this crate.
    pub version: String,
    /// The adapter that computed.
    pub adapter: AdapterFacts,
    /// Whether the device gave timestamps. Without any no pass has a time.
    pub timestamps: bool,
    /// The network's sizes and all else of the run.
    pub config: Config,
    /// What the adapter can do at most.
    pub ceiling: Ceiling,
    /// A training step.
    #[serde(flatten)]
    pub training: Part,
    /// Inference of a batch, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference: Option<Part>,
}

impl Profile {
    /// A profile made by this version of the crate.
    pub fn new(
        gpu: &Gpu,
        config: &Config,
        ceiling: Ceiling,
        training: Part,
        inference: Option<Part>,
    ) -> Profile {
        Profile {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            adapter: gpu.facts.clone(),
            timestamps: gpu.has_timestamps(),
            config: config.clone(),
            ceiling,
            training,
            inference,
        }
    }

    /// The parts with their names.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &Part)> {
        let inference = self.inference.as_ref().map(|part| (INFERENCE, part));
        [(TRAINING, &self.training)].into_iter().chain(inference)
    }
}

/// What a training step is called in tables and traces.
pub const TRAINING: &str = "training step";
/// What inference of a batch is called there.
pub const INFERENCE: &str = "inference";

/// A training step, or inference of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Images of the step or batch.
    pub batch_size: usize,
    /// Runs that the medians are of.
    pub samples: usize,
    /// Each pass, in order of execution.
    pub passes: Vec<PassTimes>,
    /// Sums by module, in the order in which they are met.
    pub modules: Vec<Total>,
    /// Sums by direction.
    pub directions: Vec<Total>,
    /// The sum of all.
    pub all: Total,
    /// The whole run by the host's clock.
    pub wall: Wall,
}

/// What is known of a pass before it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassFacts {
    /// Its label: place, kernel and entry, as `inception2/5x5 conv2d_subgroup.backward_w`.
    pub pass: String,
    /// Where in the model, as `inception2/5x5`.
    pub place: String,
    /// What it computes, by whichever kernel, as `conv2d.backward_w`.
    pub operation: String,
    /// The kernel, or the variant that was chosen, as `conv2d_subgroup`.
    pub kernel: String,
    /// The first part of its place.
    pub module: String,
    /// `forward`, `backward`, `update`, or `backward, update` where both are one pass.
    pub direction: String,
    /// What it has to do.
    #[serde(flatten)]
    pub work: Work,
}

impl PassFacts {
    /// Of all passes of a recording, in order.
    pub fn of(recording: &Recording, ceiling: &Ceiling) -> Vec<PassFacts> {
        let passes = recording.passes.iter().zip(directions(&recording.passes));
        let facts = passes.zip(Work::of(recording, ceiling)).map(|((pass, direction), work)| {
            let module = pass.place.split('/').next().filter(|name| !name.is_empty());
            PassFacts {
                pass: pass.label(),
                place: pass.place.clone(),
                operation: format!("{}.{}", ops::operation(pass.kernel.name), pass.entry),
                kernel: pass.kernel.name.to_string(),
                module: module.unwrap_or("elsewhere").to_string(),
                direction: direction.to_string(),
                work,
            }
        });
        facts.collect()
    }
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

/// A pass's time over the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassTimes {
    /// What it is.
    #[serde(flatten)]
    pub facts: PassFacts,
    /// Samples whose stamps are good.
    pub samples: usize,
    /// Samples whose stamps are missing or out of order.
    pub missing: usize,
    /// In the first run, which is none of the samples: some drivers compile in it.
    pub first: Option<f64>,
    /// The middle one of the samples.
    pub median: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The most.
    pub max: Option<f64>,
    /// How fast, by the median.
    #[serde(flatten)]
    pub speed: Speed,
}

/// The sum of some passes. Those without times add to the work alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// What they have in common.
    pub name: String,
    /// Stamps that are missing or out of order, over all samples.
    pub missing: usize,
    /// Their medians.
    pub median: Option<f64>,
    /// Their least times.
    pub min: Option<f64>,
    /// What they have to do.
    #[serde(flatten)]
    pub work: Work,
    /// How fast, those that have times.
    #[serde(flatten)]
    pub speed: Speed,
}

impl Total {
    fn of(name: &str, passes: &[&PassTimes]) -> Total {
        let sum = |time: fn(&PassTimes) -> Option<f64>| {
            passes.iter().filter_map(|pass| time(pass)).reduce(|a, b| a + b)
        };
        let median = sum(|pass| pass.median);
        let timed = passes.iter().filter(|pass| pass.median.is_some());
        let timed: Work = timed.map(|pass| pass.facts.work).sum();
        Total {
            name: name.to_string(),
            missing: passes.iter().map(|pass| pass.missing).sum(),
            median,
            min: sum(|pass| pass.min),
            work: passes.iter().map(|pass| pass.facts.work).sum(),
            speed: timed.speed(median),
        }
    }

    /// One for each name, in the order in which they are met.
    fn by<'a>(passes: &'a [PassTimes], name: impl Fn(&'a PassTimes) -> &'a str) -> Vec<Total> {
        let mut names: Vec<&str> = Vec::new();
        for pass in passes {
            if !names.contains(&name(pass)) {
                names.push(name(pass));
            }
        }
        let total = |wanted: &&str| {
            let passes: Vec<_> = passes.iter().filter(|pass| name(pass) == *wanted).collect();
            Total::of(wanted, &passes)
        };
        names.iter().map(total).collect()
    }
}

/// A whole run, alone on the device: of several the one of median length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wall {
    /// A run as always, which only the host's clock times.
    pub plain: Option<HostTimes>,
    /// A run whose passes are timed one by one.
    pub profiled: Option<HostTimes>,
    /// The same run by the device's clock.
    pub gpu: Option<GpuTimes>,
    /// How many times as long the profiled run takes as the plain one: what timing itself costs.
    pub timing_cost: Option<f64>,
}

/// A run by the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostTimes {
    /// Writing inputs and encoding.
    pub recording: f64,
    /// Until the submission returned. Some drivers compute in that time.
    pub submitting: f64,
    /// From then until the device had done all.
    pub waiting: f64,
    /// From the first of it to the last.
    pub whole: f64,
}

/// A run by the device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuTimes {
    /// From the run's first stamp to its last.
    pub busy: f64,
    /// The times of its passes, added up.
    pub passes: f64,
}
