//! What the host does: record a step, plan it, and encode and submit it, on a device that computes
//! nothing. `cargo bench --bench host`.

use divan::Bencher;
use inception::config::{Config, Preset};
use inception::engine::{Engine, Program};
use inception::gpu::Gpu;
use inception::plan::Target;
use inception::recording::Recording;
use inception::train::Recordings;

const DIGITS: usize = 1000;

fn main() {
    divan::main();
}

/// The tutorial's network, training and inference.
fn recorded() -> Recordings {
    Recordings::training(&Config::preset(Preset::Tutorial), DIGITS)
}

/// Its training step as a GPU gets it.
fn planned() -> Recording {
    let mut recordings = recorded();
    let target = Target { software: false, ..Target::of(&Gpu::noop()) };
    recordings.fit(&target).expect("the network can be cut");
    recordings.training_passes().expect("training was recorded").clone()
}

/// The same passes over tensors of one element: the device would fill gigabytes with zeros.
fn compiled(mut recording: Recording) -> (Engine, Program) {
    for info in &mut recording.tensors {
        (info.shape, info.shards, info.storage) = (vec![1], vec![1], None);
    }
    for bound in recording.passes.iter_mut().flat_map(|pass| &mut pass.tensors) {
        bound.shard = 0;
    }
    let mut engine = Engine::new(Gpu::noop());
    let program = engine.compile(&recording).expect("the network compiles");
    (engine, program)
}

#[divan::bench]
fn record() -> Recordings {
    recorded()
}

#[divan::bench]
fn plan(bencher: Bencher) {
    let target = Target { software: false, ..Target::of(&Gpu::noop()) };
    bencher.with_inputs(recorded).bench_values(|mut recordings| recordings.fit(&target));
}

#[divan::bench]
fn step(bencher: Bencher) {
    let (mut engine, program) = compiled(planned());
    bencher.bench_local(|| engine.run(&program).expect("the step runs"));
}
