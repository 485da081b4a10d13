//! The flags and the TOML file that change a preset.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser as Ranged;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::{
    Augment, Config, ConfigError, Decay, Every, Init, MAX_COUNT, Module, Order, Preset, Scale,
};
use crate::bounded;
use crate::data::OnBadImage;
use crate::foreign::{complaint, shown};
use crate::network::Network;

/// Whole numbers that a TOML file can hold; what is allowed of them says [`Config::validate`].
fn whole<T: TryFrom<u64> + Clone + Send + Sync>() -> Ranged<T> {
    Ranged::new().range(..=MAX_COUNT)
}

/// Any subset of a [`Config`]: the flags of `train`, and equally the keys of a `--config` file.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainArgs {
    /// Start from these values: the tutorial's, a small, quick network's, or those of the best
    /// accuracy [default: tutorial]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<Preset>,
    /// Take values from this TOML file (keys as the flags, with underscores); flags win over it
    #[arg(long, value_name = "FILE.toml")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Training images: digits as CSV or IDX, also gzipped; a folder of pictures (PNG, JPEG) with a
    /// folder for each class; or CIFAR-10's folder of binary files
    /// [tutorial: assets/mnist/mnist_train.csv.gz]
    #[arg(long, value_name = "FILE|DIR")]
    pub train: Option<PathBuf>,
    /// Test images, of the same kinds [tutorial: assets/mnist/mnist_test.csv.gz]
    #[arg(long, value_name = "FILE|DIR")]
    pub test: Option<PathBuf>,
    /// Images at the end of the training set kept back for validation [tutorial: 500]
    #[arg(long, value_name = "N", value_parser = whole::<usize>())]
    pub val_rows: Option<usize>,
    /// Train the network that this TOML file describes, such as assets/networks/googlenet.toml
    /// [tutorial: modules of --maps, a dense layer]
    #[arg(long, value_name = "FILE.toml")]
    pub network: Option<NetworkSource>,
    /// Feature maps per tower of each module, one number per module [tutorial: 32,64]
    #[arg(long, value_name = "N,N..", value_delimiter = ',', value_parser = whole::<usize>())]
    pub maps: Option<Vec<usize>>,
    /// Kind of Inception module [tutorial: reduced]
    #[arg(long)]
    pub module: Option<Module>,
    /// Channels of the reducing 1x1 convolutions [tutorial: 16]
    #[arg(long, value_name = "N", value_parser = whole::<usize>())]
    pub reduce1x1: Option<usize>,
    /// Width of the first fully connected layer [tutorial: 700]
    #[arg(long, value_name = "N", value_parser = whole::<usize>())]
    pub num_fc1: Option<usize>,
    /// Share of that layer's outputs dropped in training, 0 for none [tutorial: 0.5]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub dropout: Option<f32>,
    /// Images per step [tutorial: 50]
    #[arg(long, value_name = "N", value_parser = whole::<usize>())]
    pub batch_size: Option<usize>,
    /// Adam's learning rate [tutorial: 1e-4]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub learning_rate: Option<f64>,
    /// Training steps of the whole run [tutorial: 20000]
    #[arg(long, value_name = "N", value_parser = whole::<u64>())]
    pub steps: Option<u64>,
    /// Measure accuracy every N steps [tutorial: 100]
    #[arg(long, value_name = "N", value_parser = whole::<u64>())]
    pub eval_every: Option<u64>,
    /// Write a row of metrics every N steps [tutorial: 100]
    #[arg(long, value_name = "N", value_parser = whole::<u64>())]
    pub log_every: Option<u64>,
    /// Write a checkpoint every N steps, or by time (90s, 10m, 2h); always at the end, when stopped
    /// and when the validation accuracy is the best so far [tutorial: evaluation]
    #[arg(long, value_name = "N|TIME")]
    pub checkpoint_every: Option<Every>,
    /// Checkpoints to keep, the newest; the best weights are kept besides [tutorial: 2]
    #[arg(long, value_name = "N", value_parser = whole::<usize>())]
    pub keep: Option<usize>,
    /// Seed of initial weights, dropout and shuffling [tutorial: 1]
    #[arg(long, value_name = "N", value_parser = whole::<u64>())]
    pub seed: Option<u64>,
    /// Pixels as 0..255 (raw), 0..1 (unit) or -1..1 (centered) [tutorial: raw]
    #[arg(long)]
    pub scale: Option<Scale>,
    /// Initial weights [tutorial: tutorial]
    #[arg(long)]
    pub init: Option<Init>,
    /// Order of the training rows [tutorial: cyclic]
    #[arg(long)]
    pub order: Option<Order>,
    /// How the learning rate falls over the run [tutorial: none]
    #[arg(long)]
    pub decay: Option<Decay>,
    /// Steps over which the learning rate rises from nothing first, 0 for none [tutorial: 0]
    #[arg(long, value_name = "N", value_parser = whole::<u64>())]
    pub warmup: Option<u64>,
    /// Training images changed at random, each time anew [tutorial: none]
    #[arg(long)]
    pub augment: Option<Augment>,
    /// Layers that keep their weights, by name: fc1, or conv* for all that begin so [tutorial: none]
    #[arg(long, value_name = "LAYER,..", value_delimiter = ',')]
    pub freeze: Option<Vec<String>>,
    /// What to do about a picture of a folder that cannot be read [tutorial: fail]
    #[arg(long)]
    pub on_bad_image: Option<OnBadImage>,
    /// The classes' names, as in the `config.toml` that a run writes.
    #[arg(skip)]
    pub classes: Option<Vec<String>>,
}

/// A network, or the file that describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NetworkSource {
    /// The file, relative to the working directory.
    File(PathBuf),
    /// The network, as in the `config.toml` that a run writes.
    Given(Network),
}

impl From<OsString> for NetworkSource {
    fn from(path: OsString) -> NetworkSource {
        NetworkSource::File(path.into())
    }
}

impl TrainArgs {
    /// The configuration meant by these flags: they win over the `--config` file, the file over the
    /// preset. `--preset` in turn wins over a preset named in the file.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read or understood, or a value is out of bounds.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        let file = match &self.config {
            Some(path) => read_file(path)?,
            None => TrainArgs::default(),
        };
        self.over_file(file)
    }

    /// As [`TrainArgs::resolve`], for a `--config` file's text that is in memory already.
    ///
    /// # Errors
    /// As [`TrainArgs::resolve`].
    pub fn resolve_text(&self, text: &str) -> Result<Config, ConfigError> {
        let path = self.config.clone().unwrap_or_else(|| "the configuration".into());
        self.over_file(parse(&path, text)?)
    }

    fn over_file(&self, file: TrainArgs) -> Result<Config, ConfigError> {
        let preset = self.preset.or(file.preset).unwrap_or(Preset::Tutorial);
        let config = overlay(&Config::preset(preset), &[&file, self])?;
        config.validate().map_err(|e| self.name_source(&file, e))?;
        Ok(config)
    }

    /// The values given here put over `base`, such as a checkpoint's; the file is not looked at.
    ///
    /// # Errors
    /// [`ConfigError`] when a value is out of bounds.
    pub fn over(&self, base: &Config) -> Result<Config, ConfigError> {
        let config = overlay(base, &[self])?;
        config.validate()?;
        Ok(config)
    }

    /// The first key given that is a size of the tutorial's network.
    fn of_the_tutorials_network(&self) -> Option<&'static str> {
        let given = [
            ("maps", self.maps.is_some()),
            ("module", self.module.is_some()),
            ("reduce1x1", self.reduce1x1.is_some()),
            ("num_fc1", self.num_fc1.is_some()),
            ("dropout", self.dropout.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    /// Adds the file's name to an error about a value that stands in the file.
    fn name_source(&self, given: &TrainArgs, mut error: ConfigError) -> ConfigError {
        if let ConfigError::Value { key, file, .. } = &mut error {
            let has = |args| table(args).is_ok_and(|t| t.contains_key(*key));
            if has(given) && !has(self) {
                *file = self.config.clone();
            }
        }
        error
    }
}

/// The keys that are set.
fn table(args: &TrainArgs) -> Result<Table, ConfigError> {
    // What no table can hold.
    let network = match &args.network {
        Some(NetworkSource::File(path)) => Some(path),
        _ => None,
    };
    let paths =
        [("train", args.train.as_ref()), ("test", args.test.as_ref()), ("network", network)];
    for (key, path) in paths {
        path.map_or(Ok(()), |path| super::check_path(key, path))?;
    }
    let mut table = Table::try_from(args).map_err(ConfigError::encode)?;
    table.remove("preset");
    Ok(table)
}

/// By way of TOML tables, so that no list of fields has to be kept here.
fn overlay(base: &Config, layers: &[&TrainArgs]) -> Result<Config, ConfigError> {
    let mut merged = Table::try_from(base).map_err(ConfigError::encode)?;
    for layer in layers {
        merged.extend(table(layer)?);
    }
    // Of the file and the flags the last word.
    if let Some(NetworkSource::File(path)) = layers.iter().rev().find_map(|l| l.network.as_ref()) {
        let network = Table::try_from(Network::read(path)?).map_err(ConfigError::encode)?;
        merged.insert("network".into(), network.into());
    }
    let config: Config = merged.try_into().map_err(ConfigError::encode)?;
    let flags = layers.last().filter(|_| config.network.is_some());
    match flags.and_then(|flags| flags.of_the_tutorials_network()) {
        Some(key) => Err(ConfigError::NotOfNetwork { key }),
        None => Ok(config),
    }
}

/// Bytes of a configuration, many times what one needs.
const LONGEST: u64 = 1 << 20;

fn read_file(path: &Path) -> Result<TrainArgs, ConfigError> {
    let text = bounded::read_named(path, LONGEST)
        .map_err(|why| ConfigError::Read { path: path.into(), why })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<TrainArgs, ConfigError> {
    // Then as what TOML can hold, which is less than some of the fields.
    let given = toml::from_str(text).map_err(|error| (error, String::new()));
    let given = given.and_then(|args| {
        let most = format!("; whole numbers may go up to {MAX_COUNT}");
        toml::from_str::<Table>(text).map(|_| args).map_err(|error| (error, most))
    });
    given.map_err(|(error, most)| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|&b| b == b'\n').count() + 1;
        ConfigError::Toml {
            path: path.into(),
            line,
            key: key_above(text, line).map(shown),
            why: complaint(error.message().replace('\n', ", ") + &most),
        }
    })
}

/// The key that the line belongs to: its own or, inside a list over several lines, one further up.
fn key_above(text: &str, line: usize) -> Option<String> {
    let is_key = |key: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.\"'".contains(c);
        !key.is_empty() && key.chars().all(plain)
    };
    let keys = text.lines().take(line).filter_map(|l| l.split_once('='));
    let key = keys.map(|(key, _)| key.trim()).filter(is_key).last()?;
    Some(key.to_string())
}
