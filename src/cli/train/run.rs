//! The loop over a run's steps.

use std::path::PathBuf;
use std::time::Instant;

use indicatif::ProgressBar;

use super::TrainCommand;
use super::profile::Profiling;
use super::report::Shown;
use super::save::Saver;
use super::stop::Stop;
use crate::cli::samples::Samples;
use crate::cli::test::confusion;
use crate::cli::{
    Failure, keep_ticking, network, progress_bar, say_above, so_far, thousands, warn,
};
use crate::config::Config;
use crate::engine::EngineError;
use crate::gpu::Gpu;
use crate::metrics::{MetricsFile, Row, Spikes};
use crate::report::Split;
use crate::tensorboard::scalar;
use crate::train::Trainer;

/// What a run writes as it goes on.
pub(super) struct Outputs {
    pub(super) saver: Option<Saver>,
    pub(super) metrics: Option<MetricsFile>,
    /// Seconds of the run before it was resumed.
    pub(super) seconds_before: f64,
    pub(super) profiling: Option<Profiling>,
    pub(super) shown: Shown,
}

/// A run under way.
pub(super) struct Run {
    pub(super) config: Config,
    pub(super) out: Option<PathBuf>,
    /// `out` as the user gave it, unless it had to move.
    pub(super) given: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) samples: Samples,
    pub(super) trainer: Trainer,
    pub(super) metrics: Option<MetricsFile>,
    spikes: Spikes,
    pub(super) profiling: Option<Profiling>,
    pub(super) bar: ProgressBar,
    pub(super) started: Instant,
    /// Seconds of the run before it was resumed.
    pub(super) seconds_before: f64,
    pub(super) first_step: u64,
    /// None when nothing is to be saved.
    pub(super) saver: Option<Saver>,
    pub(super) stop: Stop,
    /// Loss of the last logged step, for the progress bar.
    pub(super) loss: f32,
    /// The last evaluation's accuracy and its step.
    pub(super) validation: Option<(u64, f64)>,
    pub(super) shown: Shown,
    /// Before which step to lose the device, and how: for tests.
    lose_at: Option<(u64, Lose)>,
}

/// A way to lose a device.
type Lose = fn(&Gpu);

impl Run {
    pub(super) fn new(
        command: &TrainCommand,
        config: Config,
        samples: Samples,
        trainer: Trainer,
        outputs: Outputs,
    ) -> Result<Run, Failure> {
        let Outputs { saver, metrics, seconds_before, profiling, shown } = outputs;
        let first_step = trainer.step();
        let lose: Lose = if command.hang_instead { Gpu::hang } else { Gpu::lose };
        let template = "{wide_bar} {pos}/{len} {msg} {elapsed} gone, {eta} left";
        let bar = progress_bar(config.steps, template).with_position(first_step);
        bar.reset_eta();
        Ok(Run {
            config,
            out: command.out.clone(),
            given: command.given.clone(),
            json: command.json,
            samples,
            trainer,
            metrics,
            spikes: Spikes::default(),
            profiling,
            bar,
            started: Instant::now(),
            seconds_before,
            first_step,
            saver,
            stop: Stop::listen()?,
            loss: f32::NAN,
            validation: None,
            shown,
            lose_at: command.lose_device_at.first().map(|&step| (step, lose)),
        })
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// A line on stderr, above the progress bar where there is one.
    fn say(&self, line: &str) {
        say_above(&self.bar, line);
    }

    /// Does what is no training step, and says so behind the progress bar.
    fn doing(
        &mut self,
        what: &'static str,
        work: fn(&mut Run) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let message = self.bar.message();
        self.bar.set_message(what);
        let result = work(self);
        self.bar.set_message(message);
        result
    }

    /// Trains up to the last step, or until it is asked to stop.
    pub(super) fn train(&mut self) -> Result<(), Failure> {
        // The first step compiles the kernels; the estimate is taken from the next ones.
        let mut warm = None;
        self.bar.set_message("the first step compiles the kernels,");
        // The time goes on while a step or an evaluation takes long.
        keep_ticking(&self.bar, 500);
        for step in self.first_step + 1..=self.config.steps {
            if let Some((_, lose)) = self.lose_at.filter(|(at, _)| *at == step) {
                // Whoever tests that wants to know from where it goes on.
                self.hear_of_saving(true)?;
                lose(self.trainer.engine().gpu());
            }
            for (step, loss) in self.step()? {
                self.note(step, loss, None)?;
            }
            self.bar.set_position(step);
            match step - self.first_step {
                1 => {
                    self.trainer.wait()?;
                    warm = Some(Instant::now());
                    self.bar.set_message("");
                }
                6 => self.estimate(warm.map(|warm| warm.elapsed().as_secs_f64() / 5.0)),
                _ => {}
            }
            if step.is_multiple_of(self.config.eval_every) || step == self.config.steps {
                self.doing("evaluating,", Run::evaluate)?;
            }
            if self.stop.asked() {
                self.say(&format!("stopping after step {step}; a second Ctrl-C stops at once"));
                break;
            }
            self.save_if_due()?;
            self.show()?;
        }
        self.doing("saving,", |run| run.save().and_then(|()| run.hear_of_saving(true)))?;
        self.show()
    }

    fn estimate(&self, seconds_a_step: Option<f64>) {
        let Some(seconds) = seconds_a_step else { return };
        let left = (self.config.steps - self.trainer.step()) as f64 * seconds;
        let left = indicatif::HumanDuration(std::time::Duration::from_secs_f64(left));
        self.say(&format!("{seconds:.3} s a step; about {left} to go, evaluations not counted"));
    }

    /// One step's loss: stops the run when it is not finite, logs it when it is due.
    fn note(&mut self, step: u64, loss: f32, validation: Option<f64>) -> Result<(), Failure> {
        let found = self.trainer.found().filter(|(at, _)| *at <= step);
        let found =
            found.map(|(at, found)| (format!("step {at}: {found}"), found.unwritten > 0, *at));
        let loss_found = (!loss.is_finite()).then(|| {
            let names = "(--check-numbers every names the pass)";
            (format!("the loss of step {step} is {loss} {names}"), false, step)
        });
        if let Some((what, unwritten, at)) = found.or(loss_found) {
            // It may have to say the same of an earlier step.
            self.hear_of_saving(true)?;
            return Err(self.wrong(&what, unwritten, at - 1));
        }
        if let Some(spike) = self.spikes.note(step, loss) {
            self.bar.suspend(|| warn(&spike.to_string()));
        }
        if step.is_multiple_of(self.config.log_every) || validation.is_some() {
            self.loss = loss;
            let rate = self.config.batch_size as f64 * (step - self.first_step) as f64
                / self.started.elapsed().as_secs_f64();
            let accuracy = self.validation.map_or(String::new(), |(_, a)| format!(", val {a:.3}"));
            self.bar.set_message(format!("loss {loss:.4}{accuracy}, {rate:.0} images/s,"));
            let seconds = self.seconds();
            if let Some(metrics) = &mut self.metrics {
                let row = Row {
                    step,
                    loss: Some(loss),
                    val_accuracy: validation,
                    test_accuracy: None,
                    seconds,
                };
                metrics.append(&row);
            }
            let learning_rate = self.config.learning_rate_at(step - 1);
            self.log(step, || {
                vec![
                    scalar("loss", f64::from(loss)),
                    scalar("learning rate", learning_rate),
                    scalar("images per second", rate),
                ]
            });
        }
        Ok(())
    }

    /// What to do about numbers that are none; some were never written, or all were computed so, from the
    /// weights of step `bad`.
    pub(super) fn wrong(&mut self, what: &str, unwritten: bool, bad: u64) -> Failure {
        if unwritten {
            return Failure::new(format!("{}; {}", network::unwritten(what), self.kept()));
        }
        let kept = self.kept_before(bad);
        Failure::new(format!(
            "{what}: training has diverged; try a lower --learning-rate (now {:e}), --scale unit or \
             --init he; {kept}",
            self.config.learning_rate
        ))
    }

    /// Accuracy on the validation rows, as the tutorial prints it every so many steps.
    fn evaluate(&mut self) -> Result<(), Failure> {
        let rows = self.samples.validation();
        let (bar, begin, all) = (self.bar.clone(), Instant::now(), rows.len() as u64);
        let classified = self.trainer.classify(rows.clone(), |done| {
            let so_far = so_far(done as u64, all, begin, thousands);
            bar.set_message(format!("evaluating {so_far},"));
        });
        let probabilities = match classified {
            Err(EngineError::Numbers { what, unwritten }) => {
                // The losses on their way may tell of it sooner.
                self.note_remaining()?;
                self.hear_of_saving(true)?;
                let what = format!("in the evaluation after step {} {what}", self.trainer.step());
                return Err(self.wrong(&what, unwritten, self.trainer.step()));
            }
            classified => classified?,
        };
        let confusion = confusion(&self.samples.data.labels[rows], &probabilities)?;
        let accuracy = confusion.accuracy().unwrap_or(f64::NAN);
        let step = self.trainer.step();
        self.validation = Some((step, accuracy));
        self.note_remaining()?;
        self.evaluated(Split::Validation, &probabilities, &confusion)?;
        let loss = self.loss;
        self.say(&format!(
            "step {step:6}  loss {loss:9.4}  validation accuracy {accuracy:.4}  {:7.1} s",
            self.seconds()
        ));
        Ok(())
    }

    /// The losses of the steps that are still under way.
    pub(super) fn note_remaining(&mut self) -> Result<(), Failure> {
        let (step, accuracy) = (self.trainer.step(), self.accuracy_now());
        for (arrived, loss) in self.trainer.remaining_losses()? {
            self.note(arrived, loss, accuracy.filter(|_| arrived == step))?;
        }
        Ok(())
    }

    /// The accuracy on the validation rows, if it was measured at this very step.
    pub(super) fn accuracy_now(&self) -> Option<f64> {
        let (step, accuracy) = self.validation?;
        (step == self.trainer.step()).then_some(accuracy)
    }
}
