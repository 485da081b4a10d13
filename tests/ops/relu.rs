//! Rectified linear unit.

use crate::check;

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    let golden = &check::golden("misc_f32.safetensors")["relu"];
    let dy = golden["dy"].1.clone();
    let made = lab.run(&[check::input(golden, "x")], |_| dy, |t| t[0].relu());
    check::same(&"relu", "y", &made.y, &golden["y"].1);
    check::same(&"relu", "dx", &made.gradients["x"], &golden["dx"].1);
}
