//! What a pass costs at least: its arithmetic, and the bytes that it must move.
//!
//! The counts follow from tensors' shapes, not from how a kernel goes about it, so every variant of
//! an operation counts alike.
//!
//! - Products (`conv2d`, `dense`): two operations, a multiplication and an addition, for each
//!   product that is summed. As is usual, taps on the padding count like others, and what is done
//!   to a sum at its end (bias, ReLU, another gradient) is not counted. The three directions of a
//!   product have the same count.
//! - Adam, on its own or fused: 12 for each element of its variable.
//! - All else roughly: one for each element of the largest tensor, times the window's extent where
//!   there is one (pooling). A root, a power or a division counts as one, and so do copies: such
//!   passes wait for memory, not for arithmetic.
//! - Bytes: each tensor that the pass reads, once, and each that it writes, once; only the shard or
//!   the slice of it that the pass takes. What an operation reads again where no cache holds it
//!   comes on top in truth; what a cache still holds from the pass before does not.

mod table;
mod towers;

use std::collections::{BTreeMap, HashMap};
use std::ops::Add;

pub use table::{Row, table};
pub use towers::{Layer, Part, Tower, layers, towers};

use crate::kernel::{self, Slot, Value};
use crate::ops;
use crate::recording::{Bound, COPY, Pass, Recording, Rows, TensorInfo};

/// Operations of Adam's update of one element.
const ADAM: u64 = 12;

/// The least that a pass costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Operations on f32 in products.
    pub product_flop: u64,
    /// All other operations on f32.
    pub other_flop: u64,
    /// Bytes read from memory.
    pub read: u64,
    /// Bytes written to memory.
    pub written: u64,
}

impl Cost {
    /// All operations on f32.
    pub fn flop(&self) -> u64 {
        self.product_flop + self.other_flop
    }

    /// Bytes read and written.
    pub fn bytes(&self) -> u64 {
        self.read + self.written
    }
}

impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost {
            product_flop: self.product_flop + other.product_flop,
            other_flop: self.other_flop + other.other_flop,
            read: self.read + other.read,
            written: self.written + other.written,
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), Add::add)
    }
}

/// The cost of each pass of a recording, planned or not, in order.
///
/// # Panics
/// When a pass has no entry point of its name, or its WGSL is wrong.
pub fn costs(recording: &Recording) -> Vec<Cost> {
    // Which tensors a pass reads and which it writes, naga tells; many passes share their text.
    let mut known = HashMap::new();
    let mut entry = |pass: &Pass| {
        let entries = known.entry(pass.text().0).or_insert_with_key(|text| {
            kernel::reflect(text).unwrap_or_else(|e| panic!("pass `{}`: {e}", pass.label()))
        });
        let entry = entries.get(pass.entry);
        entry.unwrap_or_else(|| panic!("pass `{}` has no such entry", pass.label())).slots.clone()
    };
    let costs = recording.passes.iter().map(|pass| match pass.kernel.name == COPY.name {
        true => copy(pass, recording),
        false => cost(pass, recording, &entry(pass)),
    });
    costs.collect()
}

/// Roughly how much work a pass is, in operations, before anything is known of the adapter: a byte
/// moved takes as long as ten operations.
pub(crate) fn weight(pass: &Pass, recording: &Recording) -> u64 {
    let work = Work::new(pass, recording);
    let (product_flop, other_flop) = work.flop();
    let bytes: u64 = pass.tensors.iter().map(|bound| work.bytes(bound)).sum();
    product_flop.saturating_add(other_flop).saturating_add(10 * bytes)
}

/// The device's own copy of a tensor, which no shader describes.
fn copy(pass: &Pass, recording: &Recording) -> Cost {
    let bytes = pass.tensors.first().map_or(0, |x| recording.tensor(x.tensor).len() as u64 * 4);
    Cost { read: bytes, written: bytes, ..Cost::default() }
}

fn cost(pass: &Pass, recording: &Recording, slots: &BTreeMap<String, Slot>) -> Cost {
    let work = Work::new(pass, recording);
    let (product_flop, other_flop) = work.flop();
    let mut cost = Cost { product_flop, other_flop, ..Cost::default() };
    for bound in &pass.tensors {
        let (slot, bytes) = (slots[bound.name], work.bytes(bound));
        cost.read += if slot.reads { bytes } else { 0 };
        cost.written += if slot.writes { bytes } else { 0 };
    }
    cost
}

/// The operand's name, whether the pass takes it from a buffer or from an image.
fn operand(bound: &Bound) -> &'static str {
    bound.name.strip_suffix("_image").unwrap_or(bound.name)
}

/// A pass with its tensors and the operation that its kernel, a variant perhaps, is of.
struct Work<'a> {
    pass: &'a Pass,
    recording: &'a Recording,
    op: &'static str,
}

impl<'a> Work<'a> {
    fn new(pass: &'a Pass, recording: &'a Recording) -> Work<'a> {
        Work { pass, recording, op: ops::operation(pass.kernel.name) }
    }

    fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let bound = self.pass.tensors.iter().find(|bound| operand(bound) == name)?;
        Some(self.recording.tensor(bound.tensor))
    }

    /// The extents of the weights, or of what else has their shape: their gradient, which may be
    /// a stack of partial sums, or the variable that a fused update changes.
    fn weights(&self, rank: usize) -> Option<&[usize]> {
        let info = ["w", "dw", "trained"].into_iter().find_map(|name| self.tensor(name))?;
        info.shape.get(info.shape.len().checked_sub(rank)?..)
    }

    /// Operations in products, and all others.
    fn flop(&self) -> (u64, u64) {
        let product = match (self.op, self.pass.entry) {
            ("conv2d", "forward") => self.convolution("y"),
            // Its x is dy, and so has the pixels of the convolution's output.
            ("conv2d", "backward_x") => self.convolution("x"),
            ("conv2d", "backward_w") => self.convolution("dy"),
            ("dense", "forward" | "backward_w") => self.dense("x"),
            ("dense", "backward_x") => self.dense("dy"),
            _ => None,
        };
        let updated = self.elements_of("trained") * ADAM;
        match (product, self.op) {
            (Some(product), _) => (product, updated),
            (None, "adam") => (0, self.elements_of("w") * ADAM),
            (None, _) => {
                let window = self.constant("KERNEL").unwrap_or(1);
                let elements = self.pass.tensors.iter().map(|bound| self.elements(bound)).max();
                (0, elements.unwrap_or(0).saturating_mul(window.saturating_pow(2)))
            }
        }
    }

    /// For a convolution whose output has the pixels of this tensor.
    fn convolution(&self, output: &str) -> Option<u64> {
        let weights: usize = self.weights(4)?.iter().product();
        let shape = &self.tensor(output)?.shape;
        let pixels: usize = shape[..shape.len() - 1].iter().product();
        Some(self.part(2 * pixels as u64 * weights as u64))
    }

    /// For a dense layer's pass over these rows, where this tensor has the examples.
    fn dense(&self, examples: &str) -> Option<u64> {
        let weights = self.weights(2)?;
        let rows = self.pass.rows.as_ref().map_or(weights[0], |rows| rows.count);
        Some(2 * self.tensor(examples)?.shape[0] as u64 * (rows * weights[1]) as u64)
    }

    fn constant(&self, name: &str) -> Option<u64> {
        let found = self.pass.constants.iter().find(|(known, _)| *known == name)?;
        match found.1 {
            Value::U32(value) => Some(value.into()),
            Value::I32(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    fn elements_of(&self, name: &str) -> u64 {
        let bound = self.pass.tensors.iter().find(|bound| operand(bound) == name);
        bound.map_or(0, |bound| self.elements(bound))
    }

    /// Bytes of the tensor that the pass takes.
    fn bytes(&self, bound: &Bound) -> u64 {
        match (self.op, operand(bound)) {
            // Single bytes: one of all the images' for each element made.
            ("batch", "bytes") => self.elements_of("x").max(self.elements_of("label")),
            _ => self.elements(bound) * 4,
        }
    }

    /// Elements of the tensor that the pass takes.
    fn elements(&self, bound: &Bound) -> u64 {
        let info = self.recording.tensor(bound.tensor);
        let all = info.len() as u64;
        let along = |rows: &&Rows| rows.along.contains(&bound.name);
        if let Some(rows) = self.pass.rows.as_ref().filter(along) {
            return all / info.shape[0] as u64 * rows.count as u64;
        }
        match self.op {
            "conv2d" => {
                let channels = self.weights(4).map_or(usize::MAX, |weights| match operand(bound) {
                    "x" => weights[2],
                    _ => weights[3],
                });
                let all = slice(info, channels);
                // Of all pixels, or of the partial sums, the part's own; the weights are read whole.
                let whole = ["w", "bias", "w_made", "flipped"].contains(&operand(bound));
                if whole { all } else { self.part(all) }
            }
            "sum_rows" if bound.name == "x" => slice(info, self.columns("y")),
            "concat" => slice(info, self.columns("x").min(self.columns("dx"))),
            "dense" if self.follows_rows(operand(bound), info) => self.part(all),
            "batch" if bound.name == "bytes" => 0,
            _ => all,
        }
    }

    /// The innermost extent of a tensor; no limit where the pass does not bind it.
    fn columns(&self, name: &str) -> usize {
        self.tensor(name).and_then(|info| info.shape.last()).map_or(usize::MAX, |&last| last)
    }

    /// Whether a dense layer's pass over some rows of w takes a part of this tensor only: of a
    /// layer's inputs or their gradients the columns for these rows, of the split sums its own.
    fn follows_rows(&self, name: &str, info: &TensorInfo) -> bool {
        let depth = self.weights(2).map_or(0, |weights| weights[0]);
        info.len() / info.shape[0] == depth || (self.pass.entry == "forward" && name == "y")
    }

    /// The part of a count that is the pass's own, where it was cut.
    fn part(&self, all: u64) -> u64 {
        self.pass.rows.as_ref().map_or(all, |rows| rows.share(all))
    }
}

/// Elements of the first `columns` of each row, or of as many as there are.
fn slice(info: &TensorInfo, columns: usize) -> u64 {
    let last = info.shape[info.shape.len() - 1];
    (info.len() / last * last.min(columns)) as u64
}
