//! The tutorial's network under WebGPU's default limits, without a driver.

use inception::config::{Config, Preset};
use inception::engine::Engine;
use inception::gpu::Gpu;
use inception::plan::Target;
use inception::recording::Recording;
use inception::train::Recordings;

/// Storage buffers of a pass that WebGPU promises.
const BUFFERS: usize = 8;
/// Bytes of a bound buffer that WebGPU promises.
const BINDING: u64 = 128 << 20;

#[test]
fn tutorial_network_compiles_under_default_limits() {
    let gpu = Gpu::noop();
    assert_eq!(gpu.buffer_limit(), BINDING);
    let mut recordings = Recordings::training(&Config::preset(Preset::Tutorial), 70_000, [28, 28]);
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
