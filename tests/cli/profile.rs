//! `profile` and `train --profile-every`: what they print and write is of one piece. No time is
//! expected of any machine.

use std::collections::BTreeMap;
use std::path::Path;

use inception::config::{Config, Preset};
use inception::plan::Target;
use inception::profile::Profile;
use inception::train::Recordings;
use serde_json::Value;

use crate::common::{self, Place, Said, has_adapter, program, run, succeed, succeed_all};
use crate::measure::{assert_adds_up, assert_close, number};
use crate::say::{assert_fails, checkpoint};

const TINY: [&str; 10] =
    ["--maps", "2", "--reduce1x1", "2", "--num-fc1", "4", "--batch-size", "4", "--val-rows", "4"];

/// `profile` of the tiny network on a few digits, then `more`.
fn arguments(place: &Place, more: &[&str]) -> Vec<String> {
    let (train, test) = (place.path("train.csv"), place.path("test.csv"));
    let front = ["profile", "--train", &train, "--test", &test, "--samples", "3"];
    // Flags given in `more` win.
    let sizes = TINY.chunks(2).filter(|flag| !more.contains(&flag[0])).flatten();
    let all = front.iter().chain(sizes).chain(more);
    all.map(|argument| argument.to_string()).collect()
}

fn profile(place: &Place, more: &[&str]) -> Said {
    succeed_all(&arguments(place, more))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"))
}

fn assert_part_adds_up(ceiling: &Value, part: &Value) {
    let sum = |parts: &[Value], key: &str| parts.iter().map(|part| number(part, key)).sum::<f64>();
    let passes = list(part, "passes");
    for pass in passes {
        assert_adds_up(ceiling, pass);
        assert!(pass["pass"].is_string() && pass["first"].is_number(), "{pass}");
        assert!(number(pass, "max") >= number(pass, "median"), "{pass}");
        assert_eq!((&pass["samples"], &pass["missing"]), (&3.into(), &0.into()), "{pass}");
        let [label, place, kernel] =
            ["pass", "place", "kernel"].map(|key| pass[key].as_str().expect("text"));
        assert!(label.starts_with(&format!("{place} {kernel}.")), "{pass}");
        assert_eq!(pass["module"], place.split('/').next().expect("a module"));
    }
    for parts in [passes, list(part, "modules"), list(part, "directions")] {
        for key in ["median", "min", "flop", "bytes", "least"] {
            assert_close(sum(parts, key), number(&part["all"], key));
        }
    }
    let wall = &part["wall"];
    for run in ["plain", "profiled"] {
        let run = &wall[run];
        let parts = ["recording", "submitting", "waiting"].map(|key| number(run, key));
        assert_close(parts.iter().sum(), number(run, "whole"));
    }
    let (plain, profiled) = (number(&wall["plain"], "whole"), number(&wall["profiled"], "whole"));
    assert_close(number(wall, "timing_cost"), profiled / plain);
    let (busy, passes) = (number(&wall["gpu"], "busy"), number(&wall["gpu"], "passes"));
    assert!(busy > 0.0 && passes > 0.0 && busy < profiled, "{wall}");
}

#[test]
fn profile_adds_up() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let report = json(&profile(&place, &["--json"]).stdout);
    assert_part_adds_up(&report["ceiling"], &report);
    assert_part_adds_up(&report["ceiling"], &report["inference"]);
    assert_eq!((&report["format"], &report["timestamps"]), (&1.into(), &true.into()));
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["adapter"]["name"].is_string() && report["adapter"]["driver"].is_string());
    assert_eq!(report["config"]["num_fc1"], 4);
    // As evaluation has it, beside so small a training batch; there are 16 digits.
    assert_eq!((&report["batch_size"], &report["samples"]), (&4.into(), &3.into()));
    assert_eq!(report["inference"]["batch_size"], 16);
    let names = |part: &Value, key: &str| -> Vec<String> {
        list(part, key).iter().map(|total| total["name"].as_str().expect("a name").into()).collect()
    };
    for name in ["inception1", "fc1", "fc2", "optimizer"] {
        assert!(names(&report, "modules").contains(&name.to_string()), "no {name} in {report}");
    }
    for name in ["forward", "backward", "update"] {
        assert!(names(&report, "directions").contains(&name.to_string()), "no {name} in {report}");
    }
    assert_eq!(names(&report["inference"], "directions"), ["forward"]);
    // Kernels go by their variants, operations do not.
    for pass in list(&report, "passes") {
        let [operation, kernel] =
            ["operation", "kernel"].map(|key| pass[key].as_str().expect("text"));
        let op = operation.split('.').next().expect("an operation");
        assert!(kernel == op || kernel.starts_with(&format!("{op}_")), "{pass}");
    }
}

/// Every pass of the quick preset's step, with arithmetic and bytes counted another way.
#[test]
fn the_quick_presets_passes_are_all_there_and_cost_what_they_must() {
    let Some(gpu) = common::gpu() else { return };
    let report =
        json(&succeed(&["profile", "--preset", "quick", "--samples", "1", "--json"]).stdout);
    let mut recordings = Recordings::training(&Config::preset(Preset::Quick), 40_000);
    recordings.fit(&Target::of(&gpu)).expect("it fits");
    for (part, recording) in [
        (&report, recordings.training_passes().expect("training")),
        (&report["inference"], recordings.inference_passes().expect("inference")),
    ] {
        let labels = list(part, "passes").iter().map(|pass| pass["pass"].as_str().expect("text"));
        let recorded: Vec<String> = recording.passes.iter().map(|pass| pass.label()).collect();
        assert_eq!(labels.collect::<Vec<_>>(), recorded);
    }

    // Weights of each product: window, channels in, channels out, and the variables of Adam.
    let window = |place: &str| match place.rsplit('/').next().expect("a name") {
        "3x3" => 9,
        "5x5" => 25,
        _ => 1,
    };
    let channels = |place: &str| match place {
        "inception1/1x1_1" | "inception1/1x1_4" => 8,
        "inception1/3x3" | "inception1/5x5" => 4 * 8,
        "inception1/1x1_2" | "inception1/1x1_3" => 4,
        "inception2/1x1_1" | "inception2/1x1_4" => 4 * 8 * 4,
        "inception2/1x1_2" | "inception2/1x1_3" => 4 * 8 * 4,
        "inception2/3x3" | "inception2/5x5" => 4 * 4,
        "fc1" => 28 * 28 * 16 * 64,
        "fc2" => 64 * 10,
        _ => panic!("no product is known at {place}"),
    };
    let mut products = 0;
    for pass in list(&report, "passes") {
        let [place, operation] =
            ["place", "operation"].map(|key| pass[key].as_str().expect("text"));
        let (flop, bytes) = (number(pass, "flop") as u64, number(pass, "bytes") as u64);
        let weights = match place.strip_prefix("optimizer/") {
            None => 0,
            Some("b_fc1") => 64,
            Some("b_fc2") => 10,
            Some("W_fc2") => 640,
            Some(name) if name.starts_with("b_") && name.ends_with("_2") => 4,
            Some(_) => 0,
        };
        match operation {
            "conv2d.forward" | "conv2d.backward_x" | "conv2d.backward_w" => {
                products += 1;
                let product = 2 * 32 * 28 * 28 * window(place) * channels(place);
                assert_eq!(flop, product, "{pass}");
            }
            "dense.forward" | "dense.backward_x" | "dense.backward_w" => {
                products += 1;
                let product = 2 * 32 * channels(place);
                // Twelve a weight where Adam is fused into the gradient.
                let fused = pass["direction"] == "backward, update";
                assert_eq!(flop, product + if fused { 12 * channels(place) } else { 0 }, "{pass}");
            }
            "adam.update" if weights > 0 => {
                assert_eq!(flop, 12 * weights, "{pass}");
                // The variable, its gradient and two moments in, and the rate; three of them out.
                assert_eq!(bytes, 4 * (4 * weights + 1) + 4 * 3 * weights, "{pass}");
            }
            "batch.images" => assert_eq!(bytes, 32 * (784 + 4 + 4 * 784), "{pass}"),
            _ => {}
        }
    }
    // Twelve convolutions of which the first module's four that read the image have no gradient of
    // it, but for the pooled one; and two dense layers, in three directions.
    assert!((38..=42).contains(&products), "{products} products");
}

#[test]
fn tables_say_what_they_show() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let said = profile(&place, &["--by-time"]);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[0], "training step of 4 images, 3 times");
    let head = " median ms     min ms   share    MFLOP      MB  GFLOP/s    GB/s  % of limit  pass";
    assert_eq!(lines[1], head);
    // Of all passes together, megabytes in milliseconds are the rate beside them.
    let all = lines.iter().find(|line| line.ends_with(" passes")).expect("a sum");
    let column =
        |index| all.split_whitespace().nth(index).and_then(|text| text.parse::<f64>().ok());
    let [Some(ms), Some(mb), Some(rate)] = [0, 5, 7].map(column) else { panic!("{all}") };
    assert!((mb / ms - rate).abs() <= 0.01 + 0.02 * rate, "{all}");
    let medians = |lines: &[&str]| -> Vec<f64> {
        let rows = lines.iter().take_while(|line| !line.is_empty());
        rows.map(|line| line.split_whitespace().next()?.parse().ok()).map(Option::unwrap).collect()
    };
    let passes = medians(&lines[2..]);
    assert!(passes.len() > 50 && passes.is_sorted_by(|a, b| a >= b), "{passes:?}");
    let inference = lines.iter().position(|line| *line == "inference of 16 images, 3 times");
    assert!(medians(&lines[inference.expect("inference") + 2..]).is_sorted_by(|a, b| a >= b));
    let tail = lines[lines.len() - 7..].join("\n");
    for part in [
        "run of median length    record ms  submit ms    wait ms   whole ms     GPU ms  passes ms",
        "training step, plain",
        "training step, timed",
        "inference, plain",
        "inference: with its passes timed ",
        " % of the GPU's time",
    ] {
        assert!(tail.contains(part), "no {part:?} in: {tail}");
    }
    assert!(!said.stdout.contains("missing"), "{}", said.stdout);
    assert!(said.stderr.contains("limits measured: "), "{}", said.stderr);
}

#[test]
fn csv_has_a_line_a_pass() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let report = json(&profile(&place, &["--json"]).stdout);
    let said = profile(&place, &["--csv"]);
    let mut reader = csv::Reader::from_reader(said.stdout.as_bytes());
    let rows: Vec<BTreeMap<String, String>> =
        reader.deserialize().map(|row| row.expect("a row of strings")).collect();
    let mut passes = Vec::new();
    for (name, part) in [("training step", &report), ("inference", &report["inference"])] {
        passes.extend(list(part, "passes").iter().map(|pass| (name, pass)));
    }
    assert_eq!(rows.len(), passes.len());
    for (row, (part, pass)) in rows.iter().zip(passes) {
        assert_eq!(row["part"], part);
        for key in ["pass", "kernel", "module", "direction"] {
            assert_eq!(row[key], pass[key].as_str().expect("text"));
        }
        for key in ["flop", "bytes", "samples", "missing"] {
            assert_eq!(row[key], pass[key].to_string());
        }
        let of = |key: &str| row[key].parse::<f64>().unwrap_or_else(|e| panic!("{key}: {e}"));
        assert!(of("min") <= of("median") && of("median") <= of("max") && of("first") > 0.0);
        assert_close(of("gflop_per_second") * 1e9 * of("median"), of("flop"));
        assert_close(of("share_of_limit") * of("median"), of("least"));
    }
}

/// Names and lengths of the passes of each run of a track in a trace.
fn traced(trace: &Value, run: &str) -> Vec<Vec<(String, f64)>> {
    let (mut runs, mut open) = (Vec::<Vec<(String, f64)>>::new(), Vec::<(String, f64)>::new());
    for event in list(trace, "traceEvents").iter().filter(|e| e["tid"] == 2 && e["ph"] != "M") {
        let at = number(event, "ts");
        if event["ph"] == "B" {
            let name = event["name"].as_str().expect("a name").to_string();
            if open.is_empty() && name == run {
                runs.push(Vec::new());
            }
            open.push((name, at));
            continue;
        }
        let depth = open.len();
        let (name, begin) = open.pop().expect("something is open");
        if depth == 3 && open[0].0 == run {
            assert!(name.starts_with(&open[1].0), "{name} in {}", open[1].0);
            runs.last_mut().expect("a run").push((name, (at - begin) * 1e-6));
        }
    }
    assert!(open.is_empty());
    runs
}

#[test]
fn the_trace_agrees_with_the_table() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let path = place.path("trace.json");
    let said = profile(&place, &["--json", "--trace", &path]);
    assert!(place.read("trace.json").starts_with(inception::profile::trace::BEGIN));
    assert!(said.stderr.contains(&format!("wrote {path}")), "{}", said.stderr);
    let (report, trace) =
        (json(&said.stdout), json(&String::from_utf8(place.read("trace.json")).expect("UTF-8")));
    for (name, part) in [("training step", &report), ("inference", &report["inference"])] {
        let (runs, passes) = (traced(&trace, name), list(part, "passes"));
        assert_eq!(runs.len(), 3);
        let mut sums = 0.0;
        for (index, pass) in passes.iter().enumerate() {
            let mut seconds: Vec<f64> = runs.iter().map(|run| run[index].1).collect();
            assert!(runs.iter().all(|run| run[index].0 == pass["pass"]), "{pass}");
            seconds.sort_by(f64::total_cmp);
            // Drawn to whole nanoseconds.
            assert!((seconds[1] - number(pass, "median")).abs() < 2.5e-9, "{pass}: {seconds:?}");
            sums += seconds[1];
        }
        assert!(runs.iter().all(|run| run.len() == passes.len()));
        assert!((sums - number(&part["all"], "median")).abs() < 2.5e-9 * passes.len() as f64);
    }
    let host = list(&trace, "traceEvents").iter().filter(|e| e["tid"] == 1 && e["ph"] == "B");
    let names: Vec<&str> = host.map(|event| event["name"].as_str().expect("a name")).collect();
    for kind in ["training step, plain", "training step, timed", "inference, plain", "submit"] {
        let count = names.iter().filter(|name| **name == kind).count();
        assert_eq!(count, if kind == "submit" { 12 } else { 3 }, "{kind}");
    }
}

#[test]
fn without_timestamps_it_says_so_and_shows_the_hosts_times() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let said = profile(&place, &["--no-timestamps"]);
    assert!(said.stdout.starts_with("This device gives no timestamps"), "{}", said.stdout);
    assert!(said.stdout.contains("by the host's clock"), "{}", said.stdout);
    for line in ["training step, plain ", "inference, plain "] {
        assert!(said.stdout.contains(line), "{}", said.stdout);
    }
    assert!(!said.stdout.contains("timed  ") && !said.stdout.contains("fc1"), "{}", said.stdout);
    let trace = place.path("trace.json");
    let report =
        json(&profile(&place, &["--limits", "default", "--json", "--trace", &trace]).stdout);
    assert_eq!((&report["timestamps"], &report["samples"]), (&false.into(), &3.into()));
    for pass in list(&report, "passes") {
        assert!(pass["median"].is_null() && pass["share_of_limit"].is_null(), "{pass}");
        assert!(pass["bytes"].is_u64(), "{pass}");
    }
    assert!(number(&report["wall"]["plain"], "whole") > 0.0);
    assert!(report["wall"]["gpu"].is_null());
    // The host's track alone.
    let trace = json(&String::from_utf8(place.read("trace.json")).expect("UTF-8"));
    let events = list(&trace, "traceEvents").iter().filter(|event| event["ph"] == "B");
    assert!(events.clone().count() == 6 * 4 && events.into_iter().all(|event| event["tid"] == 1));
    // And CSV leaves the times empty.
    let said = profile(&place, &["--no-timestamps", "--csv"]);
    assert!(said.stdout.lines().nth(1).expect("a pass").contains(",0,0,,,,,"), "{}", said.stdout);
}

#[test]
fn profiles_are_compared() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let a = place.write("a.json", profile(&place, &["--json"]).stdout);
    let b = place.write(
        "b.json",
        profile(&place, &["--json", "--no-fuse", "relu", "--batch-size", "5"]).stdout,
    );
    let said = succeed(&["profile", "--compare", &a, &a]);
    let ratios = said.stdout.lines().filter_map(|line| line.split_whitespace().nth(2));
    assert!(ratios.clone().any(|ratio| ratio == "1.00") && !said.stdout.contains("only in"));
    assert!(!said.stdout.contains("they differ"), "{}", said.stdout);
    // No adapter is opened.
    assert_eq!(said.stderr, "");

    let said = succeed(&["profile", "--compare", &a, &b, "--by-time"]);
    for part in [&format!("A: {a}, inception"), &format!("B: {b}, inception"), "B / A  only in B"] {
        assert!(said.stdout.contains(part), "no {part:?} in: {}", said.stdout);
    }
    assert!(said.stdout.contains("they differ in batch_size: 4 and 5\n"), "{}", said.stdout);
    let compared = json(&succeed(&["profile", "--compare", &a, &b, "--json"]).stdout);
    let (first, second) = (json(&read(&a)), json(&read(&b)));
    let training = &compared[0];
    assert_eq!(training["part"], "training step");
    let [all, count_a, count_b] = [&training["all"], &first, &second];
    assert_close(
        number(all, "ratio"),
        number(&count_b["all"], "median") / number(&count_a["all"], "median"),
    );
    let [both, only_a, only_b] =
        ["passes", "only_a", "only_b"].map(|key| list(training, key).len());
    assert_eq!(both + only_a, list(&first, "passes").len());
    assert_eq!(both + only_b, list(&second, "passes").len());
    assert!(only_b > 0, "ReLUs of their own");
    for pass in list(training, "only_b") {
        assert!(pass["a"].is_null() && pass["b"].is_number() && pass["ratio"].is_null(), "{pass}");
    }

    let other = place.write("other.json", "{\"passes\": []}");
    assert_fails(&["profile", "--compare", &a, &other], 1, &["other.json is no profile", "--json"]);
    assert_fails(&["profile", "--compare", &place.path("none.json"), &a], 1, &["none.json"]);
    for more in [&["--preset", "quick"][..], &["--samples", "2"], &["--csv"], &["--model", "x"]] {
        let arguments = [&["profile", "--compare", &a, &b], more].concat();
        let said = run(&arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {said:?}");
    }
    assert_eq!(run(&["profile", "--compare", &a]).code, Some(2));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn a_saved_model_is_profiled_with_its_sizes() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "model");
    let report = json(&succeed(&["profile", "--model", &model, "--samples", "1", "--json"]).stdout);
    assert_eq!((&report["config"]["num_fc1"], &report["batch_size"]), (&4.into(), &4.into()));
    let file = format!("{model}/model.safetensors");
    let larger = ["profile", "--model", &file, "--samples", "1", "--json", "--batch-size", "6"];
    assert_eq!(json(&succeed(&larger).stdout)["batch_size"], 6);
    // Weights of other sizes than the flags ask for are refused, and so is a second configuration.
    assert_fails(&["profile", "--model", &model, "--num-fc1", "5"], 1, &["fc1"]);
    assert_eq!(run(&["profile", "--model", &model, "--preset", "quick"]).code, Some(2));
    assert_fails(&["profile", "--model", &place.path("none")], 1, &["none"]);
    let folder = place.folder.path().to_str().expect("UTF-8");
    let kept = place.write("keep.json", "{\"traceEvents\":[]}");
    let said = run(&["profile", "--model", "missing", "--trace", &kept]);
    assert!(said.code == Some(1) && said.error().contains("is no trace that"), "{said:?}");
    assert_eq!(place.read("keep.json"), b"{\"traceEvents\":[]}");
    let front = ["profile", "--model", &model, "--trace", folder];
    assert_fails(&front, 1, &["cannot write"]);
    let nowhere = place.path("no/such/trace.json");
    assert_fails(&["profile", "--model", &model, "--trace", &nowhere], 1, &["cannot write"]);
    // An older trace goes when there is a new one.
    let older = place.write("older.json", inception::profile::trace::BEGIN);
    let front = ["profile", "--model", &model, "--trace", &older, "--adapter", "no such adapter"];
    assert_eq!(run(&front).code, Some(1));
    assert_eq!(place.read("older.json"), inception::profile::trace::BEGIN);
    let names =
        std::fs::read_dir(folder).expect("a folder").map(|one| one.expect("one").file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "left behind");
}

/// The program with a cache of its own, which it uses.
fn cached(cache: &Path, arguments: &[&str]) -> Said {
    let mut command = program(&[]);
    command.env("INCEPTION_CACHE", cache).args(arguments);
    let said: Said = command.output().expect("the program starts").into();
    assert_eq!(said.code, Some(0), "{said:?}");
    said
}

#[test]
fn limits_are_measured_once() {
    let Some(gpu) = common::gpu() else { return };
    let place = Place::new(12, 4);
    let cache = place.folder.path().join("cache");
    let all = arguments(&place, &["--json"]);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let with = |more: &[&'static str]| cached(&cache, &[&all[..], more].concat());
    let untouched = with(&["--no-tune"]);
    assert!(untouched.stderr.contains("limits measured: ") && !cache.exists());

    let first = with(&[]);
    assert!(first.stderr.contains("limits measured: "), "{}", first.stderr);
    let stored = || {
        let adapters = json(&read(cache.join("tuning.json").to_str().expect("UTF-8")));
        let adapters = adapters.as_object().expect("adapters").clone();
        assert_eq!(adapters.len(), 1);
        let (name, adapter) = adapters.into_iter().next().expect("an adapter");
        assert!(name.starts_with(&gpu.facts.name), "{name}");
        adapter["ceiling"].clone()
    };
    let ceiling = json(&first.stdout)["ceiling"].clone();
    assert_eq!(stored()["flop_per_second"], ceiling["flop_per_second"]);
    let second = with(&[]);
    assert!(second.stderr.contains("limits measured before: "), "{}", second.stderr);
    assert_eq!(json(&second.stdout)["ceiling"], ceiling);

    // Asked for, they are measured anew, and of each the higher stays.
    let path = cache.join("tuning.json");
    let text = read(path.to_str().expect("UTF-8"));
    let known = stored()["bytes_per_second"].to_string();
    std::fs::write(&path, text.replace(&known, "1e16")).expect("written");
    let anew = with(&["--measure-limits"]);
    assert!(anew.stderr.contains("limits measured: "), "{}", anew.stderr);
    assert!(anew.stderr.contains("limits ever measured: "), "{}", anew.stderr);
    assert_eq!(json(&anew.stdout)["ceiling"]["bytes_per_second"], 1e16);
    assert_eq!(stored()["bytes_per_second"], 1e16);
    // `bench` knows them too.
    let bench = ["bench", "--steps", "1", "--no-inference", "--json"];
    let bench = cached(&cache, &[&bench[..], &TINY].concat());
    assert_eq!(json(&bench.stdout)["ceiling"]["bytes_per_second"], 1e16);
}

#[test]
fn profiling_a_run_changes_nothing_else() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let more = ["--steps", "9", "--eval-every", "3", "--log-every", "1", "--dropout", "0.5"];
    let train = |out: &str, last: &[&str]| {
        succeed_all(&place.train(out, &[&TINY[..], &more, last].concat()))
    };
    train("plain", &[]);
    train("profiled", &["--profile-every", "2"]);
    assert!(place.checkpoint("plain") == place.checkpoint("profiled"), "checkpoints differ");
    let losses = |out: &str| {
        let path = place.path(&format!("{out}/metrics.csv"));
        let rows = inception::metrics::read(path.as_ref()).expect("metrics");
        rows.into_iter().map(|row| (row.step, row.loss, row.val_accuracy)).collect::<Vec<_>>()
    };
    assert_eq!(losses("plain"), losses("profiled"));
    assert!(losses("plain").len() >= 9);

    // Steps 2, 4, 6 and 8. In the first a driver may compile, so it is never one of them.
    let profile = |out: &str| {
        Profile::read(place.path(&format!("{out}/profile.json")).as_ref()).expect("a profile")
    };
    let profiled = profile("profiled");
    assert_eq!((profiled.training.samples, profiled.training.batch_size), (4, 4));
    assert_eq!((profiled.inference.is_none(), profiled.config.num_fc1), (true, 4));
    let timed = profiled.training.passes.iter().all(|pass| pass.median.is_some());
    assert!(timed == profiled.timestamps && profiled.training.passes.len() > 50);

    train("each", &["--profile-every", "1"]);
    assert_eq!(profile("each").training.samples, 8);
    train("host", &["--profile-every", "2", "--no-timestamps"]);
    let host = profile("host");
    assert!(!host.timestamps && host.training.wall.plain.is_some() && host.training.samples == 4);
    assert_eq!(run(&["train", "--profile-every", "2"]).code, Some(2));
    assert_eq!(run(&["train", "--profile-every", "0", "--out", "x"]).code, Some(2));
}
