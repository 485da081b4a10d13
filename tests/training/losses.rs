//! `inception train` reproduces a table of losses for any sizes: against the reference, which first
//! has to reproduce the golden one.

use inception::config::{Config, Module, Preset, Scale};
use inception::metrics;
use inception::train::Recordings;

use crate::close::{Worst, by_each, by_norm};
use crate::common::{self, Place, Random, digits, parse, succeed_all};
use crate::golden_files::{Golden, further, micro};
use crate::reference::Reference;
use crate::tensors::{self, Tensors};

/// What frameworks themselves need in f32 for losses, times six.
const LOSSES: f64 = 5e-5;
const WEIGHTS: f64 = 2e-6;
const TRAIN_ROWS: usize = 40;

#[test]
fn reference_is_golden() {
    let golden = micro();
    let (labels, pixels) = golden.rows();
    let batch = golden.config.batch_size;
    let size = [6, 5];
    let mut reference = Reference::new(&golden.config, golden.init.clone());
    let mut losses = Vec::new();
    for step in 0..50 {
        let pixels: Vec<f64> =
            pixels[step * batch * 30..][..batch * 30].iter().map(|&p| p.into()).collect();
        losses.push(reference.step(size, &pixels, &labels[step * batch..][..batch]));
        if step == 9 {
            for (name, (_, truth)) in golden.read("weights_after_10_f64") {
                let error = by_norm(&reference.weights[&name].1, &truth);
                assert!(error < 1e-12, "{name}: {error:e}");
            }
        }
    }
    let error = by_each(&losses, &golden.read("losses50")["losses_f64"].1);
    assert!(error < 1e-11, "{error:e}");
}

/// The sizes and all that decides the losses, without dropout.
pub fn config(
    module: Module,
    maps: &[usize],
    scale: Scale,
    batch_size: usize,
    steps: u64,
) -> Config {
    Config {
        module,
        maps: maps.to_vec(),
        reduce1x1: 3,
        num_fc1: 11,
        batch_size,
        steps,
        scale,
        val_rows: 4,
        dropout: 0.0,
        log_every: 1,
        ..Config::preset(Preset::Tutorial)
    }
}

/// The arguments that give `config` over the tutorial's preset.
fn flags(config: &Config) -> Vec<String> {
    let maps: Vec<_> = config.maps.iter().map(usize::to_string).collect();
    let module = if config.module == Module::Naive { "naive" } else { "reduced" };
    let scale = if config.scale == Scale::Unit { "unit" } else { "raw" };
    let words = [
        format!("--maps {} --module {module} --scale {scale}", maps.join(",")),
        format!("--reduce1x1 {} --num-fc1 {}", config.reduce1x1, config.num_fc1),
        format!("--batch-size {} --steps {}", config.batch_size, config.steps),
        format!("--learning-rate {} --val-rows {}", config.learning_rate, config.val_rows),
        "--dropout 0 --order cyclic --log-every 1".to_string(),
    ];
    let mut flags: Vec<String> = words.join(" ").split(' ').map(String::from).collect();
    if !config.freeze.is_empty() {
        flags.extend(["--freeze".to_string(), config.freeze.join(",")]);
    }
    flags
}

/// Losses that the program writes, and the weights that it saves.
fn train(place: &Place, config: &Config, initial: &Tensors) -> (Vec<f64>, Tensors) {
    let weights = place.path("initial.safetensors");
    tensors::write(weights.as_ref(), initial);
    let mut arguments = place.train("out", &["--init-weights", &weights]);
    arguments.extend(flags(config));
    succeed_all(&arguments);
    let rows = metrics::read(place.path("out/metrics.csv").as_ref()).expect("metrics");
    let steps = rows.iter().filter_map(|row| Some((row.step, row.loss?)));
    let (steps, losses): (Vec<u64>, Vec<f32>) = steps.unzip();
    assert!(steps.into_iter().eq(1..=config.steps), "a row for each step");
    let saved = tensors::read(place.path("out/model.safetensors").as_ref());
    (losses.into_iter().map(f64::from).collect(), saved)
}

fn check(name: &str, config: &Config) {
    check_frozen(name, config, &[]);
}

/// With these variables as they were, bit for bit.
pub fn check_frozen(name: &str, config: &Config, frozen: &[&str]) {
    if !common::has_adapter() {
        return;
    }
    let place = Place::new(TRAIN_ROWS, 4);
    let initial = initial_weights(config);
    let (losses, saved) = train(&place, config, &initial);

    let (labels, pixels) = parse(&digits("mnist_train.csv.gz", TRAIN_ROWS));
    let [offset, divisor] = config.scale.offset_and_divisor().map(f64::from);
    let pixels: Vec<f64> = pixels.into_iter().map(|p| (f64::from(p) - offset) / divisor).collect();
    let mut reference = Reference::new(config, initial.clone());
    reference.frozen = frozen.iter().map(ToString::to_string).collect();
    let (batch, count) = (config.batch_size, TRAIN_ROWS - config.val_rows);
    let truth: Vec<f64> = (0..config.steps as usize)
        .map(|step| {
            let first = step * batch % (count - batch);
            let pixels = &pixels[first * 784..][..batch * 784];
            reference.step([28, 28], pixels, &labels[first..][..batch])
        })
        .collect();

    let mut worst = Worst::default();
    worst.note("each over its own", by_each(&losses, &truth));
    worst.at_most(&format!("{name}: {} losses of the program", losses.len()), LOSSES);
    assert_eq!(saved.len(), reference.weights.len());
    let mut worst = Worst::default();
    for (name, (shape, truth)) in &reference.weights {
        assert_eq!(&saved[name].0, shape);
        let kept = saved[name].1 == initial[name].1;
        assert!(kept || !frozen.contains(&name.as_str()), "{name} is frozen and was changed");
        worst.note(name, by_norm(&saved[name].1, truth));
    }
    worst.at_most(&format!("{name}: weights after {} steps", config.steps), WEIGHTS);
}

/// Weights of about the usual size, in f32.
fn initial_weights(config: &Config) -> Tensors {
    let mut random = Random(5);
    let parameters = Recordings::inference(config, 1).parameters();
    let with_values = parameters.into_iter().map(|(name, shape)| {
        let mut value = || f64::from(random.float() * 0.17);
        let values = (0..shape.iter().product()).map(|_| value()).collect();
        (name, (shape, values))
    });
    with_values.collect()
}

#[test]
fn tutorials_two_modules() {
    check("two modules", &config(Module::Reduced, &[5, 7], Scale::Raw, 3, 6));
}

#[test]
fn one_module() {
    check("one module", &config(Module::Reduced, &[3], Scale::Unit, 4, 6));
}

/// Their channels are whole vectors, which kernels take in other ways, and the batches wrap.
#[test]
fn three_modules() {
    let config = config(Module::Reduced, &[4, 8, 4], Scale::Unit, 10, 5);
    check("three modules", &Config { reduce1x1: 4, num_fc1: 12, ..config });
}

#[test]
fn naive_modules() {
    check("naive modules", &config(Module::Naive, &[4, 2], Scale::Raw, 3, 6));
}

/// The golden networks of MNIST's size, through the program.
#[test]
fn further_networks() {
    for golden in further() {
        let shape = &golden.read("batch")["x"].0;
        if shape[1..] == [28, 28, 1] {
            check_golden(&golden);
        }
    }
}

fn check_golden(golden: &Golden) {
    let place = Place::new(1, 1);
    let (labels, pixels) = golden.rows();
    let mut csv = String::new();
    for (label, pixels) in labels.iter().zip(pixels.chunks(784)) {
        let values = pixels.iter().map(|pixel| format!(",{pixel}"));
        csv += &format!("{label}{}\n", values.collect::<String>());
    }
    csv += &digits("mnist_train.csv.gz", 1);
    place.write("train.csv", csv);
    let config = Config { steps: 50, val_rows: 1, ..golden.config.clone() };
    let (losses, _) = train(&place, &config, &golden.init);
    let mut worst = Worst::default();
    worst.note("each over its own", by_each(&losses, &golden.read("losses50")["losses_f64"].1));
    worst.at_most("golden: 50 losses of the program", golden.losses_tolerance);
}
