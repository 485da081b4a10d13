//! `inception devices`: which adapters there are, and what they can carry.

use clap::Args;
use serde::Serialize;

use super::{Failure, Global, bytes, print_results};
use crate::config::{Config, Preset};
use crate::gpu::{self, AdapterFacts, GpuError};
use crate::plan::Target;
use crate::train::Recordings;

/// List the adapters, their limits, and whether the tutorial's network fits
#[derive(Args)]
#[command(
    after_help = "Examples:\n  inception devices\n  inception devices --backend vulkan --json"
)]
pub(super) struct DevicesCommand {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Device {
    index: usize,
    #[serde(flatten)]
    facts: AdapterFacts,
    /// Why the tutorial's network does not fit, if so.
    tutorial_misfit: Option<String>,
    /// Device memory that training the tutorial's network takes, bytes.
    tutorial_memory: u64,
}

pub(super) fn run(command: DevicesCommand, global: &Global) -> Result<(), Failure> {
    let found = pollster::block_on(gpu::list(global.backend));
    if found.is_empty() {
        return Err(GpuError::NoAdapter { backend: global.backend }.into());
    }
    let devices: Vec<_> =
        found.into_iter().enumerate().map(|(index, facts)| judge(index, facts)).collect();
    if command.json {
        return print_results(&serde_json::to_string_pretty(&devices)?);
    }
    let described: Vec<_> = devices.iter().map(describe).collect();
    print_results(&described.join("\n"))
}

/// Records and shards the tutorial's network on MNIST for this adapter.
fn judge(index: usize, facts: AdapterFacts) -> Device {
    let config = Config::preset(Preset::Tutorial);
    let mut recordings = Recordings::training(&config, 70_000);
    let target = Target::new(facts.buffer_limit(), facts.subgroup, facts.is_software());
    let misfit = recordings.fit(&target).err().map(|error| error.to_string());
    Device { index, facts, tutorial_misfit: misfit, tutorial_memory: recordings.memory() }
}

fn describe(device: &Device) -> String {
    let tutorial = match &device.tutorial_misfit {
        None => format!(
            "fits the limits; training takes {} of device memory",
            bytes(device.tutorial_memory)
        ),
        Some(reason) => format!("does not fit: {reason}"),
    };
    let (index, facts) = (device.index, &device.facts);
    let known = self::facts(facts);
    format!("{index}: {}\n{known}   tutorial network  {tutorial}", facts.name)
}

/// What there is to know of an adapter but its name, a line each.
pub(super) fn facts(facts: &AdapterFacts) -> String {
    let subgroup = match facts.subgroup {
        [0, 0] => "none".to_string(),
        [low, high] if low == high => low.to_string(),
        [low, high] => format!("{low} to {high}"),
    };
    let lines = [
        format!("   type              {}, {}\n", facts.kind, facts.backend),
        format!("   driver            {}\n", facts.driver),
        format!(
            "   buffer / binding  {} / {}\n",
            bytes(facts.max_buffer),
            bytes(facts.max_binding)
        ),
        format!(
            "   workgroups        {} threads, {} of memory, {} an axis\n",
            facts.workgroup_threads,
            bytes(facts.workgroup_memory.into()),
            facts.max_workgroups
        ),
        format!("   subgroups         {subgroup}\n"),
        format!("   features          {}\n", facts.features.join(", ")),
    ];
    lines.concat()
}
