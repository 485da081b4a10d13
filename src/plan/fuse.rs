//! Joins passes, so that what one makes and the next takes never goes through memory.

use super::{bound, is, uses};
use crate::recording::{Bound, Pass, Recording};

/// Updates a dense layer's weights where their gradient is made: the gradient of the big layer, as
/// large as its weights, is neither stored nor read again.
///
/// A pass `dense.backward_w` whose gradient only an `adam.update` takes becomes one with that
/// update, in the update's place, behind all passes that still read the old weights.
pub fn fuse_adam(recording: &mut Recording) {
    let mut index = 0;
    while index < recording.passes.len() {
        match maker_of_updated(&recording.passes, index) {
            Some(maker) => {
                recording.passes[index] = fuse(&recording.passes[maker], &recording.passes[index]);
                recording.passes.remove(maker);
            }
            None => index += 1,
        }
    }
}

/// For an Adam pass the dense pass whose gradient only it takes.
fn maker_of_updated(passes: &[Pass], update: usize) -> Option<usize> {
    let gradient = bound(&passes[update], "g").filter(|_| is(&passes[update], "adam", "update"))?;
    match uses(passes, gradient)[..] {
        [maker, user] if user == update && is(&passes[maker], "dense", "backward_w") => Some(maker),
        _ => None,
    }
}

fn fuse(product: &Pass, update: &Pass) -> Pass {
    let mut fused = product.clone();
    fused.constants.retain(|(name, _)| !["STORE_DW", "UPDATE_W"].contains(name));
    fused.constants.extend([("STORE_DW", 0u32.into()), ("UPDATE_W", 1u32.into())]);
    // ROW is the update's own way to walk; all else are Adam's numbers.
    fused.constants.extend(update.constants.iter().filter(|(name, _)| *name != "ROW"));
    fused.tensors.retain(|bound| bound.name != "dw");
    let renamed = [("rate", "rate"), ("m", "mean"), ("v", "square"), ("w", "trained")];
    for bound in &update.tensors {
        if let Some((_, name)) = renamed.iter().find(|(old, _)| *old == bound.name) {
            fused.tensors.push(Bound { name, ..*bound });
        }
    }
    if let Some(rows) = &mut fused.rows {
        rows.along = vec!["mean", "square", "trained"];
    }
    fused
}
