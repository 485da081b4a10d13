//! Images that stay with the host, for sets that are larger than the adapter binds: each batch's are
//! brought to the device, and a thread gathers those of the next steps meanwhile.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::Trainer;
use crate::data::{Batches, Dataset};
use crate::engine::EngineError;
use crate::gpu::Gpu;
use crate::train::Recordings;

/// Batches that are gathered and wait; the thread has one more in its hands.
const AHEAD: usize = 2;

/// The images of a training, of which the device has one batch at a time.
pub(super) struct Stream {
    data: Arc<Dataset>,
    /// The batches of the next steps. The thread that gathers them ends when this is dropped.
    ahead: Option<Receiver<Batch>>,
}

/// The images of one step.
struct Batch {
    step: u64,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Stream {
    /// The batch of that step, which is ready when steps are asked for one after the other.
    fn batch(&mut self, batches: &mut Batches, step: u64) -> Batch {
        let ready = self.ahead.as_ref().and_then(|ahead| ahead.recv().ok());
        if let Some(batch) = ready.filter(|batch| batch.step == step) {
            return batch;
        }
        // The first one; or there is no thread to be had, as in browsers.
        self.ahead = gather_ahead(self.data.clone(), batches.clone(), step + 1);
        gather(&self.data, batches, step)
    }

    /// The pixels of these images, as far as there are so many.
    pub(super) fn pixels(&self, images: Range<usize>) -> &[u8] {
        let images = images.start..images.end.min(self.data.len());
        self.data.images.slice(images)
    }
}

fn gather_ahead(data: Arc<Dataset>, mut batches: Batches, first: u64) -> Option<Receiver<Batch>> {
    let (sender, receiver) = sync_channel(AHEAD);
    let gather_all = move || {
        let all = (first..).map(|step| gather(&data, &mut batches, step));
        // Nobody wants them any more when one cannot be sent.
        let _ = all.map(|batch| sender.send(batch)).find(Result::is_err);
    };
    thread::Builder::new().name("loader".to_string()).spawn(gather_all).ok()?;
    Some(receiver)
}

fn gather(data: &Dataset, batches: &mut Batches, step: u64) -> Batch {
    let rows: Vec<usize> = batches.rows(step).into_iter().map(|row| row as usize).collect();
    let pixels: Vec<&[u8]> = rows.iter().map(|&row| data.images.slice(row..row + 1)).collect();
    let labels = rows.iter().map(|&row| data.labels[row]).collect();
    Batch { step, pixels: pixels.concat(), labels }
}

impl Trainer {
    /// As [`Trainer::new`], but the images stay with the host, and the device gets those of each batch:
    /// for [`Recordings::streamed`]. The weights become the same, bit for bit.
    ///
    /// # Errors
    /// [`EngineError`] when the device cannot run the network.
    pub fn streaming(
        gpu: Gpu,
        recordings: Recordings,
        data: Arc<Dataset>,
        batches: Option<Batches>,
    ) -> Result<Trainer, EngineError> {
        let mut trainer = Trainer::without_images(gpu, recordings, batches)?;
        trainer.stream = Some(Stream { data, ahead: None });
        Ok(trainer)
    }

    /// Says which images the step takes; brings them, where they do not lie on the device.
    pub(super) fn write_rows(&mut self) {
        let ids = self.recordings.training.as_ref().expect("training was recorded");
        let (rows_id, labels_id) = (ids.rows, ids.labels);
        let batches = self.batches.as_mut().expect("training has batches");
        let rows = match &mut self.stream {
            None => batches.rows(self.step),
            Some(stream) => {
                let batch = stream.batch(batches, self.step);
                self.write_bytes(self.recordings.images, &batch.pixels);
                self.write_bytes(labels_id, &batch.labels);
                (0..batch.labels.len() as u32).collect()
            }
        };
        self.write(rows_id, bytemuck::cast_slice(&rows));
    }
}
