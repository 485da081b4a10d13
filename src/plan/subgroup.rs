//! Replaces products and convolutions by variants that hand values round a subgroup.
//!
//! On a processor a load costs as much as twenty multiply-adds and a shuffle as much as three, so
//! there a value is loaded once by one lane and handed round. The variants take the same tensors
//! and give the same results up to rounding.

use super::{BY_FOUR, size};
use crate::kernel::{Constant, Kernel, kernel};
use crate::recording::{Pass, Recording, Rows};

/// `shaders/conv2d_subgroup.wgsl`.
pub(super) static CONV2D: Kernel = kernel!("conv2d_subgroup");
/// `shaders/dense_subgroup.wgsl`.
pub(super) static DENSE: Kernel = kernel!("dense_subgroup");

/// Threads of a subgroup that the variants are made for: lavapipe's and other processors' with
/// vectors of 256 bits.
const LANES: usize = 8;
/// Pixels or examples of a row of lanes, measured: beyond, the driver keeps ever more sums in memory
/// and compiles ever longer.
const PIXELS: usize = 14;
const EXAMPLES: usize = 25;
/// Examples of a lane in `backward_x`, which holds one group of columns instead of two.
const EXAMPLES_DX: usize = 50;
/// Quads of rows of dw, times groups of columns, that a lane may sum.
const QUADS: usize = 20;

/// Replaces each pass that has a subgroup variant, where the adapter's subgroups have `lanes`
/// threads and the pass's shape is one the variant can take.
pub fn subgroup(recording: &mut Recording, lanes: u32) {
    for pass in &mut recording.passes {
        if let Some(replaced) = subgroup_variant(pass, lanes) {
            *pass = replaced;
        }
    }
}

/// The pass by lanes that hand values round. `None` where there is no such variant: for other
/// kernels, for subgroups of other than eight threads, and for shapes that it cannot take.
pub fn subgroup_variant(pass: &Pass, lanes: u32) -> Option<Pass> {
    if lanes as usize != LANES {
        return None;
    }
    match (pass.kernel.name, pass.entry) {
        ("conv2d", "forward" | "backward_x") => convolve(pass),
        ("conv2d", "backward_w") => conv_backward_w(pass),
        ("dense", "forward" | "backward_x" | "backward_w") => dense(pass),
        _ => None,
    }
}

/// How the lanes share the columns.
struct Columns {
    row_lanes: usize,
    span: usize,
    groups: usize,
}

impl Columns {
    /// For `groups` groups of four columns.
    fn new(groups: usize) -> Columns {
        let row_lanes = groups.next_power_of_two().min(LANES);
        // Two groups a lane halve the shuffles for each multiply-add.
        let span = if groups >= 2 * LANES { 2 } else { 1 };
        Columns { row_lanes, span, groups }
    }

    fn constants(&self) -> [Constant; 4] {
        [
            ("LANES", LANES.into()),
            ("ROW_LANES", self.row_lanes.into()),
            ("SPAN", self.span.into()),
            ("GROUPS", self.groups.into()),
        ]
    }

    /// Threads along x: a subgroup for each tile of columns.
    fn threads(&self) -> u32 {
        (self.groups.div_ceil(self.row_lanes * self.span) * LANES) as u32
    }

    fn lane_rows(&self) -> usize {
        LANES / self.row_lanes
    }
}

fn has_quads(pass: &Pass) -> bool {
    pass.constants.contains(&BY_FOUR)
}

/// The most even tile of at most `most` that covers `count`.
fn even_tile(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most))
}

/// The constants of a convolution that both variants need, if the shape is theirs.
fn convolution(pass: &Pass) -> Option<(Columns, Vec<Constant>)> {
    let plain = size(pass, "STRIDE") == 1 && size(pass, "DILATION") == 1;
    let channels = size(pass, "CHANNELS");
    if !plain || !has_quads(pass) || !channels.is_multiple_of(4) {
        return None;
    }
    let columns = Columns::new(size(pass, "GROUPS"));
    let mut constants = columns.constants().to_vec();
    constants.push(("QUADS", (channels / 4).into()));
    constants.push(("IMAGE_ROWS", (size(pass, "PIXELS") / size(pass, "OUT_W")).into()));
    let (stride, first) = (size(pass, "X_STRIDE"), size(pass, "X_FIRST"));
    if stride % 4 != 0 || first % 4 != 0 {
        return None;
    }
    constants.extend([("X_STRIDE", (stride / 4).into()), ("X_FIRST", (first / 4).into())]);
    let same = ["IN_H", "IN_W", "OUT_H", "OUT_W", "KERNEL_H", "KERNEL_W", "PAD_TOP", "PAD_LEFT"];
    let slices = ["Y_STRIDE", "Y_FIRST", "DY_STRIDE", "DY_FIRST", "RELU", "ADD", "MASK"];
    let same = |(name, _): &&Constant| same.contains(name) || slices.contains(name);
    constants.extend(pass.constants.iter().filter(same));
    Some((columns, constants))
}

fn convolve(pass: &Pass) -> Option<Pass> {
    let (columns, mut constants) = convolution(pass)?;
    let out_w = size(pass, "OUT_W");
    let tile = even_tile(out_w, PIXELS);
    constants.push(("TILE", tile.into()));
    let segments = size(pass, "PIXELS") / out_w * out_w.div_ceil(tile);
    let threads = [columns.threads(), segments.div_ceil(columns.lane_rows()) as u32, 1];
    // Made for processors, where nothing is cut for its work.
    Some(Pass { kernel: &CONV2D, constants, threads, rows: None, ..pass.clone() })
}

fn conv_backward_w(pass: &Pass) -> Option<Pass> {
    let (columns, mut constants) = convolution(pass)?;
    let (out_w, split) = (size(pass, "OUT_W"), size(pass, "SPLIT"));
    if split % out_w != 0 {
        return None;
    }
    let (kernel_h, kernel_w) = (size(pass, "KERNEL_H"), size(pass, "KERNEL_W"));
    let quads = size(pass, "CHANNELS") / 4;
    let budget = QUADS / columns.span;
    let taps = if kernel_w <= budget { kernel_w } else { 1 };
    let held = (budget / taps).min(quads).min(columns.row_lanes);
    constants.push(("TAPS", taps.into()));
    constants.push(("QUADS_HELD", held.into()));
    constants.push(("SPLIT_ROWS", (split / out_w).into()));
    let blocks = kernel_h * kernel_w.div_ceil(taps) * quads.div_ceil(held);
    let rows = blocks.div_ceil(columns.lane_rows()) as u32;
    let threads = [columns.threads(), rows, pass.threads[2]];
    Some(Pass { kernel: &CONV2D, constants, threads, rows: None, ..pass.clone() })
}

fn dense(pass: &Pass) -> Option<Pass> {
    let (batch, depth) = (size(pass, "BATCH"), size(pass, "DEPTH"));
    if !has_quads(pass) || depth % 4 != 0 {
        return None;
    }
    let columns = Columns::new(size(pass, "GROUPS"));
    let mut constants = columns.constants().to_vec();
    constants.push(("BATCH", batch.into()));
    constants.push(("DEPTH_QUADS", (depth / 4).into()));
    constants.push(("PANEL", columns.groups.into()));
    let mut rows = pass.rows.clone()?;
    let mut threads = pass.threads;
    match pass.entry {
        "forward" => {
            let tile = even_tile(batch, EXAMPLES);
            constants.push(("TILE", tile.into()));
            constants.push(("SPLIT", size(pass, "SPLIT").into()));
            threads[0] = columns.threads();
            threads[1] = batch.div_ceil(tile).div_ceil(columns.lane_rows()) as u32;
        }
        "backward_x" => {
            let tile = even_tile(batch, EXAMPLES_DX);
            constants.push(("TILE", tile.into()));
            threads[1] = batch.div_ceil(tile) as u32;
            constants.extend(pass.constants.iter().filter(|(name, _)| *name == "MASK"));
            rows = Rows { per_thread: 4, ..rows };
        }
        _ => {
            let held = (QUADS / columns.span).min(depth / 4).min(columns.row_lanes);
            constants.push(("QUADS_HELD", held.into()));
            let update = ["STORE_DW", "UPDATE_W", "BETA1", "BETA2", "ONE_MINUS_BETA1"];
            let update = [&update[..], &["ONE_MINUS_BETA2", "EPSILON"]].concat();
            constants.extend(pass.constants.iter().filter(|(name, _)| update.contains(name)));
            threads[0] = columns.threads();
            rows = Rows { per_thread: 4 * held * columns.lane_rows(), ..rows };
        }
    }
    threads[rows.axis] = rows.threads();
    Some(Pass { kernel: &DENSE, constants, threads, rows: Some(rows), ..pass.clone() })
}
