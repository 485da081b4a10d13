//! What a run says at its end.

use super::run::Run;
use crate::cli::test::confusion;
use crate::cli::{Failure, network, print_results, say, thousands};
use crate::metrics::Row;

impl Run {
    /// Measures the network on the test set and says so.
    pub(super) fn report(mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let rows = self.samples.test();
        let probabilities = network::classify(&mut self.trainer, rows.clone())?;
        let confusion = confusion(&self.samples.labels[rows], &probabilities)?;
        let accuracy = confusion.accuracy().unwrap_or(f64::NAN);
        let (step, seconds) = (self.trainer.step(), self.seconds());
        if let Some(metrics) = &mut self.metrics {
            let test_accuracy = Some(accuracy);
            let row = Row { step, loss: None, val_accuracy: None, test_accuracy, seconds };
            metrics.append(&row)?;
            metrics.sync()?;
        }
        if self.json {
            let summary = serde_json::json!({
                "adapter": self.trainer.engine().gpu().facts.name,
                "parameters": self.trainer.recordings().parameter_count(),
                "steps": step,
                "loss": self.loss,
                "validation_accuracy": self.validation,
                "test_accuracy": accuracy,
                "seconds": seconds,
                "out": self.out,
            });
            return print_results(&serde_json::to_string_pretty(&summary)?);
        }
        let mut result = format!(
            "test accuracy {:.2} % ({} of {} digits) after {} steps in {seconds:.1} s",
            accuracy * 100.0,
            thousands(confusion.correct()),
            thousands(confusion.total()),
            thousands(step),
        );
        match &self.out {
            Some(out) => result.push_str(&format!("\nsaved in {}", out.display())),
            None => say("the weights were not saved; give --out DIR to keep them"),
        }
        print_results(&result)
    }
}
