//! Softmax and its cross-entropy.

use crate::check::{self, PRODUCTS, whole};

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("xent_f32.safetensors") {
        let labels: Vec<u32> = golden["labels"].1.iter().map(|&v| v as u32).collect();
        let inputs =
            [check::input(&golden, "logits"), whole("labels", &golden["labels"].0, labels)];
        let truth = |name: &str| check::wide(&golden[name].1);
        let made = lab.run(&inputs, |_| vec![1.0], |t| t[0].softmax_cross_entropy(t[1]));
        check::close(&case, "loss", &made.y, &truth("loss"), PRODUCTS);
        let dlogits = &made.gradients["logits"];
        check::close(&case, "dlogits", dlogits, &truth("dlogits"), PRODUCTS);
        let made = lab.run(&inputs[..1], |_| Vec::new(), |t| t[0].softmax());
        check::close(&case, "probs", &made.y, &truth("probs"), PRODUCTS);
    }
}
