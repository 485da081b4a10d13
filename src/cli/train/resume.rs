//! `--resume`: the checkpoint to go on from, and whether what lies around it is as it was.

use std::collections::BTreeSet;
use std::path::Path;

use crate::bounded;
use crate::checkpoint::{self, CONFIG_FILE, Checkpoint, Origin};
use crate::cli::samples::Samples;
use crate::cli::{Failure, quoted, thousands, warn};
use crate::config::{Config, Decay, TrainArgs};
use crate::foreign::shown;

/// Bytes of a configuration, many times what one needs.
const CONFIG_BYTES: u64 = 1 << 20;

/// The newest whole checkpoint. Says which newer ones are damaged.
pub(super) fn load(out: &Path) -> Result<Checkpoint, Failure> {
    let (checkpoint, damaged) = checkpoint::load(out)?;
    for error in &damaged {
        warn(&error.to_string());
    }
    if !damaged.is_empty() {
        warn(&format!("going back to the checkpoint of step {}", checkpoint.origin.step));
    }
    Ok(checkpoint)
}

/// Whether a resumed run has the images that it was begun with. Training images that are named anew are
/// meant; those that have changed by themselves hardly. Of the test images nothing but the measured accuracies depends.
pub(super) fn check_data(
    origin: &Origin,
    samples: &Samples,
    config: &Config,
    named: &TrainArgs,
) -> Result<(), Failure> {
    let noun = config.noun();
    let other = |path: &Path, than: &str, now: &str, before: &Option<String>| {
        let before = before.as_ref().filter(|before| **before != now)?;
        // Of images, too, a checkpoint calls them digits, lest older ones differ.
        let of = |data: &str| shown(data).replacen("digits", noun, 1);
        let (path, now, before) = (path.display(), of(now), of(before));
        Some(format!("{path} holds other {noun} than {than}: {now} instead of {before}"))
    };
    let than = "those the run was measured on";
    let what = other(&config.test, than, &samples.test_fingerprint, &origin.test_data);
    if let Some(what) = what {
        warn(&format!("{what}; accuracies on them do not compare with the earlier ones"));
    }
    let than = "those the run was trained on";
    let what = other(&config.train, than, &samples.fingerprint, &origin.training_data);
    match what {
        None => Ok(()),
        Some(what) if named.train.is_some() => {
            warn(&format!("{what}; the run goes on with them"));
            Ok(())
        }
        Some(what) => Err(Failure::new(format!(
            "{what}; put the former file back, give --train {} to go on with this one, or begin another \
             run from its weights with --init-weights",
            quoted(&config.train)
        ))),
    }
}

/// Says so where `config.toml` was edited: the checkpoint's configuration counts.
pub(super) fn check_config(out: &Path, origin: &Origin) {
    let path = out.join(CONFIG_FILE);
    if !path.exists() {
        return;
    }
    let edited = bounded::read_text(&path, CONFIG_BYTES).ok();
    let edited = edited.and_then(|text| TrainArgs::default().resolve_text(&text).ok());
    if edited.as_ref() != Some(&origin.config) {
        let other = edited.map(|edited| differing(&edited, &origin.config)).unwrap_or_default();
        let other = match other.is_empty() {
            true => String::new(),
            false => format!(" (other: {})", other.join(", ")),
        };
        warn(&format!(
            "{} is not of the checkpoint that the run goes on from{other}; it is not read, and is \
             replaced. What is to change goes into flags beside --resume",
            path.display()
        ));
    }
}

/// Says so where the learning rate jumps, as it falls over the steps that there are.
pub(super) fn check_schedule(origin: &Origin, config: &Config) {
    let (before, now) = (&origin.config, config);
    let falls = before.decay == Decay::Cosine && now.decay == Decay::Cosine;
    if falls && before.steps != now.steps && origin.step < now.steps {
        warn(&format!(
            "the learning rate falls along a cosine over all steps, {} until now and {} from now on: in step \
             {} it is {:.2e} instead of {:.2e}, and what comes is not what one run of {} steps makes",
            thousands(before.steps),
            thousands(now.steps),
            thousands(origin.step + 1),
            now.learning_rate_at(origin.step),
            before.learning_rate_at(origin.step),
            thousands(now.steps)
        ));
    }
}

/// The keys whose values are not the same.
fn differing(a: &Config, b: &Config) -> Vec<String> {
    let table = |config| toml::Table::try_from(config).unwrap_or_default();
    let (a, b) = (table(a), table(b));
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    keys.into_iter().filter(|&key| a.get(key) != b.get(key)).cloned().collect()
}
