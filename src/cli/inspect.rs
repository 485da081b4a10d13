//! `inception inspect`: what a saved network holds, and what it does with images.

mod look;
mod report;

use std::path::{Path, PathBuf};

use clap::Args;
use image::RgbImage;

use self::report::{Layer, Picture, Report, Variable};
use super::{Failure, Global, network, print_results, say, warn};
use crate::checkpoint::{Tensor, atomic};
use crate::config::Config;
use crate::cost::layers;
use crate::data::{Dataset, Digits, Images, Invert, Part};
use crate::inspect::{Distribution, filters, png};
use crate::model::{self, SizeError};
use crate::train::Recordings;

/// Images that go through the network at once.
const BATCH: usize = 20;
/// Where the images come from if only their number is given.
const TEST: &str = "assets/mnist/mnist_test.csv.gz";

/// Show what a saved network holds, and what it does with images
///
/// Prints parameters and multiply-accumulates layer by layer and how the weights are spread, which
/// needs no adapter. With images it prints the share of zeros after each ReLU too.
///
/// Into --out go pictures (PNG): the filters of the 3x3 and 5x5 convolutions, and with images what
/// each tower makes of the first one and, for the first twelve, which pixels the network goes by:
/// the gradient of the predicted class's logit by the image. Pictures of the same names that are
/// there already are replaced, whatever network they are of.
#[derive(Args)]
#[command(after_help = "Examples:\n  inception inspect runs/quick\n  \
    inception inspect runs/quick assets/digits/two.png --out pictures\n  \
    inception inspect runs/quick --images 1000 --json")]
pub(super) struct InspectCommand {
    /// The model's file, or the folder that `train --out` made
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Images to look at: PNG or JPEG of any size, CSV with 784 or 785 columns, IDX, or a file of CIFAR-10
    #[arg(value_name = "IMAGE")]
    input: Option<PathBuf>,
    /// Look at the first N images of IMAGE or, without one, of the bundled test digits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    images: Option<u32>,
    /// Whether a picture shows dark ink on light ground and must be inverted
    #[arg(long, value_enum, default_value = "auto")]
    invert: Invert,
    /// Folder for the pictures; made if missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: InspectCommand, global: &Global) -> Result<(), Failure> {
    let (file, config) = network::read(&command.model)?;
    model::check_sizes(&config, BATCH)?;
    let recordings = Recordings::inference_by(1, &config, 1);
    let parameters = recordings.parameters();
    let auxiliary = config.network().auxiliary_variables().map_err(SizeError::from)?;
    let tensors = file.tensors_but(|name| auxiliary.contains(name), &parameters);
    let tensors = tensors.map_err(|error| error.of(&config))?;
    let images = images(&command, &config)?;
    if let Some(images) = &images {
        network::check_fits(&config, &images.path, images.shape())?;
    }
    let mut pictures = Pictures::new(command.out.as_deref())?;
    let layers = layer_rows(&recordings);
    let mut report = Report {
        model: file.path().display().to_string(),
        step: file.origin().map(|origin| origin.step),
        parameters: layers.iter().map(|layer| layer.parameters).sum(),
        multiply_accumulates: layers.iter().map(|layer| layer.multiply_accumulates).sum(),
        config,
        layers,
        variables: variables(&tensors),
        images: None,
        pictures: Vec::new(),
    };
    for module in report.config.network().modules() {
        let module = &module.name;
        let names = ["3x3", "5x5"].map(|name| format!("W_conv{module}_{name}"));
        let of_module = tensors.iter().filter(|tensor| names.iter().any(|n| n == tensor.name));
        let of_module: Vec<Tensor> = of_module.copied().collect();
        pictures.save(
            &format!("filters-inception{module}.png"),
            "each 3x3 and 5x5 filter: blue negative, white zero, red positive",
            || filters(&of_module),
        )?;
    }
    if let Some(images) = &images {
        let seen = look::look(&report.config, &tensors, images, &mut pictures, global)?;
        report.images = Some(seen);
    }
    report.pictures = pictures.finish();
    match command.json {
        true => print_results(&serde_json::to_string_pretty(&report)?),
        false => print_results(&report.to_string()),
    }
}

/// The images that are asked for, if any are.
fn images(command: &InspectCommand, config: &Config) -> Result<Option<Images>, Failure> {
    let path = match (&command.input, command.images) {
        (Some(path), _) => path.as_path(),
        (None, Some(_)) => Path::new(TEST),
        (None, None) => return Ok(None),
    };
    let mut digits = Digits::unlabelled_as(path, &config.wanted(Part::Test), command.invert)?;
    let mut held = Dataset::empty(path);
    match command.images {
        Some(count) => {
            digits.read(count as usize, &mut held)?;
            let held = held.images.len();
            if (count as usize) > held {
                let path = path.display();
                warn(&format!("{path} holds {held} images, so not {count} are looked at"));
            }
        }
        None => digits.read_all(&mut held, |_, _| {})?,
    }
    Ok(Some(held.images))
}

/// A row for each variable, a bias being counted with its weights.
fn layer_rows(recordings: &Recordings) -> Vec<Layer> {
    let Some(recording) = recordings.inference_passes() else { return Vec::new() };
    let parameters = recordings.parameters();
    let products = layers(recording);
    let name = |tensor| recording.tensor(tensor).name.as_str();
    let product = |weights: &str| products.iter().find(|product| name(product.weights) == weights);
    let is_bias = |variable: &str| products.iter().any(|product| name(product.bias) == variable);
    let row = |(variable, shape): &(String, Vec<usize>)| {
        let product = product(variable);
        // A product without a bias has one that is no variable.
        let bias = product
            .and_then(|product| parameters.iter().find(|(other, _)| other == name(product.bias)));
        let numbers = |shape: &[usize]| shape.iter().product::<usize>();
        Layer {
            name: variable.clone(),
            shape: shape.clone(),
            parameters: numbers(shape) + bias.map_or(0, |(_, shape)| numbers(shape)),
            multiply_accumulates: product.map_or(0, |product| product.multiply_accumulates),
        }
    };
    parameters.iter().filter(|(variable, _)| !is_bias(variable)).map(row).collect()
}

fn variables(tensors: &[Tensor]) -> Vec<Variable> {
    let variable = |tensor: &Tensor| Variable {
        name: tensor.name.to_string(),
        shape: tensor.shape.to_vec(),
        distribution: Distribution::of(tensor.values()),
    };
    tensors.iter().map(variable).collect()
}

/// The pictures saved so far, if any are wanted.
struct Pictures<'a> {
    folder: Option<&'a Path>,
    saved: Vec<Picture>,
    replaced: usize,
}

impl<'a> Pictures<'a> {
    fn new(folder: Option<&'a Path>) -> Result<Pictures<'a>, Failure> {
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).map_err(|why| {
                Failure::new(format!("cannot make the folder {}: {why}", folder.display()))
            })?;
        }
        Ok(Pictures { folder, saved: Vec::new(), replaced: 0 })
    }

    fn wanted(&self) -> bool {
        self.folder.is_some()
    }

    fn save(
        &mut self,
        name: &str,
        shows: &str,
        draw: impl FnOnce() -> RgbImage,
    ) -> Result<(), Failure> {
        let Some(folder) = self.folder else { return Ok(()) };
        let path = folder.join(name);
        self.replaced += usize::from(path.exists());
        atomic::write_file(&path, &png(&draw())?)?;
        let (file, shows) = (path.display().to_string(), shows.to_string());
        self.saved.push(Picture { file, shows });
        Ok(())
    }

    fn finish(self) -> Vec<Picture> {
        if self.replaced > 0 {
            let noun = if self.replaced == 1 { "picture" } else { "pictures" };
            say(&format!("replaced {} {noun} of an earlier look", self.replaced));
        }
        self.saved
    }
}
