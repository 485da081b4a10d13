//! Memory that holds no numbers before it is written.

use std::collections::HashSet;

use super::pass;
use crate::recording::{Bound, Recording, Role};

/// What poisoned memory holds: as an f32 a NaN. As a whole number it is no label, and only a max-pool
/// of windows of 16 x 16 could mean it by four bytes.
pub const POISON: u32 = 0xffff_dead;

/// Fills the memory of each temporary with [`POISON`] before the first pass that binds it: all of its
/// buffer, the padding behind it and the rest of a shared buffer included. Images are left out, as
/// the device's own copies write them. To be called when the plan is ready, since the buffer must be
/// the tensor's from that pass on.
///
/// The other passes stay as they are, and so does what they make, unless they read what was not made
/// in this run.
pub fn poison(recording: &Recording) -> Recording {
    let mut met = HashSet::new();
    let mut passes = Vec::new();
    for other in &recording.passes {
        for bound in &other.tensors {
            let (tensor, shard) = (bound.tensor, bound.shard);
            let info = recording.tensor(tensor);
            if info.role != Role::Temporary || info.image || !met.insert((tensor, shard)) {
                continue;
            }
            let shared = info.storage.as_ref().map(|storage| storage[shard].bytes);
            let bytes = shared.unwrap_or_else(|| info.shard_bytes(shard)) as usize;
            let scratch = Bound { name: "scratch", tensor, shard };
            passes.push(pass("poison", vec![scratch], bytes / 16));
        }
        passes.push(other.clone());
    }
    Recording { passes, tensors: recording.tensors.clone() }
}
