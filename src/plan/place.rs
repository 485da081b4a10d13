//! Lets tensors that are never needed at the same time share memory.

use std::collections::HashMap;

use crate::recording::{Recording, Role, Storage, TensorId};

/// A piece of memory while the plan is made.
struct Slot {
    /// The size of the first tensor in it, which is the largest.
    bytes: u64,
    /// Images do not lie where buffers do.
    image: bool,
    /// First and last pass of each tensor in it.
    taken: Vec<[usize; 2]>,
}

/// Gives every temporary but those of `keep` a place in shared buffers: two tensors may lie in one
/// when the last pass that uses the first runs before the first pass that uses the second. The
/// recordings, of one tape, never run at the same time, so they share the same buffers; what is
/// read after a run must be in `keep`. To be called after `shard`.
///
/// Greedy by size: the largest tensors take their places first, each the smallest one that is free
/// for as long as it is needed (Pisarchyk and Lee 2020, *Efficient memory management for deep neural
/// net inference*, section 5.1).
pub fn place(recordings: &mut [Recording], keep: &[TensorId]) {
    let mut slots: Vec<Slot> = Vec::new();
    let mut places: HashMap<(TensorId, usize), usize> = HashMap::new();
    // The passes of all recordings, as if they ran one after the other.
    let mut passes_before = 0;
    let mut lives: Vec<Life> = Vec::new();
    for recording in recordings.iter() {
        lives.extend(lives_of(recording, keep, passes_before));
        passes_before += recording.passes.len();
    }
    lives.sort_by_key(|life| std::cmp::Reverse(life.bytes));
    for life in lives {
        let free = |slot: &Slot| {
            let apart = |[first, last]: &[usize; 2]| life.last < *first || *last < life.first;
            slot.image == life.image && slot.taken.iter().all(apart)
        };
        // Slots stand in falling order of size, and none is too small.
        let number = slots.iter().rposition(free).unwrap_or_else(|| {
            slots.push(Slot { bytes: life.bytes, image: life.image, taken: Vec::new() });
            slots.len() - 1
        });
        slots[number].taken.push([life.first, life.last]);
        places.insert((life.tensor, life.shard), number);
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
    bytes: u64,
    image: bool,
    first: usize,
    last: usize,
}

/// In order of first use; passes are counted from `begin`.
fn lives_of(recording: &Recording, keep: &[TensorId], begin: usize) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    let mut known: HashMap<(TensorId, usize), usize> = HashMap::new();
    for (index, pass) in (begin..).zip(&recording.passes) {
        for bound in &pass.tensors {
            let info = recording.tensor(bound.tensor);
            if info.role != Role::Temporary || keep.contains(&bound.tensor) {
                continue;
            }
            let at = *known.entry((bound.tensor, bound.shard)).or_insert_with(|| {
                let (tensor, shard, image) = (bound.tensor, bound.shard, info.image);
                let bytes = info.shard_bytes(shard);
                lives.push(Life { tensor, shard, bytes, image, first: index, last: index });
                lives.len() - 1
            });
            lives[at].last = index;
        }
    }
    lives
}
