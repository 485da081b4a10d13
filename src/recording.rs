//! What will run, as plain data: passes over named tensors. Printable, comparable, without a GPU.

use std::fmt;
use std::ops::Range;

use crate::kernel::{Constant, Kernel, Value, bind_sizes};

/// A tensor's number on its tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub u32);

/// Vectors of four in a row of an image: vector `i` is at `(i % IMAGE_WIDTH, i / IMAGE_WIDTH)`, as
/// the kernels that read images have it.
pub const IMAGE_WIDTH: u32 = 4096;

/// The device's own copy of a buffer (`x`) to an image (`y`). It has no shader.
pub static COPY: Kernel = Kernel { name: "copy", source: "" };

/// What a tensor is for, which decides who writes it and whether it outlives a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Written by the host.
    Input,
    /// A trained variable, found by name.
    Parameter,
    /// An optimizer's memory, zero at the start.
    State,
    /// Made anew by the passes of each run.
    Temporary,
}

/// A tensor of 4-byte elements (f32, or u32 where the kernel says so), row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    /// Unique for parameters and states; for temporaries the place that made it.
    pub name: String,
    /// Extents, outermost first; never empty, no zero.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// Rows (of the outermost extent) in each of the buffers that hold it; one entry when whole.
    pub shards: Vec<usize>,
    /// Lies in a two-dimensional image of vectors of four, [`IMAGE_WIDTH`] in a row, instead of in
    /// buffers. Only [`COPY`] writes it.
    pub image: bool,
    /// Elements of a row in each panel, where a shard's rows are cut into panels that lie one after
    /// the other, the last one narrower; `None` where rows lie whole.
    pub panel: Option<usize>,
    /// The shared buffer of each shard, when a plan found one; else each has a buffer of its own.
    pub storage: Option<Vec<Storage>>,
}

/// A buffer that several tensors take one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its number among the shared buffers of a tape.
    pub number: usize,
    /// Its size: that of the largest tensor in it.
    pub bytes: u64,
}

impl TensorInfo {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never: a tensor has at least one element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of each shard's buffer, padded to 16 so that a kernel may see it as `vec4`s; of an
    /// image its whole rows.
    pub fn shard_bytes(&self, shard: usize) -> u64 {
        let row = self.len() / self.shape[0];
        let grain = if self.image { IMAGE_WIDTH as usize * 16 } else { 16 };
        ((self.shards[shard] * row * 4).next_multiple_of(grain)) as u64
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.len() / self.shape[0] * 4
    }

    /// Where rows of a shard of `all` rows lie: for each run of neighbouring elements its bytes in
    /// plain row-major order, counted from the first of these rows, and its bytes in this tensor's
    /// panels, in the order of the latter.
    pub fn runs(
        &self,
        all: usize,
        rows: Range<usize>,
    ) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let row = self.row_bytes();
        let panel = self.panel.map_or(row, |elements| elements * 4);
        (0..row).step_by(panel).flat_map(move |first| {
            let width = panel.min(row - first);
            rows.clone().enumerate().map(move |(at, placed)| {
                let (plain, panelled) = (at * row + first, first * all + placed * width);
                (plain..plain + width, panelled..panelled + width)
            })
        })
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        (0..self.shards.len()).map(|shard| self.shard_bytes(shard)).sum()
    }
}

/// A kernel's variable and the tensor (and the shard of it) that it stands for in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The variable's name in the WGSL file.
    pub name: &'static str,
    /// The tensor.
    pub tensor: TensorId,
    /// Which of its shards.
    pub shard: usize,
}

/// How a pass walks along the rows of the tensors named in `along`, so that a plan may cut it:
/// these tensors are indexed from the first row of the cut (`FIRST_ROW`, `ROWS` in the kernel),
/// every other tensor of the pass as a whole. Where `along` names none, a pass can be cut for its
/// work alone, and its rows are whatever its threads walk along.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// First row of this pass.
    pub first: usize,
    /// Rows of this pass.
    pub count: usize,
    /// Rows of all parts that the pass was cut into.
    pub all: usize,
    /// Work items in a row.
    pub items: usize,
    /// Work items a thread takes.
    pub per_thread: usize,
    /// The axis of `threads` that walks along the rows.
    pub axis: usize,
    /// Names of the kernel's variables that follow the rows.
    pub along: Vec<&'static str>,
}

impl Rows {
    /// All rows, not cut yet.
    pub fn whole(count: usize, per_thread: usize, axis: usize) -> Rows {
        Rows { first: 0, count, all: count, items: 1, per_thread, axis, along: Vec::new() }
    }

    /// This part of what all rows have, so that the parts add up to it.
    pub fn share(&self, whole: u64) -> u64 {
        let upto = |row: usize| (u128::from(whole) * row as u128 / self.all as u128) as u64;
        upto(self.first + self.count) - upto(self.first)
    }

    /// Threads needed along the axis.
    pub fn threads(&self) -> u32 {
        let threads = (self.count * self.items).div_ceil(self.per_thread);
        u32::try_from(threads).expect("thread count must fit u32")
    }

    /// The smallest number of rows at whose multiples the pass may be cut without a thread
    /// straddling the cut.
    pub fn grain(&self) -> usize {
        self.per_thread / gcd(self.per_thread, self.items)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// One dispatch.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Where in the model, as `inception2/5x5`.
    pub place: String,
    /// The WGSL file.
    pub kernel: &'static Kernel,
    /// The entry point in it.
    pub entry: &'static str,
    /// Values for the file's constants.
    pub constants: Vec<Constant>,
    /// Tensors by variable name.
    pub tensors: Vec<Bound>,
    /// Threads (not workgroups) along x, y, z.
    pub threads: [u32; 3],
    /// Set when the pass can be cut along rows.
    pub rows: Option<Rows>,
    /// Whether its sizes are bound, so that passes of other sizes share its pipeline, instead of
    /// written into its text: see [`bind_sizes`].
    pub sizes_bound: bool,
}

impl Pass {
    /// The pass as the model knows it: `inception2/5x5 conv2d.backward_w`.
    pub fn label(&self) -> String {
        format!("{} {}.{}", self.place, self.kernel.name, self.entry).trim_start().to_string()
    }

    /// All constants: the op's own and those that follow from the rows.
    pub fn all_constants(&self) -> Vec<Constant> {
        let mut constants = self.constants.clone();
        if let Some(rows) = &self.rows {
            constants.push(("FIRST_ROW", Value::from(rows.first)));
            constants.push(("ROWS", Value::from(rows.count)));
        }
        constants
    }

    /// Its WGSL, and its sizes where they are bound.
    ///
    /// # Panics
    /// When a constant does not fit its kernel.
    pub fn text(&self) -> (String, Vec<u32>) {
        let text = self.kernel.specialize(&self.all_constants());
        match self.sizes_bound {
            true => bind_sizes(&text),
            false => (text, Vec::new()),
        }
    }
}

impl PartialEq for Pass {
    fn eq(&self, other: &Self) -> bool {
        self.label() == other.label()
            && self.all_constants() == other.all_constants()
            && self.tensors == other.tensors
            && self.threads == other.threads
            && self.sizes_bound == other.sizes_bound
    }
}

/// A list of passes and the tensors they speak of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// In order of execution.
    pub passes: Vec<Pass>,
    /// All tensors of the tape, by [`TensorId`]; a recording need not use each of them.
    pub tensors: Vec<TensorInfo>,
}

impl Recording {
    /// The facts of one tensor.
    ///
    /// # Panics
    /// When the id is another tape's.
    pub fn tensor(&self, id: TensorId) -> &TensorInfo {
        &self.tensors[id.0 as usize]
    }

    /// The tensors that the passes use, each once, in order of their ids.
    pub fn used(&self) -> Vec<TensorId> {
        let mut ids: Vec<_> =
            self.passes.iter().flat_map(|pass| pass.tensors.iter().map(|b| b.tensor)).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

impl fmt::Display for Recording {
    /// One line a pass, for tests and for reading.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pass in &self.passes {
            write!(f, "{:44} threads {:?}", pass.label(), pass.threads)?;
            for bound in &pass.tensors {
                let info = self.tensor(bound.tensor);
                write!(f, " {}={}{:?}", bound.name, info.name, info.shape)?;
                if info.shards.len() > 1 {
                    write!(f, "#{}", bound.shard)?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
