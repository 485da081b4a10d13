//! The same recording from the same memory makes the same bits.

use inception::ops::{Adam, Padding, adam, concat};
use inception::plan::{Rewrite, Target, plan};
use inception::recording::{Role, TensorId};
use inception::tape::Tape;

use crate::check::{self, Lab, Random, Values};

/// The tensors whose values have a meaning of their own.
struct Inputs {
    label: TensorId,
    key: TensorId,
}

/// A training step of a small network of that shape.
fn network(tape: &Tape, [batch, height, width, channels]: [usize; 4]) -> Inputs {
    let x = tape.input("x", &[batch, height, width, channels]);
    let label = tape.input("label", &[batch]);
    let key = tape.input("key", &[2]);
    let rate = tape.input("rate", &[1]);
    let weights = |name: &str, shape: &[usize]| tape.parameter(name, shape);
    let wide = weights("wa", &[3, 3, channels, 8]);
    let a = x.conv2d(wide, weights("ba", &[8]), 1, Padding::Same);
    let odd = weights("wb", &[5, 5, channels, 7]);
    let b = x.conv2d(odd, weights("bb", &[7]), 1, Padding::Same);
    let y = concat(&[a, b, a]).relu().max_pool(3, 1, Padding::Same);
    let depth = height * width * 23;
    let y = y.dense(weights("w1", &[depth, 20]), weights("b1", &[20])).relu();
    let y = y.dropout(0.5, key, 0).dense(weights("w2", &[20, 10]), weights("b2", &[10]));
    let loss = y.softmax_cross_entropy(label);
    loss.backward(loss.ones());
    adam(&tape.parameters(), rate, Adam::default());
    Inputs { label: label.id(), key: key.id() }
}

#[test]
fn the_same_recording_twice_makes_the_same_bits() {
    for (seed, shape) in [(121, [5, 11, 9, 3]), (7, [1, 1, 13, 4]), (4, [2, 6, 1, 1])] {
        let Some(lab) = check::lab() else { return };
        runs_to_the_same_bits(lab, seed, shape);
    }
}

fn runs_to_the_same_bits(mut lab: Lab, seed: u64, shape: [usize; 4]) {
    let Inputs { label, key } = network(&lab.tape, shape);
    let mut recordings = [lab.tape.finish()];
    // As the adapter would really run it, but with every tensor's memory its own, to be compared.
    let target = Target { without: vec![Rewrite::Memory], ..Target::of(lab.engine.gpu()) };
    plan(&mut recordings, &target, &[]).expect("it fits");
    let [recording] = recordings;
    let program = lab.compile(&recording);
    // Images hold copies only, and the host cannot write them.
    let used: Vec<_> =
        recording.used().into_iter().filter(|&id| !recording.tensor(id).image).collect();

    let mut train = || -> Vec<(TensorId, Vec<u32>)> {
        let mut random = Random::new(seed);
        for &id in &used {
            let info = recording.tensor(id);
            let values = match info.role {
                _ if id == label => {
                    Values::U32((0..info.len() as u32).map(|i| i * 3 % 10).collect())
                }
                _ if id == key => Values::U32(vec![1, 2]),
                Role::Input | Role::Parameter => {
                    Values::F32(random.floats(&info.shape).iter().map(|v| v * 0.2).collect())
                }
                Role::State => Values::F32(vec![0.0; info.len()]),
                // What an earlier run left there must not matter.
                Role::Temporary => Values::F32(random.floats(&info.shape)),
            };
            lab.write(&recording, id, &values);
        }
        for _ in 0..3 {
            lab.engine.run(&program).expect("a step");
        }
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
        used.iter().map(|&id| (id, bits(lab.read(&recording, id)))).collect()
    };
    let first = train();
    let second = train();
    for ((id, first), (_, second)) in first.iter().zip(&second) {
        assert!(first == second, "{} differs", recording.tensor(*id).name);
    }
}
