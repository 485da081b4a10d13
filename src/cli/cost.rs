//! `inception cost`: what reducing the channels saves, tower by tower.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Failure, network, print_results, thousands};
use crate::config::{Config, Module, TrainArgs};
use crate::cost::{self, Part, Tower, towers};
use crate::model::{self, Widths};
use crate::network::Layer;

/// Count the multiplications of Inception modules, with and without their reductions
///
/// For each tower the multiply-accumulates for one image, naive (figure 2a of the paper) and
/// reduced (figure 2b), counted in what is recorded for training. Taps on the padding count like
/// others. Without arguments it shows GoogLeNet's inception (3a), the tutorial's example; with
/// --model or any of the network's flags each module of that network. With --network it shows all
/// layers of the network that the file describes: what they make, hold and cost. Needs no adapter.
#[derive(Args)]
#[command(after_help = "Examples:\n  inception cost\n  \
    inception cost --input 14x14x480 --widths 192,96,208,16,48,64\n  \
    inception cost --preset tutorial\n  \
    inception cost --network assets/networks/googlenet.toml\n  \
    inception cost --model runs/quick --json")]
#[command(mut_args(|arg| match SIZES.contains(&arg.get_id().as_str()) {
    true => arg,
    false => arg.hide(true),
}))]
pub(super) struct CostCommand {
    /// What a module gets: height, width and channels [default: 28x28x192]
    #[arg(long, value_name = "HxWxC", value_parser = input)]
    input: Option<[usize; 3]>,
    /// What its convolutions make, as in the paper's table 1: channels of the 1x1, in front of
    /// the 3x3, of the 3x3, in front of the 5x5, of the 5x5, behind the max-pool
    /// [default: 64,96,128,16,32,32]
    #[arg(long, value_name = "N,N,N,N,N,N", value_parser = widths)]
    widths: Option<Widths>,
    /// Show the modules of this saved network
    #[arg(long, value_name = "FILE|DIR")]
    model: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "The modules of a network")]
    settings: TrainArgs,
}

/// The arguments that matter here; of the network's others the help is silent.
const SIZES: [&str; 10] = [
    "input",
    "widths",
    "model",
    "json",
    "preset",
    "config",
    "network",
    "maps",
    "module",
    "reduce1x1",
];

/// A module, naive and reduced.
#[derive(Serialize)]
struct Compared {
    name: String,
    input: [usize; 3],
    widths: Widths,
    towers: Vec<Row>,
    all: Pair,
    channels: Channels,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    #[serde(flatten)]
    pair: Pair,
    /// Of each convolution of the reduced tower, in order.
    layers: Vec<Part>,
}

/// Multiply-accumulates for one image.
#[derive(Clone, Copy, Serialize)]
struct Pair {
    naive: u64,
    reduced: u64,
    /// The first over the second.
    ratio: f64,
}

/// Of the module's output.
#[derive(Serialize)]
struct Channels {
    naive: usize,
    reduced: usize,
}

impl Pair {
    fn new(naive: u64, reduced: u64) -> Pair {
        Pair { naive, reduced, ratio: naive as f64 / reduced as f64 }
    }
}

pub(super) fn run(command: CostCommand) -> Result<(), Failure> {
    let CostCommand { input, widths, model, json, settings } = command;
    let network = settings != TrainArgs::default();
    let config = match (model, network, input.is_some() || widths.is_some()) {
        (None, false, _) => return print(&[single(input, widths)?], json),
        (Some(model), false, false) => network::read(&model)?.1,
        (None, true, false) => settings.resolve().map_err(Failure::config)?,
        _ => {
            return Err(Failure::usage(
                "give a module (--input, --widths), a saved network (--model) or a network's flags \
                 (such as --preset), not several of these",
            ));
        }
    };
    of_network(&config, json)
}

fn print(modules: &[Compared], json: bool) -> Result<(), Failure> {
    if json {
        let object = serde_json::json!({ "modules": modules });
        return print_results(&serde_json::to_string_pretty(&object)?);
    }
    print_results(&modules.iter().map(table).collect::<Vec<_>>().join("\n"))
}

/// The layers of a network that has a file; the modules of the tutorial's.
fn of_network(config: &Config, json: bool) -> Result<(), Failure> {
    model::check_sizes(config, 1)?;
    let network = config.network();
    if config.network.is_some() {
        let rows = cost::table(&network).map_err(model::SizeError::from)?;
        return match json {
            true => {
                let object = serde_json::json!({ "image": network.image, "layers": rows });
                print_results(&serde_json::to_string_pretty(&object)?)
            }
            false => print_results(&layers(network.image, &rows)),
        };
    }
    let mut input = network.image;
    let mut compared = Vec::new();
    for layer in &network.layers {
        if let Layer::Inception(module) = layer {
            let name = format!("inception{}", module.name);
            compared.push(Compared::new(name, input, module.widths));
            input[2] = module.widths.towers(module.kind, input[2]).iter().sum();
        }
    }
    print(&compared, json)
}

/// One line a layer; auxiliary classifiers behind the sum, which inference has to do with.
fn layers(image: [usize; 3], rows: &[cost::Row]) -> String {
    let wide = rows.iter().map(|row| row.place.len()).max().unwrap_or(0).max(22);
    let line = |row: &cost::Row| {
        let or_none = |n: u64| if n == 0 { String::new() } else { thousands(n) };
        let (parameters, work) = (or_none(row.parameters), or_none(row.multiply_accumulates));
        let line =
            format!("{:wide$} {:>14} {parameters:>14} {work:>16}", row.place, extents(&row.output));
        line.trim_end().to_string()
    };
    let (auxiliary, own): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.auxiliary);
    let all = |rows: &[&cost::Row]| {
        let parameters: u64 = rows.iter().map(|row| row.parameters).sum();
        let work: u64 = rows.iter().map(|row| row.multiply_accumulates).sum();
        format!("{:wide$} {:>14} {:>14} {:>16}", "all", "", thousands(parameters), thousands(work))
    };
    let title =
        format!("{:wide$} {:>14} {:>14} {:>16}", "layer", "makes", "parameters", "mult-adds");
    let mut lines = vec![title, format!("{:wide$} {:>14}", "image", extents(&image))];
    lines.extend(own.iter().map(|row| line(row)));
    lines.push(all(&own));
    if !auxiliary.is_empty() {
        lines.push("in training only:".into());
        lines.extend(auxiliary.iter().map(|row| line(row)));
        lines.push(all(&auxiliary));
    }
    lines.join("\n") + "\n"
}

/// As 112x112x64.
fn extents(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// The module of these sizes; those of the paper's inception (3a) where none are given.
fn single(input: Option<[usize; 3]>, widths: Option<Widths>) -> Result<Compared, Failure> {
    let name = match (input, widths) {
        (None, None) => "inception (3a)",
        _ => "inception",
    };
    let of_3a =
        Widths { one: 64, reduce_three: 96, three: 128, reduce_five: 16, five: 32, pool: 32 };
    let (input, widths) = (input.unwrap_or([28, 28, 192]), widths.unwrap_or(of_3a));
    let Widths { one, reduce_three, three, reduce_five, five, pool } = widths;
    let channels = input[2] + one + reduce_three + three + reduce_five + five + pool;
    let elements = input[0] * input[1] * channels;
    if elements > u32::MAX as usize {
        return Err(Failure::usage(format!(
            "a module of these sizes makes {elements} numbers, and a shader can count {}; lower \
             --input or --widths",
            u32::MAX
        )));
    }
    Ok(Compared::new(name.to_string(), input, widths))
}

impl Compared {
    fn new(name: String, input: [usize; 3], widths: Widths) -> Compared {
        let [naive, reduced] =
            [Module::Naive, Module::Reduced].map(|kind| towers(kind, input, widths));
        let total = |towers: &[Tower]| towers.iter().map(Tower::total).sum();
        let all = Pair::new(total(&naive), total(&reduced));
        let row = |(naive, reduced): (&Tower, Tower)| Row {
            name: naive.name,
            pair: Pair::new(naive.total(), reduced.total()),
            layers: reduced.layers,
        };
        let channels = |kind| widths.towers(kind, input[2]).iter().sum();
        let channels =
            Channels { naive: channels(Module::Naive), reduced: channels(Module::Reduced) };
        let towers = naive.iter().zip(reduced).map(row).collect();
        Compared { name, input, widths, towers, all, channels }
    }
}

fn table(module: &Compared) -> String {
    let [height, width, channels] = module.input;
    let Widths { one, reduce_three, three, reduce_five, five, pool } = module.widths;
    let line = |name: &str, pair: Pair| {
        let ratio = match pair.naive {
            0 => "-".to_string(),
            _ => format!("{:.2}", pair.ratio),
        };
        let (naive, reduced) = (thousands(pair.naive), thousands(pair.reduced));
        format!("{name:8} {naive:>16} {reduced:>16} {ratio:>14}")
    };
    let mut text = format!(
        "{}: {height}x{width}x{channels} in; 1x1 {one}, 3x3 {reduce_three}->{three}, \
         5x5 {reduce_five}->{five}, pool {pool}\n\
         tower               naive          reduced  naive/reduced  reduced = 1x1 + window\n",
        module.name
    );
    for row in &module.towers {
        text.push_str(&line(row.name, row.pair));
        if let [first, second] = &row.layers[..] {
            let [first, second] = [first, second].map(|part| thousands(part.multiply_accumulates));
            text.push_str(&format!("  {first} + {second}"));
        }
        text.push('\n');
    }
    let Channels { naive, reduced } = module.channels;
    text + &line("all", module.all) + &format!("\nchannels {naive:>16} {reduced:>16}\n")
}

/// Numbers of a list, each from 1 to a million: no product of a module's sizes overflows.
fn numbers<const N: usize>(text: &str, separator: char, form: &str) -> Result<[usize; N], String> {
    let parse = |part: &str| part.trim().parse().ok().filter(|n| (1..=1_000_000).contains(n));
    let numbers: Option<Vec<usize>> = text.split(separator).map(parse).collect();
    let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
    numbers.ok_or_else(|| format!("it must be {form}, each from 1 to 1000000"))
}

fn input(text: &str) -> Result<[usize; 3], String> {
    numbers(text, 'x', "height, width and channels, such as 28x28x192")
}

fn widths(text: &str) -> Result<Widths, String> {
    let form = "six numbers of channels, such as 64,96,128,16,32,32";
    let [one, reduce_three, three, reduce_five, five, pool] = numbers(text, ',', form)?;
    Ok(Widths { one, reduce_three, three, reduce_five, five, pool })
}
