//! A batch gathered from the images on the device.

use crate::kernel::{Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, whole};
use crate::tape::{Tape, Tensor};

pub(super) static KERNEL: Kernel = kernel!("batch");

/// Gathers images: `x[b] = (bytes[rows[b]] - offset) / divisor`, f32 `[batch, height, width,
/// channels]`; `scale` is offset and divisor.
///
/// `bytes` holds u8 images `[count, height, width, channels]` as the host wrote them, four to a u32; `rows`
/// is u32 `[batch]`, each below count.
pub fn batch_images<'t>(
    bytes: Tensor<'t>,
    rows: Tensor<'t>,
    image: [usize; 3],
    scale: [f32; 2],
) -> Tensor<'t> {
    let count = rows.len();
    let length: usize = image.iter().product();
    let tape: &Tape = bytes.tape();
    let x = tape.temporary(&[&[count], &image[..]].concat());
    let constants =
        [("LENGTH", length.into()), ("OFFSET", scale[0].into()), ("DIVISOR", scale[1].into())];
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

/// The batch's images in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainBatch {
    /// Images to choose from.
    pub count: usize,
    /// Height, width and channels.
    pub image: [usize; 3],
    /// What is subtracted from bytes, and what the rest is divided by.
    pub scale: [f32; 2],
    /// Images in the batch.
    pub batch: usize,
}

impl Reference for PlainBatch {
    fn op(&self) -> &'static str {
        "batch"
    }

    /// Random bytes and rows, the last row among them.
    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let words = (self.count * self.image.iter().product::<usize>()).div_ceil(4);
        let packed: Vec<_> = (0..words).map(|_| random.bits() as u32).collect();
        let last = self.count - 1;
        let mut rows: Vec<_> = (0..self.batch).map(|_| random.between(0, last) as u32).collect();
        rows[self.batch - 1] = last as u32;
        vec![whole("bytes", &[words], packed), whole("rows", &[self.batch], rows)]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        batch_images(inputs[0], inputs[1], self.image, self.scale)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let bytes: Vec<u8> =
            inputs[0].iter().flat_map(|word| (word.value as u32).to_le_bytes()).collect();
        let length = self.image.iter().product::<usize>();
        let rows = inputs[1].iter().map(|row| row.value as usize);
        let images = rows.flat_map(|row| &bytes[row * length..][..length]);
        let [offset, divisor] = self.scale.map(|number| Number::exact(number.into()));
        images.map(|&byte| (Number::exact(byte.into()) - offset) / divisor).collect()
    }

    fn backward(&self, _: &[Vec<Number>], _: &[Number]) -> Vec<Vec<Number>> {
        vec![vec![], vec![]]
    }
}
