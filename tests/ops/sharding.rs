//! Tensors cut into shards give the same bits as whole ones.

use inception::ops::{Adam, Padding, adam};
use inception::plan::{self, shard};
use inception::recording::{Pass, Recording, Role};
use inception::tape::Tape;

use crate::check::{self, Lab, Random, Values};

const BATCH: usize = 2;
const DEPTH: usize = 10_000;
const OUT: usize = 4;
/// Holds x (80,000 bytes), not w (160,000); 6,144 rows of w are three grains of 2,048.
const LIMIT: u64 = 100_000;

/// A dense layer under Adam.
fn layer(tape: &Tape) -> Recording {
    let x = tape.tracked_input("x", &[BATCH, DEPTH]);
    let w = tape.parameter("w", &[DEPTH, OUT]);
    let b = tape.parameter("b", &[OUT]);
    x.dense(w, b).backward(tape.input("dy", &[BATCH, OUT]));
    adam(&[w, b], tape.input("rate", &[1]), Adam::default());
    tape.finish()
}

/// All tensors that a recording uses, after three runs of it from seeded inputs and parameters.
fn train(recording: &Recording, lab: &mut Lab) -> Vec<(String, Vec<f32>)> {
    let mut random = Random::new(7);
    let program = lab.compile(recording);
    let used = recording.used();
    for &id in &used {
        let info = recording.tensor(id);
        let values = match (info.role, info.name.as_str()) {
            (Role::State | Role::Temporary, _) => continue,
            (_, "key") => Values::U32(vec![1, 2]),
            _ => Values::F32(random.floats(&info.shape)),
        };
        lab.write(recording, id, &values);
    }
    for step in 1..=3 {
        let rate = used.iter().find(|&&id| recording.tensor(id).name == "rate");
        if let Some(&rate) = rate {
            let value = Adam::default().rate(1e-2, step);
            lab.write(recording, rate, &Values::F32(vec![value]));
        }
        lab.engine.run(&program).expect("a step");
    }
    used.iter()
        .map(|&id| {
            let name = format!("#{} {}", id.0, recording.tensor(id).name);
            (name, lab.read(recording, id))
        })
        .collect()
}

/// Trains both, each in its lab; fails unless all their tensors are equal bit by bit.
fn train_to_the_same_bits(whole: (&Recording, &mut Lab), cut: (&Recording, &mut Lab)) {
    let truth = train(whole.0, whole.1);
    let got = train(cut.0, cut.1);
    assert_eq!(got.len(), truth.len());
    for ((name, got), (_, truth)) in got.iter().zip(&truth) {
        check::same(&"sharded", name, got, truth);
        assert!(truth.iter().any(|v| *v != 0.0), "{name} was never written");
    }
}

fn rows(recording: &Recording, name: &str) -> Vec<usize> {
    let info = recording.tensors.iter().find(|info| info.name == name);
    info.expect("a tensor").shards.clone()
}

#[test]
fn a_sharded_dense_layer_trains_to_the_same_bits() {
    let (Some(mut lab), Some(mut other)) = (check::lab(), check::lab()) else {
        return;
    };
    let whole = layer(&lab.tape);
    let mut cut = layer(&other.tape);
    shard(std::slice::from_mut(&mut cut), LIMIT, u64::MAX).expect("it can be cut");
    for name in ["w", "m/w", "v/w"] {
        assert_eq!(rows(&cut, name), [6144, 3856], "{name}");
    }
    assert_eq!(rows(&cut, "b"), [OUT]);
    let largest = cut.tensors.iter();
    let largest = largest.flat_map(|info| (0..info.shards.len()).map(|s| info.shard_bytes(s)));
    assert!(largest.max() <= Some(LIMIT), "a shard is over the limit");
    // forward, dx, dw and the update of w, once more each for the second shard
    assert_eq!(cut.passes.len(), whole.passes.len() + 4);

    train_to_the_same_bits((&whole, &mut lab), (&cut, &mut other));
}

#[test]
fn tiles_in_workgroup_memory_never_lie_in_two_shards() {
    for tiles in [plan::LARGE, plan::SMALL] {
        let (Some(mut lab), Some(mut other)) = (check::lab(), check::lab()) else {
            return;
        };
        let planned = |tape: &Tape| {
            let mut recording = layer(tape);
            plan::fuse_adam(&mut recording);
            plan::workgroup(&mut recording, &tiles);
            recording
        };
        let (whole, mut cut) = (planned(&lab.tape), planned(&other.tape));
        let variants = whole.passes.iter().filter(|pass| pass.kernel.name == "dense_workgroup");
        assert_eq!(variants.count(), 3);
        shard(std::slice::from_mut(&mut cut), LIMIT, u64::MAX).expect("it can be cut");
        assert_eq!(rows(&cut, "w"), [6144, 3856]);
        train_to_the_same_bits((&whole, &mut lab), (&cut, &mut other));
    }
}

#[test]
fn a_long_pass_is_cut_to_the_same_bits() {
    let (Some(mut lab), Some(mut other)) = (check::lab(), check::lab()) else {
        return;
    };
    let whole = layer(&lab.tape);
    let mut cut = layer(&other.tape);
    // Adam's pass counts 480,000 operations and ten times 640,004 bytes: 0.73 of that, 7,267 rows.
    shard(std::slice::from_mut(&mut cut), u64::MAX, 5_000_000).expect("it can be cut");
    assert_eq!(rows(&cut, "w"), [6144, 3856]);
    train_to_the_same_bits((&whole, &mut lab), (&cut, &mut other));

    // A single grain is the least, and what cannot be cut stays as it is.
    let tape = Tape::new();
    let mut cut = layer(&tape);
    shard(std::slice::from_mut(&mut cut), u64::MAX, 1).expect("it can be cut");
    assert_eq!(rows(&cut, "w"), [2048, 2048, 2048, 2048, 1808]);
    assert_eq!(rows(&cut, "x"), [BATCH]);
}

#[test]
fn several_submissions_make_the_same_bits() {
    let (Some(mut lab), Some(mut other)) = (check::lab(), check::lab()) else {
        return;
    };
    let (whole, again) = (layer(&lab.tape), layer(&other.tape));
    assert_eq!(whole, again);
    lab.engine.set_longest_submission(u64::MAX);
    assert_eq!(lab.compile(&whole).submissions(), 1);
    other.engine.set_longest_submission(4_000_000);
    let count = other.compile(&again).submissions();
    assert!(1 < count && count < again.passes.len(), "{count} submissions");
    train_to_the_same_bits((&whole, &mut lab), (&again, &mut other));
    other.engine.set_longest_submission(1);
    assert_eq!(other.compile(&again).submissions(), again.passes.len());
    train_to_the_same_bits((&whole, &mut lab), (&again, &mut other));
}

#[test]
fn a_shard_may_be_a_single_grain() {
    let tape = Tape::new();
    let x = tape.input("x", &[1, 5000]);
    let w = tape.parameter("w", &[5000, 8]);
    let y = x.dense(w, tape.parameter("b", &[8]));
    y.backward(tape.input("dy", &[1, 8]));
    let mut recording = [tape.finish()];
    shard(&mut recording, 2048 * 32 + 16, u64::MAX).expect("it can be cut");
    assert_eq!(rows(&recording[0], "w"), [2048, 2048, 904]);
    let firsts: Vec<_> = recording[0]
        .passes
        .iter()
        .filter(|pass| pass.label().ends_with("dense.forward"))
        .map(|pass| (pass.rows.clone().expect("rows"), pass.threads[2]))
        .map(|(rows, splits)| (rows.first, rows.count, splits))
        .collect();
    assert_eq!(firsts, [(0, 2048, 1), (2048, 2048, 1), (4096, 904, 1)]);
}

#[test]
fn recordings_of_one_tape_get_the_same_shards() {
    // The evaluation knows fewer tensors than the training that was recorded after it.
    let tape = Tape::new();
    let model = |batch: usize| {
        let x = tape.input("x", &[batch, DEPTH]);
        x.dense(tape.parameter("w", &[DEPTH, OUT]), tape.parameter("b", &[OUT]))
    };
    model(1);
    let evaluation = tape.finish();
    model(BATCH).backward(tape.input("dy", &[BATCH, OUT]));
    adam(&tape.parameters(), tape.input("rate", &[1]), Adam::default());
    let training = tape.finish();
    let mut recordings = [evaluation, training];
    shard(&mut recordings, LIMIT, u64::MAX).expect("it can be cut");
    for recording in &recordings {
        assert_eq!(rows(recording, "w"), [6144, 3856]);
    }
    assert_eq!(rows(&recordings[1], "v/w"), [6144, 3856]);
}

#[test]
fn nothing_is_cut_under_the_limit() {
    let tape = Tape::new();
    let whole = layer(&tape);
    let mut recordings = [whole.clone()];
    shard(&mut recordings, 160_000, u64::MAX).expect("it fits");
    assert_eq!(recordings[0], whole);
}

#[test]
fn a_tensor_that_no_pass_takes_in_parts_is_too_large() {
    let tape = Tape::new();
    tape.scope("fc1", || {
        let x = tape.input("x", &[3, DEPTH]);
        x.dense(tape.parameter("w", &[DEPTH, OUT]), tape.parameter("b", &[OUT]))
    });
    let error = shard(&mut [tape.finish()], LIMIT, u64::MAX).expect_err("x is too large");
    assert_eq!(
        error.to_string(),
        "the network is too large for this adapter: tensor x [3, 10000] takes 120000 bytes, its \
         limit for one buffer is 100000 bytes, and pass `fc1 dense.forward` cannot take it in \
         parts; lower --batch-size or what the layers make (--maps, --num-fc1, or in the --network's file), or \
         choose another --adapter"
    );
}

#[test]
fn a_grain_over_the_limit_is_too_large() {
    let tape = Tape::new();
    let x = tape.input("x", &[1, 4096]);
    x.dense(tape.parameter("w", &[4096, OUT]), tape.parameter("b", &[OUT]));
    let error =
        shard(&mut [tape.finish()], 20_000, u64::MAX).expect_err("2,048 rows are too large");
    assert_eq!(error.tensor, "w");
    assert_eq!(error.bytes, 65_536);
    assert_eq!(error.reason, "2048 of its rows are over the limit alone");

    tape.input("wide", &[2, 8192]).relu();
    let error = shard(&mut [tape.finish()], 20_000, u64::MAX).expect_err("one row is too large");
    assert_eq!(error.reason, "1 of its rows is over the limit alone");
}

#[test]
fn sharded_rows_of_odd_length_make_the_same_bits() {
    let (Some(mut lab), Some(mut other)) = (check::lab(), check::lab()) else {
        return;
    };
    // A thread takes four elements, a row has three: shards are cut at every fourth row.
    let record = |tape: &Tape| {
        let x = tape.tracked_input("x", &[1001, 3]);
        let y = x.relu().add(x).dropout(0.4, tape.input("key", &[2]), 1);
        y.add(y.ones()).backward(tape.input("dy", &[1001, 3]));
        tape.finish()
    };
    let whole = record(&lab.tape);
    let mut cut = record(&other.tape);
    shard(std::slice::from_mut(&mut cut), 4160, u64::MAX).expect("it can be cut");
    assert_eq!(rows(&cut, "x"), [344, 344, 313]);
    assert_eq!(rows(&cut, "key"), [2]);
    train_to_the_same_bits((&whole, &mut lab), (&cut, &mut other));
}

/// A convolution with odd extents, forward and backward, by the kernels of these tiles, if any.
fn convolution(tape: &Tape, tiles: Option<&plan::Tiles>, padding: Padding) -> Recording {
    // Whole and by four columns.
    let (channels, out) = if tiles.is_some() { (4, 8) } else { (3, 5) };
    let x = tape.tracked_input("x", &[5, 13, 11, channels]);
    let w = tape.parameter("w", &[3, 5, channels, out]);
    let y = x.conv2d(w, tape.parameter("b", &[out]), 1, padding);
    y.backward(tape.input("dy", &y.shape()));
    let mut recording = tape.finish();
    if let Some(tiles) = tiles {
        plan::workgroup(&mut recording, tiles);
    }
    recording
}

#[test]
fn a_long_convolution_is_cut_to_the_same_bits() {
    let tiles = [None, Some(&plan::LARGE), Some(&plan::SMALL)];
    let paddings = [Padding::Same, Padding::Valid];
    for (tiles, padding) in tiles.into_iter().flat_map(|t| paddings.map(|padding| (t, padding))) {
        let (Some(mut lab), Some(mut other)) = (check::lab(), check::lab()) else {
            return;
        };
        let whole = convolution(&lab.tape, tiles, padding);
        let mut cut = convolution(&other.tape, tiles, padding);
        let mut finest = cut.clone();
        shard(std::slice::from_mut(&mut cut), u64::MAX, 200_000).expect("it can be cut");
        shard(std::slice::from_mut(&mut finest), u64::MAX, 1).expect("it can be cut");
        for (entry, kernel) in ["forward", "backward_x", "backward_w"].map(|e| (e, "conv2d")) {
            let conv = |pass: &&Pass| pass.entry == entry && pass.kernel.name.starts_with(kernel);
            let parts = cut.passes.iter().filter(conv).count();
            assert!((2..20).contains(&parts), "{entry}: {parts} parts");
            // One grain a part, the last perhaps less, each behind the one before.
            let rows = finest.passes.iter().filter(conv).map(|pass| pass.rows.clone());
            let rows: Vec<_> = rows.map(|rows| rows.expect("rows")).collect();
            let mut end = 0;
            for part in &rows {
                assert_eq!((part.first, part.all), (end, rows[0].all), "{entry}");
                end += part.count;
                let full = part.count == part.grain() || end == part.all;
                assert!(full, "{entry}: {part:?}");
            }
            assert_eq!(end, rows[0].all, "{entry}");
        }
        train_to_the_same_bits((&whole, &mut lab), (&cut, &mut other));
    }
}
