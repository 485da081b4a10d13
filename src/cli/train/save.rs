//! Saving a run's checkpoint.

use super::run::Run;
use crate::checkpoint::{self, CheckpointError, TensorSource};
use crate::cli::Failure;

impl Run {
    pub(super) fn save(&mut self) -> Result<(), Failure> {
        let Some(out) = &self.out else { return Ok(()) };
        if let Some(metrics) = &self.metrics {
            metrics.sync()?;
        }
        let sources = |tensors: Vec<(String, Vec<usize>)>| -> Vec<TensorSource> {
            let trainer = &self.trainer;
            let source = |(name, shape): (String, Vec<usize>)| {
                let wanted = name.clone();
                let read = move || trainer.get(&wanted).map_err(|error| error.to_string());
                TensorSource { name, shape, read: Box::new(read) }
            };
            tensors.into_iter().map(source).collect()
        };
        let weights = sources(self.trainer.recordings().parameters());
        let moments = sources(self.trainer.moments());
        let step = self.trainer.step();
        match checkpoint::save(out, step, &self.config, &weights, &moments) {
            Err(CheckpointError::Diverged { name, value, .. }) => {
                Err(self.diverged(&format!("after step {step} tensor {name} holds {value}")))
            }
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.saved_step = Some(step);
                Ok(())
            }
        }
    }
}
