//! Pipes: a user's are read, and none is waited for where a run's own file should be.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Place, Said, has_adapter, program, run, succeed};
use crate::say::{assert_failed, checkpoint};

/// Makes a pipe that nobody writes to, in place of any file.
fn pipe(place: &Place, name: &str) -> String {
    let path = place.path(name);
    let _ = std::fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    path
}

/// Runs it, and fails when it waits.
#[track_caller]
fn run_in_time(arguments: &[&str]) -> Said {
    let mut command = program(arguments);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let begin = Instant::now();
    while child.try_wait().expect("a state").is_none() {
        if begin.elapsed() > Duration::from_secs(120) {
            child.kill().expect("killed");
            panic!("{arguments:?} waits");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("its words").into()
}

#[test]
fn no_pipe_is_waited_for() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    let resume = ["train", "--resume", "--out", &model, "--steps", "3"];
    let config = pipe(&place, "out/config.toml");
    let said = run_in_time(&resume);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains(&format!("{config} is not of the checkpoint")), "{said:?}");
    let metrics = pipe(&place, "out/metrics.csv");
    assert_failed(&run_in_time(&resume), 1, &[&metrics, "no regular file"]);
    std::fs::remove_file(&metrics).expect("removed");
    // The next best replaces it.
    pipe(&place, "out/best.safetensors");
    assert_eq!(run_in_time(&resume).code, Some(0));
    let weights = pipe(&place, "out/model.safetensors");
    let digits = place.path("test.csv");
    let said = run_in_time(&["test", "--model", &model, "--test", &digits]);
    assert_failed(&said, 1, &[&weights, "no regular file"]);
    let evaluation = pipe(&place, "out/evaluation.json");
    let report = run_in_time(&["report", &model]);
    assert_eq!(report.code, Some(0), "{report:?} with {evaluation}");
    // A run's own report takes the place of what is there.
    let other = checkpoint(&place, "other");
    let page = pipe(&place, "other/report.html");
    let said = run_in_time(&["train", "--resume", "--out", &other, "--steps", "3"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(std::fs::metadata(&page).expect("it is there").is_file());
}

/// What is written for a user: into a pipe that is read, but not for ever into one that nobody reads.
#[test]
fn pipes_that_are_written_must_be_read() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    let written = pipe(&place, "pipe");
    let man = pipe(&place, "inception.1");
    let profile = ["profile", "--model", &model, "--samples", "1", "--trace", &written];
    for arguments in [
        &["export", &model, "--onnx", &written][..],
        &["report", &model, "--out", &written],
        &["man", "--out", &place.path("")],
    ] {
        let path = if arguments[0] == "man" { &man } else { &written };
        assert_failed(&run_in_time(arguments), 1, &[path, "it is a pipe that nobody reads"]);
    }
    let said = run_in_time(&profile);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.error().contains("it is a pipe that nobody reads"), "{said:?}");
    assert!(said.stdout.contains("fc1"), "what was measured is lost: {said:?}");
    let said = run(&["profile", "--preset", "quick", "--trace", "/dev/stdout"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "two things in one: {said:?}");
    let onnx = place.path("tiny.onnx");
    succeed(&["export", &model, "--onnx", &onnx]);
    let expected = place.read("tiny.onnx");
    for line in [
        r#"cat "$2" >"$3" & "$0" export "$1" --onnx "$2" && wait"#,
        r#""$0" export "$1" --onnx /dev/stdout | cat >"$3""#,
        r#"{ "$0" export "$1" --onnx /dev/stdout && echo done; } >"$3""#,
    ] {
        // The reader may not have come yet.
        let line = format!("until {line}; do sleep 0.05; done 2>/dev/null");
        let got = place.path("got");
        let mut command = Command::new("sh");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_inception"), &model, &written, &got]);
        let said: Said = command.output().expect("sh runs").into();
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        let end = if line.contains("echo") { &b"done\n"[..] } else { b"" };
        assert!(place.read("got") == [&expected, end].concat(), "{line}");
    }
}

/// Who waits for a pipe to be written is told so.
#[test]
fn a_profile_through_a_pipe_is_said_to_be_waited_for() {
    let place = Place::new(1, 1);
    let pipe = pipe(&place, "pipe");
    let line = r#"echo {} >"$1" & exec "$0" profile --compare "$1" "$1""#;
    let mut command = Command::new("sh");
    command.args(["-c", line, env!("CARGO_BIN_EXE_inception"), &pipe]);
    let said: Said = command.output().expect("sh runs").into();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.starts_with(&format!("{pipe} is no regular file: waiting")), "{said:?}");
    assert!(said.error().contains("is no profile"), "{said:?}");
}

/// Digits and configurations that another program makes.
#[test]
fn pipes_of_the_user_are_read() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "out");
    let digits = place.path("test.csv");
    let expected = succeed(&["test", "--model", &model, "--test", &digits]).stdout;
    let pipe = pipe(&place, "digits");
    let lines = [
        r#"cat "$2" | "$0" test --model "$1" --test /dev/stdin"#,
        r#"cat "$2" >"$3" & exec "$0" test --model "$1" --test "$3""#,
    ];
    for line in lines {
        let mut command = Command::new("sh");
        command.args(["-c", line, env!("CARGO_BIN_EXE_inception"), &model, &digits, &pipe]);
        let said: Said = command.output().expect("sh runs").into();
        assert_eq!((said.code, said.stdout.as_str()), (Some(0), expected.as_str()), "{said:?}");
    }
    let line = r#"echo "steps = 0" | "$0" train --config /dev/stdin"#;
    let mut command = Command::new("sh");
    let said = command.args(["-c", line, env!("CARGO_BIN_EXE_inception")]).output();
    let said: Said = said.expect("sh runs").into();
    assert_failed(&said, 1, &["in /dev/stdin: steps is 0"]);
}

/// A folder whose name is no text.
#[test]
#[cfg(target_os = "linux")] // others may take no such name
fn names_that_are_no_text_do() {
    use std::os::unix::ffi::OsStrExt;
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let out = place.folder.path().join(std::ffi::OsStr::from_bytes(b"run\xff"));
    let arguments = crate::say::tiny(&place, "out", "--json");
    let name = place.path("out");
    let mut command = program(&[]);
    command.arg("--no-tune");
    for argument in &arguments {
        match *argument == name {
            true => command.arg(&out),
            false => command.arg(argument),
        };
    }
    let said: Said = command.output().expect("it runs").into();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("run\u{fffd}"), "{said:?}");
    assert!(out.join("model.safetensors").is_file());
}
