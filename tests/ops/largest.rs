//! The largest tensors: their last elements, and the first place past a limit.

use inception::engine::{Engine, EngineError};
use inception::gpu::{Gpu, GpuOptions, Limits};
use inception::ops::{Adam, Padding, adam};
use inception::plan::shard;
use inception::recording::Recording;
use inception::tape::Tape;

use crate::check::{self, Lab, Values};

/// Bytes of the largest tensor that is tried: all that the software adapter binds, and what keeps
/// the test short on others.
const MOST: u64 = 128 << 20;
/// Memory that the tests take, bytes.
const NEEDED: u64 = 3 << 30;

/// A lab, unless the machine is known to have too little memory.
fn lab() -> Option<Lab> {
    let known = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = known.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    if free.is_some_and(|free| free * 1024 < NEEDED) {
        eprintln!(
            "\n!!!!! SKIPPED, NOT TESTED: less than {NEEDED} bytes of memory are free !!!!!\n"
        );
        return None;
    }
    check::lab()
}

fn write(lab: &mut Lab, recording: &Recording, name: &str, values: Vec<f32>) {
    let id = recording.used().into_iter().find(|&id| recording.tensor(id).name == name);
    lab.write(recording, id.expect("a tensor of that name"), &Values::F32(values));
}

fn read(lab: &mut Lab, recording: &Recording, name: &str) -> Vec<f32> {
    let id = recording.used().into_iter().find(|&id| recording.tensor(id).name == name);
    lab.read(recording, id.expect("a tensor of that name"))
}

/// A dense layer under Adam whose weights have `bytes` bytes, in so many shards: its last row.
fn dense_layer(bytes: u64, shards: usize) {
    const OUT: usize = 2048;
    let Some(mut lab) = lab() else { return };
    let limit = MOST.min(lab.engine.gpu().buffer_limit());
    let depth = (bytes.min(limit * shards as u64) / 4) as usize / OUT;
    let x = lab.tape.tracked_input("x", &[1, depth]);
    let w = lab.tape.parameter("w", &[depth, OUT]);
    let b = lab.tape.parameter("b", &[OUT]);
    let y = x.dense(w, b);
    let (dy, y) = (lab.tape.input("dy", &[1, OUT]), y.id());
    lab.tape.tensor(y).backward(dy);
    adam(&[w], lab.tape.input("rate", &[1]), Adam::default());
    let mut recordings = [lab.tape.finish()];
    shard(&mut recordings, limit, u64::MAX).expect("it can be cut");
    let [recording] = recordings;
    let program = lab.compile(&recording);
    // The last row of w, and one far before it that must stay as it is.
    let (last, early) = (depth - 1, depth / 3);
    let values: Vec<f32> = (0..depth * OUT).map(|i| (i / OUT % 13) as f32 * 0.25).collect();
    let of = |row: usize| (row % 13) as f32 * 0.25;
    let mut one_hot = vec![0.0; depth];
    one_hot[last] = 1.0;
    write(&mut lab, &recording, "w", values);
    write(&mut lab, &recording, "x", one_hot);
    write(&mut lab, &recording, "b", vec![0.5; OUT]);
    write(&mut lab, &recording, "dy", vec![2.0; OUT]);
    write(&mut lab, &recording, "rate", vec![0.125]);
    lab.engine.run(&program).expect("a step");

    let w = read(&mut lab, &recording, "w");
    let y = lab.read(&recording, y);
    assert_eq!(y, vec![of(last) + 0.5; OUT], "the last row forward");
    let row = |row: usize| &w[row * OUT..(row + 1) * OUT];
    assert_eq!(row(early), vec![of(early); OUT], "a row without a gradient");
    // Adam's first step is the rate, but for epsilon and the moments' corrections, which are the
    // host's: m = 0.1 g, v = 0.001 g^2.
    let step = 0.125 * 0.1 * 2.0 / (0.001f32.sqrt() * 2.0);
    for (column, &value) in row(last).iter().enumerate() {
        let wanted = of(last) - step;
        assert!((value - wanted).abs() < 1e-4, "column {column}: {value} for {wanted}");
    }
    drop(w);
    let second = read(&mut lab, &recording, "v/w");
    assert!((second[second.len() - 1] - 0.004).abs() < 1e-6, "the last second moment");
    assert_eq!(second[early * OUT], 0.0);
}

#[test]
fn the_last_row_of_the_largest_binding_is_computed() {
    dense_layer(MOST, 1);
}

#[test]
fn the_last_row_of_a_tensor_in_shards_is_computed() {
    dense_layer(MOST + MOST / 2, 2);
}

#[test]
fn the_last_pixel_of_the_largest_binding_is_computed() {
    const OUT: usize = 512;
    let Some(mut lab) = lab() else { return };
    let pixels = (MOST.min(lab.engine.gpu().buffer_limit()) / 4) as usize / OUT;
    let rows = pixels / 256;
    let x = lab.tape.tracked_input("x", &[1, rows, 256, 1]);
    let w = lab.tape.parameter("w", &[1, 1, 1, OUT]);
    let b = lab.tape.parameter("b", &[OUT]);
    let y = x.conv2d(w, b, 1, Padding::Same);
    let (y, rectified) = (y.id(), y.relu().id());
    let recording = lab.tape.finish();
    let program = lab.compile(&recording);
    let count = rows * 256;
    write(&mut lab, &recording, "x", (0..count).map(|i| (i % 101) as f32 - 50.0).collect());
    write(&mut lab, &recording, "w", (0..OUT).map(|n| n as f32).collect());
    write(&mut lab, &recording, "b", vec![0.25; OUT]);
    lab.engine.run(&program).expect("it runs");
    for (id, least) in [(y, f32::MIN), (rectified, 0.0)] {
        let values = lab.read(&recording, id);
        for pixel in [0, count / 2 + 1, count - 2, count - 1] {
            let x = (pixel % 101) as f32 - 50.0;
            for n in [0, 1, OUT - 1] {
                let wanted = (x * n as f32 + 0.25).max(least);
                assert_eq!(values[pixel * OUT + n], wanted, "pixel {pixel}, channel {n}");
            }
        }
    }
}

/// The last element of `relu` over so many, under these limits, or why it is refused.
fn last_of_relu(elements: usize, limits: Limits) -> Result<f32, EngineError> {
    let options = GpuOptions { limits, ..GpuOptions::default() };
    let gpu = pollster::block_on(Gpu::open(&options)).expect("an adapter opens");
    let mut engine = Engine::new(gpu);
    let tape = Tape::new();
    let x = tape.input("x", &[elements]);
    let (x, y) = (x.id(), x.relu().id());
    let recording = tape.finish();
    let program = engine.compile(&recording)?;
    let values: Vec<f32> = (0..elements).map(|i| i as f32).collect();
    engine.write(x, recording.tensor(x), bytemuck::cast_slice(&values));
    engine.run(&program)?;
    let y = engine.read(y, recording.tensor(y))?;
    Ok(bytemuck::pod_collect_to_vec::<u8, f32>(&y)[elements - 1])
}

#[test]
fn limits_hold_at_their_edges() {
    if check::lab().is_none() {
        return;
    }
    // 256 threads of four elements a workgroup; four workgroups along x, folded onto four along y.
    let folded = 4 * 4 * 1024;
    let limits = Limits::Lowered { buffer: 1 << 20, workgroups: 4 };
    for elements in [1, 4095, 4096, 4097, folded - 1, folded] {
        let last = last_of_relu(elements, limits);
        assert_eq!(last.expect("it fits"), (elements - 1) as f32, "{elements} elements");
    }
    let error = last_of_relu(folded + 1, limits).expect_err("one workgroup too many");
    assert!(matches!(&error, EngineError::Pass { .. }), "{error}");
    assert!(error.to_string().contains("the limit is 4"), "{error}");

    let limits = Limits::Lowered { buffer: 4096, workgroups: 100 };
    assert_eq!(last_of_relu(1024, limits).expect("it fits"), 1023.0);
    let error = last_of_relu(1025, limits).expect_err("one element too many");
    assert!(matches!(&error, EngineError::Pass { .. }), "{error}");
    assert!(error.to_string().contains("4112 bytes, the limit for one buffer is 4096"), "{error}");
}
