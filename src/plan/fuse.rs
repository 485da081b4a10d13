//! Joins passes, so that what one makes and the next takes never goes through memory.

use crate::recording::{Bound, Pass, Recording, TensorId};

/// Updates a dense layer's weights where their gradient is made: the gradient of the big layer, as
/// large as its weights, is neither stored nor read again.
///
/// A pass `dense.backward_w` whose gradient only an `adam.update` takes becomes one with that
/// update, in the update's place, behind all passes that still read the old weights.
pub fn fuse_adam(recording: &mut Recording) {
    let mut index = 0;
    while index < recording.passes.len() {
        let fused = updated_gradient(&recording.passes[index]).and_then(|gradient| {
            let mut users = uses(recording, gradient);
            let (maker, update) = (users.next()?, users.next()?);
            let made = &recording.passes[maker];
            let fits = users.next().is_none() && update == index && makes_dense_dw(made);
            fits.then(|| (maker, fuse(made, &recording.passes[index])))
        });
        if let Some((maker, fused)) = fused {
            recording.passes[index] = fused;
            recording.passes.remove(maker);
        } else {
            index += 1;
        }
    }
}

/// The gradient that an optimizer's pass takes.
fn updated_gradient(pass: &Pass) -> Option<TensorId> {
    let is_update = pass.kernel.name == "adam" && pass.entry == "update";
    let gradient = pass.tensors.iter().find(|bound| is_update && bound.name == "g")?;
    Some(gradient.tensor)
}

fn makes_dense_dw(pass: &Pass) -> bool {
    pass.kernel.name == "dense" && pass.entry == "backward_w"
}

/// The places of the passes that bind the tensor.
fn uses(recording: &Recording, tensor: TensorId) -> impl Iterator<Item = usize> {
    let binds = move |pass: &Pass| pass.tensors.iter().any(|bound| bound.tensor == tensor);
    recording.passes.iter().enumerate().filter(move |(_, pass)| binds(pass)).map(|(i, _)| i)
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
