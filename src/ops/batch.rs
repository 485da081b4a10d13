//! A batch gathered from images that stay on the device.

use crate::kernel::{Kernel, kernel};
use crate::tape::{Tape, Tensor};

pub(super) static KERNEL: Kernel = kernel!("batch");

/// Gathers images: `x[b] = bytes[rows[b]] / divisor`, f32 `[batch, height, width, 1]`.
///
/// `bytes` holds u8 images `[count, height, width]` as the host wrote them, four to a u32; `rows`
/// is u32 `[batch]`, each below count.
pub fn batch_images<'t>(
    bytes: Tensor<'t>,
    rows: Tensor<'t>,
    image: [usize; 2],
    divisor: f32,
) -> Tensor<'t> {
    let count = rows.len();
    let length = image[0] * image[1];
    let tape: &Tape = bytes.tape();
    let x = tape.temporary(&[count, image[0], image[1], 1]);
    let constants = [("LENGTH", length.into()), ("DIVISOR", divisor.into())];
    let tensors = [("bytes", bytes), ("rows", rows), ("x", x)];
    tape.dispatch(&KERNEL, "images", &constants, &tensors, [length, count, 1]);
    x
}

/// Gathers labels: `label[b] = bytes[rows[b]]`, u32 `[batch]`; `bytes` as for [`batch_images`].
pub fn batch_labels<'t>(bytes: Tensor<'t>, rows: Tensor<'t>) -> Tensor<'t> {
    let tape: &Tape = bytes.tape();
    let label = tape.temporary(&[rows.len()]);
    let constants = [("COUNT", rows.len().into())];
    let tensors = [("bytes", bytes), ("rows", rows), ("label", label)];
    tape.dispatch(&KERNEL, "labels", &constants, &tensors, [rows.len(), 1, 1]);
    label
}
