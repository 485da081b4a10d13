//! A small network to be checked.

use inception::config::{Config, Module, Preset};
use inception::data::{Batches, Images};
use inception::gpu::Gpu;
use inception::plan::{Rewrite, Target};
use inception::reference::Random;
use inception::train::{Recordings, Trainer};

const LIMIT: u64 = 128 << 20;

/// A network of sizes that all variants take, in images of 13 x 11.
pub fn config() -> Config {
    Config {
        maps: vec![4, 8],
        reduce1x1: 4,
        num_fc1: 72,
        batch_size: 5,
        ..Config::preset(Preset::Tutorial)
    }
}

pub const SIZE: [usize; 2] = [13, 11];
/// Rows of `W_fc1`: two shards of 2,048 and the rest under the limit of [`here`].
pub const FC1: usize = 13 * 11 * 32;
pub const COUNT: usize = 12;

pub fn recordings(config: &Config, target: Option<&Target>) -> Recordings {
    let config = config.clone().with_image([SIZE[0], SIZE[1], 1]);
    let mut recordings = Recordings::training(&config, COUNT);
    if let Some(target) = target {
        recordings.fit(target).expect("it fits");
    }
    recordings
}

/// Adapters of all kinds: with subgroups, without, with buffers so small that `W_fc1` is cut, and with
/// rewrites left out.
pub fn targets() -> Vec<Target> {
    let subgroup = Target::new(LIMIT, [8, 8], true);
    let tiles = Target::new(LIMIT, [0, 0], false);
    let small = |target: &Target| Target { buffer_limit: 3_000_000, ..target.clone() };
    let without = |without: &[Rewrite]| Target { without: without.to_vec(), ..subgroup.clone() };
    vec![
        small(&subgroup),
        small(&tiles),
        without(&[Rewrite::Slices]),
        without(&[Rewrite::Adam, Rewrite::Memory, Rewrite::Images]),
        subgroup,
        tiles,
    ]
}

/// What is checked.
#[derive(Clone, Copy, Debug)]
pub enum Checks {
    Nothing,
    /// Each so manieth step.
    Every(u64),
    /// All, over poisoned memory.
    All,
}

/// These recordings on the device, with initial weights.
pub fn trainer(gpu: Gpu, config: &Config, recordings: Recordings, checks: Checks) -> Trainer {
    let mut random = Random::new(3);
    let pixels = (0..COUNT * SIZE[0] * SIZE[1]).map(|_| random.bits() as u8).collect();
    let labels: Vec<u8> = (0..COUNT).map(|_| random.between(0, 9) as u8).collect();
    let [height, width] = SIZE;
    let images = Images { path: "random".into(), height, width, channels: 1, pixels };
    let batches = Batches::new(config.order, 1, config.batch_size, COUNT).expect("rows");
    let trainer = Trainer::new(gpu, recordings, &images, &labels, Some(batches));
    let mut trainer = trainer.expect("it compiles");
    trainer.initialize();
    let ready = match checks {
        Checks::Nothing => Ok(()),
        Checks::Every(every) => trainer.check_numbers(every),
        Checks::All => trainer.check_all(),
    };
    ready.expect("the checks compile");
    trainer
}

pub fn train(trainer: &mut Trainer, steps: u64) -> Vec<u32> {
    let mut losses = Vec::new();
    for _ in 0..steps {
        losses.extend(trainer.train_step().expect("a step"));
    }
    losses.extend(trainer.remaining_losses().expect("the last losses"));
    let mut bits: Vec<u32> = losses.into_iter().map(|(_, loss)| loss.to_bits()).collect();
    for (name, _) in trainer.recordings().parameters().into_iter().chain(trainer.moments()) {
        let bytes = trainer.get(&name).expect("a variable");
        bits.extend(bytemuck::pod_collect_to_vec::<u8, u32>(&bytes));
    }
    bits
}

/// The adapter as it is, and as if it were a GPU without subgroups, with small buffers.
pub fn here(gpu: &Gpu) -> [Target; 2] {
    let here = Target::of(gpu);
    let tiles = Target {
        software: false,
        without: vec![Rewrite::Subgroup],
        buffer_limit: 700_000,
        ..here.clone()
    };
    [here, tiles]
}

/// Networks of odd sizes, and of naive modules: nothing in them is a multiple of four.
pub fn odd() -> [Config; 2] {
    let reduced = Config { maps: vec![3, 5], reduce1x1: 3, num_fc1: 71, ..config() };
    let naive = Config { module: Module::Naive, maps: vec![3], num_fc1: 7, ..config() };
    [reduced, naive]
}
