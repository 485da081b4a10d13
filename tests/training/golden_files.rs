//! The golden files of a network.

use std::path::{Path, PathBuf};

use inception::config::{Config, Preset};

use crate::common;
use crate::tensors::{self, Tensors};

/// One network's files and sizes.
pub struct Golden {
    folder: PathBuf,
    pub config: Config,
    pub size: [usize; 2],
    pub init: Tensors,
    /// Allowed relative error of each of the 50 losses.
    pub losses_tolerance: f64,
}

impl Golden {
    pub fn open(folder: &Path) -> Golden {
        let path = folder.join("init.safetensors");
        let sizes = tensors::config(&path);
        let size = |name: &str| sizes[name].as_u64().expect(name) as usize;
        let config = Config {
            maps: vec![size("map1"), size("map2")],
            reduce1x1: size("reduce"),
            num_fc1: size("fc1"),
            batch_size: size("batch"),
            dropout: 0.0,
            ..Config::preset(Preset::Tutorial)
        };
        let shape = &tensors::read(&folder.join("batch.safetensors"))["x"].0;
        let size = [shape[1], shape[2]];
        // Of digits as large as MNIST's the losses are ten times as sensitive.
        let losses_tolerance = if size == [28, 28] { 5e-5 } else { 2e-6 };
        let init = tensors::read(&path);
        Golden { folder: folder.to_path_buf(), config, size, init, losses_tolerance }
    }

    pub fn read(&self, file: &str) -> Tensors {
        tensors::read(&self.folder.join(format!("{file}.safetensors")))
    }

    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Labels and pixels of all rows that 50 steps take, one after the other, then two more.
    pub fn rows(&self) -> (Vec<u8>, Vec<u8>) {
        let batches = self.read("batches50");
        let bytes = |name: &str| batches[name].1.iter().map(|&v| v as u8).collect::<Vec<u8>>();
        let (mut labels, mut pixels) = (bytes("labels_u8"), bytes("x_u8"));
        // The offset wraps at rows - batch, so this keeps it from wrapping.
        let filler = self.config.batch_size;
        labels.extend(std::iter::repeat_n(0, filler));
        pixels.extend(std::iter::repeat_n(0, filler * self.size[0] * self.size[1]));
        (labels, pixels)
    }
}

pub fn micro() -> Golden {
    Golden::open(&common::repository("tests/golden/micro"))
}

/// The further networks, in folders of `INCEPTION_GOLDEN`.
pub fn further() -> Vec<Golden> {
    let Some(folder) = std::env::var_os("INCEPTION_GOLDEN") else {
        eprintln!(
            "\n!!!!! SKIPPED, NOT TESTED: INCEPTION_GOLDEN names no folder of networks !!!!!\n"
        );
        return Vec::new();
    };
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let golden: Vec<_> = folders
        .filter(|folder| folder.join("losses50.safetensors").exists())
        .map(|folder| Golden::open(&folder))
        .collect();
    assert!(!golden.is_empty(), "no networks in {folder:?}");
    golden
}
