//! The tutorial's network in candle, on the processor: seconds of a training step and of inference.

#[path = "../../common.rs"]
mod common;

use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use common::{CLASSES, Done, Flags, Options, Random, SIDE};

/// Makes variables and keeps them for the optimizer.
struct Variables {
    random: Random,
    made: Vec<Var>,
}

impl Variables {
    /// Weights and biases; `bias` is the shape that biases are added in.
    fn pair(&mut self, shape: &[usize], inputs: usize, bias: &[usize]) -> Result<(Var, Var)> {
        let values = self.random.weights(inputs, shape.iter().product());
        let weights = Var::from_vec(values, shape, &Device::Cpu)?;
        let biases = Var::zeros(bias, candle_core::DType::F32, &Device::Cpu)?;
        self.made.extend([weights.clone(), biases.clone()]);
        Ok((weights, biases))
    }

    fn convolution(&mut self, window: usize, channels: usize, maps: usize) -> Result<Convolution> {
        let inputs = window * window * channels;
        let (weights, biases) =
            self.pair(&[maps, channels, window, window], inputs, &[1, maps, 1, 1])?;
        Ok(Convolution { weights, biases, padding: window / 2 })
    }

    fn dense(&mut self, inputs: usize, outputs: usize) -> Result<Dense> {
        let (weights, biases) = self.pair(&[inputs, outputs], inputs, &[1, outputs])?;
        Ok(Dense { weights, biases })
    }

    fn module(&mut self, channels: usize, reduced: usize, maps: usize) -> Result<Module> {
        Ok(Module {
            one: self.convolution(1, channels, maps)?,
            reduce3: self.convolution(1, channels, reduced)?,
            three: self.convolution(3, reduced, maps)?,
            reduce5: self.convolution(1, channels, reduced)?,
            five: self.convolution(5, reduced, maps)?,
            pool: self.convolution(1, channels, maps)?,
        })
    }
}

struct Convolution {
    weights: Var,
    biases: Var,
    padding: usize,
}

impl Convolution {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        x.conv2d(&self.weights, self.padding, 1, 1, 1)?.broadcast_add(&self.biases)
    }
}

struct Dense {
    weights: Var,
    biases: Var,
}

impl Dense {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weights)?.broadcast_add(&self.biases)
    }
}

struct Module {
    one: Convolution,
    reduce3: Convolution,
    three: Convolution,
    reduce5: Convolution,
    five: Convolution,
    pool: Convolution,
}

impl Module {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        let three = self.three.of(&self.reduce3.of(x)?.relu()?)?;
        let five = self.five.of(&self.reduce5.of(x)?.relu()?)?;
        let pool = self.pool.of(&max_pool(x)?)?;
        Tensor::cat(&[&self.one.of(x)?, &three, &five, &pool], 1)?.relu()
    }
}

/// The greatest of 3 x 3 neighbours. candle's own max-pool has no gradient where windows overlap, so
/// this is the greater of shifted copies, along rows and then along columns. Nothing is below 0 here,
/// so that zeros may stand around the image.
fn max_pool(x: &Tensor) -> Result<Tensor> {
    let mut x = x.clone();
    for axis in [2, 3] {
        let padded = x.pad_with_zeros(axis, 1, 1)?;
        let shifted = |by| padded.narrow(axis, by, SIDE);
        x = shifted(0)?.maximum(&shifted(1)?)?.maximum(&shifted(2)?)?;
    }
    Ok(x)
}

struct Network {
    modules: Vec<Module>,
    fc1: Dense,
    fc2: Dense,
    dropout: f32,
    parameters: usize,
    optimizer: AdamW,
}

impl Network {
    fn new(options: &Options) -> Result<Self> {
        let mut variables = Variables { random: Random::new(0), made: Vec::new() };
        let mut channels = 1;
        let mut modules = Vec::new();
        for &maps in &options.maps {
            modules.push(variables.module(channels, options.reduce1x1, maps)?);
            channels = 4 * maps;
        }
        let fc1 = variables.dense(SIDE * SIDE * channels, options.num_fc1)?;
        let fc2 = variables.dense(options.num_fc1, CLASSES)?;
        let parameters = variables.made.iter().map(|variable| variable.elem_count()).sum();
        // Without decay of the weights AdamW is Adam.
        let adam =
            ParamsAdamW { lr: options.learning_rate, weight_decay: 0.0, ..Default::default() };
        let optimizer = AdamW::new(variables.made, adam)?;
        Ok(Self { modules, fc1, fc2, dropout: options.dropout as f32, parameters, optimizer })
    }

    fn logits(&self, images: &[f32], train: bool) -> Result<Tensor> {
        let count = images.len() / (SIDE * SIDE);
        let mut x = Tensor::from_slice(images, (count, 1, SIDE, SIDE), &Device::Cpu)?;
        for module in &self.modules {
            x = module.of(&x)?;
        }
        let mut x = self.fc1.of(&x.flatten_from(1)?)?.relu()?;
        if train {
            x = candle_nn::ops::dropout(&x, self.dropout)?;
        }
        self.fc2.of(&x)
    }
}

impl common::Network for Network {
    fn parameters(&self) -> usize {
        self.parameters
    }

    fn train(&mut self, images: &[f32], labels: &[u8]) -> Done<f32> {
        let labels = Tensor::from_slice(labels, labels.len(), &Device::Cpu)?;
        let loss = candle_nn::loss::cross_entropy(&self.logits(images, true)?, &labels)?;
        self.optimizer.backward_step(&loss)?;
        Ok(loss.to_scalar()?)
    }

    fn classify(&mut self, images: &[f32]) -> Done<()> {
        candle_nn::ops::softmax(&self.logits(images, false)?, D::Minus1)?.to_vec2::<f32>()?;
        Ok(())
    }
}

fn main() -> Done<()> {
    let mut flags = Flags::read()?;
    let options = Options::take(&mut flags)?;
    flags.finish()?;
    common::measure(&options, "candle 0.11.1", Network::new(&options)?)
}
