//! Inference on batches of images.

use std::ops::Range;

use super::Trainer;
use crate::data::Images;
use crate::engine::{Engine, EngineError, Pending, Program};

/// A batch under way.
struct Batch {
    probabilities: Pending,
    /// What its checks found, if it is checked.
    counts: Option<Pending>,
    images: usize,
}

impl Trainer {
    /// Images that inference takes at once.
    ///
    /// # Panics
    /// When only training was recorded.
    pub fn inference_batch(&self) -> usize {
        let inference = self.recordings.inference.as_ref().expect("inference was recorded");
        self.recordings.tensors[inference.rows.0 as usize].len()
    }

    /// Classes that the network tells apart.
    fn classes(&self) -> usize {
        let inference = self.recordings.inference.as_ref().expect("inference was recorded");
        self.recordings.tensors[inference.probabilities.0 as usize].shape[1]
    }

    /// Says which images the next batch takes: the first of these. Where there are fewer, the last
    /// one fills the batch.
    fn write_batch(&mut self, images: Range<usize>) {
        let inference = self.recordings.inference.as_ref().expect("inference was recorded");
        let (id, batch) = (inference.rows, self.inference_batch());
        let taken = batch.min(images.len());
        let first = match &self.stream {
            None => images.start,
            Some(stream) => {
                let pixels = stream.pixels(images.start..images.start + taken);
                let info = &self.recordings.tensors[self.recordings.images.0 as usize];
                self.engine.write_bytes(self.recordings.images, info, pixels);
                0
            }
        };
        let rows: Vec<u32> = (0..batch).map(|i| (first + i.min(taken - 1)) as u32).collect();
        self.write(id, bytemuck::cast_slice(&rows));
    }

    /// Classifies a batch of the first of these images, its passes run by one of the engine's ways
    /// to run a program.
    pub(super) async fn batch_by<T>(
        &mut self,
        images: Range<usize>,
        run: impl AsyncFnOnce(&mut Engine, &Program) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.write_batch(images);
        run(&mut self.engine, self.inference.as_ref().expect("inference was compiled")).await
    }

    /// Puts other images in the place of the first ones, so that any number can be classified, some at
    /// a time. `before` were classified before them, which errors count too.
    ///
    /// # Panics
    /// When there are more images than were recorded, or they are [streamed](Trainer::streaming).
    pub fn replace_images(&mut self, images: &Images, before: usize) {
        assert!(self.stream.is_none(), "images that are streamed are not replaced");
        self.write_bytes(self.recordings.images, &images.pixels);
        self.replaced = before;
    }

    /// Classifies the images of these rows: a probability for each class, each. `progress` hears how many are
    /// done.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails; [`EngineError::Numbers`] when a probability is NaN, or
    /// a check finds something. Images are counted from the first of these rows, which is 1, or on
    /// from those that were [replaced](Trainer::replace_images).
    ///
    /// # Panics
    /// When only training was recorded.
    pub async fn classify_async(
        &mut self,
        images: Range<usize>,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut probabilities = Vec::with_capacity(images.len());
        let mut waiting = None;
        let mut first = images.start;
        while first < images.end || waiting.is_some() {
            // The next batch is submitted before the last one is read, so the device never idles.
            let next = match first < images.end {
                true => Some(self.submit_batch(first..images.end).await?),
                false => None,
            };
            first += next.as_ref().map_or(0, |batch| batch.images);
            if let Some(batch) = std::mem::replace(&mut waiting, next) {
                let done = self.replaced + probabilities.len();
                probabilities.extend(self.collect_batch(batch, done).await?);
                progress(probabilities.len());
            }
        }
        Ok(probabilities)
    }

    async fn submit_batch(&mut self, images: Range<usize>) -> Result<Batch, EngineError> {
        self.write_batch(images.clone());
        let counts = match &self.checked_inference {
            Some(checked) => Some(checked.run(&mut self.engine).await?),
            None => {
                let program = self.inference.as_ref().expect("inference was compiled");
                self.engine.run_async(program).await?;
                None
            }
        };
        let inference = self.recordings.inference.as_ref().expect("inference was recorded");
        let (id, batch) = (inference.probabilities, self.inference_batch());
        let probabilities = self.engine.fetch(id, batch * self.classes())?;
        Ok(Batch { probabilities, counts, images: batch.min(images.len()) })
    }

    /// The probabilities of a batch, `done` images having been classified before.
    async fn collect_batch(
        &mut self,
        batch: Batch,
        done: usize,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        if let (Some(checked), Some(counts)) = (&self.checked_inference, batch.counts)
            && let Some(found) = checked.hear(&mut self.engine, counts).await?
        {
            return Err(found.in_images(done..done + batch.images));
        }
        let values = self.engine.collect_async(batch.probabilities).await?;
        let rows = values.chunks_exact(self.classes()).take(batch.images);
        let probabilities: Vec<Vec<f32>> = rows.map(<[f32]>::to_vec).collect();
        refuse_nan(&probabilities, done)?;
        Ok(probabilities)
    }
}

/// Refuses probabilities that are none: the likeliest of them would be the first class, whatever the
/// image shows. `done` images were classified before these.
pub(crate) fn refuse_nan(probabilities: &[Vec<f32>], done: usize) -> Result<(), EngineError> {
    let broken = |row: &Vec<f32>| row.iter().any(|p| !p.is_finite());
    let Some(row) = probabilities.iter().position(broken) else { return Ok(()) };
    let what = format!(
        "the network makes NaN instead of probabilities of image {}: a number on the way overflows, \
         so the weights are too large, or images of this kind are not what it was trained on; \
         --checked names the pass and the tensor",
        done + row + 1
    );
    Err(EngineError::Numbers { what, unwritten: false })
}

/// The likeliest class; the first of equals.
pub fn likeliest(probabilities: &[f32]) -> u8 {
    let mut best = 0;
    for class in 1..probabilities.len() {
        if probabilities[class] > probabilities[best] {
            best = class;
        }
    }
    best as u8
}
