//! The tutorial's network in Burn: seconds of a training step and of inference.

#[path = "../../common.rs"]
mod common;

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::DeviceKind;
use burn::tensor::activation::{relu, softmax};
use common::{CLASSES, Done, Flags, Options, Random, SIDE};

fn parameter<const D: usize>(
    random: &mut Random,
    inputs: usize,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    let values = random.weights(inputs, shape.iter().product());
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

fn convolution(
    random: &mut Random,
    window: usize,
    channels: usize,
    maps: usize,
    device: &Device,
) -> Conv2d {
    let config = Conv2dConfig::new([channels, maps], [window, window])
        .with_padding(PaddingConfig2d::Same)
        .with_initializer(Initializer::Zeros);
    let inputs = window * window * channels;
    let weight = parameter(random, inputs, [maps, channels, window, window], device);
    Conv2d { weight, ..config.init(device) }
}

fn dense(random: &mut Random, inputs: usize, outputs: usize, device: &Device) -> Linear {
    // The weights that this makes are replaced: it starts with one row of them.
    let made = LinearConfig::new(1, outputs).with_initializer(Initializer::Zeros).init(device);
    Linear { weight: parameter(random, inputs, [inputs, outputs], device), ..made }
}

#[derive(Module, Debug)]
struct Inception {
    one: Conv2d,
    reduce3: Conv2d,
    three: Conv2d,
    reduce5: Conv2d,
    five: Conv2d,
    greatest: MaxPool2d,
    pool: Conv2d,
}

impl Inception {
    fn new(
        random: &mut Random,
        channels: usize,
        reduced: usize,
        maps: usize,
        device: &Device,
    ) -> Self {
        let mut convolution =
            |window, channels, maps| convolution(random, window, channels, maps, device);
        Self {
            one: convolution(1, channels, maps),
            reduce3: convolution(1, channels, reduced),
            three: convolution(3, reduced, maps),
            reduce5: convolution(1, channels, reduced),
            five: convolution(5, reduced, maps),
            greatest: MaxPool2dConfig::new([3, 3])
                .with_strides([1, 1])
                .with_padding(PaddingConfig2d::Same)
                .init(),
            pool: convolution(1, channels, maps),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let one = self.one.forward(x.clone());
        let three = self.three.forward(relu(self.reduce3.forward(x.clone())));
        let five = self.five.forward(relu(self.reduce5.forward(x.clone())));
        let pool = self.pool.forward(self.greatest.forward(x));
        relu(Tensor::cat(vec![one, three, five, pool], 1))
    }
}

#[derive(Module, Debug)]
struct Layers {
    modules: Vec<Inception>,
    fc1: Linear,
    dropout: Dropout,
    fc2: Linear,
}

impl Layers {
    fn new(options: &Options, device: &Device) -> Self {
        let random = &mut Random::new(0);
        let mut channels = 1;
        let mut modules = Vec::new();
        for &maps in &options.maps {
            modules.push(Inception::new(random, channels, options.reduce1x1, maps, device));
            channels = 4 * maps;
        }
        Self {
            modules,
            fc1: dense(random, SIDE * SIDE * channels, options.num_fc1, device),
            dropout: DropoutConfig::new(options.dropout).init(),
            fc2: dense(random, options.num_fc1, CLASSES, device),
        }
    }

    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.modules.iter().fold(images, |x, module| module.forward(x));
        let x: Tensor<2> = x.flatten(1, 3);
        self.fc2.forward(self.dropout.forward(relu(self.fc1.forward(x))))
    }
}

struct Network {
    device: Device,
    layers: Layers,
    optimizer: ModuleOptimizer,
    learning_rate: f64,
    loss: CrossEntropyLoss,
}

fn placed(images: &[f32], device: &Device) -> Tensor<4> {
    let count = images.len() / (SIDE * SIDE);
    Tensor::from_data(TensorData::new(images.to_vec(), [count, 1, SIDE, SIDE]), device)
}

impl common::Network for Network {
    fn parameters(&self) -> usize {
        self.layers.num_params()
    }

    fn train(&mut self, images: &[f32], labels: &[u8]) -> Done<f32> {
        let labels: Vec<i32> = labels.iter().copied().map(i32::from).collect();
        let shape = [labels.len()];
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, shape), &self.device);
        let logits = self.layers.logits(placed(images, &self.device));
        let loss = self.loss.forward(logits, labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.layers);
        self.layers = self.optimizer.step(self.learning_rate, self.layers.clone(), gradients);
        self.device.sync()?;
        Ok(loss.try_into_scalar()?)
    }

    fn classify(&mut self, images: &[f32]) -> Done<()> {
        let layers = self.layers.valid();
        softmax(layers.logits(placed(images, &self.device.clone().inner())), 1).into_data();
        Ok(())
    }
}

fn main() -> Done<()> {
    let mut flags = Flags::read()?;
    let backend: String = flags.take("--backend", "wgpu")?;
    let options = Options::take(&mut flags)?;
    flags.finish()?;
    let device = match backend.as_str() {
        "wgpu" => Device::wgpu(DeviceKind::DefaultDevice),
        "flex" => Device::flex(),
        _ => return Err(format!("--backend '{backend}' is neither wgpu nor flex").into()),
    };
    let device = device.autodiff();
    let network = Network {
        layers: Layers::new(&options, &device),
        // The epsilon of the other programs; Burn's own is 1e-5.
        optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
        learning_rate: options.learning_rate,
        loss: CrossEntropyLossConfig::new().init(&device),
        device,
    };
    common::measure(&options, &format!("Burn 0.22.1, {backend}"), network)
}
