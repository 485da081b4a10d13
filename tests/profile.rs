//! Where a step's time goes: stamps, medians, traces and comparisons held against made-up runs, and a
//! real step against its own submission. No time is expected of any machine.

#[path = "common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use inception::ceiling::Ceiling;
use inception::config::{Config, Preset};
use inception::data::{Batches, Images};
use inception::engine::Engine;
use inception::gpu::{Gpu, GpuOptions};
use inception::plan::Target;
use inception::profile::compare::{compare, differences};
use inception::profile::trace::{Track, trace};
use inception::profile::{FORMAT, Part, PassFacts, Profile, ProfileError, Runs, Work};
use inception::tape::Tape;
use inception::timing::{HostClock, Stamps, Timed};
use inception::train::{Recordings, Trainer};
use serde_json::Value;

const CEILING: Ceiling = Ceiling { flop_per_second: 100.0, bytes_per_second: 10.0 };

/// A pass that takes at least so many seconds.
fn facts(place: &str, operation: &str, kernel: &str, direction: &str, least: f64) -> PassFacts {
    let entry = operation.split('.').nth(1).expect("an entry");
    PassFacts {
        pass: format!("{place} {kernel}.{entry}"),
        place: place.to_string(),
        operation: operation.to_string(),
        kernel: kernel.to_string(),
        module: place.split('/').next().unwrap_or_default().to_string(),
        direction: direction.to_string(),
        work: Work { flop: 200, bytes: 40, least },
    }
}

fn three() -> Vec<PassFacts> {
    vec![
        facts("one/a", "conv2d.forward", "conv2d", "forward", 0.5),
        facts("one/b", "conv2d.forward", "conv2d_subgroup", "forward", 0.5),
        facts("two", "adam.update", "adam", "update", 0.5),
    ]
}

const ORIGIN: Duration = Duration::from_secs(1);

/// A run that begins at that second: a second of recording, one of submitting, then `waiting`.
fn run(zero: Instant, at: u64, waiting: f64, passes: &[Option<(f64, f64)>]) -> Timed {
    let begin = zero + ORIGIN + Duration::from_secs(at);
    let second = Duration::from_secs(1);
    let stamps = |(begin, end): (f64, f64)| Stamps { begin, end };
    Timed {
        host: HostClock {
            begin,
            recorded: begin + second,
            submitted: begin + 2 * second,
            done: begin + 2 * second + Duration::from_secs_f64(waiting),
        },
        passes: passes.iter().map(|pass| pass.map(stamps)).collect(),
    }
}

/// Three runs, of which the first is to be left out; a stamp is missing in one, a pass's in all.
fn runs(zero: Instant) -> Runs {
    Runs {
        first: Some(run(zero, 0, 90.0, &[Some((0.0, 50.0)), Some((50.0, 60.0)), None])),
        plain: vec![run(zero, 100, 4.0, &[]), run(zero, 120, 6.0, &[]), run(zero, 140, 5.0, &[])],
        profiled: vec![
            run(zero, 110, 8.0, &[Some((0.0, 2.0)), Some((2.0, 3.0)), None]),
            run(zero, 130, 9.0, &[Some((0.0, 4.0)), None, None]),
            run(zero, 150, 7.0, &[Some((0.0, 3.0)), Some((4.0, 6.0)), None]),
        ],
    }
}

fn profile(training: Part, inference: Option<Part>) -> Profile {
    Profile::new(&Gpu::noop(), &Config::preset(Preset::Quick), CEILING, training, inference)
}

#[test]
fn zero_and_unordered_stamps_are_no_data() {
    let ticks = [1000, 1500, 0, 1600, 1600, 0, 0, 0, 2000, 1999, 1700, 1700, 900, 950];
    let stamps = Stamps::of(&ticks, 0.5);
    let some = |begin, end| Some(Stamps { begin, end });
    // Since the earliest good one, which is the last pair's.
    let expected = [some(50.0, 300.0), None, None, None, None, some(400.0, 400.0), some(0.0, 25.0)];
    assert_eq!(stamps, expected);
    assert_eq!(Stamps::of(&[0, 0], 1.0), [None]);
    assert_eq!(Stamps::of(&[], 1.0), []);
}

#[test]
fn medians_leave_out_what_is_missing() {
    let part = Part::new(4, &three(), &runs(Instant::now()));
    assert_eq!((part.batch_size, part.samples), (4, 3));
    let [a, b, c] = &part.passes[..] else { panic!("three passes") };
    assert_eq!((a.samples, a.missing, a.first), (3, 0, Some(50.0)));
    assert_eq!((a.median, a.min, a.max), (Some(3.0), Some(2.0), Some(4.0)));
    // Of two the upper is the middle one.
    assert_eq!((b.samples, b.missing, b.median, b.min), (2, 1, Some(2.0), Some(1.0)));
    assert_eq!((c.samples, c.missing, c.first), (0, 3, None));
    assert_eq!((c.median, c.min, c.max), (None, None, None));
    assert_eq!(a.speed.gflop_per_second, Some(200e-9 / 3.0));
    assert_eq!(a.speed.share_of_limit, Some(0.5 / 3.0));
    assert_eq!((c.speed.gflop_per_second, c.speed.share_of_limit), (None, None));

    let names = |totals: &[inception::profile::Total]| -> Vec<String> {
        totals.iter().map(|total| total.name.clone()).collect()
    };
    assert_eq!(names(&part.modules), ["one", "two"]);
    assert_eq!(names(&part.directions), ["forward", "update"]);
    let one = &part.modules[0];
    assert_eq!((one.median, one.min, one.missing), (Some(5.0), Some(3.0), 1));
    assert_eq!((part.modules[1].median, part.modules[1].missing), (None, 3));
    // All have their work, but only the timed ones say how fast.
    assert_eq!((part.all.median, part.all.missing, part.all.work.flop), (Some(5.0), 4, 600));
    assert_eq!(part.all.speed.gflop_per_second, Some(400e-9 / 5.0));
    assert_eq!(part.all.speed.share_of_limit, Some(1.0 / 5.0));
}

#[test]
fn the_run_of_median_length_is_shown_whole() {
    let wall = Part::new(4, &three(), &runs(Instant::now())).wall;
    let plain = wall.plain.expect("plain runs");
    assert_eq!((plain.recording, plain.submitting, plain.waiting), (1.0, 1.0, 5.0));
    assert_eq!(plain.whole, 7.0);
    let profiled = wall.profiled.expect("timed runs");
    assert_eq!((profiled.waiting, profiled.whole), (8.0, 10.0));
    // Its own stamps, from first to last, with the missing one left out.
    let gpu = wall.gpu.expect("stamps");
    assert_eq!((gpu.busy, gpu.passes), (3.0, 3.0));
    assert_eq!(wall.timing_cost, Some(10.0 / 7.0));
}

#[test]
fn a_device_without_timestamps_has_work_and_host_times() {
    let mut runs = runs(Instant::now());
    (runs.first, runs.profiled) = (None, Vec::new());
    let part = Part::new(4, &three(), &runs);
    assert_eq!(part.samples, 3);
    assert!(part.passes.iter().all(|pass| pass.median.is_none() && pass.missing == 0));
    assert_eq!((part.all.median, part.all.work.bytes), (None, 120));
    assert!(part.wall.plain.is_some());
    assert_eq!((part.wall.profiled, part.wall.gpu, part.wall.timing_cost), (None, None, None));
}

/// A coarse clock may see no time pass.
#[test]
fn no_rate_is_made_of_no_time() {
    let work = Work { flop: 1, bytes: 1, least: 1.0 };
    for seconds in [None, Some(0.0)] {
        let speed = work.speed(seconds);
        assert_eq!((speed.gflop_per_second, speed.share_of_limit), (None, None));
    }
}

#[test]
fn a_profile_survives_its_file() {
    let part = Part::new(4, &three(), &runs(Instant::now()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("profile.json");
    for inference in [None, Some(part.clone())] {
        let profile = profile(part.clone(), inference);
        let text = serde_json::to_string_pretty(&profile).expect("JSON");
        std::fs::write(&path, &text).expect("written");
        assert_eq!(Profile::read(&path).expect("a profile"), profile);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["passes"][0]["pass"], "one/a conv2d.forward");
        assert_eq!(value["passes"][1]["kernel"], "conv2d_subgroup");
        assert!(value["passes"][2]["median"].is_null(), "{}", value["passes"][2]);
        assert!(value["passes"][2].as_object().expect("a pass").contains_key("median"));
        assert_eq!(value["modules"][0]["median"], 5.0);

        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "no {from} in {text}");
            std::fs::write(&path, text.replace(from, to)).expect("written");
            Profile::read(&path).expect_err(to)
        };
        let newer = changed("\"format\": 1,", "\"format\": 7,");
        assert!(matches!(newer, ProfileError::Format { format: 7, .. }), "{newer}");
        let foreign = [("\"format\": 1,", ""), ("\"passes\"", "\"steps\""), ("{", "[")];
        for (from, to) in foreign {
            let error = changed(from, to);
            assert!(matches!(error, ProfileError::Foreign { .. }), "{error}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    }
    assert_eq!(FORMAT, 1);
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(Profile::read(&path), Err(ProfileError::Read { .. })));
}

#[test]
fn profiles_are_matched_by_what_passes_compute() {
    let row = |rows: &[inception::profile::compare::Row]| -> Vec<(String, Option<f64>)> {
        rows.iter().map(|row| (row.name.clone(), row.ratio)).collect()
    };
    let made = |facts: Vec<PassFacts>, seconds: &[Option<f64>]| {
        let stamps: Vec<_> = seconds.iter().map(|s| s.map(|s| (0.0, s))).collect();
        let runs = Runs {
            profiled: vec![run(Instant::now(), 0, 2.0 * facts.len() as f64, &stamps)],
            ..Runs::default()
        };
        profile(Part::new(1, &facts, &runs), None)
    };
    let sum = || facts("one", "sum_rows.forward", "sum_rows", "backward", 1.0);
    let dense = |kernel| facts("two", "dense.forward", kernel, "forward", 1.0);
    let a = made(
        vec![
            sum(),
            dense("dense_subgroup"),
            sum(),
            facts("x", "copy.image", "copy", "forward", 1.0),
        ],
        &[Some(1.0), Some(4.0), Some(2.0), Some(1.0)],
    );
    let mut b = made(
        vec![
            dense("dense_workgroup"),
            sum(),
            sum(),
            sum(),
            facts("y", "fill.forward", "fill", "forward", 1.0),
        ],
        &[Some(1.0), Some(3.0), Some(1.0), None, Some(0.5)],
    );
    let compared = compare(&a, &b);
    assert_eq!(compared.len(), 1);
    let part = &compared[0];
    // The first sum beside the first, the second beside the second, whatever stands between.
    let expected = [
        ("one sum_rows.forward".to_string(), Some(3.0)),
        ("two dense_subgroup.forward, dense_workgroup".to_string(), Some(0.25)),
        ("one sum_rows.forward".to_string(), Some(0.5)),
    ];
    assert_eq!(row(&part.passes), expected);
    assert_eq!(row(&part.only_a), [("x copy.image".to_string(), None)]);
    let only_b = [("one sum_rows.forward".to_string(), None), ("y fill.forward".to_string(), None)];
    assert_eq!(row(&part.only_b), only_b);
    assert_eq!((part.only_b[1].a, part.only_b[1].b), (None, Some(0.5)));
    let modules = [("one", Some(4.0 / 3.0)), ("two", Some(0.25)), ("x", None), ("y", None)];
    assert_eq!(row(&part.modules), modules.map(|(name, ratio)| (name.to_string(), ratio)));
    assert_eq!((part.all.a, part.all.b), (Some(8.0), Some(5.5)));
    assert_eq!((part.wall.a, part.wall.b), (Some(10.0), Some(12.0)));

    assert_eq!(differences(&a, &b), []);
    (b.config.batch_size, b.config.steps) = (64, 7);
    let batch = ("batch_size".to_string(), "32".to_string(), "64".to_string());
    assert_eq!(differences(&a, &b), [batch]);
    // Of inference only one knows.
    let inference = Some(Part::new(9, &[], &Runs::default()));
    b.inference = inference.clone();
    assert_eq!(compare(&a, &b).len(), 1);
    assert_eq!(compare(&Profile { inference, ..a }, &b).len(), 2);
}

/// A slice of a track: its depth, name, begin and end in microseconds, and what it carries.
struct Slice {
    depth: usize,
    name: String,
    begin: f64,
    end: f64,
    args: Value,
}

/// The slices of a track in order of their begin. Begins and ends must alternate as brackets do, and
/// time must not go back.
fn slices(trace: &Value, tid: u64) -> Vec<Slice> {
    let events = trace["traceEvents"].as_array().expect("events");
    let (mut slices, mut open, mut now): (Vec<Slice>, Vec<usize>, f64) = (vec![], vec![], 0.0);
    for event in events.iter().filter(|event| event["tid"] == tid && event["ph"] != "M") {
        let at = event["ts"].as_f64().expect("a time");
        assert!(at >= now, "{event} is before {now}");
        now = at;
        match event["ph"].as_str() {
            Some("B") => {
                let name = event["name"].as_str().expect("a name").to_string();
                open.push(slices.len());
                let (depth, args) = (open.len() - 1, event["args"].clone());
                slices.push(Slice { depth, name, begin: at, end: f64::NAN, args });
            }
            Some("E") => slices[open.pop().expect("something is open")].end = at,
            _ => panic!("{event}"),
        }
    }
    assert!(open.is_empty(), "slices without an end");
    slices
}

fn drawn(facts: &[PassFacts], runs: &Runs) -> Value {
    let track = Track { name: "training step", facts, runs };
    let text = trace(&Gpu::noop().facts, &[track]).to_string();
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_trace_nests_and_keeps_the_order() {
    let trace = drawn(&three(), &runs(Instant::now()));
    let line =
        |slice: &Slice| (slice.depth, slice.name.clone(), slice.begin / 1e6, slice.end / 1e6);
    let host: Vec<_> = slices(&trace, 1).iter().map(line).collect();
    assert_eq!(host.len(), 6 * 4);
    // Times begin with the first plain run, at second 100; that before it is none of the samples.
    let timed = [
        (0, "training step, timed", 10.0, 20.0),
        (1, "write inputs, encode", 10.0, 11.0),
        (1, "submit", 11.0, 12.0),
        (1, "wait", 12.0, 20.0),
    ];
    let owned =
        |(depth, name, begin, end): (usize, &str, f64, f64)| (depth, name.to_string(), begin, end);
    assert_eq!(host[4..8], timed.map(owned));
    assert_eq!(host[8], owned((0, "training step, plain", 20.0, 28.0)));

    let gpu = slices(&trace, 2);
    // Submitted at 11, done at 20, three long: three away from both. The pass without stamps is none.
    let first = [
        (0, "training step", 14.0, 17.0),
        (1, "one", 14.0, 17.0),
        (2, "one/a conv2d.forward", 14.0, 16.0),
        (2, "one/b conv2d_subgroup.forward", 16.0, 17.0),
    ];
    assert_eq!(gpu[..4].iter().map(line).collect::<Vec<_>>(), first.map(owned));
    assert_eq!(gpu[0].args["clock_uncertain_us"], 3e6);
    assert_eq!(
        (&gpu[3].args["us"], &gpu[3].args["kernel"]),
        (&1e6.into(), &"conv2d_subgroup".into())
    );
    let steps: Vec<_> = gpu.iter().filter(|slice| slice.depth == 0).map(line).collect();
    assert_eq!(
        steps[1..],
        [(34.0, 38.0), (52.0, 58.0)].map(|(a, b)| owned((0, "training step", a, b)))
    );
    let names = trace["traceEvents"].as_array().expect("events").iter().filter(|e| e["ph"] == "M");
    assert!(names.clone().any(|event| event["args"]["name"] == "host"));
    assert!(names.into_iter().any(|event| event["args"]["name"].to_string().contains("GPU: ")));
}

/// Passes that overlap, and a device's clock that goes faster than the host's.
#[test]
fn a_trace_nests_whatever_the_device_says() {
    let zero = Instant::now();
    let overlap = [Some((0.0, 4.0)), Some((2.0, 3.0)), Some((1.0, 6.0))];
    let fast = [Some((0.0, 1.0)), Some((1.0, 2.0)), Some((2.0, 50.0))];
    let profiled = vec![
        run(zero, 0, 7.0, &overlap),
        run(zero, 10, 7.0, &fast),
        run(zero, 20, 7.0, &[None, None, None]),
        run(zero, 30, 7.0, &overlap),
    ];
    let gpu = slices(&drawn(&three(), &Runs { profiled, ..Runs::default() }), 2);
    // Drawn from the end of the pass before, with its own length beside it.
    let passes: Vec<_> = gpu.iter().filter(|slice| slice.depth == 2).collect();
    assert_eq!(passes.len(), 9);
    assert_eq!((passes[1].begin, passes[1].end), (passes[0].end, passes[0].end));
    assert_eq!(passes[2].args["us"], 5e6);
    assert_eq!(passes[2].end - passes[0].begin, 6e6);
    let steps: Vec<_> = gpu.iter().filter(|slice| slice.depth == 0).collect();
    // It cannot have begun before its submission, however long it says that it was.
    assert_eq!((steps[1].begin, steps[1].args["clock_uncertain_us"].as_f64()), (11e6, Some(0.0)));
    assert_eq!(steps.len(), 3);
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let trace = drawn(&three(), &Runs::default());
    assert!(slices(&trace, 1).is_empty() && slices(&trace, 2).is_empty());
}

/// More passes than one set of timestamps holds.
#[test]
fn thousands_of_passes_are_timed() {
    let Some(gpu) = common::gpu() else { return };
    let tape = Tape::new();
    let x = tape.input("x", &[4]);
    let count = 4100;
    for _ in 0..count {
        x.relu();
    }
    let (software, stamped) = (gpu.facts.is_software(), gpu.has_timestamps());
    let mut engine = Engine::new(gpu);
    let program = engine.compile(&tape.finish()).expect("it compiles");
    let timed = engine.run_timed(&program).expect("it runs");
    assert_eq!(timed.passes.len(), if stamped { count } else { 0 });
    // Real drivers may drop some; one that computes in order on the processor has them all.
    if software && stamped {
        let stamps: Option<Vec<Stamps>> = timed.passes.into_iter().collect();
        let stamps = stamps.expect("all stamps");
        assert!(stamps.is_sorted_by(|a, b| a.end <= b.begin), "out of order");
    }
}

#[test]
fn without_timestamps_the_host_times() {
    if common::gpu().is_none() {
        return;
    }
    let options = GpuOptions { no_timestamps: true, ..GpuOptions::default() };
    let gpu = pollster::block_on(Gpu::open(&options)).expect("it was there before");
    assert!(!gpu.has_timestamps());
    let tape = Tape::new();
    tape.input("x", &[4]).relu();
    let mut engine = Engine::new(gpu);
    let program = engine.compile(&tape.finish()).expect("it compiles");
    let Timed { host, passes } = engine.run_timed(&program).expect("it runs");
    assert_eq!(passes, []);
    let HostClock { begin, recorded, submitted, done } = host;
    assert!([begin, recorded, submitted, done].is_sorted());
    let times = engine.seconds(&program, 2).expect("it runs");
    assert!(!times.is_empty() && times.iter().all(|seconds| *seconds > 0.0), "{times:?}");
}

/// The quick preset on random digits, trained.
fn quick(gpu: Gpu) -> Trainer {
    let config = Config::preset(Preset::Quick);
    let count = 2 * config.batch_size;
    let mut random = common::Random(1);
    let pixels = (0..count * 784).map(|_| random.bits() as u8).collect();
    let labels: Vec<u8> = (0..count).map(|_| (random.bits() % 10) as u8).collect();
    let images = Images { path: "random".into(), height: 28, width: 28, channels: 1, pixels };
    let mut recordings = Recordings::training(&config, count);
    recordings.fit(&Target::of(&gpu)).expect("it fits");
    let batches = Batches::new(config.order, config.seed, config.batch_size, count).expect("rows");
    let trainer = Trainer::new(gpu, recordings, &images, &labels, Some(batches));
    let mut trainer = trainer.expect("it is put on the device");
    trainer.initialize();
    trainer
}

/// What the passes take, added up, is what the device takes from the first of them to the last, but
/// for the time between them. Both are of the same submission, so whatever else the machine does
/// meets both alike.
#[test]
fn passes_add_up_to_the_devices_time() {
    let Some(gpu) = common::gpu() else { return };
    if !gpu.has_timestamps() {
        return;
    }
    let mut trainer = quick(gpu);
    let runs = Runs::of_training(&mut trainer, 3, || {}).expect("it runs");
    let recording = trainer.recordings().training_passes().expect("training was recorded");
    assert_eq!((runs.plain.len(), runs.profiled.len()), (3, 3));
    for run in &runs.profiled {
        assert_eq!(run.passes.len(), recording.passes.len());
        let stamps: Vec<&Stamps> = run.passes.iter().flatten().collect();
        let first = stamps.iter().map(|stamps| stamps.begin).fold(f64::INFINITY, f64::min);
        let last = stamps.iter().map(|stamps| stamps.end).fold(0.0, f64::max);
        let sum: f64 = stamps.iter().map(|stamps| stamps.seconds()).sum();
        let share = sum / (last - first);
        assert!((0.70..=1.05).contains(&share), "passes add up to {share} of the device's time");
        // And that lies between submission and end.
        let host = (run.host.done - run.host.recorded).as_secs_f64();
        assert!(last - first <= host * 1.01, "{} on the device, {host} on the host", last - first);
    }
    for run in runs.plain.iter().chain(&runs.profiled) {
        let HostClock { begin, recorded, submitted, done } = run.host;
        assert!([begin, recorded, submitted, done].is_sorted());
    }
}

/// Timed or not, a step is the same arithmetic.
#[test]
fn timed_steps_train_as_others_do() {
    if common::gpu().is_none() {
        return;
    }
    type Step = fn(&mut Trainer) -> Vec<(u64, f32)>;
    let plain: Step = |trainer| trainer.train_step().expect("a step");
    let timed: Step = |trainer| {
        trainer.timed_step().expect("a step");
        trainer.arrived_losses().expect("losses")
    };
    let lone: Step = |trainer| {
        trainer.lone_step().expect("a step");
        trainer.arrived_losses().expect("losses")
    };
    let train = |steps: [Step; 4]| {
        let mut trainer = quick(common::gpu().expect("it was there before"));
        let mut losses: Vec<(u64, f32)> =
            steps.iter().flat_map(|step| step(&mut trainer)).collect();
        losses.extend(trainer.remaining_losses().expect("losses"));
        let digits = trainer.classify(0..8, |_| {}).expect("digits");
        trainer.timed_batch().expect("a batch");
        trainer.lone_batch().expect("a batch");
        let names = trainer.recordings().parameters().into_iter().map(|(name, _)| name);
        let names: Vec<String> =
            names.chain(trainer.moments().into_iter().map(|(name, _)| name)).collect();
        let tensors: Vec<Vec<u8>> =
            names.iter().map(|name| trainer.get(name).expect("a tensor")).collect();
        (losses, digits, tensors)
    };
    let expected = train([plain; 4]);
    assert!(expected.0.iter().map(|(step, _)| *step).eq(1..=4), "{:?}", expected.0);
    assert!(train([timed, plain, timed, lone]) == expected, "timing changes what is computed");
}
