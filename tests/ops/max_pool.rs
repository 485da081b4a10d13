//! Max-pooling.

use inception::ops::Padding;

use crate::check::{self, PRODUCTS};

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("maxpool_f32.safetensors") {
        let size = if case.contains("_k3_") { 3 } else { 2 };
        let stride = if case.contains("_s2_") { 2 } else { 1 };
        let padding = if case.contains("_same_") { Padding::Same } else { Padding::Valid };
        let dy = golden["dy"].1.clone();
        let made = lab.run(
            &[check::input(&golden, "x")],
            |_| dy,
            |t| t[0].max_pool(size, stride, padding),
        );
        assert_eq!(made.shape, golden["y"].0, "{case}: shape of y");
        check::same(&case, "y", &made.y, &golden["y"].1);
        let truth = check::wide(&golden["dx"].1);
        check::close(&case, "dx", &made.gradients["x"], &truth, PRODUCTS);
    }
}

#[test]
fn a_nan_reaches_every_window_that_it_is_in() {
    let Some(mut lab) = check::lab() else { return };
    for channels in [3, 4] {
        let shape = [1, 5, 5, channels];
        let mut x = check::Random::new(1).floats(&shape);
        // In the middle of the picture, so that other values come before and after it.
        x[(2 * 5 + 2) * channels + 1] = f32::NAN;
        let made = lab.run(
            &[check::float("x", &shape, x)],
            |shape| vec![1.0; shape.iter().product()],
            |t| t[0].max_pool(3, 1, Padding::Same),
        );
        for (i, y) in made.y.iter().enumerate() {
            let (row, column, channel) = (i / channels / 5, i / channels % 5, i % channels);
            let near = channel == 1 && row.abs_diff(2) <= 1 && column.abs_diff(2) <= 1;
            assert_eq!(y.is_nan(), near, "{channels} channels, y at {row}, {column}: {y}");
        }
    }
}
