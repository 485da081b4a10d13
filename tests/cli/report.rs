//! What a run shows of itself, and `report`.

use std::path::Path;

use inception::report::{Evaluation, Split, load};

use crate::common::{Place, has_adapter, program, run, run_all, succeed, succeed_all};
use crate::events::{self, What};
use crate::say::{assert_failed, assert_fails, checkpoint, tiny};

fn evaluation(place: &Place, folder: &str) -> Evaluation {
    let run = load(Path::new(&place.path(folder))).expect("a run");
    run.evaluation.expect("an evaluation").expect("it is there")
}

#[test]
fn a_run_leaves_a_report_that_can_be_made_again() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let said = succeed_all(&tiny(&place, "out", "--log-every 1"));
    let page = place.read("out/report.html");
    let last = evaluation(&place, "out");
    assert_eq!((last.step, last.split), (2, Split::Test));
    assert_eq!(last.confusion.iter().flatten().sum::<u64>(), 4);
    assert!(said.stderr.contains(&last.adapter), "{}", last.adapter);
    // What it takes wrongly are digits of the test file.
    let rows = String::from_utf8(place.read("test.csv")).expect("UTF-8");
    let (labels, pixels) = crate::common::parse(&rows);
    let wrong = (0..10).flat_map(|truth| (0..10).map(move |taken| (truth, taken)));
    let wrong = wrong.filter(|(truth, taken)| truth != taken);
    let count: u64 = wrong.map(|(truth, taken)| last.confusion[truth][taken]).sum();
    assert_eq!(last.wrong.len() as u64, count);
    for digit in &last.wrong {
        assert_eq!(labels[digit.row - 1], digit.label);
        assert_eq!(pixels[(digit.row - 1) * 784..][..784], digit.pixels);
    }
    let text = String::from_utf8(page.clone()).expect("UTF-8");
    assert!(text.contains("of 4 test digits after 2 steps") && text.contains("First filters"));

    std::fs::remove_file(place.path("out/report.html")).expect("it is removed");
    let out = place.path("out");
    let again = succeed(&["report", &out]);
    assert_eq!(again.stdout.trim_end(), place.path("out/report.html"));
    assert!(place.read("out/report.html") == page, "another page");
    // However the folder is named, and wherever the page goes.
    let copy = place.path("copy.html");
    succeed(&["report", &format!("{out}/"), "--out", &copy]);
    assert!(place.read("copy.html") == page, "another page");
}

/// Classified in between are the rows at the end of the training file.
#[test]
fn a_run_that_is_interrupted_has_a_report() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let fails = "--eval-every 1 --log-every 1 --lose-device-at 2 --device-retries 0";
    let said = run_all(&tiny(&place, "out", fails));
    assert_failed(&said, 1, &["lost"]);
    let text = String::from_utf8(place.read("out/report.html")).expect("UTF-8");
    assert!(text.contains("Step 1 of 2, still going on or stopped early"), "{text}");
    let last = evaluation(&place, "out");
    assert_eq!((last.step, last.split), (1, Split::Validation));
    assert_eq!(last.confusion.iter().flatten().sum::<u64>(), 4);
    let rows = String::from_utf8(place.read("train.csv")).expect("UTF-8");
    let (labels, pixels) = crate::common::parse(&rows);
    for digit in &last.wrong {
        assert!((9..=12).contains(&digit.row), "row {}", digit.row);
        assert_eq!(labels[digit.row - 1], digit.label);
        assert_eq!(pixels[(digit.row - 1) * 784..][..784], digit.pixels);
    }
    // A new run takes the old one's away, even if it does not come to an evaluation itself.
    let said = run_all(&tiny(&place, "out", "--learning-rate 1e18 --overwrite"));
    assert_failed(&said, 1, &["the loss of step 2 is"]);
    for file in ["report.html", "evaluation.json"] {
        assert!(!Path::new(&place.path("out")).join(file).exists(), "{file} of the older run");
    }
}

#[test]
fn a_report_that_cannot_be_written_stops_nothing() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    succeed_all(&tiny(&place, "out", "--no-fuse adam"));
    std::fs::remove_file(place.path("out/report.html")).expect("it is removed");
    std::fs::create_dir(place.path("out/report.html")).expect("it is made");
    let out = place.path("out");
    let resume = ["train", "--resume", "--out", &out, "--steps", "6", "--eval-every", "1"];
    let said = succeed(&resume);
    assert!(said.stdout.contains("after 6 steps"), "{said:?}");
    assert_eq!(said.stderr.matches("warning: ").count(), 1, "{}", said.stderr);
    assert!(said.stderr.contains("report.html") && said.stderr.contains("training goes on"));
    assert_eq!(evaluation(&place, "out").step, 6);
}

/// Damage is said on stderr too, and the page does not claim that nothing was measured.
#[test]
fn damaged_files_are_warned_of() {
    let place = Place::new(1, 1);
    let out = checkpoint(&place, "out");
    let header = "step,loss,val_accuracy,test_accuracy,seconds";
    place.write("out/metrics.csv", format!("{header}\n10,half,,,1.000\n"));
    place.write("out/evaluation.json", "{");
    place.write("out/profile.json", "{}");
    let said = succeed(&["report", &out]);
    let warnings: Vec<&str> = said.stderr.lines().collect();
    assert_eq!(warnings.len(), 3, "{said:?}");
    for (file, why) in [
        ("metrics.csv", "line 2: loss is \"half\""),
        ("evaluation.json", "inception train --resume"),
        ("profile.json", "it states no format"),
    ] {
        let path = place.path(&format!("out/{file}"));
        let of = |line: &&&str| line.starts_with("warning: ") && line.contains(&path);
        let warning = warnings.iter().find(of).expect("a warning of it");
        assert!(warning.contains(why), "{warning}");
    }
    let page = String::from_utf8(place.read("out/report.html")).expect("UTF-8");
    assert!(page.contains("What was measured cannot be read."), "{page}");
    assert!(!page.contains("Nothing was measured") && !page.contains("No loss was logged"));
    for file in ["evaluation.json", "profile.json"] {
        std::fs::remove_file(place.path(&format!("out/{file}"))).expect("removed");
    }
    place.write("out/metrics.csv", format!("{header}\n10,0.5,,,1.000\n20,0.5,,,2.00"));
    let said = succeed(&["report", &out]);
    assert!(said.stderr.contains("metrics.csv, line 3, the last one, is cut"), "{said:?}");
    place.write("out/metrics.csv", format!("{header}\r\n10,0.5,,,1.000\r\n20,0.5,,,2.000"));
    assert_eq!(succeed(&["report", &out]).stderr, "");
}

#[test]
fn several_runs_are_compared() {
    let place = Place::new(1, 1);
    let (one, two) = (checkpoint(&place, "a/run"), checkpoint(&place, "b/run"));
    let page = |said: &str| std::fs::read_to_string(place.path(said)).expect("the page");
    let out = place.path("both.html");
    let said = succeed(&["report", &one, &two, "--out", &out]);
    assert_eq!(said.stdout.trim_end(), out);
    let both = page("both.html");
    // Folders of one name are told apart.
    assert!(both.contains("2 runs compared") && both.contains(&one) && both.contains(&two));
    let mut command = program(&["report", "a/run", "b/run"]);
    let done = command.current_dir(place.folder.path()).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim_end(), "compare.html");
    assert!(page("compare.html").contains("A</b> a/run"), "{}", page("compare.html"));
    // One's own is made again, another's is not, unless that is asked for.
    for (more, there, code) in [
        (&[][..], page("compare.html"), 0),
        (&[], "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">".into(), 1),
        (&[], "x".into(), 1),
        (&["--overwrite"], "x".into(), 0),
    ] {
        place.write("compare.html", &there);
        let mut command = program(&[&["report", "a/run", "b/run"], more].concat());
        let done = command.current_dir(place.folder.path()).output().expect("it runs");
        assert_eq!(done.status.code(), Some(code), "{there:.80}");
        let kept = if code == 0 {
            page("compare.html").len() > 1000
        } else {
            page("compare.html") == there
        };
        assert!(kept, "{there:.80}");
    }
}

#[test]
fn wrong_folders() {
    let place = Place::new(1, 1);
    let none = place.path("none");
    assert_fails(&["report", &none], 1, &["cannot open the folder", &none]);
    let empty = place.path("empty");
    std::fs::create_dir(&empty).expect("it is made");
    assert_fails(&["report", &empty], 1, &[&empty, "holds no run"]);
    assert!(!Path::new(&empty).join("report.html").exists());
    let good = checkpoint(&place, "good");
    assert_fails(&["report", &good, &empty], 1, &[&empty, "holds no run"]);
    let out = place.path("none/report.html");
    assert_fails(&["report", &good, "--out", &out], 1, &["cannot write", &out]);
    assert_eq!(run(&["report"]).code, Some(2));
}

#[test]
fn tensorboard_gets_scalars_histograms_and_pictures() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let events = place.path("events");
    let more = format!("--log-every 1 --eval-every 1 --decay cosine --tensorboard {events}");
    succeed_all(&tiny(&place, "out", &more));
    let folder = Path::new(&events);
    let run = load(Path::new(&place.path("out"))).expect("a run");
    let rows = run.metrics.expect("metrics").expect("they are there");
    let losses: Vec<(u64, f32)> =
        rows.iter().filter_map(|row| Some((row.step, row.loss?))).collect();
    assert_eq!(events::scalars(folder, "loss"), losses);
    assert_eq!(losses.len(), 2);
    let accuracies = |value: fn(&inception::metrics::Row) -> Option<f64>| -> Vec<(u64, f32)> {
        rows.iter().filter_map(|row| Some((row.step, value(row)? as f32))).collect()
    };
    let validation = events::scalars(folder, "accuracy/validation");
    assert_eq!(validation, accuracies(|row| row.val_accuracy));
    assert_eq!(validation.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(events::scalars(folder, "accuracy/test"), accuracies(|row| row.test_accuracy));
    let config = run.config.expect("a configuration").expect("it is there");
    let rates: Vec<(u64, f32)> =
        (1..=2).map(|step| (step, config.learning_rate_at(step - 1) as f32)).collect();
    assert_eq!(events::scalars(folder, "learning rate"), rates);
    let speeds = events::scalars(folder, "images per second");
    assert!(speeds.len() == 2 && speeds.iter().all(|(_, speed)| *speed > 0.0), "{speeds:?}");

    let [file] = &events::files(folder)[..] else { panic!("one file") };
    let all = events::read(file);
    // The last histogram of each weight is of the saved weights.
    let bytes = place.read("out/model.safetensors");
    let model = safetensors::SafeTensors::deserialize(&bytes).expect("a model");
    for (name, tensor) in model.tensors() {
        let numbers: Vec<f64> = tensor
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&four| f64::from(f32::from_le_bytes(four)))
            .collect();
        let of_weight = all.iter().filter(|event| event.tag == format!("weights/{name}"));
        let histograms: Vec<_> = of_weight.collect();
        assert_eq!(histograms.iter().map(|event| event.step).collect::<Vec<_>>(), [1, 2], "{name}");
        let What::Histogram([min, max, count, sum, _], _, counts) = &histograms[1].what else {
            panic!("{name}")
        };
        assert_eq!(*count, numbers.len() as f64, "{name}");
        assert_eq!(counts.iter().sum::<f64>(), *count, "{name}");
        assert_eq!(*min, numbers.iter().copied().fold(f64::INFINITY, f64::min), "{name}");
        assert_eq!(*max, numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max), "{name}");
        assert!((sum - numbers.iter().sum::<f64>()).abs() < 1e-6, "{name}");
    }
    let pictures = |tag: &str| -> Vec<u64> {
        let tagged = all.iter().filter(|event| event.tag == tag);
        tagged.filter(|event| matches!(event.what, What::Image(..))).map(|e| e.step).collect()
    };
    assert_eq!(pictures("filters of the first module"), [1, 2]);
    let wrong = evaluation(&place, "out").wrong.len();
    assert_eq!(pictures("most confidently wrong/test").len(), wrong.min(1));
}

/// Files that may not grow for long, as on a disk that is full now and then: each record that is there
/// is whole, what can be written is, and each failure is said.
#[test]
#[cfg(unix)]
fn tensorboard_gets_new_files_after_failures() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let events = place.path("events");
    let more = format!("--steps 60 --eval-every 60 --log-every 1 --tensorboard {events}");
    let flags = "--maps 2 --reduce1x1 2 --num-fc1 4 --batch-size 4 --val-rows 4";
    let flags: Vec<&str> = flags.split(' ').chain(more.split(' ')).collect();
    let mut arguments = place.train("out", &flags);
    let out = arguments.iter().position(|one| one == "--out").expect("--out");
    arguments.drain(out..out + 2); // a checkpoint is larger
    let line = r#"trap "" XFSZ; ulimit -f 4; exec "$0" "$@""#;
    let mut command = std::process::Command::new("sh");
    command.args(["-c", line]).arg(env!("CARGO_BIN_EXE_inception")).arg("--no-tune");
    let said: crate::common::Said = command.args(arguments).output().expect("sh runs").into();
    assert_eq!(said.code, Some(0), "{said:?}");
    let folder = Path::new(&events);
    let files = events::files(folder);
    assert!(files.len() > 1, "{said:?}");
    assert!(files.iter().all(|file| events::read(file).len() > 1));
    let steps: Vec<u64> = events::scalars(folder, "loss").iter().map(|(step, _)| *step).collect();
    assert!(steps.is_sorted_by(|a, b| a < b) && steps.last() == Some(&60), "{steps:?}");
    let warnings = said.stderr.matches("warning: cannot write ").count();
    assert!((1..=files.len()).contains(&warnings), "{said:?}");
    assert!(said.stderr.contains(&files[0].display().to_string()), "{said:?}");
}

/// Killed after its last checkpoint, a run logs some steps twice; TensorBoard shows them once.
#[test]
fn tensorboard_is_shown_no_step_twice() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let (out, events) = (place.path("out"), place.path("events"));
    let more = format!("--log-every 1 --tensorboard {events}");
    succeed_all(&tiny(&place, "out", &more));
    let resume = |steps: &str| {
        let arguments = ["train", "--resume", "--out", &out, "--steps", steps];
        succeed(&[&arguments[..], &["--tensorboard", &events]].concat())
    };
    resume("6");
    let folder = Path::new(&events);
    let steps =
        || -> Vec<u64> { events::scalars(folder, "loss").iter().map(|(step, _)| *step).collect() };
    assert_eq!((events::files(folder).len(), steps()), (2, vec![1, 2, 3, 4, 5, 6]));
    // As if it had gone on to step 6 but been killed before it could save: from step 2 again.
    let place_two = Place::new(12, 4);
    succeed_all(&tiny(&place_two, "out", "--log-every 1"));
    let earlier = place_two.path("out");
    let arguments = ["train", "--resume", "--out", &earlier, "--steps", "5"];
    succeed(&[&arguments[..], &["--tensorboard", &events]].concat());
    assert_eq!((events::files(folder).len(), steps()), (3, vec![1, 2, 3, 4, 5]));
}
