//! Rewrites of recordings: plain data to better plain data, without a GPU.
//!
//! [`plan`] applies them in order. Each but sharding can be left out by its name, a [`Rewrite`]: the
//! numbers stay, but for rounding.

mod family;
mod fuse;
mod images;
mod panels;
mod place;
mod plain;
mod shard;
mod slices;
mod subgroup;
mod workgroup;

pub use family::{Choices, Family, choose, key};
pub use fuse::{fuse_adam, fuse_add, fuse_mask};
pub use images::images;
pub use panels::panels;
pub use place::place;
pub use plain::plain_variant;
pub use shard::{SMALLER, TooLarge, shard};
pub use slices::{fuse_relu, read_slices, write_slices};
pub use subgroup::{subgroup, subgroup_variant};
pub use workgroup::{LARGE, SMALL, Tiles, workgroup, workgroup_variant};

use crate::ceiling::Ceiling;
use crate::gpu::Gpu;
use crate::kernel::{Constant, Kernel, Value};
use crate::recording::{Pass, Recording, TensorId};

/// The WGSL files that rewrites put in the place of the ops' own.
pub static KERNELS: [&Kernel; 4] =
    [&subgroup::CONV2D, &subgroup::DENSE, &workgroup::CONV2D, &workgroup::DENSE];

/// A rewrite that can be left out, to measure or to doubt it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Rewrite {
    /// Adam's update where a dense layer's weight gradient is made
    Adam,
    /// Sums of gradients where a convolution makes the last of them
    Add,
    /// ReLU where a convolution makes its input, or the gradient of its output
    Relu,
    /// Concatenations written, and their gradients read, in place
    Slices,
    /// Kernels that hand values round a subgroup
    Subgroup,
    /// Kernels that share tiles through workgroup memory
    Workgroup,
    /// Wide weights kept in panels of neighbouring columns, so that a kernel walks memory in order
    Panels,
    /// What kernels of a subgroup read over and over, copied to images, which are read faster
    Images,
    /// Temporaries that share buffers
    Memory,
}

/// Operations of a submission to a GPU of which nothing is known, a byte moved counting as ten:
/// drivers of desktops end what takes two seconds, and an adapter that does no more than 100 GFLOP or
/// 10 GB a second takes 0.4. The engine cuts submissions between passes, and [`shard`] a longer pass
/// where it can.
pub(crate) const LONGEST: u64 = 40_000_000_000;

/// The same where the adapter was measured: what takes it 0.2 seconds, if kernels reach a tenth of
/// what it can do at most. One that reaches a hundredth still ends within two.
fn longest(ceiling: &Ceiling) -> u64 {
    let slower = ceiling.flop_per_second.min(10.0 * ceiling.bytes_per_second);
    (0.2 * slower / 10.0) as u64
}

/// What a plan is made for.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Bytes of the largest buffer that a pass can bind.
    pub buffer_limit: u64,
    /// Operations of a pass, a byte moved counting as ten, above which it is cut if it can be, and of
    /// the passes that are submitted at once.
    pub longest_pass: u64,
    /// Smallest and largest subgroup; zeros where there is none.
    pub subgroup: [u32; 2],
    /// It computes on the processor, where workgroup memory is no nearer than other memory.
    pub software: bool,
    /// Rewrites to leave out.
    pub without: Vec<Rewrite>,
    /// Kernels measured to be the fastest; empty where none were, see [`tune`](crate::tune).
    pub choices: Choices,
}

impl Target {
    /// This adapter, with every rewrite, and kernels by the fixed rule: nothing is measured. For
    /// those that are fastest here, put into `choices` what [`tune`](crate::tune::tune) finds.
    pub fn of(gpu: &Gpu) -> Target {
        let (buffer_limit, subgroup) = (gpu.buffer_limit(), gpu.subgroup());
        Target::new(buffer_limit, subgroup, gpu.facts.is_software())
    }

    /// An adapter known by these numbers, with every rewrite, and kernels by the fixed rule.
    pub fn new(buffer_limit: u64, subgroup: [u32; 2], software: bool) -> Target {
        let (without, choices) = (Vec::new(), Choices::default());
        // Nothing ends what a processor takes its time for.
        let longest_pass = if software { u64::MAX } else { LONGEST };
        Target { buffer_limit, longest_pass, subgroup, software, without, choices }
    }

    /// For an adapter that was measured: its rates say what takes it too long.
    pub fn measured(self, ceiling: &Ceiling) -> Target {
        match self.software {
            true => self,
            false => Target { longest_pass: longest(ceiling), ..self },
        }
    }
}

/// Suits recordings of one tape to a target: joins passes, chooses their kernels, splits what is
/// larger than its limit and lets temporaries share memory, but for those of `keep`, which are read
/// after a run. The largest recording should come first, since the others take its buffers. Tensors
/// that a plan adds are numbered behind the tape's, so what the tape records later is for another
/// engine.
///
/// # Errors
/// [`TooLarge`] when a tensor is over the limit and cannot be split.
pub fn plan(
    recordings: &mut [Recording],
    target: &Target,
    keep: &[TensorId],
) -> Result<(), TooLarge> {
    let wanted = |rewrite| !target.without.contains(&rewrite);
    for recording in recordings.iter_mut() {
        join(recording, target);
        choose(recording, target);
    }
    if wanted(Rewrite::Images) {
        images(recordings);
    }
    if wanted(Rewrite::Panels) {
        panels(recordings);
    }
    shard(recordings, target.buffer_limit, target.longest_pass)?;
    if wanted(Rewrite::Memory) {
        place(recordings, keep);
    }
    Ok(())
}

/// Makes fewer passes of many: the part of [`plan`] that comes before any kernel is chosen.
pub fn join(recording: &mut Recording, target: &Target) {
    let wanted = |rewrite| !target.without.contains(&rewrite);
    if wanted(Rewrite::Adam) {
        fuse_adam(recording);
    }
    if wanted(Rewrite::Slices) {
        write_slices(recording);
    }
    if wanted(Rewrite::Relu) {
        fuse_relu(recording);
    }
    if wanted(Rewrite::Slices) {
        read_slices(recording);
    }
    if wanted(Rewrite::Add) {
        fuse_add(recording);
    }
    if wanted(Rewrite::Relu) {
        fuse_mask(recording);
    }
}

/// The constant of passes that take columns by four.
const BY_FOUR: Constant = ("Columns", Value::Type("vec4<f32>"));

/// A constant of the pass, as a size.
fn size(pass: &Pass, name: &str) -> usize {
    match pass.constants.iter().find(|(known, _)| *known == name) {
        Some((_, Value::U32(value))) => *value as usize,
        Some((_, Value::I32(value))) => usize::try_from(*value).expect("a size is not negative"),
        other => panic!("pass `{}` has no size {name}: {other:?}", pass.label()),
    }
}

/// Sets a size that the pass has already.
fn set_size(pass: &mut Pass, name: &'static str, value: usize) {
    let known = pass.constants.iter_mut().find(|(known, _)| *known == name);
    known.expect("the pass has this size").1 = value.into();
}

/// Whether the pass is an entry of this kernel.
fn is(pass: &Pass, kernel: &str, entry: &str) -> bool {
    pass.kernel.name == kernel && pass.entry == entry
}

/// The tensor that a pass binds to a name.
fn bound(pass: &Pass, name: &str) -> Option<TensorId> {
    pass.tensors.iter().find(|bound| bound.name == name).map(|bound| bound.tensor)
}

/// Binds another tensor to a name.
fn rebind(pass: &mut Pass, name: &str, tensor: TensorId) {
    for bound in pass.tensors.iter_mut().filter(|bound| bound.name == name) {
        bound.tensor = tensor;
    }
}

/// The places of the passes that bind the tensor.
fn uses(passes: &[Pass], tensor: TensorId) -> Vec<usize> {
    let binds = |pass: &&Pass| pass.tensors.iter().any(|bound| bound.tensor == tensor);
    let found = passes.iter().enumerate().filter(|(_, pass)| binds(pass));
    found.map(|(index, _)| index).collect()
}

/// Removes each pass for which `redundant` is true, after it has changed the others accordingly.
fn retain_passes(
    recording: &mut Recording,
    mut redundant: impl FnMut(&mut Vec<Pass>, usize) -> bool,
) {
    let mut index = 0;
    while index < recording.passes.len() {
        if redundant(&mut recording.passes, index) {
            recording.passes.remove(index);
        } else {
            index += 1;
        }
    }
}
