//! `train --profile-every`: now and then a step whose passes are timed.

use std::path::{Path, PathBuf};

use super::TrainCommand;
use super::run::Run;
use crate::ceiling::Ceiling;
use crate::checkpoint::atomic::write_file;
use crate::cli::{Failure, Global, warn};
use crate::config::Config;
use crate::gpu::Gpu;
use crate::profile::{Part, PassFacts, Profile, Runs};
use crate::report::PROFILE_FILE;
use crate::train::{Recordings, Trainer};

/// Timed steps that the figures are of: the last ones, as a run may take days.
const KEPT: usize = 100;

/// The timed steps of a run.
pub(super) struct Profiling {
    every: u64,
    path: PathBuf,
    ceiling: Ceiling,
    facts: Vec<PassFacts>,
    runs: Runs,
}

impl Profiling {
    /// What `--profile-every` needs, if it was given: the device's limits, and the passes' facts.
    pub(super) fn prepare(
        command: &TrainCommand,
        recordings: &Recordings,
        global: &Global,
        gpu: Gpu,
    ) -> Result<(Option<Profiling>, Gpu), Failure> {
        let (Some(every), Some(out)) = (command.profile_every, &command.out) else {
            return Ok((None, gpu));
        };
        let (ceiling, gpu) = global.ceiling(gpu, false)?;
        let facts = recordings.training_passes().map(|passes| PassFacts::of(passes, &ceiling));
        let (facts, path) = (facts.unwrap_or_default(), out.join(PROFILE_FILE));
        Ok((Some(Profiling { every, path, ceiling, facts, runs: Runs::default() }), gpu))
    }

    /// Goes on in another folder.
    pub(super) fn moved(&mut self, out: &Path) {
        self.path = out.join(PROFILE_FILE);
    }

    /// Times a step and renews the file.
    fn step(&mut self, trainer: &mut Trainer, config: &Config) -> Result<(), Failure> {
        let timed = trainer.timed_step()?;
        // By the host alone, where the device has no timestamps.
        let runs = match timed.passes.is_empty() {
            true => &mut self.runs.plain,
            false => &mut self.runs.profiled,
        };
        runs.push(timed);
        if runs.len() > KEPT {
            runs.remove(0);
        }
        let part = Part::new(config.batch_size, &self.facts, &self.runs);
        let profile = Profile::new(trainer.engine().gpu(), config, self.ceiling, part, None);
        // It is written anew with the next one, and nothing that the training needs.
        if let Err(why) = write_file(&self.path, serde_json::to_string_pretty(&profile)?.as_bytes())
        {
            warn(&why.to_string());
        }
        Ok(())
    }
}

impl Run {
    /// One step, timed when that is due, and the losses that have arrived. In a run's first step
    /// drivers compile, so it is never timed.
    pub(super) fn step(&mut self) -> Result<Vec<(u64, f32)>, Failure> {
        let next = self.trainer.step() + 1;
        let due = |profiling: &Profiling| {
            next.is_multiple_of(profiling.every) && next > self.first_step + 1
        };
        let due = self.profiling.as_ref().is_some_and(due);
        // What is wrong with the folder, the next save says.
        let due = due && self.hold_folder().is_ok();
        match self.profiling.as_mut().filter(|_| due) {
            Some(profiling) => {
                profiling.step(&mut self.trainer, &self.config)?;
                Ok(self.trainer.arrived_losses()?)
            }
            None => Ok(self.trainer.train_step()?),
        }
    }
}
