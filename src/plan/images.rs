//! Lets the kernels that hand values round a subgroup read from images.

use std::collections::HashMap;

use super::subgroup;
use crate::recording::{Bound, COPY, IMAGE_WIDTH, Pass, Recording, Role, TensorId};

/// Bytes of the largest image: 8,192 rows, which any adapter has.
const LARGEST: u64 = 8192 * IMAGE_WIDTH as u64 * 16;
/// Passes for which a copy is kept: longer, it would hold memory that others need.
const KEPT: usize = 24;

/// Has what a subgroup variant reads copied to an image first. Software adapters read a vector of an
/// image more than twice as fast as one of a buffer, and each vector is read many times over.
///
/// One copy serves neighbouring passes, up to the next one that writes the tensor. To be called after
/// `subgroup`, with all recordings of a tape at once: the images get numbers behind its tensors.
pub fn images(recordings: &mut [Recording]) {
    let Some(mut tensors) = recordings.iter().map(|r| r.tensors.clone()).max_by_key(Vec::len)
    else {
        return;
    };
    for recording in recordings.iter_mut() {
        // For each tensor its image, and the place of the last pass that used it.
        let mut copies: HashMap<TensorId, (TensorId, usize)> = HashMap::new();
        let passes = std::mem::take(&mut recording.passes);
        for (index, mut pass) in passes.into_iter().enumerate() {
            for &(name, image_name, flags) in operands(&pass) {
                let source = pass.tensors.iter().position(|bound| bound.name == name);
                let Some(at) = source else { continue };
                let from = pass.tensors[at];
                if tensors[from.tensor.0 as usize].bytes() > LARGEST {
                    continue;
                }
                let known = copies.get(&from.tensor).filter(|(_, last)| index - last <= KEPT);
                let image = known.map(|(image, _)| *image).unwrap_or_else(|| {
                    let mut info = tensors[from.tensor.0 as usize].clone();
                    (info.role, info.image) = (Role::Temporary, true);
                    tensors.push(info);
                    let image = TensorId(tensors.len() as u32 - 1);
                    recording.passes.push(copy(&pass, from.tensor, image));
                    image
                });
                copies.insert(from.tensor, (image, index));
                pass.tensors[at] = Bound { name: image_name, tensor: image, shard: 0 };
                pass.constants.extend([(flags[0], 0u32.into()), (flags[1], 1u32.into())]);
            }
            for bound in pass.tensors.iter().filter(|bound| pass.kernel.writes(bound.name)) {
                copies.remove(&bound.tensor);
            }
            recording.passes.push(pass);
        }
    }
    for recording in recordings {
        recording.tensors.clone_from(&tensors);
    }
}

/// A variable, the image that may stand for it, and the constants that choose between them.
type Operand = (&'static str, &'static str, [&'static str; 2]);

const X: Operand = ("x", "x_image", ["X_BUFFER", "X_IMAGE"]);
const W: Operand = ("w", "w_image", ["W_BUFFER", "W_IMAGE"]);
const DY: Operand = ("dy", "dy_image", ["DY_BUFFER", "DY_IMAGE"]);

fn operands(pass: &Pass) -> &'static [Operand] {
    let (conv2d, dense) = (subgroup::CONV2D.name, subgroup::DENSE.name);
    match (pass.kernel.name, pass.entry) {
        (name, "forward" | "backward_x") if name == conv2d => &[X, W],
        (name, "backward_w") if name == conv2d || name == dense => &[X, DY],
        // A dense layer's weights are read once: the copy would cost more than it saves.
        (name, "forward") if name == dense => &[X],
        (name, "backward_x") if name == dense => &[DY],
        _ => &[],
    }
}

fn copy(before: &Pass, from: TensorId, to: TensorId) -> Pass {
    Pass {
        place: before.place.clone(),
        kernel: &COPY,
        entry: "image",
        constants: Vec::new(),
        tensors: [("x", from), ("y", to)]
            .map(|(name, tensor)| Bound { name, tensor, shard: 0 })
            .to_vec(),
        threads: [0; 3],
        rows: None,
        sizes_bound: false,
    }
}
