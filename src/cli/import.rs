//! `inception import`: weights of another program.

use std::path::PathBuf;

use clap::Args;

use super::outputs::refuse_any;
use super::{Failure, print_of, say, thousands, while_saying};
use crate::checkpoint::atomic;
use crate::torchvision::{self, Pixels};

/// Make a model of torchvision's GoogLeNet weights
///
/// Reads the state dict of torchvision.models.googlenet from a safetensors file, with any number of
/// classes, and writes a model as `train` does. Batch normalisation is folded into the convolutions;
/// the auxiliary classifiers (aux1, aux2), which only training has, are left out. The network is
/// assets/networks/googlenet-torchvision.toml: it takes 224x224 pixels in red, green and blue as they are, and
/// its first layer makes of them what the model expects. Needs no adapter.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    inception import googlenet.safetensors --out imported.safetensors\n  \
    inception import mine.safetensors --pixels imagenet --out mine-imported.safetensors")]
pub(super) struct ImportCommand {
    /// The state dict, saved by safetensors.torch.save_file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The model's file to write, which must not be there yet
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the model expects pixels to be; its state dict does not say
    #[arg(long, value_enum, default_value = "signed")]
    pixels: Pixels,
}

pub(super) fn run(command: ImportCommand) -> Result<(), Failure> {
    let ImportCommand { file, out, pixels } = command;
    refuse_any(&out, "--out")?;
    let imported = while_saying("importing the weights", || {
        let imported = torchvision::import(&file, pixels)?;
        atomic::write_named(&out, &imported.to_bytes(&out)?)?;
        Ok::<_, Failure>(imported)
    })?;
    if imported.auxiliary {
        say("left out the auxiliary classifiers (aux1, aux2), which only training has");
    }
    let classes = thousands(imported.config.network().classes() as u64);
    let parameters = thousands(imported.parameters() as u64);
    let written = format!(
        "{}: GoogLeNet as torchvision has it, {classes} classes, {parameters} parameters",
        out.display()
    );
    print_of(&out, &written)
}
