//! Concatenation along the channels.

use inception::ops::concat;

use crate::check;

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    let golden = &check::golden("misc_f32.safetensors")["concat"];
    let inputs = ["x0", "x1", "x2", "x3"].map(|name| check::input(golden, name));
    // With dy = y the gradients are the inputs again.
    let made = lab.run(&inputs, |_| golden["y"].1.clone(), concat);
    check::same(&"concat", "y", &made.y, &golden["y"].1);
    for name in ["x0", "x1", "x2", "x3"] {
        check::same(&"concat", name, &made.gradients[name], &golden[name].1);
    }
}
