//! What a run shows of itself: its report, and TensorBoard's events.

use std::path::Path;
use std::sync::Once;

use super::TrainCommand;
use super::run::Run;
use crate::checkpoint::{Tensor, atomic};
use crate::cli::{Failure, adapter_line, warn};
use crate::config::Config;
use crate::inspect::{Block, Distribution, filters, image_tile, page};
use crate::metrics::{Confusion, METRICS_FILE, class_name};
use crate::report::{
    self, EVALUATION_FILE, Evaluation, FIRST_LAYER, Filters, PROFILE_FILE, REPORT_FILE, Split,
    WrongDigit,
};
use crate::tensorboard::{EventFile, Value, histogram, image, scalar};

/// Most numbers of a weight that TensorBoard's histogram counts. Of more each n-th is counted.
const MOST_COUNTED: usize = 1 << 20;
/// Edge of a wrong image in TensorBoard's pictures, about, and such images in a row.
const EDGE: u32 = 112;
const ACROSS: usize = 5;

/// Whether it was said that the report cannot be written; not again with another device either.
static REPORT_WARNED: Once = Once::new();

/// What is shown, and where.
pub(super) struct Shown {
    /// What the last evaluation found, until it is shown.
    evaluation: Option<Evaluation>,
    /// TensorBoard's, where asked for.
    events: Option<EventFile>,
    /// Whether the last events could not be written.
    events_failed: bool,
}

impl Shown {
    /// Opens TensorBoard's file, and takes away what an older run in `--out` has shown.
    pub(super) fn open(command: &TrainCommand, done: u64) -> Result<Shown, Failure> {
        let out = command.out.as_ref().filter(|_| !command.resume);
        let files = [EVALUATION_FILE, PROFILE_FILE, REPORT_FILE];
        for path in out.iter().flat_map(|out| files.map(|file| out.join(file))) {
            atomic::remove(&path)?;
        }
        let folder = command.tensorboard.as_deref();
        let events = folder.map(|folder| EventFile::create(folder, done + 1)).transpose()?;
        Ok(Shown { evaluation: None, events, events_failed: false })
    }
}

impl Run {
    /// Hands numbers to TensorBoard, where asked for.
    pub(super) fn log(&mut self, step: u64, values: impl FnOnce() -> Vec<Value>) {
        let Some(events) = &mut self.shown.events else { return };
        let path = events.path().to_path_buf();
        let added = events.add(step, values());
        let failed = added.is_err();
        let message = match added {
            Ok(false) => None,
            Ok(true) => Some(format!(
                "{} was removed, moved or changed: TensorBoard's events from step {step} on go into a \
                 new file in that folder; earlier ones are in the old file, if it is still there",
                path.display()
            )),
            // Said once for as long as it lasts.
            Err(_) if self.shown.events_failed => None,
            Err(why) => Some(format!(
                "{why}; training goes on, and TensorBoard's events from step {step} on are lost until \
                 a new file can be begun in that folder; earlier ones stay where they are"
            )),
        };
        self.shown.events_failed = failed;
        if let Some(message) = message {
            self.bar.suspend(|| warn(&message));
        }
    }

    /// Keeps what an evaluation has found until [`Run::show`], if there is somewhere to show it.
    pub(super) fn evaluated(
        &mut self,
        split: Split,
        probabilities: &[Vec<f32>],
        confusion: &Confusion,
    ) -> Result<(), Failure> {
        if self.out.is_none() && self.shown.events.is_none() {
            return Ok(());
        }
        let samples = &self.samples;
        let (first, row) = match split {
            // At the end of the training file.
            Split::Validation => (samples.validation().start, samples.train + 1),
            Split::Test => (samples.test().start, 1),
        };
        let (images, labels) = (&samples.data.images, &samples.data.labels);
        let filters = self.filters()?;
        self.shown.evaluation = Some(Evaluation {
            version: env!("CARGO_PKG_VERSION").to_string(),
            adapter: adapter_line(&self.trainer.engine().gpu().facts),
            parameters: self.trainer.recordings().parameter_count() as u64,
            step: self.trainer.step(),
            split,
            confusion: confusion.counts().to_vec(),
            classes: self.config.classes.clone(),
            image: images.shape(),
            wrong: report::most_wrong(images, labels, probabilities, first, row),
            filters,
        });
        Ok(())
    }

    /// The first module's filters, which are few.
    fn filters(&self) -> Result<Vec<Filters>, Failure> {
        let windows = FIRST_LAYER.iter();
        let parameters = self.trainer.recordings().parameters();
        let mut found = Vec::new();
        for (tensor, name) in windows {
            let shape = parameters.iter().find(|(parameter, _)| parameter == tensor);
            if let Some(Ok(shape)) = shape.map(|(_, shape)| shape.as_slice().try_into()) {
                let weights = bytemuck::pod_collect_to_vec(&self.trainer.get(tensor)?);
                found.push(Filters { name: name.to_string(), shape, weights });
            }
        }
        Ok(found)
    }

    /// Renews the report and TensorBoard's figures after an evaluation. Comes after the checkpoint
    /// was begun, which matters more; what cannot be written is said once and stops nothing.
    pub(super) fn show(&mut self) -> Result<(), Failure> {
        let Some(evaluation) = self.shown.evaluation.take() else { return Ok(()) };
        let held = self.hold_folder();
        if let Some(out) = &self.out
            && let Err(failure) = held.and_then(|_| renew(out, &self.config, &evaluation))
        {
            let bar = &self.bar;
            let message = format!("{}; training goes on without it", failure.message);
            REPORT_WARNED.call_once(|| bar.suspend(|| warn(&message)));
        }
        // A finished run that is resumed is but tested again, which TensorBoard knows already.
        if self.shown.events.is_some() && evaluation.step > self.first_step {
            let values = self.figures(&evaluation)?;
            self.log(evaluation.step, || values);
        }
        Ok(())
    }

    /// Accuracy, weights and pictures for TensorBoard.
    fn figures(&self, evaluation: &Evaluation) -> Result<Vec<Value>, Failure> {
        let split = evaluation.split.name();
        let accuracy = Confusion::from(evaluation.confusion.clone()).accuracy().unwrap_or(f64::NAN);
        let mut values = vec![scalar(&format!("accuracy/{split}"), accuracy)];
        if !evaluation.wrong.is_empty() {
            let blocks: Vec<Block> =
                evaluation.wrong.iter().map(|one| block(evaluation, one)).collect();
            values.push(image(&format!("most confidently wrong/{split}"), &page(&blocks, ACROSS)));
        }
        if evaluation.split == Split::Test {
            return Ok(values); // the weights were shown with the last validation
        }
        let mut first = Vec::new();
        for (name, shape) in self.trainer.recordings().parameters() {
            let bytes = self.trainer.get(&name)?;
            let (numbers, _) = bytes.as_chunks::<4>();
            let every = numbers.len().div_ceil(MOST_COUNTED).max(1);
            let counted = numbers.iter().step_by(every).map(|&four| f32::from_le_bytes(four));
            let counted = counted.filter(|number| number.is_finite());
            if counted.clone().next().is_some() {
                values.push(histogram(&format!("weights/{name}"), &Distribution::of(counted)));
            }
            if FIRST_LAYER.iter().any(|(tensor, _)| *tensor == name) {
                first.push((name, shape, bytes));
            }
        }
        let first: Vec<Tensor> =
            first.iter().map(|(name, shape, bytes)| Tensor { name, shape, bytes }).collect();
        values.push(image("filters of the first module", &filters(&first)));
        Ok(values)
    }

    /// Waits until all metrics are on the disk.
    pub(super) fn sync_metrics(&mut self) -> Result<(), Failure> {
        let (Some(metrics), Some(out)) = (&mut self.metrics, &self.out) else { return Ok(()) };
        if metrics.sync()? {
            let path = out.join(METRICS_FILE);
            self.bar.suspend(|| {
                warn(&format!(
                    "{} was removed, replaced or changed by another program; it is written anew, with \
                     all rows of this run and nothing else",
                    path.display()
                ));
            });
        }
        Ok(())
    }
}

/// Writes the evaluation, and the report from all that the folder holds.
fn renew(out: &Path, config: &Config, evaluation: &Evaluation) -> Result<(), Failure> {
    evaluation.write(out)?;
    // The file of the configuration comes with the first checkpoint.
    let run = report::Run { config: Ok(Some(config.clone())), ..report::load(out)? };
    // Not as a file that a user has named: no link is followed here, no pipe filled.
    atomic::write_file(&out.join(REPORT_FILE), report::html(&[run]).as_bytes())?;
    Ok(())
}

/// A wrong image with a line above it.
fn block(evaluation: &Evaluation, wrong: &WrongDigit) -> Block {
    let name = |class| class_name(&evaluation.classes, class);
    let taken = wrong.likeliest().first().map_or(0, |(class, _)| *class);
    let (image, ink) = (evaluation.image, evaluation.classes.is_empty());
    Block {
        label: format!("a {}, as {}", name(wrong.label.into()), name(taken)),
        bar: None,
        tiles: vec![image_tile(&wrong.pixels, image, ink, (EDGE / image[1] as u32).max(1))],
        columns: 1,
    }
}
