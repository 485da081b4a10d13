//! A few training steps of a tiny network, whose losses are known.

use crate::config::{Config, Order, Preset, Scale};
use crate::data::{Batches, Images};
use crate::engine::EngineError;
use crate::gpu::Gpu;
use crate::reference::Random;
use crate::train::{Recordings, Trainer};

/// The network: one module, of sizes that all kernel variants take, for images of [`IMAGE`].
pub fn config() -> Config {
    Config {
        maps: vec![8],
        reduce1x1: 4,
        num_fc1: 68,
        dropout: 0.0,
        batch_size: 6,
        learning_rate: 1e-3,
        scale: Scale::Unit,
        order: Order::Cyclic,
        ..Config::preset(Preset::Tutorial)
    }
    .with_image(IMAGE)
}

/// Height, width and channels of the images.
pub const IMAGE: [usize; 3] = [9, 7, 1];
const COUNT: usize = 25;

/// Random images and their labels.
pub fn images() -> (Images, Vec<u8>) {
    let mut random = Random::new(1);
    let [height, width, channels] = IMAGE;
    let pixels = (0..COUNT * height * width * channels).map(|_| random.bits() as u8).collect();
    let labels = (0..COUNT).map(|_| random.between(0, 9) as u8).collect();
    (Images { path: "random images".into(), height, width, channels, pixels }, labels)
}

/// The weights before the first step, by name, with their shapes.
pub fn weights() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let mut random = Random::new(2);
    let parameters = Recordings::inference(&config(), 1).parameters();
    let drawn = parameters.into_iter().map(|(name, shape)| {
        let values = random.floats(&shape).into_iter().map(|value| value * 0.2).collect();
        (name, shape, values)
    });
    drawn.collect()
}

/// The losses of the first steps, in f64 by plain loops: `tests/training/selftest.rs` computes them.
pub const LOSSES: [f64; 8] = [
    2.4548504413364722,
    2.2930304269595925,
    2.1465633081615687,
    2.2564194687804093,
    2.1954253121489753,
    1.984725803793075,
    1.937591345849035,
    2.2514605463148505,
];

/// How far off each may be, relative to it. In f32 an adapter rounds each sum at about 6e-8; sums,
/// layers and Adam's steps make 2e-7 of a loss with the kernels measured so far.
pub const TOLERANCE: f64 = 1e-5;

/// What training leaves.
pub struct Trained {
    /// The loss of each step.
    pub losses: Vec<f32>,
    /// Of the losses, then of all variables and moments.
    pub bits: Vec<u32>,
}

/// Trains the network for as many steps as losses are known, and again from the start.
///
/// # Errors
/// [`EngineError`] when the device cannot or does not.
pub async fn train_twice_async(
    gpu: Gpu,
    recordings: Recordings,
) -> Result<([Trained; 2], Gpu), EngineError> {
    let config = config();
    let (images, labels) = images();
    let batches = Batches::new(config.order, config.seed, config.batch_size, COUNT);
    let mut trainer = Trainer::new(gpu, recordings, &images, &labels, batches.ok())?;
    let trained = [train(&mut trainer).await?, train(&mut trainer).await?];
    Ok((trained, trainer.into_gpu_async().await?))
}

/// [`train_twice_async`], waited for.
///
/// # Errors
/// As that one.
#[cfg(not(target_arch = "wasm32"))]
pub fn train_twice(gpu: Gpu, recordings: Recordings) -> Result<([Trained; 2], Gpu), EngineError> {
    pollster::block_on(train_twice_async(gpu, recordings))
}

async fn train(trainer: &mut Trainer) -> Result<Trained, EngineError> {
    trainer.set_step(0);
    for (name, _, values) in weights() {
        trainer.set(&name, bytemuck::cast_slice(&values));
    }
    for (name, shape) in trainer.moments() {
        trainer.set(&name, &vec![0; shape.iter().product::<usize>() * 4]);
    }
    let mut losses = Vec::new();
    for _ in LOSSES {
        losses.extend(trainer.train_step_async().await?);
    }
    losses.extend(trainer.remaining_losses_async().await?);
    let losses: Vec<f32> = losses.into_iter().map(|(_, loss)| loss).collect();
    let mut bits: Vec<u32> = losses.iter().map(|loss| loss.to_bits()).collect();
    for (name, _) in trainer.recordings().parameters().into_iter().chain(trainer.moments()) {
        bits.extend(bytemuck::pod_collect_to_vec::<u8, u32>(&trainer.get_async(&name).await?));
    }
    Ok(Trained { losses, bits })
}

/// What is recorded of it.
pub fn recordings() -> Recordings {
    Recordings::training_alone(&config(), COUNT)
}
