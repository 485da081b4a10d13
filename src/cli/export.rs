//! `inception export`: a saved network for other programs.

use std::path::PathBuf;

use clap::Args;

use super::outputs::refuse_others;
use super::{Failure, network, print_of, thousands, while_saying};
use crate::checkpoint::atomic;
use crate::onnx;

/// Write a saved network as an ONNX model, which other programs run
///
/// Its input `images` are f32 [batch, channels, height, width] with values from 0 to 255 (of digits 0
/// is the background), its outputs `logits` and `probabilities` [batch, classes]; the batch may have
/// any size. Needs no adapter. The weights alone, as safetensors, are in the model's file as it is.
#[derive(Args)]
#[command(after_help = "Examples:\n  inception export runs/quick --onnx quick.onnx")]
pub(super) struct ExportCommand {
    /// The model's file, or the folder that `train --out` made
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The file to write; a model of this program that is there is replaced
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
}

pub(super) fn run(command: ExportCommand) -> Result<(), Failure> {
    refuse_others(&command.onnx, &onnx::begin(), "ONNX model", "--onnx")?;
    let (file, config) = network::read(&command.model)?;
    let bytes = while_saying("writing the model", || {
        let bytes = onnx::export(&config, &file)?;
        atomic::write_named(&command.onnx, &bytes)?;
        Ok::<_, Failure>(bytes.len())
    })?;
    let written = format!("{}: {} bytes", command.onnx.display(), thousands(bytes as u64));
    print_of(&command.onnx, &written)
}
