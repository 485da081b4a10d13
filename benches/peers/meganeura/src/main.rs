//! The tutorial's network in meganeura, through Vulkan or Metal: seconds of a training step and of
//! inference.

#[path = "../../common.rs"]
mod common;

use std::collections::BTreeMap;

use common::{CLASSES, Done, Flags, Options, Random, SIDE};
use meganeura::{Graph, Mode, NodeId, Session, SessionConfig};

const PIXELS: usize = SIDE * SIDE;

/// A graph for batches of one size, and how much an output of each parameter adds up (0 for biases).
struct Layers<'a> {
    graph: Graph,
    batch: usize,
    options: &'a Options,
    inputs: Vec<(String, usize)>,
}

impl Layers<'_> {
    fn parameter(&mut self, name: String, shape: &[usize], inputs: usize) -> NodeId {
        let parameter = self.graph.parameter(&name, shape);
        self.inputs.push((name, inputs));
        parameter
    }

    fn convolution(
        &mut self,
        x: NodeId,
        name: &str,
        window: usize,
        channels: usize,
        maps: usize,
    ) -> NodeId {
        let inputs = window * window * channels;
        let weights = self.parameter(format!("{name}/w"), &[maps * inputs], inputs);
        let biases = self.parameter(format!("{name}/b"), &[maps], 0);
        let (side, wide, padding) = (SIDE as u32, window as u32, window as u32 / 2);
        let (batch, channels, maps) = (self.batch as u32, channels as u32, maps as u32);
        let y = self
            .graph
            .conv2d(x, weights, batch, channels, side, side, maps, wide, wide, 1, padding);
        self.graph.add_per_channel(y, biases, maps, side * side)
    }

    fn dense(&mut self, x: NodeId, name: &str, inputs: usize, outputs: usize) -> NodeId {
        let weights = self.parameter(format!("{name}/w"), &[inputs, outputs], inputs);
        let biases = self.parameter(format!("{name}/b"), &[outputs], 0);
        let y = self.graph.matmul(x, weights);
        self.graph.bias_add(y, biases)
    }

    /// The greatest of 3 x 3 neighbours. meganeura's own max-pool has the gradient of a mean, so this
    /// is the greater of shifted copies, along rows and then along columns: b + relu(a - b). Nothing is
    /// below 0 here, so that the zeros that are shifted in do not count.
    fn max_pool(&mut self, x: NodeId, channels: usize) -> NodeId {
        let images = self.batch * channels;
        let graph = &mut self.graph;
        let mut x = x;
        for (rows, length, by) in [(images * SIDE, SIDE, 1), (images, PIXELS, SIDE as i32)] {
            x = graph.reshape(x, &[rows, length]);
            let mut greatest = x;
            for by in [by, -by] {
                let shifted = graph.shift_inner(x, by);
                let minus = graph.neg(greatest);
                let above = graph.add(shifted, minus);
                let above = graph.relu(above);
                greatest = graph.add(greatest, above);
            }
            x = greatest;
        }
        graph.reshape(x, &[images * PIXELS])
    }

    fn module(&mut self, x: NodeId, name: &str, channels: usize, maps: usize) -> NodeId {
        let reduced = self.options.reduce1x1;
        let one = self.convolution(x, &format!("{name}/one"), 1, channels, maps);
        let three = self.convolution(x, &format!("{name}/reduce3"), 1, channels, reduced);
        let three = self.graph.relu(three);
        let three = self.convolution(three, &format!("{name}/three"), 3, reduced, maps);
        let five = self.convolution(x, &format!("{name}/reduce5"), 1, channels, reduced);
        let five = self.graph.relu(five);
        let five = self.convolution(five, &format!("{name}/five"), 5, reduced, maps);
        let pool = self.max_pool(x, channels);
        let pool = self.convolution(pool, &format!("{name}/pool"), 1, channels, maps);
        let (batch, maps, pixels) = (self.batch as u32, maps as u32, PIXELS as u32);
        let left = self.graph.concat(one, three, batch, maps, maps, pixels);
        let right = self.graph.concat(five, pool, batch, maps, maps, pixels);
        let all = self.graph.concat(left, right, batch, 2 * maps, 2 * maps, pixels);
        self.graph.relu(all)
    }

    /// The logits. Dropout takes its factors from the host, where the graph trains.
    fn logits(&mut self, train: bool) -> NodeId {
        let mut x = self.graph.input("images", &[self.batch * PIXELS]);
        let mut channels = 1;
        for (number, &maps) in self.options.maps.iter().enumerate() {
            x = self.module(x, &format!("module{}", number + 1), channels, maps);
            channels = 4 * maps;
        }
        let fc1 = self.options.num_fc1;
        let x = self.graph.reshape(x, &[self.batch, channels * PIXELS]);
        let x = self.dense(x, "fc1", channels * PIXELS, fc1);
        let mut x = self.graph.relu(x);
        if train {
            let factors = self.graph.input("factors", &[self.batch, fc1]);
            x = self.graph.mul(x, factors);
        }
        self.dense(x, "fc2", fc1, CLASSES)
    }
}

fn layers(options: &Options, batch: usize) -> Layers<'_> {
    Layers { graph: Graph::new(), batch, options, inputs: Vec::new() }
}

fn size(session: &Session, name: &str) -> usize {
    session.param_size(name).expect("the graph has it")
}

struct Network<'a> {
    options: &'a Options,
    random: Random,
    training: Session,
    /// By batch size, made at the first use.
    inference: BTreeMap<usize, Session>,
}

impl<'a> Network<'a> {
    fn new(options: &'a Options) -> Self {
        let mut layers = layers(options, options.batch_size);
        let logits = layers.logits(true);
        let labels = layers.graph.input("labels", &[options.batch_size, CLASSES]);
        let loss = layers.graph.cross_entropy_loss(logits, labels);
        layers.graph.set_outputs(vec![loss]);
        let (mut training, _) = meganeura::build(&layers.graph, SessionConfig::default());
        let mut random = Random::new(0);
        for &(ref name, inputs) in &layers.inputs {
            let count = size(&training, name);
            let values = if inputs == 0 { vec![0.0; count] } else { random.weights(inputs, count) };
            training.set_parameter(name, &values);
        }
        training.set_adam(options.learning_rate as f32, 0.9, 0.999, 1e-8);
        Self { options, random, training, inference: BTreeMap::new() }
    }

    /// The same network for batches of that size, with the weights as they are.
    fn for_inference(&self, batch: usize) -> Session {
        let mut layers = layers(self.options, batch);
        let logits = layers.logits(false);
        let probabilities = layers.graph.softmax(logits);
        layers.graph.set_outputs(vec![probabilities]);
        let gpu = Some(self.training.context());
        let config = SessionConfig { mode: Mode::Inference, gpu, ..Default::default() };
        let (mut session, _) = meganeura::build(&layers.graph, config);
        for (name, _) in &layers.inputs {
            let mut values = vec![0.0; size(&self.training, name)];
            self.training.read_param(name, &mut values);
            session.set_parameter(name, &values);
        }
        session
    }
}

impl common::Network for Network<'_> {
    fn parameters(&self) -> usize {
        self.training.param_names().iter().map(|name| size(&self.training, name)).sum()
    }

    fn train(&mut self, images: &[f32], labels: &[u8]) -> Done<f32> {
        let mut one_hot = vec![0.0; labels.len() * CLASSES];
        for (row, &label) in one_hot.chunks_exact_mut(CLASSES).zip(labels) {
            row[usize::from(label)] = 1.0;
        }
        let factors =
            self.random.factors(labels.len() * self.options.num_fc1, self.options.dropout);
        self.training.set_input("images", images);
        self.training.set_input("labels", &one_hot);
        self.training.set_input("factors", &factors);
        self.training.step();
        self.training.wait();
        Ok(self.training.read_loss())
    }

    fn classify(&mut self, images: &[f32]) -> Done<()> {
        let batch = images.len() / PIXELS;
        if !self.inference.contains_key(&batch) {
            let made = self.for_inference(batch);
            self.inference.insert(batch, made);
        }
        let session = self.inference.get_mut(&batch).expect("just made");
        session.set_input("images", images);
        session.step();
        session.wait();
        session.read_output_by_index(0, &mut vec![0.0; batch * CLASSES]);
        Ok(())
    }
}

fn main() -> Done<()> {
    let mut flags = Flags::read()?;
    let options = Options::take(&mut flags)?;
    flags.finish()?;
    common::measure(&options, "meganeura 0.3.0", Network::new(&options))
}
