//! Networks under WebGPU's default limits, and under much lower ones.

use inception::config::{Config, Preset};
use inception::data::{Batches, Images};
use inception::engine::{Engine, EngineError};
use inception::gpu::{AdapterFacts, Gpu, GpuOptions, Limits};
use inception::plan::Target;
use inception::recording::Recording;
use inception::tape::Tape;
use inception::train::{Recordings, Trainer};

use crate::common::{self, digits, parse};

/// Storage buffers of a pass that WebGPU promises.
const BUFFERS: usize = 8;
/// Bytes of a bound buffer that WebGPU promises.
const BINDING: u64 = 128 << 20;

#[test]
fn tutorial_network_compiles_under_default_limits() {
    let gpu = Gpu::noop();
    assert_eq!(gpu.buffer_limit(), BINDING);
    let mut recordings = Recordings::training(&Config::preset(Preset::Tutorial), 70_000);
    assert_eq!(recordings.parameter_count(), 140_573_758);
    recordings.fit(&Target::of(&gpu)).expect("the network can be cut");
    let training = recordings.training_passes().expect("training was recorded");
    let mut engine = Engine::new(gpu);
    let inference = recordings.inference_passes().expect("inference was recorded");
    for recording in [training, inference] {
        for pass in &recording.passes {
            assert!(pass.tensors.len() <= BUFFERS, "{} binds too much", pass.label());
        }
        for id in recording.used() {
            let info = recording.tensor(id);
            let largest = (0..info.shards.len()).map(|s| info.shard_bytes(s)).max();
            assert!(largest <= Some(BINDING), "{} is over the limit", info.name);
        }
        let program = engine.compile(&without_memory(recording)).expect("the network compiles");
        assert_eq!(program.len(), recording.passes.len());
    }
}

/// The same passes over tensors of one element. The device without a driver would fill gigabytes;
/// buffers' sizes, checked above, are all that is lost.
fn without_memory(recording: &Recording) -> Recording {
    let mut small = recording.clone();
    for info in &mut small.tensors {
        (info.shape, info.shards, info.storage) = (vec![1], vec![1], None);
    }
    for bound in small.passes.iter_mut().flat_map(|pass| &mut pass.tensors) {
        bound.shard = 0;
    }
    small
}

/// A device with these limits.
fn open(limits: Limits) -> Gpu {
    let options = GpuOptions { limits, ..GpuOptions::default() };
    pollster::block_on(Gpu::open(&options)).expect("an adapter opens")
}

/// Three steps and a classification, as bits; and the number of W_fc1's shards.
fn train(limits: Limits) -> (Vec<u32>, usize) {
    const IMAGES: usize = 8;
    let config = Config {
        maps: vec![4, 2],
        reduce1x1: 3,
        num_fc1: 36,
        batch_size: 4,
        learning_rate: 1e-3,
        ..Config::preset(Preset::Quick)
    };
    let (labels, pixels) = parse(&digits("mnist_train.csv.gz", IMAGES));
    let images = Images { path: "digits".into(), height: 28, width: 28, channels: 1, pixels };
    let gpu = open(limits);
    let mut recordings = Recordings::training(&config, IMAGES);
    // The same kernels for all: without subgroups, as browsers are.
    let target = Target { subgroup: [0; 2], software: false, ..Target::of(&gpu) };
    recordings.fit(&target).expect("the network can be cut");
    let weights = recordings.training_passes().expect("training was recorded").tensors.iter();
    let shards = weights.clone().find(|info| info.name == "W_fc1").expect("W_fc1").shards.len();
    let batches = Batches::new(config.order, config.seed, config.batch_size, IMAGES).expect("rows");
    let trainer = Trainer::new(gpu, recordings, &images, &labels, Some(batches));
    let mut trainer = trainer.expect("the network compiles");
    trainer.initialize();
    for _ in 0..3 {
        trainer.train_step().expect("a step");
    }
    let mut bits: Vec<u32> = Vec::new();
    for (name, _) in trainer.recordings().parameters() {
        bits.extend(bytemuck::pod_collect_to_vec::<u8, u32>(&trainer.get(&name).expect("read")));
    }
    let probabilities = trainer.classify(0..IMAGES, |_| {}).expect("probabilities");
    bits.extend(probabilities.iter().flatten().map(|p| p.to_bits()));
    (bits, shards)
}

#[test]
fn limits_far_below_the_defaults_change_no_bit() {
    if !common::has_adapter() {
        return;
    }
    let (truth, whole) = train(Limits::Default);
    assert_eq!(whole, 1);
    // 8 images of 16 channels are 401,408 bytes, which no pass takes in parts; W_fc1 is 903,168.
    let lowered = Limits::Lowered { buffer: 402_000, workgroups: 200 };
    let (bits, shards) = train(lowered);
    assert!(shards > 1, "the limit was to cut W_fc1");
    assert!(bits == truth, "weights or probabilities differ");
}

/// Metal binds more than shaders can count.
#[test]
fn no_binding_is_larger_than_shaders_can_count() {
    let facts = Gpu::noop().facts;
    let huge = AdapterFacts { max_binding: 1 << 40, max_buffer: 1 << 40, ..facts.clone() };
    assert_eq!(huge.buffer_limit(), (1 << 32) - 16);
    let odd = AdapterFacts { max_binding: 1000, max_buffer: 999, ..facts };
    assert_eq!(odd.buffer_limit(), 992);
}

#[test]
fn what_is_over_a_limit_is_refused_by_name() {
    if !common::has_adapter() {
        return;
    }
    let refusal = |shape: &[usize], limits| {
        let gpu = open(limits);
        let tape = Tape::new();
        tape.scope("far", || tape.input("x", shape).softmax());
        let mut engine = Engine::new(gpu);
        match engine.compile(&tape.finish()) {
            Err(error @ EngineError::Pass { .. }) => error.to_string(),
            other => panic!("it was not refused: {:?}", other.err()),
        }
    };
    let lowered = Limits::Lowered { buffer: 4096, workgroups: 4 };
    for part in ["far softmax", "workgroups", "the limit is 4"] {
        let message = refusal(&[512, 2], lowered);
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    for part in ["far softmax", "x", "4112 bytes", "is 4096", "--batch-size"] {
        let message = refusal(&[5, 205], lowered);
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}
