//! Fully connected layers.

use crate::check::{self, PRODUCTS};

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("dense_f32.safetensors") {
        let inputs = ["x", "w", "b"].map(|name| check::input(&golden, name));
        let dy = golden["dy"].1.clone();
        let made = lab.run(&inputs, |_| dy, |t| t[0].dense(t[1], t[2]));
        let truth = |name: &str| check::wide(&golden[name].1);
        check::close(&case, "y", &made.y, &truth("y"), PRODUCTS);
        for (input, gradient) in [("x", "dx"), ("w", "dw"), ("b", "db")] {
            let got = &made.gradients[input];
            check::close(&case, gradient, got, &truth(gradient), PRODUCTS);
        }
    }
}
