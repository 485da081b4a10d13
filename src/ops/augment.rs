//! Images turned, zoomed, shifted and mirrored at random, so that no two epochs are the same.

use super::dropout::hash;
use crate::kernel::{Constant, Kernel, kernel};
use crate::reference::{Given, Number, Random, Reference, fixed, whole};
use crate::tape::Tensor;

pub(super) static KERNEL: Kernel = kernel!("augment");

/// Tells its draws from dropout's; the same number stands in the shader.
const AUGMENT: u32 = 1_635_086_189;

/// How far images are changed at most. Each is drawn evenly up to that, both ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    /// Sine of the angle, below 1.
    pub sine: f32,
    /// Change of size, below 1: 0.1 makes it 0.9 to 1.1 times as large.
    pub zoom: f32,
    /// In pixels, down and to the right.
    pub shift: f32,
    /// Whether every other image, by chance, is mirrored.
    pub mirror: bool,
}

impl<'t> Tensor<'t> {
    /// The middle of each image `[batch, height, width, channels]`, so many pixels high and wide,
    /// changed at random: `[batch, size[0], size[1], channels]`. What lies beyond the border is zero.
    /// `key` is a u32 tensor `[2]`, seed and step: the same key draws the same. Not differentiated.
    ///
    /// # Panics
    /// When the tensor has not four axes, or a change is negative, or sine or zoom is 1 or more.
    #[track_caller]
    pub fn augment(self, key: Tensor<'t>, by: Augmentation, size: [usize; 2]) -> Tensor<'t> {
        let [batch, in_h, in_w, channels] = self.image_shape("augment");
        let below_one = |part: f32| (0.0..1.0).contains(&part);
        assert!(
            below_one(by.sine) && below_one(by.zoom) && by.shift >= 0.0 && by.shift.is_finite(),
            "augment: {by:?} must be 0 or more, and sine and zoom below 1"
        );
        let constants: [Constant; 10] = [
            ("BATCH", batch.into()),
            ("IN_H", in_h.into()),
            ("IN_W", in_w.into()),
            ("OUT_H", size[0].into()),
            ("OUT_W", size[1].into()),
            ("CHANNELS", channels.into()),
            ("SINE", by.sine.into()),
            ("ZOOM", by.zoom.into()),
            ("SHIFT", by.shift.into()),
            ("MIRROR", u32::from(by.mirror).into()),
        ];
        let y = self.tape().temporary(&[batch, size[0], size[1], channels]);
        let tensors = [("key", key), ("x", self), ("y", y)];
        let threads = [size[0] * size[1], batch, 1];
        self.tape().dispatch(&KERNEL, "forward", &constants, &tensors, threads);
        y
    }
}

/// The same in plain loops.
#[derive(Clone, Copy, Debug)]
pub struct PlainAugment {
    /// Batch, height, width, channels.
    pub shape: [usize; 4],
    /// Height and width that are made.
    pub size: [usize; 2],
    /// What is drawn.
    pub by: Augmentation,
}

impl Reference for PlainAugment {
    fn op(&self) -> &'static str {
        "augment"
    }

    fn inputs(&self, random: &mut Random) -> Vec<Given> {
        let key = [random.bits() as u32, random.between(0, 100) as u32];
        vec![fixed("x", &self.shape, random.floats(&self.shape)), whole("key", &[2], key)]
    }

    fn record<'t>(&self, inputs: &[Tensor<'t>]) -> Tensor<'t> {
        inputs[0].augment(inputs[1], self.by, self.size)
    }

    fn forward(&self, inputs: &[Vec<Number>]) -> Vec<Number> {
        let [x, key] = inputs else { unreachable!() };
        let [batch, height, width, channels] = self.shape;
        let exact = |value: f64| Number::exact(value);
        let middle = |n: usize| exact((n as f64 - 1.0) / 2.0);
        let word = |at: usize| key[at].value as u32;
        let drawn = hash(word(1) ^ hash(word(0) ^ hash(AUGMENT)));
        let mut y = Vec::new();
        for b in 0..batch {
            let draw = |number: u32| {
                let bits = hash((b as u32 * 8 + number) ^ drawn) >> 8;
                exact(f64::from(bits) / 8_388_608.0 - 1.0)
            };
            let most = |part: f32| exact(part.into());
            let sine = most(self.by.sine) * draw(0);
            let cosine = (exact(1.0) - sine * sine).sqrt();
            let zoom = exact(1.0) + most(self.by.zoom) * draw(1);
            let shift = [most(self.by.shift) * draw(2), most(self.by.shift) * draw(3)];
            let mirrored = self.by.mirror && draw(4).value < 0.0;
            for i in 0..self.size[0] {
                for j in 0..self.size[1] {
                    let j = if mirrored { self.size[1] - 1 - j } else { j };
                    let row = (exact(i as f64) - middle(self.size[0])) / zoom;
                    let column = (exact(j as f64) - middle(self.size[1])) / zoom;
                    let down = cosine * row - sine * column + middle(height) + shift[0];
                    let right = sine * row + cosine * column + middle(width) + shift[1];
                    let [top, left] = [down, right].map(|place| place.value.floor());
                    let parts = [down - exact(top), right - exact(left)];
                    for c in 0..channels {
                        let pixel = |row: f64, column: f64| {
                            let inside = |at: f64, n: usize| at >= 0.0 && at < n as f64;
                            match inside(row, height) && inside(column, width) {
                                true => {
                                    let at = (b * height + row as usize) * width + column as usize;
                                    x[at * channels + c]
                                }
                                false => Number::default(),
                            }
                        };
                        let between =
                            |a: Number, b: Number, part| a * (exact(1.0) - part) + b * part;
                        let line =
                            |row| between(pixel(row, left), pixel(row, left + 1.0), parts[1]);
                        y.push(between(line(top), line(top + 1.0), parts[0]));
                    }
                }
            }
        }
        y
    }

    fn backward(&self, _: &[Vec<Number>], _: &[Number]) -> Vec<Vec<Number>> {
        vec![vec![], vec![]]
    }
}
