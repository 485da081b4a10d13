//! NaN and infinity, found in the step and behind the pass where they appear.
//!
//! [`watch`] puts a check behind each pass of a recording: a pass that counts what is not finite
//! among the numbers just made. No tensor leaves the device but a few hundred words of counts. The
//! other passes, and what they make, stay as they are, bit for bit.
//!
//! [`poison`] fills the memory of each temporary, before its first pass, with a pattern that is no
//! number. What a pass then leaves unwritten, or reads before it is made, the checks find:
//! `watch(&poison(&recording))`.

mod checked;
mod part;
mod poison;

use std::collections::HashSet;
use std::fmt;

pub use self::checked::Checked;
use self::part::Part;
pub use self::poison::{POISON, poison};
use crate::kernel::{Kernel, kernel};
use crate::recording::{Bound, Pass, Recording, Role, TensorId, TensorInfo};

static KERNEL: Kernel = kernel!("numbers");

/// The WGSL file of the checks.
pub static KERNELS: [&Kernel; 1] = [&KERNEL];

/// Threads of a workgroup, and vectors or elements that each takes, as `shaders/numbers.wgsl` has it.
const SIZE: usize = 256;
const EACH: usize = 8;
/// Words that a check makes.
const WORDS: usize = 3;
/// The bits of an f32's exponent: all 1 in NaN and infinity.
const EXPONENT: u32 = 0x7f80_0000;

/// A recording with checks, and what they mean.
pub struct Watch {
    /// The passes, each followed by the checks of what it made; in front of all, the parameters'.
    pub recording: Recording,
    /// What the host has to write before the first run: each check's `view`.
    pub views: Vec<(TensorId, [u32; 7])>,
    /// Three words a check, u32, made anew by each run: to be read after it.
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
    /// How many of these are [`POISON`]: not written, or made of what was not.
    pub unwritten: u32,
    /// The place of the first of them in memory's order.
    pub first: Vec<usize>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { pass, tensor, shape, count, first, unwritten } = self;
        match pass {
            Some(pass) if *unwritten > 0 => write!(
                f,
                "pass `{pass}` left some of {tensor} {shape:?} unwritten, or made it of what no pass \
                 had written"
            )?,
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
        WORDS * self.watched.len()
    }

    /// What the words of a run mean; none when all was finite.
    pub fn found(&self, words: &[u32]) -> Option<Found> {
        let counts = words.chunks_exact(WORDS).zip(&self.watched);
        let (word, watched) = { counts }.find(|(word, _)| word[0] > 0)?;
        Some(Found {
            pass: watched.pass.clone(),
            tensor: watched.tensor.clone(),
            shape: watched.info.shape.clone(),
            count: word[0],
            first: watched.place(u32::MAX as usize - word[1] as usize),
            unwritten: word[2],
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
/// all. Whole numbers that it makes are checked where they lie in memory that was poisoned. To be called when the plan is ready: a check follows its pass at once, before the memory goes
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
    let mut poisoned = HashSet::new();
    for pass in &recording.passes {
        passes.push(pass.clone());
        if std::ptr::eq(pass.kernel, &KERNEL) {
            poisoned.extend(pass.tensors.iter().map(|bound| bound.tensor));
            continue;
        }
        // The device's own copies declare nothing; they are as finite as what they were made from.
        let made = |bound: &&Bound| {
            pass.kernel.makes_floats(bound.name)
                || (pass.kernel.writes(bound.name) && poisoned.contains(&bound.tensor))
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
    Pass {
        place,
        kernel: &KERNEL,
        entry,
        constants,
        tensors,
        threads,
        rows: None,
        sizes_bound: false,
    }
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
        let view = add(tensors, "numbers view", Role::Input, 7);
        let word = |n: usize| u32::try_from(n).expect("a tensor's elements fit u32");
        let Part { first, width, stride, elements } = part;
        let floats = maker.is_none_or(|pass| pass.kernel.makes_floats(bound.name));
        // Whole numbers are wrong where they are the poison itself.
        let [mask, pattern] = if floats { [EXPONENT; 2] } else { [u32::MAX, POISON] };
        let [slot, count, first, width, stride] =
            [self.watched.len(), elements, first, width, stride].map(word);
        self.views.push((view, [slot, count, first, width, stride, mask, pattern]));
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
