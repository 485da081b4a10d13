//! What the checks of one tensor find.

use inception::engine::Engine;
use inception::gpu::Gpu;
use inception::numbers::{Found, watch};
use inception::recording::Storage;
use inception::tape::Tape;

use crate::common;

/// What the check of one tensor finds, over the place of a larger one that is all NaN.
fn found(gpu: Gpu, values: &[f32]) -> (Option<Found>, Gpu) {
    let tape = Tape::new();
    let parameter = tape.parameter("w", &[values.len()]);
    let (w, y) = (parameter.id(), parameter.relu().id());
    let mut recording = tape.finish();
    let padding = tape.input("padding", &[values.len() + 9]).relu().id();
    let mut larger = tape.finish();
    let bytes = larger.tensor(padding).shard_bytes(0);
    let storage = Some(vec![Storage { number: 0, bytes }]);
    larger.tensors[padding.0 as usize].storage = storage.clone();
    recording.tensors.clone_from(&larger.tensors);
    recording.tensors[w.0 as usize].storage = storage;

    let mut engine = Engine::new(gpu);
    engine.compile(&larger).expect("it compiles");
    let nan = vec![f32::NAN; values.len() + 9];
    engine.write(padding, larger.tensor(padding), bytemuck::cast_slice(&nan));
    let watch = watch(&recording);
    let program = engine.compile(&watch.recording).expect("it compiles");
    engine.write(w, recording.tensor(w), bytemuck::cast_slice(values));
    for (id, view) in &watch.views {
        engine.write(*id, watch.recording.tensor(*id), bytemuck::cast_slice(view));
    }
    let mut last = None;
    for _ in 0..2 {
        engine.run(&program).expect("it runs");
        let pending = engine.fetch(watch.found, watch.words()).expect("it is fetched");
        let words: Vec<u32> =
            engine.collect(pending).expect("it arrives").into_iter().map(f32::to_bits).collect();
        let found = watch.found(&words);
        if let Some(earlier) = last.replace(found.clone()) {
            assert_eq!(earlier, found, "a second run finds something else");
        }
    }
    // What the pass made of it is checked too, and is not what is named first.
    let y = engine.read(y, recording.tensor(y)).expect("it is read");
    assert_eq!(y.len(), values.len() * 4);
    (last.flatten(), engine.into_gpu().expect("the device is there"))
}

#[test]
fn it_goes_by_the_bits_of_the_exponent() {
    let Some(mut gpu) = common::gpu() else { return };
    let bits = f32::from_bits;
    let (least, payload) = (bits(1), bits(0xffa0_0001));
    let finite =
        [0.0, -0.0, least, -least, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1.0, bits(0x7f7f_ffff)];
    let wrong = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, payload, bits(0x7f80_0001)];
    let found_in;
    (found_in, gpu) = found(gpu, &finite);
    assert_eq!(found_in, None, "finite numbers");
    for wrong in wrong {
        let mut values = finite.to_vec();
        values[5] = wrong;
        let found_in;
        (found_in, gpu) = found(gpu, &values);
        let found_in = found_in.unwrap_or_else(|| panic!("{:x} is not noticed", wrong.to_bits()));
        let expected = Found {
            pass: None,
            tensor: "w".to_string(),
            shape: vec![9],
            count: 1,
            first: vec![5],
            unwritten: 0,
        };
        assert_eq!(found_in, expected);
    }
}

#[test]
fn every_place_of_odd_lengths_is_looked_at() {
    let Some(mut gpu) = common::gpu() else { return };
    // A workgroup takes 8,192 elements.
    for length in [1, 2, 3, 4, 5, 7, 255, 1025, 8191, 8192, 8193, 70_001] {
        for (first, count) in [(0, 1), (length - 1, 1), (length / 2, length - length / 2)] {
            let mut values = vec![1.0; length];
            values[first..first + count].fill(f32::NAN);
            let found_in;
            (found_in, gpu) = found(gpu, &values);
            let found_in = found_in.unwrap_or_else(|| panic!("{length}: {first} is not noticed"));
            assert_eq!((found_in.count as usize, found_in.first), (count, vec![first]), "{length}");
        }
        let found_in;
        (found_in, gpu) = found(gpu, &vec![1.0; length]);
        assert_eq!(found_in, None, "{length}: its padding is no part of it");
    }
}
