//! The ops' own kernels where there is little to do, as for a single picture.

use super::{is, set_size, size};
use crate::recording::Pass;

/// Threads below which each takes one group of columns of one pixel. A GPU runs many more than these at
/// once, so larger tiles would leave most of it idle; and the less a kernel repeats, the sooner it is
/// compiled, which for a single picture takes longer than anything else.
const FEW: u32 = 1024;
/// The same for processors, which are never idle: five pictures took them five times as long as with tiles.
const FEW_OF_SOFTWARE: u32 = 256;

/// The pass with tiles no larger than its work is worth on a GPU, or on a `software` adapter. The sums
/// are the same, in the same order.
pub fn plain_variant(pass: &Pass, software: bool) -> Pass {
    let few = if software { FEW_OF_SOFTWARE } else { FEW };
    let mut plain = pass.clone();
    let one_of = |kernel, entries: [&str; 2]| entries.iter().any(|entry| is(pass, kernel, entry));
    if one_of("dense", ["forward", "backward_x"]) {
        // More examples than there are would be computed and thrown away.
        let examples = size(pass, "EXAMPLES").min(size(pass, "BATCH"));
        set_size(&mut plain, "EXAMPLES", examples);
    }
    if one_of("conv2d", ["forward", "backward_x"]) && pass.threads.iter().product::<u32>() < few {
        let rows = plain.rows.as_mut().expect("pixels can be cut");
        rows.per_thread = 1;
        plain.threads[rows.axis] = rows.threads();
        let groups = size(pass, "GROUPS");
        plain.threads[0] = groups as u32;
        // Most of a small network's have one group of columns or two: they get the same workgroups.
        let size_x = if groups < 3 { 1 } else { groups.next_power_of_two().min(8) };
        for (name, value) in [("TILE", 1), ("SPAN", 1), ("SIZE_X", size_x), ("SIZE_Y", 64 / size_x)]
        {
            set_size(&mut plain, name, value);
        }
        plain.sizes_bound = true;
    }
    plain
}
