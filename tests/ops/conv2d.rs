//! Convolution.

use inception::ops::Padding;

use crate::check::{self, PRODUCTS};

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("conv_f32.safetensors") {
        let stride = if case.contains("_s2_") { 2 } else { 1 };
        let padding = if case.contains("_same_") { Padding::Same } else { Padding::Valid };
        let inputs = ["x", "w", "b"].map(|name| check::input(&golden, name));
        let made = lab.run(
            &inputs,
            |_| golden["dy"].1.clone(),
            |t| t[0].conv2d(t[1], t[2], stride, padding),
        );
        assert_eq!(made.shape, golden["y"].0, "{case}: shape of y");
        let truth = |name: &str| check::wide(&golden[name].1);
        check::close(&case, "y", &made.y, &truth("y"), PRODUCTS);
        for (input, gradient) in [("x", "dx"), ("w", "dw"), ("b", "db")] {
            let got = &made.gradients[input];
            check::close(&case, gradient, got, &truth(gradient), PRODUCTS);
        }
    }
}
