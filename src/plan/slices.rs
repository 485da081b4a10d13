//! Spares the copies of a concatenation: its inputs are written where they belong at once, and its
//! gradient is read in place.

use super::{bound, is, rebind, retain_passes, set_size, size, uses};
use crate::recording::{Pass, Recording};

/// Lets convolutions write straight into their slices of a concatenation.
///
/// A `concat.forward` whose input only one `conv2d.forward` makes and no other pass takes goes away.
pub fn write_slices(recording: &mut Recording) {
    retain_passes(recording, |passes, index| {
        let copy = &passes[index];
        let (Some(x), Some(y)) = (bound(copy, "x"), bound(copy, "y")) else { return false };
        if !is(copy, "concat", "forward") {
            return false;
        }
        let (stride, first) = (size(copy, "GROUPS_OUT"), size(copy, "FIRST"));
        let maker = match uses(passes, x)[..] {
            [maker, user] if user == index => maker,
            _ => return false,
        };
        let fits = is(&passes[maker], "conv2d", "forward") && same_columns(copy, &passes[maker]);
        if fits {
            let maker = &mut passes[maker];
            rebind(maker, "y", y);
            set_size(maker, "Y_STRIDE", stride);
            set_size(maker, "Y_FIRST", first);
        }
        fits
    });
}

/// Lets convolutions apply the ReLU that follows them, alone or concatenated.
///
/// A `relu.forward` goes away when all other passes that use its input are convolutions that make
/// it.
pub fn fuse_relu(recording: &mut Recording) {
    retain_passes(recording, |passes, index| {
        let relu = &passes[index];
        let (Some(x), Some(y)) = (bound(relu, "x"), bound(relu, "y")) else { return false };
        let mut makers = uses(passes, x);
        makers.retain(|&user| user != index);
        let makes = |&maker: &usize| {
            is(&passes[maker], "conv2d", "forward") && bound(&passes[maker], "y") == Some(x)
        };
        let fits = is(relu, "relu", "forward") && !makers.is_empty() && makers.iter().all(makes);
        if fits {
            for maker in makers {
                rebind(&mut passes[maker], "y", y);
                set_size(&mut passes[maker], "RELU", 1);
            }
        }
        fits
    });
}

/// Lets the gradients of convolutions read their slice of a concatenation's gradient in place.
///
/// A `concat.backward` goes away when every pass that takes its result can do so.
pub fn read_slices(recording: &mut Recording) {
    retain_passes(recording, |passes, index| {
        let copy = &passes[index];
        let (Some(dy), Some(dx)) = (bound(copy, "dy"), bound(copy, "dx")) else { return false };
        if !is(copy, "concat", "backward") {
            return false;
        }
        let (stride, first) = (size(copy, "GROUPS_OUT"), size(copy, "FIRST"));
        let width = if copy.constants.contains(&super::BY_FOUR) { 4 } else { 1 };
        let mut readers = uses(passes, dx);
        readers.retain(|&user| user != index);
        if readers.is_empty() {
            return false; // the host may read it
        }
        // For each reader the variable, its constants and their unit in elements.
        let ways: Option<Vec<_>> = readers
            .iter()
            .map(|&reader| {
                let pass = &passes[reader];
                let way = match (pass.kernel.name, pass.entry) {
                    // Its x is dy, element by element.
                    ("conv2d", "backward_x") => ("x", "X_STRIDE", "X_FIRST", 1),
                    ("conv2d", "backward_w") if same_columns(copy, pass) => {
                        ("dy", "DY_STRIDE", "DY_FIRST", width)
                    }
                    ("sum_rows", "forward") if same_columns(copy, pass) => {
                        ("x", "X_STRIDE", "X_FIRST", width)
                    }
                    _ => return None,
                };
                (bound(pass, way.0) == Some(dx)).then_some((reader, way))
            })
            .collect();
        let Some(ways) = ways else { return false };
        for (reader, (name, stride_name, first_name, unit)) in ways {
            let pass = &mut passes[reader];
            rebind(pass, name, dy);
            set_size(pass, stride_name, stride * width / unit);
            set_size(pass, first_name, first * width / unit);
        }
        true
    });
}

/// Whether both passes take columns in groups of the same width.
fn same_columns(a: &Pass, b: &Pass) -> bool {
    a.constants.contains(&super::BY_FOUR) == b.constants.contains(&super::BY_FOUR)
}
