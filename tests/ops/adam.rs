//! The Adam optimizer.

use inception::ops::{Adam, adam};

use crate::check::{self, Values};

#[test]
fn golden() {
    let Some(mut lab) = check::lab() else { return };
    for (case, golden) in check::golden("adam_f32.safetensors") {
        let params = &golden["params"].1;
        // The decimal numbers that these f32 stand for.
        let decimal = |v: f32| v.to_string().parse::<f64>().expect("a number");
        let rule = Adam {
            beta1: decimal(params[1]),
            beta2: decimal(params[2]),
            epsilon: decimal(params[3]),
        };
        let shape = &golden["w0"].0;
        let tape = &lab.tape;
        let w = tape.parameter(&case, shape);
        let rate = tape.input("rate", &[1]);
        let g = tape.input("g", shape);
        w.accumulate(g);
        adam(&[w], rate, rule);
        let (w, rate, g) = (w.id(), rate.id(), g.id());
        let recording = tape.finish();
        let state = |name: &str| {
            let name = format!("{name}/{case}");
            let mut ids = recording.used().into_iter();
            ids.find(|&id| recording.tensor(id).name == name).expect("a state")
        };
        let (m, v) = (state("m"), state("v"));
        let program = lab.compile(&recording);
        lab.write(&recording, w, &Values::F32(golden["w0"].1.clone()));
        let count = golden["w0"].1.len();
        let mut worst = 0.0f64;
        for (step, gradient) in golden["grads"].1.chunks(count).enumerate() {
            let at = rule.rate(decimal(params[0]), step as u64 + 1);
            let what = format!("{case} step {}", step + 1);
            check::close(&what, "rate", &[at], &[f64::from(golden["lr_t"].1[step])], 1e-7);
            lab.write(&recording, rate, &Values::F32(vec![at]));
            lab.write(&recording, g, &Values::F32(gradient.to_vec()));
            lab.engine.run(&program).expect("a step");
            let got = lab.read(&recording, w);
            let truth = check::wide(&golden["w"].1[step * count..][..count]);
            for (i, (g, t)) in got.iter().zip(&truth).enumerate() {
                let off = (f64::from(*g) - t).abs();
                if off > worst {
                    worst = off;
                    eprintln!("{what} col {i}: {g:e} {t:e} w0 {:e}", golden["w0"].1[i]);
                }
            }
        }
        for (name, id) in [("m_final", m), ("v_final", v)] {
            let got = lab.read(&recording, id);
            for (i, (g, t)) in got.iter().zip(&golden[name].1).enumerate() {
                if ((g - t) / t).abs() > 1e-5 {
                    eprintln!("{name} {i} {g:e} {t:e}");
                }
            }
        }
    }
}
