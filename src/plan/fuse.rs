//! Joins passes, so that what one makes and the next takes never goes through memory.

use super::{bound, is, rebind, retain_passes, uses};
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

/// Adds up gradients where a convolution makes the last of them.
///
/// An `add.forward` goes away when a `conv2d.backward_x` makes one of its inputs for it alone, and
/// the other was made before.
pub fn fuse_add(recording: &mut Recording) {
    retain_passes(recording, |passes, index| {
        let sum = &passes[index];
        let (Some(a), Some(b), Some(y)) = (bound(sum, "a"), bound(sum, "b"), bound(sum, "y"))
        else {
            return false;
        };
        if !is(sum, "add", "forward") || a == b {
            return false;
        }
        for (last, earlier) in [(b, a), (a, b)] {
            let maker = match uses(passes, last)[..] {
                [maker, user] if user == index => maker,
                _ => continue,
            };
            let made = is(&passes[maker], "conv2d", "backward_x")
                && bound(&passes[maker], "y") == Some(last)
                && bound(&passes[maker], "earlier").is_none()
                && bound(&passes[maker], "positive").is_none();
            if made && uses(passes, earlier).first().is_some_and(|&first| first < maker) {
                let maker = &mut passes[maker];
                rebind(maker, "y", y);
                maker.tensors.push(Bound { name: "earlier", tensor: earlier, shard: 0 });
                maker.constants.push(("ADD", 1u32.into()));
                return true;
            }
        }
        false
    });
}

/// Passes a gradient through ReLU where it is made.
///
/// A `relu.backward` goes away when a `conv2d.backward_x` or `dense.backward_x` makes its `dy` for
/// it alone. To be called after `fuse_add`: the sum comes first.
pub fn fuse_mask(recording: &mut Recording) {
    retain_passes(recording, |passes, index| {
        let relu = &passes[index];
        let names = ["y_made", "dy", "dx"].map(|name| bound(relu, name));
        let [Some(y_made), Some(dy), Some(dx)] = names else { return false };
        let maker = match uses(passes, dy)[..] {
            [maker, user] if user == index && is(relu, "relu", "backward") => maker,
            _ => return false,
        };
        let maker = &mut passes[maker];
        let made = match (maker.kernel.name, maker.entry) {
            ("conv2d", "backward_x") => "y",
            ("dense", "backward_x") => "dx",
            _ => return false,
        };
        let fits = bound(maker, made) == Some(dy) && bound(maker, "positive").is_none();
        if fits {
            rebind(maker, made, dx);
            maker.tensors.push(Bound { name: "positive", tensor: y_made, shard: 0 });
            maker.constants.push(("MASK", 1u32.into()));
        }
        fits
    });
}
