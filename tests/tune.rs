//! Measuring which kernels are the fastest, and remembering it. No time is expected of any machine.

#[path = "common/mod.rs"]
mod common;

use std::path::PathBuf;

use inception::ceiling::Ceiling;
use inception::engine::Engine;
use inception::gpu::Gpu;
use inception::ops::{Adam, Padding, adam};
use inception::plan::{self, Choices, Family, Rewrite, Target};
use inception::recording::{Recording, Role, TensorId};
use inception::tape::Tape;
use inception::tune::{Cache, CacheError, Timings, tune};

/// A convolution, a dense layer and Adam, and what comes out of them.
struct Network {
    recording: Recording,
    results: Vec<TensorId>,
}

fn network() -> Network {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[2, 5, 5, 8]);
    let (w, b) = (tape.parameter("w", &[3, 3, 8, 4]), tape.parameter("b", &[4]));
    let y = x.conv2d(w, b, 1, Padding::Same).relu();
    let y = y.dense(tape.parameter("w2", &[100, 12]), tape.parameter("b2", &[12]));
    y.backward(tape.input("dy", &y.shape()));
    let dx = x.gradient().expect("x is tracked");
    adam(&tape.parameters(), tape.input("rate", &[1]), Adam::default());
    let parameters = tape.parameters().into_iter().map(|tensor| tensor.id());
    let results = parameters.chain([y.id(), dx.id()]).collect();
    Network { recording: tape.finish(), results }
}

/// The device as if it were a GPU; without subgroups, as those have more than eight threads.
fn target(gpu: &Gpu) -> Target {
    let without = vec![Rewrite::Subgroup];
    Target { software: false, without, ..Target::of(gpu) }
}

/// The products of a network as keys, with their families.
fn products(network: &Recording, target: &Target) -> Vec<(String, Vec<Family>)> {
    let mut joined = network.clone();
    plan::join(&mut joined, target);
    let known = joined.passes.iter().filter_map(|pass| Some((plan::key(pass)?, pass)));
    known.map(|(key, pass)| (key, Family::candidates(pass, target))).collect()
}

fn assert_chosen(choices: &Choices, known: &Timings, network: &Recording, target: &Target) {
    let products = products(network, target);
    assert_eq!(products.len(), 6, "forward, backward_x, backward_w of two layers");
    for (key, families) in products {
        let timing = known.get(&key).unwrap_or_else(|| panic!("nothing measured of {key}"));
        assert!(timing.milliseconds.keys().eq(families.iter()), "{key}: {timing:?}");
        assert!(timing.milliseconds.values().all(|time| time.is_some()), "{key}: {timing:?}");
        assert_eq!(choices.get(&key), Some(timing.family), "{key}");
    }
    assert_eq!((choices.iter().count(), known.len()), (6, 6));
}

/// The results after the passes ran, which may have been planned.
fn run(gpu: Gpu, planned: &Recording, results: &[TensorId]) -> (Vec<Vec<f32>>, Gpu) {
    let mut engine = Engine::new(gpu);
    let program = engine.compile(planned).expect("it compiles");
    let mut random = common::Random(1);
    for id in planned.used() {
        let info = planned.tensor(id);
        if matches!(info.role, Role::Input | Role::Parameter) {
            let values: Vec<f32> = (0..info.len()).map(|_| random.float()).collect();
            engine.write(id, info, bytemuck::cast_slice(&values));
        }
    }
    engine.run(&program).expect("it runs");
    let read = |id: &TensorId| {
        let bytes = engine.read(*id, planned.tensor(*id)).expect("it is read");
        bytemuck::pod_collect_to_vec(&bytes)
    };
    (results.iter().map(read).collect(), engine.into_gpu().expect("it is given back"))
}

#[test]
fn a_tuned_network_computes_the_same_numbers() {
    let Some(gpu) = common::gpu() else { return };
    let Network { recording, results } = network();
    let mut target = target(&gpu);
    let (mut known, mut calls) = (Timings::default(), Vec::new());
    let progress = |done, of| calls.push((done, of));
    let (choices, gpu) =
        tune(gpu, [&recording], &target, &mut known, progress).expect("it is measured");
    assert_eq!(Engine::new(gpu).bytes(), 0);
    assert_eq!(calls, (0..=6).map(|done| (done, 6)).collect::<Vec<_>>());
    assert_chosen(&choices, &known, &recording, &target);

    let gpu = common::gpu().expect("it was there before");
    let (plain, gpu) = run(gpu, &recording, &results);
    target.choices = choices;
    let mut planned = [recording];
    plan::plan(&mut planned, &target, &results).expect("it fits");
    let (tuned, _) = run(gpu, &planned[0], &results);
    for (plain, tuned) in plain.iter().flatten().zip(tuned.iter().flatten()) {
        assert!((plain - tuned).abs() <= 1e-4 * plain.abs().max(1.0), "{plain}, tuned {tuned}");
    }
}

// What follows runs on a device that computes nothing.

#[test]
fn what_is_known_is_not_measured_again() {
    let Network { recording, .. } = network();
    let gpu = Gpu::noop();
    let target = target(&gpu);
    let mut known = Timings::default();
    let (choices, gpu) =
        tune(gpu, [&recording], &target, &mut known, |_, _| {}).expect("it is measured");
    assert_chosen(&choices, &known, &recording, &target);
    let before = known.clone();
    let never = |done, of| panic!("{done} of {of} measured again");
    let (again, gpu) =
        tune(gpu, [&recording], &target, &mut known, never).expect("nothing to measure");
    assert_eq!((&again, &known), (&choices, &before));
    // Fewer families leave a choice among what is known, none at all leave nothing to choose.
    let tiles = vec![Rewrite::Subgroup, Rewrite::Workgroup];
    let none = Target { without: tiles, ..target.clone() };
    let (few, gpu) = tune(gpu, [&recording], &none, &mut known, never).expect("nothing to do");
    assert_eq!(few, Choices::default());
    // Another shape is another product.
    let other = {
        let tape = Tape::new();
        let x = tape.input("x", &[3, 100]);
        x.dense(tape.parameter("w2", &[100, 12]), tape.parameter("b2", &[12]));
        tape.finish()
    };
    let mut count = 0;
    let progress = |_, of| count = of;
    let both = [&recording, &other];
    let (all, gpu) = tune(gpu, both, &target, &mut known, progress).expect("one is measured");
    assert_eq!((count, all.iter().count(), known.len()), (1, 7, 7));
    // On software adapters the rule is right.
    let software = Target { software: true, ..target };
    let (choices, _) =
        tune(gpu, both, &software, &mut Timings::default(), never).expect("nothing to do");
    assert_eq!(choices, Choices::default());
}

#[test]
fn rows_over_the_limit_are_measured_in_part() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[1, 9000]);
    let y = x.dense(tape.parameter("w", &[9000, 16]), tape.parameter("b", &[16]));
    y.backward(tape.input("dy", &y.shape()));
    let recording = tape.finish();
    let gpu = Gpu::noop();
    // 4,096 rows of 64 bytes, and a little.
    let cut = Target { buffer_limit: 4500 * 64, ..target(&gpu) };
    let mut known = Timings::default();
    let (choices, gpu) =
        tune(gpu, [&recording], &cut, &mut known, |_, _| {}).expect("it is measured");
    assert_eq!(choices.iter().count(), 3);
    let times = known.iter().flat_map(|(_, timing)| timing.milliseconds.values());
    assert!(times.copied().all(|time| time.is_some()), "{known:?}");
    // A network that cannot be cut is refused by its plan; nothing is measured of it before.
    let small = Target { buffer_limit: 1 << 10, ..cut };
    let never = |done, of| panic!("{done} of {of} measured");
    let (choices, _) =
        tune(gpu, [&recording], &small, &mut known, never).expect("nothing is measured");
    assert_eq!(choices, Choices::default());
}

/// Times of two products, and a file for them in a folder that does not exist yet.
fn remembered() -> (tempfile::TempDir, PathBuf, Timings) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("deep/er/tuning.json");
    let timings = r#"{
        "conv2d.forward A=1": {"family": "small-tiles", "milliseconds": {"large-tiles": 2.5,
            "small-tiles": 1.25, "plain": null}},
        "dense.forward B=2": {"family": "plain", "milliseconds": {"plain": 0.5}}
    }"#;
    (folder, path, serde_json::from_str(timings).expect("timings"))
}

fn text(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn times_come_back_from_the_cache() {
    let (_folder, path, timings) = remembered();
    let facts = Gpu::noop().facts;
    let cache = Cache::new(path.clone(), &facts);
    assert!(cache.load().expect("no file is no failure").is_empty());
    cache.store(&timings).expect("the folder is made");
    assert_eq!(cache.load().expect("it was stored"), timings);
    let names = || std::fs::read_dir(path.parent().expect("a folder")).expect("entries").count();
    assert_eq!(names(), 1, "nothing but the file is left");

    // Of another adapter or driver nothing is known, and both are kept.
    for other in [
        inception::gpu::AdapterFacts { name: "another".into(), ..facts.clone() },
        inception::gpu::AdapterFacts { driver: "newer".into(), ..facts.clone() },
    ] {
        let other = Cache::new(path.clone(), &other);
        assert!(other.load().expect("a file").is_empty());
        other.store(&Timings::default()).expect("it is stored");
    }
    assert_eq!(cache.load().expect("it is still there"), timings);
    // What another process measured meanwhile is kept too.
    cache.store(&Timings::default()).expect("it is stored");
    assert_eq!(cache.load().expect("it is still there"), timings);

    // Other kernels are measured anew, and replace what was known of the old ones.
    let stored = text(&path);
    let (begin, rest) = stored.split_once("\"kernels\": \"").expect("a hash");
    assert!(rest[..16].bytes().all(|byte| byte.is_ascii_hexdigit()), "{rest}");
    let changed = stored.replace(&rest[..16], "0123456789abcdef");
    assert_ne!(changed, stored);
    std::fs::write(&path, changed).expect("written");
    assert!(cache.load().expect("a whole file").is_empty(), "{begin}");
    cache.store(&Timings::default()).expect("it is stored");
    assert!(cache.load().expect("a whole file").is_empty());
}

#[test]
fn a_damaged_cache_is_told_of_and_replaced() {
    let (_folder, path, timings) = remembered();
    let cache = Cache::new(path.clone(), &Gpu::noop().facts);
    cache.store(&timings).expect("it is stored");
    let whole = text(&path);
    let torn = &whole[..whole.len() / 2];
    let foreign = whole.replace("small-tiles", "other-tiles");
    for damaged in ["", "[]", torn, &foreign, "\u{0}\u{1}"] {
        std::fs::write(&path, damaged).expect("written");
        let error = cache.load().expect_err(damaged);
        assert!(matches!(error, CacheError::Damaged { .. }), "{error:?}");
        let sentence = error.to_string();
        assert!(sentence.contains("tuning.json is damaged ("), "{sentence}");
        assert_eq!(sentence.lines().count(), 1, "{sentence}");
        cache.store(&timings).expect("it is replaced");
        assert_eq!(cache.load().expect("a whole file"), timings);
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told_of() {
    let (folder, _, timings) = remembered();
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").expect("written");
    let cache = Cache::new(file.join("tuning.json"), &Gpu::noop().facts);
    assert!(cache.load().expect("nothing is there to be read").is_empty());
    let sentence = cache.store(&timings).expect_err("no folder").to_string();
    assert!(sentence.starts_with("cannot keep the times of kernels in "), "{sentence}");
    assert!(sentence.contains("INCEPTION_CACHE"), "{sentence}");
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
}

#[test]
fn processes_that_write_at_once_leave_a_whole_file() {
    let (_folder, path, timings) = remembered();
    let cache = Cache::new(path, &Gpu::noop().facts);
    cache.store(&timings).expect("it is stored");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    cache.store(&timings).expect("it is stored");
                    assert_eq!(cache.load().expect("a whole file"), timings);
                }
            });
        }
    });
}

/// Edited, or written by something that is broken.
#[test]
fn a_cache_that_says_what_cannot_be_is_not_believed() {
    let (_folder, path, timings) = remembered();
    let cache = Cache::new(path.clone(), &Gpu::noop().facts);
    cache.store(&timings).expect("it is stored");
    let ceiling = Ceiling { flop_per_second: 1e12, bytes_per_second: 1e11 };
    cache.store_ceiling(ceiling).expect("it is stored");
    assert_eq!(cache.ceiling().expect("plausible"), Some(ceiling));
    let whole = text(&path);
    for number in ["-1.0", "1e300", "3600001.0"] {
        std::fs::write(&path, whole.replace("1.25", number)).expect("written");
        let error = cache.load().expect_err(number);
        assert!(matches!(error, CacheError::Absurd { .. }), "{error:?}");
        let sentence = error.to_string();
        assert!(sentence.contains("tuning.json says of conv2d.forward A=1 by "), "{sentence}");
        assert!(sentence.contains("it is measured anew and replaced"), "{sentence}");
        assert_eq!(cache.ceiling().expect("that is well"), Some(ceiling));
        // What is not measured again goes too, lest it be warned of for ever.
        cache.store(&Timings::default()).expect("it is replaced");
        assert_eq!(cache.load().expect("nothing else is wrong").len(), 1);
    }
    for (old, key) in
        [("1000000000000.0", "flop_per_second"), ("100000000000.0", "bytes_per_second")]
    {
        for number in ["0.0", "-1e12", "1.0", "1e300"] {
            assert!(whole.contains(old), "{whole}");
            std::fs::write(&path, whole.replace(&format!(": {old}"), &format!(": {number}")))
                .expect("written");
            let sentence = cache.ceiling().expect_err(number).to_string();
            assert!(sentence.contains(key), "{sentence}");
            assert_eq!(cache.load().expect("that is well"), timings);
        }
    }
    cache.store_ceiling(ceiling).expect("it is replaced");
    assert_eq!(cache.ceiling().expect("plausible"), Some(ceiling));
}

#[test]
#[cfg(unix)]
fn a_cache_that_is_a_pipe_is_not_waited_for() {
    let (_folder, path, _) = remembered();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("it runs").success());
    let sentence = Cache::new(path, &Gpu::noop().facts).load().expect_err("a pipe").to_string();
    assert!(sentence.contains("it is no regular file; kernels are measured anew"), "{sentence}");
}
