//! What a run says at its end.

use std::path::Path;

use super::out;
use super::run::Run;
use crate::cli::test::confusion;
use crate::cli::{Failure, network, print_results, quoted, say, steps, thousands, warn};
use crate::metrics::Row;
use crate::report::Split;

impl Run {
    /// Measures the network on the test set and says so.
    pub(super) fn report(&mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        self.stop.no_longer_needed();
        let rows = self.samples.test();
        let probabilities = network::classify(&mut self.trainer, rows.clone())?;
        let confusion = confusion(&self.samples.data.labels[rows], &probabilities)?;
        let accuracy = confusion.accuracy().unwrap_or(f64::NAN);
        let (step, seconds) = (self.trainer.step(), self.seconds());
        if let Some(metrics) = &mut self.metrics {
            let test_accuracy = Some(accuracy);
            let row = Row { step, loss: None, val_accuracy: None, test_accuracy, seconds };
            metrics.append(&row);
        }
        self.evaluated(Split::Test, &probabilities, &confusion)?;
        // Failing or not, the run has results to say.
        let kept = self.keep();
        self.show()?;
        if self.json {
            let summary = serde_json::json!({
                "adapter": self.trainer.engine().gpu().facts.name,
                "parameters": self.trainer.recordings().parameter_count(),
                "steps": step,
                "loss": self.loss,
                "validation_accuracy": self.validation.map(|(_, accuracy)| accuracy),
                "test_accuracy": accuracy,
                "seconds": seconds,
                "out": self.out.as_ref().map(|out| self.shown(out).display().to_string()),
            });
            print_results(&serde_json::to_string_pretty(&summary)?)?;
            return kept;
        }
        let mut result = format!(
            "test accuracy {:.2} % ({} of {} {}) after {} in {seconds:.1} s",
            accuracy * 100.0,
            thousands(confusion.correct()),
            thousands(confusion.total()),
            self.config.noun(),
            steps(step),
        );
        match &self.out {
            Some(out) if kept.is_ok() => {
                result.push_str(&format!("\nsaved in {}", self.shown(out).display()));
            }
            Some(_) => {}
            None => say("the weights were not saved; give --out DIR to keep them"),
        }
        print_results(&result)?;
        kept
    }

    /// The folder in the user's words.
    fn shown<'a>(&'a self, out: &'a Path) -> &'a Path {
        out::shown(self.given.as_deref(), out)
    }

    /// Says how to go on with a run that was asked to stop.
    pub(super) fn stopped(&mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        self.keep()?;
        let step = thousands(self.trainer.step());
        let Some(out) = &self.out else {
            return Err(Failure::new(format!(
                "stopped after step {step}, and nothing is saved; give --out DIR to keep the weights"
            )));
        };
        let out = quoted(self.shown(out));
        // A warning, as whoever asked for silence and did not stop the run would take it for done.
        warn(&format!("stopped after step {step}; `inception train --resume --out {out}` goes on"));
        Ok(())
    }
}
