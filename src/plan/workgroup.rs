//! Replaces products and convolutions by variants that share tiles through workgroup memory.
//!
//! A GPU does dozens of multiply-adds in the time in which a word comes from its cache. A workgroup
//! therefore loads a tile of rows and one of columns for some terms of the sums, each once, and its
//! threads read them from workgroup memory. The variants take the same tensors and give the same
//! results up to rounding, in a fixed order.

use super::{BY_FOUR, size};
use crate::kernel::{Constant, Kernel, kernel};
use crate::recording::{Pass, Recording, Rows};

/// `shaders/conv2d_workgroup.wgsl`.
pub(super) static CONV2D: Kernel = kernel!("conv2d_workgroup");
/// `shaders/dense_workgroup.wgsl`.
pub(super) static DENSE: Kernel = kernel!("dense_workgroup");

/// Vectors of four floats in the workgroup memory of any device, 16 KiB.
const MEMORY: usize = 1024;
/// Workgroups along an axis on any device.
const MOST_WORKGROUPS: usize = 65_535;

/// How large the tiles of a workgroup may be; of those a pass gets the one that suits its shape.
///
/// For each term of the sums a thread that holds `r` rows of `s` groups of four columns reads r + 4 s
/// words from workgroup memory, as vectors, and does 4 r s multiply-adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Threads of a workgroup, a power of two from 64.
    pub threads: usize,
    /// The most rows that a thread holds, 4 or 8.
    pub rows: usize,
    /// The most groups of four columns that a thread holds, 1 or 2.
    pub span: usize,
    /// Terms of the sums between two barriers: 4, 8 or 16. All are unrolled, so that a place in a
    /// tile is the thread's own plus a constant, whose bounds the driver can check once for all steps.
    pub step: usize,
}

/// Up to 8 x 8 sums a thread, 128 x 64 a workgroup: 4 multiply-adds for each word from workgroup
/// memory, with which a memory of 32 words a clock keeps up with 128 lanes. The sums take 64
/// registers, operands and places about 50 more: four workgroups of four warps are resident at once
/// on a multiprocessor of 64 Ki registers, and with 12 to 16 KiB each in its memory, so that some
/// multiply while others load.
pub const LARGE: Tiles = Tiles { threads: 128, rows: 8, span: 2, step: 16 };

/// Up to 8 x 4 sums a thread, 64 x 32 a workgroup: 2.7 multiply-adds for each word, but half the
/// registers and four times as many workgroups, where a result is too small for large tiles to fill
/// the GPU.
pub const SMALL: Tiles = Tiles { threads: 64, rows: 8, span: 1, step: 8 };

/// Replaces each pass that has a workgroup variant, where its shape is one the variant can take.
pub fn workgroup(recording: &mut Recording, tiles: &Tiles) {
    for pass in &mut recording.passes {
        if let Some(replaced) = workgroup_variant(pass, tiles) {
            *pass = replaced;
        }
    }
}

/// The pass with tiles in workgroup memory. `None` where there is no such variant: for other
/// kernels, and for channels, columns or slices that are no multiples of four, as every load is of
/// four.
pub fn workgroup_variant(pass: &Pass, tiles: &Tiles) -> Option<Pass> {
    match (pass.kernel.name, pass.entry) {
        ("conv2d", "forward" | "backward_x") => convolve(pass, tiles),
        ("conv2d", "backward_w") => conv_backward_w(pass, tiles),
        ("dense", "forward" | "backward_x") => dense_product(pass, tiles),
        ("dense", "backward_w") => dense_backward_w(pass, tiles),
        _ => None,
    }
}

/// A tile: how threads lie in a workgroup and what each of them holds.
#[derive(Clone, Copy)]
struct Tile {
    column_threads: usize,
    row_threads: usize,
    /// Rows that a thread holds.
    rows: usize,
    /// Groups of four columns that a thread holds.
    span: usize,
}

impl Tile {
    /// The tile that covers `rows` rows and `groups` groups of four columns at the least cost, where
    /// a thread holds a multiple of `unit` rows; `None` when it takes too many workgroups.
    fn new(tiles: &Tiles, unit: usize, rows: usize, groups: usize) -> Option<Tile> {
        let shapes = [4, 8, 16, 32].into_iter().flat_map(|column_threads| {
            let row_threads = tiles.threads / column_threads;
            let held = (unit..=tiles.rows).step_by(unit);
            held.flat_map(move |rows| {
                let spans = [1, 2].into_iter().filter(|&span| span <= tiles.span);
                spans.map(move |span| Tile { column_threads, row_threads, rows, span })
            })
        });
        let count = |tile: &Tile| [rows.div_ceil(tile.height()), groups.div_ceil(tile.width())];
        let fits = |tile: &Tile| {
            // Tiles as `backward_x` of a dense layer pads them are the largest.
            let memory = (tile.height() + 4 * tile.width()) * (tiles.step / 4 + 1);
            memory <= MEMORY && count(tile).iter().all(|&count| count <= MOST_WORKGROUPS)
        };
        // Multiply-adds of a workgroup for each term. A thread's read of 16 bytes from workgroup
        // memory takes as long as about 8 of them, one from the cache to there as 32.
        let cost = |tile: &Tile| {
            let reads = 8 * (tile.rows + 4 * tile.span) / 4;
            let loads = 32 * (tile.height() + 4 * tile.width()) / 4;
            let each = tile.threads() * (4 * tile.rows * tile.span + reads) + loads;
            each * count(tile).iter().product::<usize>()
        };
        shapes.filter(fits).min_by_key(cost)
    }

    fn height(&self) -> usize {
        self.row_threads * self.rows
    }

    fn width(&self) -> usize {
        self.column_threads * self.span
    }

    fn threads(&self) -> usize {
        self.column_threads * self.row_threads
    }

    /// Threads of so many workgroups along x, where all threads of a workgroup lie.
    fn along_x(&self, workgroups: usize) -> u32 {
        u32::try_from(workgroups * self.threads()).expect("thread count must fit u32")
    }

    fn constants(&self) -> Vec<Constant> {
        vec![
            ("COLUMN_THREADS", self.column_threads.into()),
            ("ROW_THREADS", self.row_threads.into()),
            ("SPAN", self.span.into()),
        ]
    }

    /// The constants by which the threads share the loads of a step.
    fn loads(&self, rows: usize, columns: usize) -> [Constant; 2] {
        let each = |loads: usize| loads.div_ceil(self.threads()).into();
        [("ROW_LOADS", each(rows)), ("COLUMN_LOADS", each(columns))]
    }

    /// The constants of a product whose terms lie side by side in its rows: a step takes quads.
    fn product(&self, tiles: &Tiles) -> Vec<Constant> {
        let quads = tiles.step / 4;
        let mut constants = self.constants();
        constants.extend([("TILE", self.rows.into()), ("STEP", quads.into())]);
        constants.extend(self.loads(self.height() * quads, 4 * self.width() * quads));
        constants
    }

    /// The constants of a product whose terms are `terms` rows of both tensors, of which a step,
    /// `name`, takes as even a number as possible.
    fn outer(&self, tiles: &Tiles, name: &'static str, terms: usize) -> Vec<Constant> {
        let step = terms.div_ceil(terms.div_ceil(tiles.step));
        let mut constants = self.constants();
        constants.extend([("QUADS_HELD", (self.rows / 4).into()), (name, step.into())]);
        constants.extend(self.loads(step * self.height() / 4, step * self.width()));
        constants
    }
}

/// Those constants of the pass that its variant has too.
fn same(pass: &Pass, names: &[&str]) -> impl Iterator<Item = Constant> {
    pass.constants.iter().copied().filter(move |(name, _)| names.contains(name))
}

/// The constants of a convolution that all its variants need, if the shape is theirs.
fn convolution(pass: &Pass) -> Option<Vec<Constant>> {
    let quads = |name: &'static str| {
        let size = size(pass, name);
        size.is_multiple_of(4).then(|| (size / 4).into())
    };
    if !pass.constants.contains(&BY_FOUR) {
        return None;
    }
    let mut constants = vec![
        ("QUADS", quads("CHANNELS")?),
        ("X_STRIDE", quads("X_STRIDE")?),
        ("X_FIRST", quads("X_FIRST")?),
    ];
    let extents = ["PIXELS", "IN_H", "IN_W", "OUT_H", "OUT_W", "GROUPS", "KERNEL_H", "KERNEL_W"];
    let places = ["STRIDE", "DILATION", "PAD_TOP", "PAD_LEFT", "Y_STRIDE", "Y_FIRST"];
    constants.extend(same(pass, &extents).chain(same(pass, &places)));
    constants.extend(same(pass, &["DY_STRIDE", "DY_FIRST", "RELU", "ADD", "MASK"]));
    Some(constants)
}

fn convolve(pass: &Pass, tiles: &Tiles) -> Option<Pass> {
    let mut constants = convolution(pass)?;
    let (pixels, groups) = (size(pass, "PIXELS"), size(pass, "GROUPS"));
    let tile = Tile::new(tiles, 1, pixels, groups)?;
    constants.extend(tile.product(tiles));
    // Tiles of the same pixels follow each other: they find them in the cache.
    let columns = tile.along_x(groups.div_ceil(tile.width()));
    let rows = Rows { per_thread: tile.height(), ..pass.rows.clone()? };
    let threads = [columns, rows.threads(), 1];
    Some(Pass { kernel: &CONV2D, constants, threads, rows: Some(rows), ..pass.clone() })
}

fn conv_backward_w(pass: &Pass, tiles: &Tiles) -> Option<Pass> {
    let mut constants = convolution(pass)?;
    let groups = size(pass, "GROUPS");
    let rows = size(pass, "KERNEL_H") * size(pass, "KERNEL_W") * size(pass, "CHANNELS");
    let tile = Tile::new(tiles, 4, rows, groups)?;
    let split = size(pass, "SPLIT");
    constants.push(("SPLIT", split.into()));
    constants.extend(tile.outer(tiles, "PIXEL_STEP", split.min(size(pass, "PIXELS"))));
    let columns = tile.along_x(groups.div_ceil(tile.width()));
    let threads = [columns, rows.div_ceil(tile.height()) as u32, pass.threads[2]];
    Some(Pass { kernel: &CONV2D, constants, threads, ..pass.clone() })
}

/// The constants of a dense layer that all its variants need, if the shape is theirs.
fn dense(pass: &Pass) -> Option<Vec<Constant>> {
    let depth = size(pass, "DEPTH");
    if !pass.constants.contains(&BY_FOUR) || !depth.is_multiple_of(4) {
        return None;
    }
    let mut constants = vec![("DEPTH_QUADS", (depth / 4).into())];
    constants.extend(same(pass, &["BATCH", "GROUPS", "MASK"]));
    Some(constants)
}

/// The pass `forward` or `backward_x`.
fn dense_product(pass: &Pass, tiles: &Tiles) -> Option<Pass> {
    let mut constants = dense(pass)?;
    let mut rows = pass.rows.clone()?;
    let batch = size(pass, "BATCH");
    let forward = pass.entry == "forward";
    let groups = if forward { size(pass, "GROUPS") } else { size(pass, "DEPTH") / 4 };
    let tile = Tile::new(tiles, 1, batch, groups)?;
    constants.extend(tile.product(tiles));
    let examples = batch.div_ceil(tile.height());
    let mut threads = [1; 3];
    if forward {
        constants.extend(same(pass, &["SPLIT"]));
        threads[0] = tile.along_x(groups.div_ceil(tile.width()));
        threads[1] = examples as u32;
    } else {
        // A workgroup takes whole tiles of k, so that no shard's edge lies in one.
        rows = Rows { per_thread: 4 * tile.width(), axis: 1, ..rows };
        threads[0] = tile.along_x(examples);
    }
    threads[rows.axis] = rows.threads();
    Some(Pass { kernel: &DENSE, constants, threads, rows: Some(rows), ..pass.clone() })
}

fn dense_backward_w(pass: &Pass, tiles: &Tiles) -> Option<Pass> {
    let mut constants = dense(pass)?;
    let (depth, groups) = (size(pass, "DEPTH"), size(pass, "GROUPS"));
    let tile = Tile::new(tiles, 4, depth, groups)?;
    constants.extend(tile.outer(tiles, "EXAMPLE_STEP", size(pass, "BATCH")));
    let update = ["BETA1", "BETA2", "ONE_MINUS_BETA1", "ONE_MINUS_BETA2", "EPSILON"];
    constants.extend(same(pass, &["STORE_DW", "UPDATE_W"]).chain(same(pass, &update)));
    let rows = Rows { per_thread: tile.height(), axis: 1, ..pass.rows.clone()? };
    let threads = [tile.along_x(groups.div_ceil(tile.width())), rows.threads(), 1];
    Some(Pass { kernel: &DENSE, constants, threads, rows: Some(rows), ..pass.clone() })
}
