//! `inception train`: the whole of a run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;

use super::samples::Samples;
use super::test::confusion;
use super::{Failure, Global, bytes, network, open_gpu, print_results, progress_bar, thousands};
use crate::checkpoint::{self, Checkpoint, CheckpointError, MODEL_FILE, TensorSource, WeightFile};
use crate::config::{Config, TrainArgs};
use crate::data::{Batches, SIDE};
use crate::metrics::{self, MetricsFile, Row};
use crate::train::{Recordings, Trainer};

/// Train a network on digits and measure it on the test set
///
/// Flags win over the --config file, the file over the --preset.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    inception train --preset quick --out runs/quick\n  \
    inception train --train mnist_train.csv --test mnist_test.csv --out runs/tutorial\n  \
    inception train --resume --out runs/tutorial --steps 30000\n  \
    inception train --maps 16,32,64 --num-fc1 256 --scale unit --init he --learning-rate 3e-4")]
pub(super) struct TrainCommand {
    #[command(flatten)]
    settings: TrainArgs,
    /// Folder for the weights, the optimizer, the configuration and the metrics; made if missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on from the checkpoint in --out, exactly as if the run had not stopped
    #[arg(long, requires = "out", conflicts_with_all = ["preset", "config", "init_weights"])]
    resume: bool,
    /// Replace the model that --out holds
    #[arg(long, requires = "out", conflicts_with = "resume")]
    overwrite: bool,
    /// Start from the weights in this file instead of random ones
    #[arg(long, value_name = "FILE|DIR")]
    init_weights: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: TrainCommand, global: &Global) -> Result<(), Failure> {
    let resumed = match &command.out {
        Some(out) if command.resume => Some(checkpoint::load(out)?),
        _ => None,
    };
    let config = match &resumed {
        Some(checkpoint) => command.settings.over(&checkpoint.config).map_err(Failure::config)?,
        None => command.settings.resolve().map_err(Failure::config)?,
    };
    if let (None, Some(out), false) = (&resumed, &command.out, command.overwrite) {
        refuse_to_replace(out)?;
    }
    let done = resumed.as_ref().map_or(0, |checkpoint| checkpoint.step);
    if resumed.is_some() && done >= config.steps {
        return Err(Failure::new(format!(
            "the checkpoint has {done} steps already and --steps is {}; give a larger --steps",
            config.steps
        )));
    }
    let samples = Samples::load(&config)?;
    let batches = Batches::new(config.order, config.seed, config.batch_size, samples.train)?;
    Recordings::check(&config, [SIDE, SIDE])?;
    let mut recordings = Recordings::training(&config, samples.labels.len(), [SIDE, SIDE]);
    let initial = command.init_weights.as_deref().map(WeightFile::open).transpose()?;
    if let Some(file) = resumed.as_ref().map(|checkpoint| &checkpoint.model).or(initial.as_ref()) {
        // Before minutes are spent on the device.
        file.tensors_matching(&recordings.parameters())?;
    }
    let (target, gpu) = global.target(open_gpu(global)?, &recordings)?;
    recordings.fit(&target)?;
    eprintln!(
        "network: {} parameters, {} of device memory; {} training, {} validation, {} test digits",
        thousands(recordings.parameter_count() as u64),
        bytes(recordings.memory()),
        thousands(samples.train as u64),
        thousands(samples.validation as u64),
        thousands(samples.test().len() as u64),
    );
    // All that can be wrong with the input has been found; a folder that cannot be written is
    // better found now than after the first evaluation.
    let metrics = open_metrics(&command, done)?;
    let preparing = Instant::now();
    let labels = &samples.labels;
    let mut trainer = Trainer::new(gpu, recordings, &samples.images, labels, Some(batches))?;
    set_weights(&mut trainer, initial, resumed)?;
    eprintln!("prepared in {:.1} s", preparing.elapsed().as_secs_f64());
    let mut run = Run::new(command, config, samples, trainer, metrics);
    run.train()?;
    run.report()
}

/// The metrics file in `--out`, if there is one, and the seconds of the run before it was resumed.
fn open_metrics(command: &TrainCommand, done: u64) -> Result<(Option<MetricsFile>, f64), Failure> {
    let Some(out) = &command.out else { return Ok((None, 0.0)) };
    std::fs::create_dir_all(out)
        .map_err(|why| Failure::new(format!("cannot make the folder {}: {why}", out.display())))?;
    let path = out.join("metrics.csv");
    if !command.resume {
        return Ok((Some(MetricsFile::create(&path)?), 0.0));
    }
    let file = MetricsFile::resume(&path, done)?;
    let seconds = metrics::read(&path)?.last().map_or(0.0, |row| row.seconds);
    Ok((Some(file), seconds))
}

fn refuse_to_replace(out: &Path) -> Result<(), Failure> {
    if out.join(MODEL_FILE).exists() {
        return Err(Failure::new(format!(
            "{} holds a model already: give --resume to go on training it, --overwrite to replace \
             it, or another --out",
            out.display()
        )));
    }
    Ok(())
}

/// The checkpoint's, the given file's or the initial values.
fn set_weights(
    trainer: &mut Trainer,
    initial: Option<WeightFile>,
    resumed: Option<Checkpoint>,
) -> Result<(), Failure> {
    let parameters = trainer.recordings().parameters();
    if let Some(checkpoint) = resumed {
        set_all(trainer, &checkpoint.model, &parameters)?;
        drop(checkpoint.model); // half the memory before the moments are checked
        set_all(trainer, &checkpoint.optimizer, &trainer.moments())?;
        trainer.set_step(checkpoint.step);
    } else if let Some(file) = initial {
        set_all(trainer, &file, &parameters)?;
    } else {
        trainer.initialize();
    }
    Ok(())
}

fn set_all(
    trainer: &mut Trainer,
    file: &WeightFile,
    expected: &[(String, Vec<usize>)],
) -> Result<(), Failure> {
    for tensor in file.tensors_matching(expected)? {
        trainer.set(tensor.name, tensor.bytes);
    }
    Ok(())
}

/// A run under way.
struct Run {
    config: Config,
    out: Option<PathBuf>,
    json: bool,
    samples: Samples,
    trainer: Trainer,
    metrics: Option<MetricsFile>,
    bar: ProgressBar,
    started: Instant,
    /// Seconds of the run before it was resumed.
    seconds_before: f64,
    first_step: u64,
    saved_step: Option<u64>,
    /// Loss of the last logged step, for the progress bar.
    loss: f32,
    validation: Option<f64>,
}

impl Run {
    fn new(
        command: TrainCommand,
        config: Config,
        samples: Samples,
        trainer: Trainer,
        (metrics, seconds_before): (Option<MetricsFile>, f64),
    ) -> Run {
        let first_step = trainer.step();
        let template = "{wide_bar} {pos}/{len} {msg} {elapsed} gone, {eta} left";
        let bar = progress_bar(config.steps, template).with_position(first_step);
        bar.reset_eta();
        Run {
            config,
            out: command.out,
            json: command.json,
            samples,
            trainer,
            metrics,
            bar,
            started: Instant::now(),
            seconds_before,
            first_step,
            saved_step: command.resume.then_some(first_step),
            loss: f32::NAN,
            validation: None,
        }
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// A line on stderr, above the progress bar where there is one.
    fn say(&self, line: &str) {
        match self.bar.is_hidden() {
            true => eprintln!("{line}"),
            false => self.bar.println(line),
        }
    }

    fn train(&mut self) -> Result<(), Failure> {
        // The first step compiles the kernels; the estimate is taken from the next ones.
        let mut warm = None;
        self.bar.set_message("the first step compiles the kernels,");
        self.bar.tick();
        for step in self.first_step + 1..=self.config.steps {
            for (step, loss) in self.trainer.train_step()? {
                self.note(step, loss, None)?;
            }
            self.bar.set_position(step);
            match step - self.first_step {
                1 => {
                    self.trainer.wait()?;
                    warm = Some(Instant::now());
                }
                6 => self.estimate(warm.map(|warm| warm.elapsed().as_secs_f64() / 5.0)),
                _ => {}
            }
            if step.is_multiple_of(self.config.eval_every) && step < self.config.steps {
                self.evaluate()?;
                self.save()?;
            }
        }
        self.evaluate()?;
        self.save()
    }

    fn estimate(&self, seconds_a_step: Option<f64>) {
        let Some(seconds) = seconds_a_step else { return };
        let left = (self.config.steps - self.trainer.step()) as f64 * seconds;
        let left = indicatif::HumanDuration(std::time::Duration::from_secs_f64(left));
        self.say(&format!("{seconds:.3} s a step; about {left} to go, evaluations not counted"));
    }

    /// One step's loss: stops the run when it is not finite, logs it when it is due.
    fn note(&mut self, step: u64, loss: f32, validation: Option<f64>) -> Result<(), Failure> {
        if !loss.is_finite() {
            return Err(self.diverged(&format!("the loss of step {step} is {loss}")));
        }
        if step.is_multiple_of(self.config.log_every) || validation.is_some() {
            self.loss = loss;
            let rate = self.config.batch_size as f64 * (step - self.first_step) as f64
                / self.started.elapsed().as_secs_f64();
            let accuracy = self.validation.map_or(String::new(), |a| format!(", val {a:.3}"));
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
                metrics.append(&row)?;
            }
        }
        Ok(())
    }

    fn diverged(&self, what: &str) -> Failure {
        let kept = match (&self.out, self.saved_step) {
            (Some(out), Some(saved)) => {
                format!("the checkpoint of step {saved} in {} is kept", out.display())
            }
            _ => "no checkpoint had been saved".to_string(),
        };
        Failure::new(format!(
            "{what}: training has diverged; try a lower --learning-rate (now {:e}), --scale unit or \
             --init he; {kept}",
            self.config.learning_rate
        ))
    }

    /// Accuracy on the validation rows, as the tutorial prints it every so many steps.
    fn evaluate(&mut self) -> Result<(), Failure> {
        let rows = self.samples.validation();
        let accuracy = self.accuracy(rows)?;
        self.validation = Some(accuracy);
        let step = self.trainer.step();
        for (arrived, loss) in self.trainer.remaining_losses()? {
            self.note(arrived, loss, Some(accuracy).filter(|_| arrived == step))?;
        }
        let loss = self.loss;
        self.say(&format!(
            "step {step:6}  loss {loss:9.4}  validation accuracy {accuracy:.4}  {:7.1} s",
            self.seconds()
        ));
        Ok(())
    }

    fn accuracy(&mut self, rows: std::ops::Range<usize>) -> Result<f64, Failure> {
        let probabilities = self.trainer.classify(rows.clone(), |_| {})?;
        let confusion = confusion(&self.samples.labels[rows], &probabilities)?;
        Ok(confusion.accuracy().unwrap_or(f64::NAN))
    }

    fn save(&mut self) -> Result<(), Failure> {
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

    /// Measures the network on the test set and says so.
    fn report(mut self) -> Result<(), Failure> {
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
            None => eprintln!("the weights were not saved; give --out DIR to keep them"),
        }
        print_results(&result)
    }
}
