//! Which rows a training step takes: a pure function of order, seed and step, so that a run that
//! is resumed goes on exactly where it stopped.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use super::DataError;
use crate::config::Order;

/// Gives the rows of each batch.
#[derive(Debug, Clone)]
pub struct Batches {
    order: Order,
    seed: u64,
    batch: usize,
    count: usize,
    /// The epoch made last and its rows, so that not every step of an epoch shuffles anew.
    epoch: Option<(u64, Vec<u32>)>,
}

impl Batches {
    /// Batches of `batch` rows out of `count`.
    ///
    /// # Errors
    ///
    /// If the batch is empty or there are fewer rows than it takes.
    pub fn new(order: Order, seed: u64, batch: usize, count: usize) -> Result<Self, DataError> {
        if batch == 0 {
            return Err(DataError::new("The batch is 0 rows. Set it to 1 or more.".to_owned()));
        }
        if count < batch {
            return Err(DataError::new(format!(
                "There are fewer rows than the batch: {count} to train on, {batch} a batch. Use a \
                 smaller batch, set fewer rows aside for validation, or give it a larger file."
            )));
        }
        if u32::try_from(count).is_err() {
            return Err(DataError::new(format!(
                "There are {count} rows, more than can be numbered. Use a smaller file."
            )));
        }
        Ok(Self { order, seed, batch, count, epoch: None })
    }

    /// The rows of step `step` (counted from 0), `batch` of them, each less than `count`.
    #[must_use]
    pub fn rows(&mut self, step: u64) -> Vec<u32> {
        match self.order {
            Order::Cyclic => self.cyclic(step),
            Order::Shuffle => self.shuffled(step),
        }
    }

    fn cyclic(&self, step: u64) -> Vec<u32> {
        // Where the batch is the whole file there is only one place for it.
        let places = (self.count - self.batch).max(1) as u128;
        let offset = (u128::from(step) * self.batch as u128 % places) as u32;
        (offset..offset + self.batch as u32).collect()
    }

    /// The samples are one endless stream, the epochs' permutations end to end, so a batch may
    /// hold the end of one epoch and the start of the next.
    fn shuffled(&mut self, step: u64) -> Vec<u32> {
        let count = self.count as u128;
        let start = u128::from(step) * self.batch as u128;
        let mut rows = Vec::with_capacity(self.batch);
        while rows.len() < self.batch {
            let position = start + rows.len() as u128;
            let epoch = (position / count) as u64;
            let at = (position % count) as usize;
            let end = self.count.min(at + self.batch - rows.len());
            rows.extend_from_slice(&self.permutation_of(epoch)[at..end]);
        }
        rows
    }

    fn permutation_of(&mut self, epoch: u64) -> &[u32] {
        let (seed, count) = (self.seed, self.count as u32);
        let kept = self.epoch.take().filter(|(kept, _)| *kept == epoch);
        let (_, rows) =
            self.epoch.insert(kept.unwrap_or_else(|| (epoch, permutation(seed, epoch, count))));
        rows
    }
}

/// The numbers `0..count` in the order of one epoch, by the shuffle of Fisher and Yates.
#[must_use]
pub fn permutation(seed: u64, epoch: u64, count: u32) -> Vec<u32> {
    let mut seeds = Pcg64::seed_from_u64(seed);
    seeds.advance(u128::from(epoch));
    let mut random = Pcg64::seed_from_u64(seeds.next_u64());
    let mut rows: Vec<u32> = (0..count).collect();
    for last in (1..rows.len()).rev() {
        // The high half of the product is evenly spread over 0..=last, to within 2^-32.
        let product = u128::from(random.next_u64()) * (last as u128 + 1);
        rows.swap(last, (product >> 64) as usize);
    }
    rows
}
