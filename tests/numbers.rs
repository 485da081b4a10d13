//! NaN and infinity are found behind the pass that makes them, and nothing else is.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use inception::config::{Config, Module, Preset};
use inception::data::{Batches, Images};
use inception::engine::Engine;
use inception::gpu::Gpu;
use inception::numbers::{Found, KERNELS, watch};
use inception::plan::{Rewrite, Target};
use inception::recording::{COPY, Recording, Role, Storage};
use inception::reference::Random;
use inception::tape::Tape;
use inception::train::{Recordings, Trainer};

const LIMIT: u64 = 128 << 20;

/// What the check of one tensor finds, over the place of a larger one that is all NaN.
fn found(gpu: Gpu, values: &[f32]) -> (Option<Found>, Gpu) {
    let tape = Tape::new();
    let parameter = tape.parameter("w", &[values.len()]);
    let (w, y) = (parameter.id(), parameter.relu().id());
    let mut recording = tape.finish();
    let padding = tape.input("padding", &[values.len() + 9]).relu().id();
    let mut larger = tape.finish();
    let bytes = larger.tensor(padding).shard_bytes(0);
    let storage = Some(vec![Storage { number: 0, bytes }]);
    larger.tensors[padding.0 as usize].storage = storage.clone();
    recording.tensors.clone_from(&larger.tensors);
    recording.tensors[w.0 as usize].storage = storage;

    let mut engine = Engine::new(gpu);
    engine.compile(&larger).expect("it compiles");
    let nan = vec![f32::NAN; values.len() + 9];
    engine.write(padding, larger.tensor(padding), bytemuck::cast_slice(&nan));
    let watch = watch(&recording);
    let program = engine.compile(&watch.recording).expect("it compiles");
    engine.write(w, recording.tensor(w), bytemuck::cast_slice(values));
    for (id, view) in &watch.views {
        engine.write(*id, watch.recording.tensor(*id), bytemuck::cast_slice(view));
    }
    let mut last = None;
    for _ in 0..2 {
        engine.run(&program).expect("it runs");
        let pending = engine.fetch(watch.found, watch.words()).expect("it is fetched");
        let words: Vec<u32> =
            engine.collect(pending).expect("it arrives").into_iter().map(f32::to_bits).collect();
        let found = watch.found(&words);
        if let Some(earlier) = last.replace(found.clone()) {
            assert_eq!(earlier, found, "a second run finds something else");
        }
    }
    // What the pass made of it is checked too, and is not what is named first.
    let y = engine.read(y, recording.tensor(y)).expect("it is read");
    assert_eq!(y.len(), values.len() * 4);
    (last.flatten(), engine.into_gpu().expect("the device is there"))
}

#[test]
fn it_goes_by_the_bits_of_the_exponent() {
    let Some(mut gpu) = common::gpu() else { return };
    let bits = f32::from_bits;
    let (least, payload) = (bits(1), bits(0xffa0_0001));
    let finite =
        [0.0, -0.0, least, -least, f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1.0, bits(0x7f7f_ffff)];
    let wrong = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, payload, bits(0x7f80_0001)];
    let found_in;
    (found_in, gpu) = found(gpu, &finite);
    assert_eq!(found_in, None, "finite numbers");
    for wrong in wrong {
        let mut values = finite.to_vec();
        values[5] = wrong;
        let found_in;
        (found_in, gpu) = found(gpu, &values);
        let found_in = found_in.unwrap_or_else(|| panic!("{:x} is not noticed", wrong.to_bits()));
        let expected =
            Found { pass: None, tensor: "w".to_string(), shape: vec![9], count: 1, first: vec![5] };
        assert_eq!(found_in, expected);
    }
}

#[test]
fn every_place_of_odd_lengths_is_looked_at() {
    let Some(mut gpu) = common::gpu() else { return };
    // A workgroup takes 8,192 elements.
    for length in [1, 2, 3, 4, 5, 7, 255, 1025, 8191, 8192, 8193, 70_001] {
        for (first, count) in [(0, 1), (length - 1, 1), (length / 2, length - length / 2)] {
            let mut values = vec![1.0; length];
            values[first..first + count].fill(f32::NAN);
            let found_in;
            (found_in, gpu) = found(gpu, &values);
            let found_in = found_in.unwrap_or_else(|| panic!("{length}: {first} is not noticed"));
            assert_eq!((found_in.count as usize, found_in.first), (count, vec![first]), "{length}");
        }
        let found_in;
        (found_in, gpu) = found(gpu, &vec![1.0; length]);
        assert_eq!(found_in, None, "{length}: its padding is no part of it");
    }
}

/// A network of sizes that all variants take, in images of 13 x 11.
fn config() -> Config {
    Config {
        maps: vec![4, 8],
        reduce1x1: 4,
        num_fc1: 72,
        batch_size: 5,
        ..Config::preset(Preset::Tutorial)
    }
}

const SIZE: [usize; 2] = [13, 11];
/// Rows of `W_fc1`: two shards of 2,048 and the rest under the limit of [`here`].
const FC1: usize = 13 * 11 * 32;
const COUNT: usize = 12;

fn recordings(config: &Config, target: Option<&Target>) -> Recordings {
    let mut recordings = Recordings::training(config, COUNT, SIZE);
    if let Some(target) = target {
        recordings.fit(target).expect("it fits");
    }
    recordings
}

/// Adapters of all kinds: with subgroups, without, with buffers so small that `W_fc1` is cut, and with
/// rewrites left out.
fn targets() -> Vec<Target> {
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

/// The elements of each tensor that the checks look at, and how many passes there are of other kinds.
fn checked(recording: &Recording) -> BTreeMap<u32, usize> {
    let watch = watch(recording);
    let views: BTreeMap<_, _> = watch.views.iter().copied().collect();
    let mut elements = BTreeMap::new();
    let is_check = |pass: &inception::recording::Pass| pass.kernel.name == KERNELS[0].name;
    let others = watch.recording.passes.iter().filter(|pass| !is_check(pass));
    assert!(others.eq(&recording.passes), "the other passes stay as they are");
    for (index, pass) in watch.recording.passes.iter().enumerate() {
        let Some(x) = pass.tensors.iter().find(|b| ["x", "vectors"].contains(&b.name)) else {
            continue;
        };
        if !is_check(pass) {
            continue;
        }
        let maker = watch.recording.passes[..index].iter().rev().find(|pass| !is_check(pass));
        let made = |maker: &inception::recording::Pass| {
            let wrote =
                |b: &&inception::recording::Bound| (b.tensor, b.shard) == (x.tensor, x.shard);
            maker.tensors.iter().find(wrote).is_some_and(|b| maker.kernel.writes(b.name))
        };
        let view = pass.tensors.iter().find(|bound| bound.name == "view").expect("a view");
        let count = views[&view.tensor][1] as usize;
        match maker {
            Some(maker) => {
                assert!(made(maker), "a check that does not follow its pass:\n{}", watch.recording);
                *elements.entry(x.tensor.0).or_default() += count;
            }
            None => assert_eq!(recording.tensor(x.tensor).role, Role::Parameter),
        }
    }
    elements
}

#[test]
fn each_number_is_checked_once_behind_the_pass_that_makes_it() {
    let deeper = Config { num_fc1: 260, ..config() };
    let naive = Config { module: Module::Naive, maps: vec![3, 5], num_fc1: 7, ..config() };
    for config in [config(), deeper, naive] {
        for target in [None].into_iter().chain(targets().iter().map(Some)) {
            let recordings = Recordings::training(&config, COUNT, [28, 28]);
            let mut recordings = recordings;
            if let Some(target) = target {
                recordings.fit(target).expect("it fits");
            }
            let recording = recordings.training_passes().expect("training");
            let checked = checked(recording);
            let mut floats = 0;
            for pass in recording.passes.iter().filter(|pass| !std::ptr::eq(pass.kernel, &COPY)) {
                for bound in pass.tensors.iter().filter(|b| pass.kernel.makes_floats(b.name)) {
                    let info = recording.tensor(bound.tensor);
                    let (id, name) = (bound.tensor.0, &info.name);
                    let looked_at = checked.get(&id).copied();
                    assert_eq!(
                        looked_at,
                        Some(info.len()),
                        "{name} {:?} in {target:?}",
                        info.shape
                    );
                    floats += 1;
                }
            }
            assert!(floats > 50, "{floats}");
        }
    }
}

fn trainer(gpu: Gpu, target: Option<&Target>, every: Option<u64>) -> Trainer {
    let config = config();
    let mut random = Random::new(3);
    let pixels = (0..COUNT * SIZE[0] * SIZE[1]).map(|_| random.bits() as u8).collect();
    let labels: Vec<u8> = (0..COUNT).map(|_| random.between(0, 9) as u8).collect();
    let [height, width] = SIZE;
    let images = Images { path: "random".into(), height, width, pixels };
    let batches = Batches::new(config.order, 1, config.batch_size, COUNT).expect("rows");
    let recordings = recordings(&config, target);
    let trainer = Trainer::new(gpu, recordings, &images, &labels, Some(batches));
    let mut trainer = trainer.expect("it compiles");
    trainer.initialize();
    if let Some(every) = every {
        trainer.check_numbers(every).expect("it compiles");
    }
    trainer
}

fn train(trainer: &mut Trainer, steps: u64) -> Vec<u32> {
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
fn here(gpu: &Gpu) -> [Target; 2] {
    let here = Target::of(gpu);
    let tiles = Target {
        software: false,
        without: vec![Rewrite::Subgroup],
        buffer_limit: 700_000,
        ..here.clone()
    };
    [here, tiles]
}

#[test]
fn checks_change_no_bit_and_find_nothing_in_a_good_run() {
    let Some(gpu) = common::gpu() else { return };
    let mut gpu = Some(gpu);
    for target in here(gpu.as_ref().expect("a device")) {
        let mut runs = Vec::new();
        for every in [None, Some(1), Some(2)] {
            let mut trainer = trainer(gpu.take().expect("a device"), Some(&target), every);
            runs.push(train(&mut trainer, 5));
            assert_eq!(trainer.found(), None);
            gpu = Some(trainer.into_gpu().expect("the device is there"));
        }
        assert!(runs[0] == runs[1] && runs[0] == runs[2], "checks change the numbers");
    }
}

/// Trains until something is found; `spoil` is done after `before` steps.
fn spoilt(
    gpu: Gpu,
    target: &Target,
    before: u64,
    spoil: impl FnOnce(&mut Trainer),
) -> (u64, Found, Gpu) {
    let mut trainer = trainer(gpu, Some(target), Some(1));
    train(&mut trainer, before);
    assert_eq!(trainer.found(), None);
    spoil(&mut trainer);
    train(&mut trainer, 4);
    let (step, found) = trainer.found().expect("it is found").clone();
    (step, found, trainer.into_gpu().expect("the device is there"))
}

/// Sets one element of a variable, or all.
fn set(trainer: &mut Trainer, name: &str, at: Option<usize>, value: f32) {
    let bytes = trainer.get(name).expect("a variable");
    let mut values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
    match at {
        Some(at) => values[at] = value,
        None => values.fill(value),
    }
    trainer.set(name, bytemuck::cast_slice(&values));
}

#[test]
fn a_parameter_that_was_no_number_before_is_named_with_its_place() {
    let Some(mut gpu) = common::gpu() else { return };
    for target in here(&gpu) {
        for (name, at, place) in [
            ("W_conv2_3x3", ((2 * 3 + 1) * 4 + 3) * 8 + 5, vec![2, 1, 3, 5]),
            // In the last shard and panel, and in others.
            ("W_fc1", FC1 * 72 - 1, vec![FC1 - 1, 71]),
            ("W_fc1", 1500 * 72 + 66, vec![1500, 66]),
            ("W_fc1", 2048 * 72 + 3, vec![2048, 3]),
            ("b_fc2", 3, vec![3]),
        ] {
            let (step, found);
            (step, found, gpu) =
                spoilt(gpu, &target, 2, |trainer| set(trainer, name, Some(at), f32::NAN));
            assert_eq!(step, 3, "{name}");
            assert_eq!((found.pass, found.tensor.as_str()), (None, name));
            assert_eq!((found.count, found.first), (1, place), "{name}");
        }
    }
}

#[test]
fn the_pass_that_overflows_is_named() {
    let Some(mut gpu) = common::gpu() else { return };
    for target in here(&gpu) {
        let forward = [
            ("W_conv1_1x1_1", "inception1/1x1_1 conv2d", "y"),
            ("W_conv1_3x3", "inception1/3x3 conv2d", "y"),
            ("W_conv2_1x1_3", "inception2/1x1_3 conv2d", "y"),
            ("W_conv2_5x5", "inception2/5x5 conv2d", "y"),
            ("W_conv2_1x1_4", "inception2/1x1_4 conv2d", "y"),
            ("W_fc1", "fc1 dense", "y"),
            ("W_fc2", "fc2 dense", "y"),
        ];
        for (name, place, variable) in forward {
            let (step, found);
            (step, found, gpu) = spoilt(gpu, &target, 1, |trainer| set(trainer, name, None, 3e38));
            let pass = found.pass.expect("a pass");
            assert!(pass.starts_with(place) && pass.ends_with(".forward"), "{name}: {pass}");
            assert_eq!((step, found.tensor.as_str()), (2, variable), "{name}: {pass}");
        }
        // Finite logits whose difference is not.
        let (step, found);
        (step, found, gpu) = spoilt(gpu, &target, 0, |trainer| {
            let logits: Vec<f32> = (0..10).map(|i| if i == 0 { 3e38 } else { -3e38 }).collect();
            trainer.set("b_fc2", bytemuck::cast_slice(&logits));
        });
        let named = (step, found.pass.as_deref(), found.tensor.as_str());
        assert_eq!(named, (1, Some("loss softmax.cross_entropy"), "loss_row"));
        // A moment that is no number spoils itself first, then its weight.
        for (name, place) in [("W_fc1", "fc1 dense"), ("b_fc1", "optimizer/b_fc1 adam.update")] {
            let moment = format!("m/{name}");
            let (step, found);
            (step, found, gpu) =
                spoilt(gpu, &target, 3, |t| set(t, &moment, Some(1), f32::INFINITY));
            let pass = found.pass.expect("a pass");
            assert!(pass.starts_with(place), "{pass}");
            assert_eq!((step, found.tensor, found.count), (4, moment, 1), "{pass}");
        }
    }
}

#[test]
fn sampled_steps_find_it_later() {
    let Some(gpu) = common::gpu() else { return };
    let target = Target::of(&gpu);
    let mut trainer = trainer(gpu, Some(&target), Some(4));
    train(&mut trainer, 2);
    set(&mut trainer, "b_fc1", Some(0), f32::NAN);
    train(&mut trainer, 2);
    assert_eq!(trainer.found(), None, "steps 3 and 4 are not checked");
    train(&mut trainer, 1);
    let (step, found) = trainer.found().expect("step 5 is");
    assert_eq!((*step, &found.pass), (5, &None));
}
