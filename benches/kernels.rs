//! How fast each product runs, forward and backward, over the layers of the tutorial's network and
//! of three of GoogLeNet's modules, beside the adapter's limits:
//!
//! `cargo bench --bench kernels -- [FILTER] [--software] [--batch N] ..`
//!
//! Passes are timed by the adapter's timestamps. Several passes of one entry (shards of a large
//! tensor) count together. What stands round a product, sums of its split parts and copies of what
//! it reads, is not shown.

use std::error::Error;

use clap::Parser;
use inception::ceiling::Ceiling;
use inception::cost::{Cost, costs};
use inception::engine::Engine;
use inception::gpu::{Gpu, GpuOptions};
use inception::ops::Padding;
use inception::plan::{self, Rewrite, Target};
use inception::recording::{Recording, Role};
use inception::tape::Tape;

/// Time the products of known networks, layer by layer
#[derive(Parser)]
#[command(name = "cargo bench --bench kernels --")]
struct Arguments {
    /// Only lines that contain this, such as `4a`, `3x3` or `backward_w`
    filter: Option<String>,
    /// Examples of a batch [default: the tutorial's 50; GoogLeNet's 32, on software adapters 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Inputs of the tutorial's first dense layer; fewer take less memory
    #[arg(long, value_name = "N", default_value_t = 28 * 28 * 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    depth: u32,
    /// Runs to take the median of
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// The adapter's number in `inception devices`, or a part of its name
    #[arg(long, value_name = "NAME|INDEX")]
    adapter: Option<String>,
    /// Compute on the processor, through a software adapter
    #[arg(long)]
    software: bool,
    /// Leave out these rewrites of the plan
    #[arg(long, value_name = "REWRITE", value_delimiter = ',')]
    no_fuse: Vec<Rewrite>,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A layer of a network.
struct Layer {
    name: String,
    /// `[batch, height, width, channels]`, or `[batch, depth]` for a dense layer.
    input: Vec<usize>,
    /// `[height, width, channels, out]`, or `[depth, out]`.
    weights: Vec<usize>,
}

fn dense(name: &str, batch: usize, depth: usize, out: usize) -> Layer {
    Layer { name: name.to_string(), input: vec![batch, depth], weights: vec![depth, out] }
}

/// The convolutions of a module, by the extent of the window, channels and columns.
fn module(name: &str, batch: usize, side: usize, layers: &[[usize; 3]]) -> Vec<Layer> {
    let layer = |&[window, channels, columns]: &[usize; 3]| Layer {
        name: format!("{name} {window}x{window} {channels}-{columns}"),
        input: vec![batch, side, side, channels],
        weights: vec![window, window, channels, columns],
    };
    layers.iter().map(layer).collect()
}

/// Every shape of the networks once.
fn layers(tutorial: usize, googlenet: usize, depth: usize) -> Vec<Layer> {
    let first = [[1, 1, 32], [1, 1, 16], [3, 16, 32], [5, 16, 32]];
    let second = [[1, 128, 64], [1, 128, 16], [3, 16, 64], [5, 16, 64]];
    // Szegedy et al. 2014, table 1: "1x1", "3x3 reduce", "3x3", "5x5 reduce", "5x5", "pool proj".
    let of = |channels: usize, [one, reduce3, three, reduce5, five, pool]: [usize; 6]| {
        let ones = [one, reduce3, reduce5, pool].map(|columns| [1, channels, columns]);
        let mut layers = [&ones[..], &[[3, reduce3, three], [5, reduce5, five]]].concat();
        layers.sort();
        layers.dedup();
        layers
    };
    let a3 = of(192, [64, 96, 128, 16, 32, 32]);
    let a4 = of(480, [192, 96, 208, 16, 48, 64]);
    let b5 = of(832, [256, 160, 320, 32, 128, 128]);
    [
        module("inception1", tutorial, 28, &first),
        module("inception2", tutorial, 28, &second),
        vec![dense("fc1", tutorial, depth, 700), dense("fc2", tutorial, 700, 10)],
        module("3a", googlenet, 28, &a3),
        module("4a", googlenet, 14, &a4),
        module("5b", googlenet, 7, &b5),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Layer {
    /// Its passes, forward and backward.
    fn record(&self) -> Recording {
        let tape = Tape::new();
        let x = tape.tracked_input("x", &self.input);
        let w = tape.parameter("w", &self.weights);
        let b = tape.parameter("b", &self.weights[self.weights.len() - 1..]);
        let y = tape.scope(&self.name, || match self.weights.len() {
            2 => x.dense(w, b),
            _ => x.conv2d(w, b, 1, Padding::Same),
        });
        y.backward(tape.input("dy", &y.shape()));
        tape.finish()
    }
}

/// Passes of one entry.
struct Entry {
    label: String,
    cost: Cost,
    least: f64,
    /// Seconds of each run.
    times: Vec<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        eprintln!("this takes minutes; run it with `cargo bench --bench kernels`");
        return Ok(());
    }
    let (adapter, software) = (arguments.adapter.clone(), arguments.software);
    let options = GpuOptions { adapter, software, ..GpuOptions::default() };
    let gpu = pollster::block_on(Gpu::open(&options))?;
    println!("adapter: {} ({}, driver {})", gpu.facts.name, gpu.facts.kind, gpu.facts.driver);
    let small = if gpu.facts.kind == "software" { 4 } else { 32 };
    let batch = |usual: usize| arguments.batch.map_or(usual, |batch| batch as usize);
    let layers = layers(batch(50), batch(small), arguments.depth as usize);

    let (ceiling, mut gpu) = Ceiling::measure(gpu)?;
    let (flop, bytes) = (ceiling.flop_per_second * 1e-9, ceiling.bytes_per_second * 1e-9);
    println!("limits measured: {flop:.0} GFLOP/s in registers, {bytes:.1} GB/s from and to memory");
    println!("batch {} (tutorial) and {} (GoogLeNet)\n", batch(50), batch(small));
    println!(" median ms     min ms  GFLOP/s    GB/s  % of limit  layer, kernel");
    for layer in layers {
        let mut recordings = [layer.record()];
        let target = Target { without: arguments.no_fuse.clone(), ..Target::of(&gpu) };
        if let Err(why) = plan::plan(&mut recordings, &target, &[]) {
            println!("{}: {why}", layer.name);
            continue;
        }
        let [recording] = recordings;
        let wanted =
            |label: &str| arguments.filter.as_ref().is_none_or(|part| label.contains(part));
        if !recording.passes.iter().any(|pass| wanted(&pass.label())) {
            continue;
        }
        let (entries, given_back) = time(&recording, &ceiling, arguments.samples, gpu)?;
        gpu = given_back;
        entries.iter().filter(|entry| wanted(&entry.label)).for_each(print);
    }
    Ok(())
}

/// Times the products among the passes.
fn time(
    recording: &Recording,
    ceiling: &Ceiling,
    samples: u32,
    gpu: Gpu,
) -> Result<(Vec<Entry>, Gpu), Box<dyn Error>> {
    let mut engine = Engine::new(gpu);
    let program = engine.compile(recording)?;
    // Zeros would let a GPU's clock rise higher than real numbers do.
    for id in recording.used() {
        let info = recording.tensor(id);
        if info.role != Role::Temporary {
            let values: Vec<f32> =
                (0..info.len()).map(|i| (i * 7919 % 1009) as f32 / 1e3).collect();
            engine.write(id, info, bytemuck::cast_slice(&values));
        }
    }
    let mut entries: Vec<Entry> = Vec::new();
    // In the first run some drivers compile the kernels.
    engine.run_timed(&program)?;
    for sample in 0..samples as usize {
        let times = engine.run_timed(&program)?.passes;
        if times.is_empty() {
            return Err("this adapter has no timestamps, so passes cannot be timed".into());
        }
        for ((pass, cost), time) in recording.passes.iter().zip(costs(recording)).zip(times) {
            if cost.product_flop == 0 {
                continue;
            }
            let label = pass.label();
            let known = entries.iter().position(|entry| entry.label == label);
            let at = known.unwrap_or_else(|| {
                let times = vec![0.0; samples as usize];
                entries.push(Entry { label, cost: Cost::default(), least: 0.0, times });
                entries.len() - 1
            });
            let entry = &mut entries[at];
            entry.times[sample] += time.map_or(f64::NAN, |stamps| stamps.seconds());
            if sample == 0 {
                entry.cost = entry.cost + cost;
                entry.least += ceiling.seconds(&cost);
            }
        }
    }
    Ok((entries, engine.into_gpu()?))
}

fn print(entry: &Entry) {
    let mut times = entry.times.clone();
    times.sort_by(f64::total_cmp);
    let (median, min) = (times[times.len() / 2], times[0]);
    let flop = entry.cost.flop() as f64 / median * 1e-9;
    let bytes = entry.cost.bytes() as f64 / median * 1e-9;
    let share = entry.least / median * 100.0;
    let (median, min) = (median * 1e3, min * 1e3);
    println!("{median:10.3} {min:10.3} {flop:8.1} {bytes:7.2}  {share:10.1}  {}", entry.label);
}
