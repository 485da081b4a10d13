//! What a training run is made of: the network's sizes, the data, the schedule.
//!
//! A [`Config`] is put together from a [`Preset`], an optional TOML file and command-line flags
//! (`TrainArgs`), each winning over the one before. It is stored whole in every checkpoint.

#[cfg(feature = "cli")]
mod args;
mod choices;
mod error;
mod every;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::foreign::shown;

#[cfg(feature = "cli")]
pub use args::TrainArgs;
pub use choices::{Augment, Decay, Init, Module, Order, Scale};
pub use error::ConfigError;
pub use every::Every;

use crate::data::{OnBadImage, Part, SIDE, Wanted};
use crate::network::Network;

/// The largest accepted channel count, layer width, batch or row count. It is far beyond what any
/// GPU holds, and small enough that no product of a layer's sizes overflows 64 bits.
const MAX_SIZE: u64 = 1 << 20;

/// The most Inception modules. Time and kernels grow with them, and no network of this kind has more
/// than some ten.
const MAX_MODULES: usize = 64;

/// The largest whole number that a TOML file can hold.
const MAX_COUNT: u64 = i64::MAX as u64;

/// Everything that decides the outcome of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The training images: a file of digits, a folder of pictures by class or of CIFAR-10; relative to
    /// the working directory.
    pub train: PathBuf,
    /// The test images, likewise.
    pub test: PathBuf,
    /// How many rows at the end of the training file are kept back for validation.
    pub val_rows: usize,
    /// Feature maps per tower of each Inception module; its length is the number of modules.
    pub maps: Vec<usize>,
    /// The kind of Inception module.
    pub module: Module,
    /// Channels of the 1x1 convolutions in front of the 3x3 and 5x5 ones (reduced modules only).
    pub reduce1x1: usize,
    /// Width of the first fully connected layer.
    pub num_fc1: usize,
    /// Share of that layer's outputs dropped in training, `0 <= dropout < 1`; 0 switches it off.
    pub dropout: f32,
    /// Images per training step.
    pub batch_size: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Training steps of the whole run.
    pub steps: u64,
    /// Accuracy is measured every so many steps.
    pub eval_every: u64,
    /// A row of metrics is written every so many steps.
    pub log_every: u64,
    /// When a checkpoint is written; at the run's end and at its best accuracy always.
    pub checkpoint_every: Every,
    /// How many checkpoints are kept, the newest ones.
    pub keep: usize,
    /// Seed of initial weights, dropout masks and shuffling.
    pub seed: u64,
    /// What is made of the pixels' bytes.
    pub scale: Scale,
    /// How the weights are initialised.
    pub init: Init,
    /// In which order the training rows are visited.
    pub order: Order,
    /// How the learning rate falls over the run.
    #[serde(default = "no_decay")] // older checkpoints know no decay
    pub decay: Decay,
    /// Steps over which the learning rate rises from nothing first; 0 for none.
    #[serde(default)]
    pub warmup: u64,
    /// How training images are changed at random.
    #[serde(default)]
    pub augment: Augment,
    /// Layers that training leaves as they are: patterns of names such as `conv1_3x3` and `fc2`, in
    /// which `*` stands for any letters.
    #[serde(default)] // older checkpoints know none
    pub freeze: Vec<String>,
    /// What to do about a picture of a folder that cannot be read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_bad_image: OnBadImage,
    /// What the classes are called, by label; none of digits. Training takes the names from its images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The network, where it is another than the tutorial's; then `maps`, `module`, `reduce1x1`,
    /// `num_fc1` and `dropout` do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
}

fn is_default(on_bad_image: &OnBadImage) -> bool {
    *on_bad_image == OnBadImage::default()
}

fn no_decay() -> Decay {
    Decay::None
}

/// A named set of values to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// The tutorial's network and schedule (20,000 steps).
    Tutorial,
    /// A small network that learns in a minute without a GPU (1,000 steps).
    Quick,
    /// The most accurate: modules at three sizes of image, changed digits (12,000 steps).
    Best,
}

impl Config {
    /// The values of a preset. They are valid as they stand.
    pub fn preset(preset: Preset) -> Config {
        let tutorial = Config {
            train: "assets/mnist/mnist_train.csv.gz".into(),
            test: "assets/mnist/mnist_test.csv.gz".into(),
            val_rows: 500,
            maps: vec![32, 64],
            module: Module::Reduced,
            reduce1x1: 16,
            num_fc1: 700,
            dropout: 0.5,
            batch_size: 50,
            learning_rate: 1e-4,
            steps: 20_000,
            eval_every: 100,
            log_every: 100,
            checkpoint_every: Every::Evaluation,
            keep: 2,
            seed: 1,
            scale: Scale::Raw,
            init: Init::Tutorial,
            order: Order::Cyclic,
            decay: Decay::None,
            warmup: 0,
            augment: Augment::None,
            freeze: Vec::new(),
            on_bad_image: OnBadImage::Fail,
            classes: Vec::new(),
            network: None,
        };
        match preset {
            Preset::Tutorial => tutorial,
            Preset::Quick => Config {
                maps: vec![8, 4],
                reduce1x1: 4,
                num_fc1: 64,
                dropout: 0.3,
                batch_size: 32,
                learning_rate: 3e-3,
                steps: 1000,
                log_every: 10,
                scale: Scale::Unit,
                init: Init::He,
                order: Order::Shuffle,
                decay: Decay::Cosine,
                ..tutorial
            },
            Preset::Best => Config {
                network: Some(Network::best()),
                batch_size: 64,
                learning_rate: 2e-3,
                steps: 12_000,
                eval_every: 500,
                scale: Scale::Unit,
                init: Init::He,
                order: Order::Shuffle,
                decay: Decay::Cosine,
                warmup: 200,
                augment: Augment::Digits,
                ..tutorial
            },
        }
    }

    /// The network: its own, or the tutorial's in the configured sizes for the digits of MNIST.
    pub fn network(&self) -> Network {
        let tutorial = || Network::tutorial(self, [SIDE, SIDE, 1]);
        self.network.clone().unwrap_or_else(tutorial)
    }

    /// The same, for images of that height, width and channels.
    pub fn with_image(self, image: [usize; 3]) -> Config {
        let network = Network { image, ..self.network() };
        Config { network: Some(network), ..self }
    }

    /// What the network takes of a set of images.
    pub fn wanted(&self, part: Part) -> Wanted {
        let (image, classes) = (self.network().image, self.classes.clone());
        Wanted { image, classes, part, on_bad_image: self.on_bad_image }
    }

    /// What the network classifies, in the plural: digits, or images of classes with names.
    pub fn noun(&self) -> &'static str {
        if self.classes.is_empty() { "digits" } else { "images" }
    }

    /// The learning rate of a step, counted from 0, before Adam's bias correction.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.learning_rate * (step + 1) as f64 / self.warmup as f64;
        }
        match self.decay {
            Decay::None => self.learning_rate,
            Decay::Cosine => {
                let falling = self.steps.saturating_sub(self.warmup).max(1);
                let gone = ((step - self.warmup) as f64 / falling as f64).min(1.0);
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * gone).cos())
            }
        }
    }

    /// Checks every value on its own.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value out of bounds, naming the key and what is allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (key, path) in [("train", &self.train), ("test", &self.test)] {
            check_path(key, path)?;
        }
        if self.maps.is_empty() {
            return Err(bad("maps", "empty", "a list of one or more channel counts"));
        }
        if self.maps.len() > MAX_MODULES {
            let (count, allowed) =
                (self.maps.len(), format!("of at most {MAX_MODULES}, one a module"));
            return Err(bad("maps", format!("a list of {count} channel counts"), allowed));
        }
        let maps = self.maps.iter().map(|&n| ("maps", n));
        let sizes = [
            ("val_rows", self.val_rows),
            ("reduce1x1", self.reduce1x1),
            ("num_fc1", self.num_fc1),
            ("batch_size", self.batch_size),
            ("keep", self.keep),
        ];
        for (key, value) in maps.chain(sizes) {
            if !(1..=MAX_SIZE).contains(&(value as u64)) {
                let value = match key {
                    "maps" => format!("{:?}", self.maps),
                    _ => value.to_string(),
                };
                return Err(bad(key, value, format!("from 1 to {MAX_SIZE}")));
            }
        }
        let counts = [
            ("steps", self.steps, 1),
            ("eval_every", self.eval_every, 1),
            ("log_every", self.log_every, 1),
            ("seed", self.seed, 0),
            ("warmup", self.warmup, 0),
        ];
        for (key, value, least) in counts {
            if !(least..=MAX_COUNT).contains(&value) {
                let allowed = format!("a whole number from {least} to {MAX_COUNT}");
                return Err(bad(key, value, allowed));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let allowed = "a number from 0 (no dropout) to just below 1";
            return Err(bad("dropout", self.dropout, allowed));
        }
        // The GPU computes in single precision, where it must neither vanish nor overflow.
        let rate = self.learning_rate as f32;
        if !(rate > 0.0 && rate.is_finite()) {
            let allowed = "a finite number above 0 in single precision (1e-45 to 3.4e38)";
            return Err(bad("learning_rate", self.learning_rate, allowed));
        }
        if let Some(why) = crate::data::misnamed(&self.classes) {
            let allowed = "up to 256 different names of up to 100 characters, none of them a control \
                           character";
            return Err(bad("classes", why, allowed));
        }
        match &self.network {
            Some(network) => network.shapes().map(drop).map_err(ConfigError::Network),
            None => Ok(()),
        }
    }

    /// The configuration as a TOML file that `--config` reads back to an equal one.
    ///
    /// # Errors
    /// [`ConfigError::Encode`] when TOML cannot hold a value; [`Config::validate`] rules that out.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(ConfigError::encode)
    }

    /// The configuration as one line of JSON, as stored in a checkpoint's metadata.
    ///
    /// # Errors
    /// [`ConfigError::Encode`] when a path is not UTF-8; [`Config::validate`] rules that out.
    pub fn to_json(&self) -> Result<String, ConfigError> {
        serde_json::to_string(self).map_err(ConfigError::encode)
    }

    /// Reads what [`Config::to_json`] wrote, and checks it.
    ///
    /// # Errors
    /// [`ConfigError::Json`] for text that is no configuration, [`ConfigError::Value`] for a value
    /// out of bounds.
    pub fn from_json(text: &str) -> Result<Config, ConfigError> {
        let config: Config = serde_json::from_str(text).map_err(|why| ConfigError::Json { why })?;
        config.validate()?;
        Ok(config)
    }
}

/// Neither TOML nor JSON could hold a path that is no UTF-8, so no checkpoint could be written.
fn check_path(key: &'static str, path: &Path) -> Result<(), ConfigError> {
    match path.to_str().is_none_or(str::is_empty) {
        true => Err(bad(key, format!("{path:?}"), "a path of valid UTF-8")),
        false => Ok(()),
    }
}

fn bad(key: &'static str, value: impl ToString, allowed: impl Into<String>) -> ConfigError {
    ConfigError::Value { key, value: shown(value), allowed: allowed.into(), file: None }
}
