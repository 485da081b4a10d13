//! The same recording from the same memory makes the same bits.

use inception::ops::{Adam, Padding, adam, concat};
use inception::recording::{Role, TensorId};

use crate::check::{self, Random, Values};

#[test]
fn the_same_recording_twice_makes_the_same_bits() {
    let Some(mut lab) = check::lab() else { return };
    let tape = &lab.tape;
    let x = tape.input("x", &[5, 11, 9, 3]);
    let label = tape.input("label", &[5]);
    let key = tape.input("key", &[2]);
    let rate = tape.input("rate", &[1]);
    let weights = |name: &str, shape: &[usize]| tape.parameter(name, shape);
    let a = x.conv2d(weights("wa", &[3, 3, 3, 8]), weights("ba", &[8]), 1, Padding::Same);
    let b = x.conv2d(weights("wb", &[5, 5, 3, 7]), weights("bb", &[7]), 1, Padding::Same);
    let y = concat(&[a, b, a]).relu().max_pool(3, 1, Padding::Same);
    let y = y.dense(weights("w1", &[99 * 23, 20]), weights("b1", &[20])).relu();
    let y = y.dropout(0.5, key, 0).dense(weights("w2", &[20, 10]), weights("b2", &[10]));
    let loss = y.softmax_cross_entropy(label);
    loss.backward(loss.ones());
    adam(&tape.parameters(), rate, Adam::default());
    let (label, key) = (label.id(), key.id());
    let recording = tape.finish();
    let program = lab.compile(&recording);
    let used = recording.used();

    let mut train = || -> Vec<(TensorId, Vec<u32>)> {
        let mut random = Random::new(121);
        for &id in &used {
            let info = recording.tensor(id);
            let values = match info.role {
                _ if id == label => Values::U32(vec![0, 3, 9, 3, 1]),
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
