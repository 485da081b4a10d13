//! Two-module networks against numbers that TensorFlow, JAX and PyTorch agree on in f64: every
//! intermediate, every gradient, the weights after Adam's steps, the losses.
//!
//! The files of `tests/golden/micro` are checked always. `INCEPTION_GOLDEN` names a folder of
//! further ones, each in a folder of its own.

use inception::data::{Batches, Images};
use inception::engine::Engine;
use inception::gpu::Gpu;
use inception::model::{Widths, inception, logits};
use inception::ops::Padding;
use inception::plan::Target;
use inception::recording::{Recording, Role, TensorId};
use inception::tape::{Tape, Tensor};
use inception::train::{Recordings, Trainer};

use crate::close::{Worst, by_each, by_norm, by_value};
use crate::common;
use crate::golden_files::{Golden, further, micro};
use crate::tensors::{f32_bytes, wide};

/// Four times what the frameworks themselves need in f32, rounded.
const LOGITS: f64 = 1e-5;
const GRADIENTS: f64 = 1e-5;
const WEIGHTS_AFTER_1: f64 = 2e-7;
const WEIGHTS_AFTER_10: f64 = 2e-6;

#[test]
fn micro_network() {
    check(&micro());
}

#[test]
fn further_networks() {
    further().iter().for_each(check);
}

fn check(golden: &Golden) {
    if let (Some(one), Some(two)) = (common::gpu(), common::gpu()) {
        forward_and_gradients(golden, one);
        fifty_steps(golden, two);
    }
}

/// A tape, an engine and the batch of step 0.
struct Lab<'g> {
    golden: &'g Golden,
    engine: Engine,
    tape: Tape,
    /// Tensors that the host writes, with their values.
    inputs: Vec<(TensorId, Vec<u8>)>,
}

impl<'g> Lab<'g> {
    fn new(golden: &'g Golden, gpu: Gpu) -> Lab<'g> {
        Lab { golden, engine: Engine::new(gpu), tape: Tape::new(), inputs: Vec::new() }
    }

    fn input(&mut self, name: &str, shape: &[usize], bytes: Vec<u8>) -> TensorId {
        let id = self.tape.input(name, shape).id();
        self.inputs.push((id, bytes));
        id
    }

    /// Runs what was recorded, from the initial weights.
    fn run(&mut self) -> Recording {
        let parameters: Vec<_> =
            self.tape.parameters().into_iter().map(|p| (p.id(), p.name())).collect();
        let recording = self.tape.finish();
        let program = self.engine.compile(&recording).expect("the network compiles");
        let initial =
            parameters.iter().map(|(id, name)| (*id, f32_bytes(&self.golden.init[name].1)));
        let used = recording.used();
        for (id, bytes) in self.inputs.iter().cloned().chain(initial) {
            if used.contains(&id) {
                self.engine.write(id, recording.tensor(id), &bytes);
            }
        }
        self.engine.run(&program).expect("the network runs");
        recording
    }

    fn read(&self, recording: &Recording, id: TensorId) -> Vec<f64> {
        wide(&self.engine.read(id, recording.tensor(id)).expect("the tensor is read"))
    }

    /// Runs the recorded passes and checks the logits (of one or more tensors, one after the other),
    /// the loss (the mean of one or more) and the gradients. `suffix` is `""` or `"_dropout"`.
    fn check_gradients(&mut self, suffix: &str, logits: &[TensorId], losses: &[TensorId]) {
        let gradients: Vec<_> = self
            .tape
            .parameters()
            .into_iter()
            .map(|p| (p.name(), p.gradient().expect("a gradient").id()))
            .collect();
        let recording = self.run();
        let what = format!("{}{suffix}", self.golden.name());
        let forward = self.golden.read("forward_f64");
        let read = |ids: &[TensorId]| -> Vec<f64> {
            ids.iter().flat_map(|&id| self.read(&recording, id)).collect()
        };
        let losses = read(losses);
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        let mut worst = Worst::default();
        worst.note("logits", by_value(&read(logits), &forward[&format!("logits{suffix}")].1));
        worst.note("loss", by_value(&[loss], &forward[&format!("loss{suffix}")].1));
        worst.at_most(&format!("{what}: logits and loss"), LOGITS);
        let truth = self.golden.read(&format!("grads{suffix}_f64"));
        assert_eq!(gradients.len(), truth.len());
        let mut worst = Worst::default();
        for (name, id) in gradients {
            worst.note(&name, by_norm(&self.read(&recording, id), &truth[&name].1));
        }
        worst.at_most(&format!("{what}: gradients"), GRADIENTS);
    }
}

fn forward_and_gradients(golden: &Golden, gpu: Gpu) {
    let mut lab = Lab::new(golden, gpu);
    let batch = golden.read("batch");
    let (x, labels) = (&batch["x"], &batch["labels"].1);
    let x_id = lab.input("x", &x.0, f32_bytes(&x.1));
    let label = lab.input("label", &[labels.len()], u32_bytes(labels));

    let out = logits(lab.tape.tensor(x_id), &golden.config.network());
    let loss = out.softmax_cross_entropy(lab.tape.tensor(label));
    loss.backward(loss.ones());
    let (out, loss) = (out.id(), loss.id());
    lab.check_gradients("", &[out], &[loss]);

    with_mask(&mut lab, &x.1, labels, &batch["dropout_mask"].1);
    intermediates(&mut lab, x_id);
}

/// The modules' inputs and outputs, one after the other, and the dense layer behind them.
fn modules<'t>(golden: &Golden, x: Tensor<'t>) -> (Vec<Tensor<'t>>, Tensor<'t>) {
    let config = &golden.config;
    let mut modules = vec![x];
    for (index, &map) in config.maps.iter().enumerate() {
        let x = modules[index];
        let widths = Widths::even(map, config.reduce1x1);
        modules.push(inception(x, &(index + 1).to_string(), config.module, widths));
    }
    let [w, b] = ["W_fc1", "b_fc1"].map(|name| parameter(golden, x.tape(), name));
    let hidden = modules[modules.len() - 1].dense(w, b).relu();
    (modules, hidden)
}

fn parameter<'t>(golden: &Golden, tape: &'t Tape, name: &str) -> Tensor<'t> {
    tape.parameter(name, &golden.init[name].0)
}

/// The network with a given mask in place of dropout. The mask, doubled, is the diagonal of a dense
/// layer, which is exact; as each example has its own, each goes through the network alone.
fn with_mask(lab: &mut Lab, x: &[f64], labels: &[f64], mask: &[f64]) {
    let golden = lab.golden;
    let (batch, width) = (golden.config.batch_size, golden.config.num_fc1);
    let zero = lab.input("zero", &[width], f32_bytes(&vec![0.0; width]));
    let share = lab.input("share", &[1], f32_bytes(&[1.0 / batch as f64]));
    let (mut outs, mut losses) = (Vec::new(), Vec::new());
    for example in 0..batch {
        let part = |all: &[f64]| {
            let length = all.len() / batch;
            all[example * length..][..length].to_vec()
        };
        let mut diagonal = vec![0.0; width * width];
        for (unit, keep) in part(mask).iter().enumerate() {
            diagonal[unit * (width + 1)] = keep * 2.0;
        }
        let [height, width_x] = golden.size;
        let x = lab.input("x", &[1, height, width_x, 1], f32_bytes(&part(x)));
        let label = lab.input("label", &[1], u32_bytes(&part(labels)));
        let diagonal = lab.input("diagonal", &[width, width], f32_bytes(&diagonal));
        let tape = &lab.tape;
        let (_, hidden) = modules(golden, tape.tensor(x));
        let kept = hidden.dense(tape.tensor(diagonal), tape.tensor(zero));
        let [w, b] = ["W_fc2", "b_fc2"].map(|name| parameter(golden, tape, name));
        let out = kept.dense(w, b);
        let loss = out.softmax_cross_entropy(tape.tensor(label));
        loss.backward(tape.tensor(share));
        outs.push(out.id());
        losses.push(loss.id());
    }
    lab.check_gradients("_dropout", &outs, &losses);
}

/// What each layer makes of the batch.
fn intermediates(lab: &mut Lab, x: TensorId) {
    let golden = lab.golden;
    let (modules, hidden) = modules(golden, lab.tape.tensor(x));
    let mut made = vec![("h_fc1".to_string(), hidden.id())];
    for (index, pair) in modules.windows(2).enumerate() {
        made.push((format!("inception{}", index + 1), pair[1].id()));
        let pooled = pair[0].max_pool(3, 1, Padding::Same);
        made.push((format!("maxpool{}", index + 1), pooled.id()));
    }
    let recording = lab.run();
    let truth = golden.read("forward_f64");
    let towers = truth.keys().filter(|name| name.starts_with("conv"));
    for name in towers {
        let (module, tower) = name["conv".len()..].split_once('_').expect("conv1_3x3");
        let place = format!("inception{module}/{tower}");
        // The one that the network made, not what a second use of its parameters would.
        let found = recording.used().into_iter().find(|&id| {
            let info = recording.tensor(id);
            info.role == Role::Temporary && info.name == place && info.shape == truth[name].0
        });
        made.push((name.clone(), found.unwrap_or_else(|| panic!("nothing is made at {place}"))));
    }
    let mut worst = Worst::default();
    for (name, id) in &made {
        let mut got = lab.read(&recording, *id);
        if name.ends_with("_1x1_2") || name.ends_with("_1x1_3") {
            // Golden behind the ReLU, which is a pass of its own.
            got.iter_mut().for_each(|value| *value = value.max(0.0));
        }
        worst.note(name, by_value(&got, &truth[name].1));
    }
    assert_eq!(made.len() + 4, truth.len(), "logits, loss, and both with dropout are the others");
    worst.at_most(&format!("{}: intermediates", golden.name()), LOGITS);
}

/// The trainer's own 50 steps over bytes on the device.
fn fifty_steps(golden: &Golden, gpu: Gpu) {
    let [height, width] = golden.size;
    let (config, name) = (&golden.config.clone().with_image([height, width, 1]), golden.name());
    let (labels, pixels) = golden.rows();
    let images = Images { path: "golden".into(), height, width, channels: 1, pixels };
    let mut recordings = Recordings::training(config, labels.len());
    recordings.fit(&Target::of(&gpu)).expect("the network fits");
    let batches = Batches::new(config.order, config.seed, config.batch_size, labels.len());
    let batches = Some(batches.expect("enough rows"));
    let trainer = Trainer::new(gpu, recordings, &images, &labels, batches);
    let mut trainer = trainer.expect("the network compiles");
    for (name, (_, values)) in &golden.init {
        trainer.set(name, &f32_bytes(values));
    }
    let mut losses = Vec::new();
    for step in 1..=50 {
        losses.extend(trainer.train_step().expect("a step"));
        let tolerance = match step {
            1 => WEIGHTS_AFTER_1,
            10 => WEIGHTS_AFTER_10,
            _ => continue,
        };
        let mut worst = Worst::default();
        for (name, (_, truth)) in golden.read(&format!("weights_after_{step}_f64")) {
            worst.note(&name, by_norm(&wide(&trainer.get(&name).expect("a variable")), &truth));
        }
        worst.at_most(&format!("{name}: weights after {step}"), tolerance);
    }
    losses.extend(trainer.remaining_losses().expect("the last losses"));
    assert!(losses.iter().map(|(step, _)| *step).eq(1..=50));
    let losses: Vec<f64> = losses.iter().map(|(_, loss)| (*loss).into()).collect();
    let mut worst = Worst::default();
    worst.note("each over its own", by_each(&losses, &golden.read("losses50")["losses_f64"].1));
    worst.at_most(&format!("{name}: 50 losses"), golden.losses_tolerance);
}

fn u32_bytes(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|&v| (v as u32).to_le_bytes()).collect()
}
