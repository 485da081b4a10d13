//! Lets tensors that are never needed at the same time share memory.

use std::collections::HashMap;

use crate::recording::{Recording, Role, Storage, TensorId};

/// A piece of memory while the plan is made.
struct Slot {
    bytes: u64,
    /// Images do not lie where buffers do.
    image: bool,
    /// The first pass that may write it again.
    free_from: usize,
}

/// Gives every temporary but those of `keep` a place in shared buffers: two tensors may lie in one
/// when the last pass that uses the first runs before the first pass that uses the second. The
/// recordings, of one tape, never run at the same time, so they share the same buffers; what is
/// read after a run must be in `keep`. To be called after `shard`.
///
/// Greedy by first use: the smallest free slot that is large enough, else the largest free one,
/// grown, else a new one.
pub fn place(recordings: &mut [Recording], keep: &[TensorId]) {
    let mut slots: Vec<Slot> = Vec::new();
    let mut places: HashMap<(TensorId, usize), usize> = HashMap::new();
    for recording in recordings.iter() {
        slots.iter_mut().for_each(|slot| slot.free_from = 0);
        for life in lives(recording, keep) {
            let info = recording.tensor(life.tensor);
            let (bytes, image) = (info.shard_bytes(life.shard), info.image);
            let free = |slot: &&(usize, &mut Slot)| {
                slot.1.free_from <= life.first && slot.1.image == image
            };
            let candidates = slots.iter_mut().enumerate().filter(|slot| free(&slot));
            let chosen = candidates.min_by_key(|(_, slot)| match slot.bytes >= bytes {
                true => (0, slot.bytes),
                false => (1, u64::MAX - slot.bytes),
            });
            let number = match chosen {
                Some((number, slot)) => {
                    slot.bytes = slot.bytes.max(bytes);
                    slot.free_from = life.last + 1;
                    number
                }
                None => {
                    slots.push(Slot { bytes, image, free_from: life.last + 1 });
                    slots.len() - 1
                }
            };
            places.insert((life.tensor, life.shard), number);
        }
    }
    for recording in recordings {
        for (id, info) in recording.tensors.iter_mut().enumerate() {
            let place = |shard| places.get(&(TensorId(id as u32), shard));
            let numbers: Option<Vec<_>> = (0..info.shards.len()).map(place).collect();
            let storage = |&number: &usize| Storage { number, bytes: slots[number].bytes };
            info.storage = numbers.map(|numbers| numbers.into_iter().map(storage).collect());
        }
    }
}

/// From which pass to which a shard of a temporary is needed.
struct Life {
    tensor: TensorId,
    shard: usize,
    first: usize,
    last: usize,
}

/// In order of first use.
fn lives(recording: &Recording, keep: &[TensorId]) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    let mut known: HashMap<(TensorId, usize), usize> = HashMap::new();
    for (index, pass) in recording.passes.iter().enumerate() {
        for bound in &pass.tensors {
            let temporary = recording.tensor(bound.tensor).role == Role::Temporary;
            if !temporary || keep.contains(&bound.tensor) {
                continue;
            }
            let at = *known.entry((bound.tensor, bound.shard)).or_insert_with(|| {
                let (tensor, shard) = (bound.tensor, bound.shard);
                lives.push(Life { tensor, shard, first: index, last: index });
                lives.len() - 1
            });
            lives[at].last = index;
        }
    }
    lives
}
