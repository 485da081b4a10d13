//! NaN and infinity, found in the step and behind the pass where they appear.
//!
//! [`watch`] puts a check behind each pass of a recording: a pass that counts what is not finite
//! among the numbers just made. No tensor leaves the device but a few hundred words of counts. The
//! other passes, and what they make, stay as they are, bit for bit.

use std::fmt;

use crate::kernel::{Kernel, Value, kernel};
use crate::recording::{Bound, COPY, Pass, Recording, Role, TensorId, TensorInfo};

static KERNEL: Kernel = kernel!("numbers");

/// The WGSL file of the checks.
pub static KERNELS: [&Kernel; 1] = [&KERNEL];

/// Threads of a workgroup, and vectors or elements that each takes, as `shaders/numbers.wgsl` has it.
const SIZE: usize = 256;
const EACH: usize = 8;

/// A recording with checks, and what they mean.
pub struct Watch {
    /// The passes, each followed by the checks of what it made; in front of all, the parameters'.
    pub recording: Recording,
    /// What the host has to write before the first run: each check's `view`.
    pub views: Vec<(TensorId, [u32; 5])>,
    /// Two words a check, u32, made anew by each run: to be read after it.
    pub found: TensorId,
    watched: Vec<Watched>,
}

/// What one check looks at.
struct Watched {
    /// The pass that made it; none when it was there before.
    pass: Option<String>,
    /// Its name, or the kernel's variable where it has none of its own.
    tensor: String,
    /// All of it, in all shards.
    info: TensorInfo,
    shard: usize,
    part: Part,
}

/// A part of a shard, in elements: runs of `width`, `stride` apart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    first: usize,
    width: usize,
    stride: usize,
    elements: usize,
}

/// The first tensor, in order of the passes, that is not finite everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The pass that made it so; none when it was so before the step.
    pub pass: Option<String>,
    /// The tensor's name, or the name of the pass's variable.
    pub tensor: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// How many of its elements, as far as that pass made them, are NaN or infinite.
    pub count: u32,
    /// The place of the first of them in memory's order.
    pub first: Vec<usize>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { pass, tensor, shape, count, first } = self;
        match pass {
            Some(pass) => write!(f, "pass `{pass}` made {tensor} {shape:?} NaN or infinite")?,
            None => write!(f, "{tensor} {shape:?} was NaN or infinite before the first pass")?,
        }
        let (s, the) = if *count == 1 { ("", "") } else { ("s", "the first ") };
        write!(f, " ({count} element{s}, {the}at {first:?})")
    }
}

impl Watch {
    /// Words of [`Watch::found`].
    pub fn words(&self) -> usize {
        2 * self.watched.len()
    }

    /// What the words of a run mean; none when all was finite.
    pub fn found(&self, words: &[u32]) -> Option<Found> {
        let counts = words.chunks_exact(2).zip(&self.watched);
        let (word, watched) = { counts }.find(|(word, _)| word[0] > 0)?;
        Some(Found {
            pass: watched.pass.clone(),
            tensor: watched.tensor.clone(),
            shape: watched.info.shape.clone(),
            count: word[0],
            first: watched.place(u32::MAX as usize - word[1] as usize),
        })
    }
}

impl Watched {
    /// The extents' indices of an element of the part.
    fn place(&self, element: usize) -> Vec<usize> {
        let Part { first, width, stride, .. } = self.part;
        let at = (first + element / width * stride + element % width) * 4;
        let rows = self.info.shards[self.shard];
        let mut runs = self.info.runs(rows, 0..rows);
        let run = runs.find(|(_, placed)| placed.contains(&at));
        let plain = run.map_or(at, |(plain, placed)| plain.start + at - placed.start) / 4;
        let before: usize = self.info.shards[..self.shard].iter().sum();
        let mut rest = plain + before * self.info.row_bytes() / 4;
        let mut indices: Vec<usize> = Vec::new();
        for extent in self.info.shape.iter().rev() {
            indices.insert(0, rest % extent);
            rest /= extent;
        }
        indices
    }
}

/// Puts a check of all floats that it makes behind each pass, and one of each parameter in front of
/// all. To be called when the plan is ready: a check follows its pass at once, before the memory goes
/// to another tensor. The checks' own tensors are numbered behind the recording's.
pub fn watch(recording: &Recording) -> Watch {
    let mut tensors = recording.tensors.clone();
    let found = add(&mut tensors, "numbers found", Role::Temporary, 1);
    let mut watch =
        Watch { recording: Recording::default(), views: Vec::new(), found, watched: Vec::new() };
    let mut passes = Vec::new();
    for id in recording.used() {
        let info = recording.tensor(id);
        if info.role == Role::Parameter {
            for shard in 0..info.shards.len() {
                let bound = Bound { name: "", tensor: id, shard };
                let part = Part::whole(info, shard);
                passes.push(watch.check(&mut tensors, None, &bound, part));
            }
        }
    }
    for pass in &recording.passes {
        passes.push(pass.clone());
        // A copy is as finite as what it was made from.
        let made = |bound: &&Bound| {
            !std::ptr::eq(pass.kernel, &COPY) && pass.kernel.makes_floats(bound.name)
        };
        for bound in pass.tensors.iter().filter(made) {
            let part = Part::made(pass, bound, recording.tensor(bound.tensor));
            passes.push(watch.check(&mut tensors, Some(pass), bound, part));
        }
    }
    let words = watch.words();
    let info = &mut tensors[found.0 as usize];
    (info.shape, info.shards) = (vec![words], vec![words]);
    let clear = pass("clear", vec![Bound { name: "found", tensor: found, shard: 0 }], words);
    let clear = Pass { constants: vec![("COUNT", words.into())], ..clear };
    watch.recording.passes.extend([clear].into_iter().chain(passes));
    watch.recording.tensors = tensors;
    watch
}

fn add(tensors: &mut Vec<TensorInfo>, name: &str, role: Role, length: usize) -> TensorId {
    let (shape, shards, image) = (vec![length], vec![length], false);
    let (name, panel, storage) = (name.to_string(), None, None);
    tensors.push(TensorInfo { name, shape, role, shards, image, panel, storage });
    TensorId(u32::try_from(tensors.len() - 1).expect("fewer than 2^32 tensors"))
}

fn pass(entry: &'static str, tensors: Vec<Bound>, threads: usize) -> Pass {
    let threads = [u32::try_from(threads).expect("thread count must fit u32"), 1, 1];
    let (place, constants) = ("numbers".to_string(), Vec::new());
    Pass { place, kernel: &KERNEL, entry, constants, tensors, threads, rows: None }
}

impl Watch {
    /// The pass that checks this part.
    fn check(
        &mut self,
        tensors: &mut Vec<TensorInfo>,
        maker: Option<&Pass>,
        bound: &Bound,
        part: Part,
    ) -> Pass {
        let info = tensors[bound.tensor.0 as usize].clone();
        let slot = self.watched.len();
        let view = add(tensors, "numbers view", Role::Input, 5);
        let word = |n: usize| u32::try_from(n).expect("a tensor's elements fit u32");
        let Part { first, width, stride, elements } = part;
        self.views.push((view, [slot, elements, first, width, stride].map(word)));
        let whole = part == Part::whole(&info, bound.shard);
        let items = if whole { elements.div_ceil(4) } else { elements };
        let (entry, name) = if whole { ("whole", "vectors") } else { ("part", "x") };
        let bound_as = |name, tensor, shard| Bound { name, tensor, shard };
        let bindings = vec![
            bound_as(name, bound.tensor, bound.shard),
            bound_as("view", view, 0),
            bound_as("found", self.found, 0),
        ];
        self.watched.push(Watched {
            pass: maker.map(Pass::label),
            tensor: match info.role {
                Role::Temporary => bound.name.to_string(),
                _ => info.name.clone(),
            },
            info,
            shard: bound.shard,
            part,
        });
        pass(entry, bindings, items.div_ceil(SIZE * EACH) * SIZE)
    }
}

impl Part {
    fn whole(info: &TensorInfo, shard: usize) -> Part {
        let elements = info.shards[shard] * info.row_bytes() / 4;
        Part { first: 0, width: elements, stride: elements, elements }
    }

    /// What the pass makes of a tensor that it writes. The rest of it, such as other slices of a
    /// concatenation, may not be made yet, and hold anything.
    fn made(pass: &Pass, bound: &Bound, info: &TensorInfo) -> Part {
        let all = Part::whole(info, bound.shard);
        let constant = |name: &str| {
            let found = pass.constants.iter().find(|(known, _)| *known == name);
            found.and_then(|(_, value)| match value {
                Value::U32(value) => Some(*value as usize),
                _ => None,
            })
        };
        let (kernel, variable) = (pass.kernel.name, bound.name);
        let slice = match (kernel.split('_').next(), variable) {
            (Some("conv2d"), "y") => ["GROUPS", "Y_FIRST", "Y_STRIDE"].map(constant),
            (Some("concat"), "y") => ["GROUPS", "FIRST", "GROUPS_OUT"].map(constant),
            _ => [None; 3],
        };
        if let [Some(groups), Some(first), Some(stride)] = slice
            && groups < stride
        {
            // Of one column or four, as the innermost extent tells.
            let columns = info.shape[info.shape.len() - 1] / stride;
            let [width, first, stride] = [groups, first, stride].map(|count| count * columns);
            let [skipped, pixels] = match &pass.rows {
                Some(rows) => [rows.first, rows.count],
                None => [0, all.elements / stride],
            };
            let first = first + skipped * stride;
            return Part { first, width, stride, elements: pixels * width };
        }
        // A dense layer's pass over some rows of its weights: columns of dx, splits of y.
        let rows = pass.rows.as_ref().filter(|rows| !rows.along.contains(&variable));
        let row = info.row_bytes() / 4;
        match (rows, variable, constant("SPLIT")) {
            // A convolution's pixels, or its partial sums.
            (Some(rows), "y" | "dw", _) if rows.along.is_empty() => {
                let row = all.elements / rows.all;
                let elements = rows.count * row;
                Part { first: rows.first * row, width: elements, stride: elements, elements }
            }
            (Some(rows), "dx", _) => Part {
                first: rows.first,
                width: rows.count,
                stride: row,
                elements: info.shape[0] * rows.count,
            },
            (Some(rows), "y", Some(split)) if info.shape.len() == 3 => {
                let elements = rows.count.div_ceil(split) * row;
                Part {
                    first: rows.first / split * row,
                    width: elements,
                    stride: elements,
                    elements,
                }
            }
            _ => all,
        }
    }
}
