//! The Adam optimizer.

use inception::ops::{Adam, adam};
use inception::recording::{Recording, TensorId};
use inception::tape::Tape;

use crate::check::{self, Draw, Lab, Number, Random, Values};

/// One variable under Adam.
struct Trained {
    recording: Recording,
    g: TensorId,
    rate: TensorId,
    m: TensorId,
    v: TensorId,
    w: TensorId,
}

impl Trained {
    fn new(tape: &Tape, name: &str, shape: &[usize], rule: Adam) -> Trained {
        let w = tape.parameter(name, shape);
        let rate = tape.input("rate", &[1]);
        let g = tape.input("g", shape);
        w.accumulate(g);
        adam(&[w], rate, rule);
        let (g, rate, w) = (g.id(), rate.id(), w.id());
        let recording = tape.finish();
        let state = |letter: &str| {
            let mut used = recording.used().into_iter();
            let name = format!("{letter}/{name}");
            used.find(|&id| recording.tensor(id).name == name).expect("a state")
        };
        let (m, v) = (state("m"), state("v"));
        Trained { recording, g, rate, m, v, w }
    }

    /// The weights after each step.
    fn train(
        &self,
        lab: &mut Lab,
        start: &[f32],
        gradients: impl Iterator<Item = (f32, Vec<f32>)>,
    ) -> Vec<Vec<f32>> {
        let program = lab.compile(&self.recording);
        lab.write(&self.recording, self.w, &Values::F32(start.to_vec()));
        let steps = gradients.map(|(rate, gradient)| {
            lab.write(&self.recording, self.rate, &Values::F32(vec![rate]));
            lab.write(&self.recording, self.g, &Values::F32(gradient));
            lab.engine.run(&program).expect("a step");
            lab.read(&self.recording, self.w)
        });
        steps.collect()
    }
}

/// Relative error of weights, as the three frameworks need it in f32 four times over.
const WEIGHTS: f64 = 2e-6;

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(131);
    let rules = [Adam::default(), Adam { beta1: 0.5, beta2: 0.9, epsilon: 1e-3 }];
    for case in 0..24 {
        let (shape, rule) = (random.shape(), rules[case % 2]);
        let name = format!("w{case} {shape:?}");
        let trained = Trained::new(&lab.tape, &name, &shape, rule);
        let start = random.floats(&shape);
        let steps: Vec<_> = (1..=4u32).map(|t| (0.01 / t as f32, random.floats(&shape))).collect();
        let got = trained.train(&mut lab, &start, steps.iter().cloned());
        let exact = |value: f32| Number::exact(value.into());
        let mut truth: Vec<_> = start.iter().map(|&w| [exact(0.0), exact(0.0), exact(w)]).collect();
        let values = |truth: &[[Number; 3]], which: usize| -> Vec<_> {
            truth.iter().map(|state| state[which].value).collect()
        };
        for (step, (rate, gradient)) in steps.iter().enumerate() {
            for (state, &g) in truth.iter_mut().zip(gradient) {
                *state = rule.plainly(*state, exact(g), exact(*rate));
            }
            check::close(&name, "w", &got[step], &values(&truth, 2), WEIGHTS);
        }
        let m = lab.read(&trained.recording, trained.m);
        check::close(&name, "m", &m, &values(&truth, 0), WEIGHTS);
        let v = lab.read(&trained.recording, trained.v);
        check::close(&name, "v", &v, &values(&truth, 1), WEIGHTS);
    }
}

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
        let (shape, start) = &golden["w0"];
        let columns = start.len();
        let gradients: Vec<_> = golden["grads"].1.chunks(columns).collect();
        let rates: Vec<_> =
            (1..=gradients.len() as u64).map(|t| rule.rate(decimal(params[0]), t)).collect();
        check::close(&case, "rates", &rates, &check::wide(&golden["lr_t"].1), 1e-7);

        let trained = Trained::new(&lab.tape, &case, shape, rule);
        let steps = rates.iter().zip(&gradients).map(|(rate, g)| (*rate, g.to_vec()));
        let got = trained.train(&mut lab, start, steps);
        let truth: Vec<_> = golden["w"].1.chunks(columns).map(check::wide).collect();
        for (step, (got, truth)) in got.iter().zip(&truth).enumerate() {
            check::close(&format!("{case} step {}", step + 1), "w", got, truth, WEIGHTS);
        }
        let m = lab.read(&trained.recording, trained.m);
        let v = lab.read(&trained.recording, trained.v);
        // By columns too, since the special ones differ by many powers of ten. A weight is rounded
        // once a step, each time by 2^-24 of its value at most.
        let rounded = gradients.len() as f64 / f64::from(1u32 << 24);
        for column in 0..columns {
            let what = format!("{case} column {column}");
            let of = |rows: &[Vec<f64>]| rows.iter().map(|row| row[column]).collect::<Vec<_>>();
            let got: Vec<_> = got.iter().map(|row| row[column]).collect();
            check::close(&what, "w", &got, &of(&truth), rounded);
            // m may cancel to nearly nothing: measured by the largest gradient that went in.
            let largest = gradients.iter().map(|g| f64::from(g[column].abs()));
            let largest = largest.fold(0.0, f64::max);
            let off = f64::from(m[column]) - f64::from(golden["m_final"].1[column]);
            assert!(off.abs() <= WEIGHTS * largest, "{what}: m off by {off:e}");
            // v adds squares, which do not cancel, but a column of 1e-20 has squares of 1e-40: below
            // f32's normal numbers, where digits go missing and GPUs may have none at all.
            let off = f64::from(v[column]) - f64::from(golden["v_final"].1[column]);
            let allowed = 1e-5 * f64::from(v[column]) + f64::from(f32::MIN_POSITIVE);
            assert!(off.abs() <= allowed, "{what}: v off by {off:e}");
        }
    }
}

#[test]
fn a_variable_without_gradient_stays() {
    let tape = Tape::new();
    let w = tape.parameter("w", &[3]);
    adam(&[w], tape.input("rate", &[1]), Adam::default());
    assert!(tape.finish().passes.is_empty());
}
