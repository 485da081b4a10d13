//! Ctrl-C, SIGTERM, and a terminal that is closed.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use crate::common::{Place, has_adapter, succeed_all};
use crate::{Running, assert_equal, checkpoints, resume, train};

pub fn signal(running: &Running, name: &str) {
    let process = running.child.id().to_string();
    let sent = Command::new("kill").args([name, &process]).status().expect("kill runs");
    assert!(sent.success(), "no {name} could be sent");
}

/// The number behind `stopped after step `, thousands parted.
fn stopped_after(said: &str) -> u64 {
    let rest = said.split_once("stopped after step ").unwrap_or_else(|| panic!("{said}")).1;
    let digits = rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',');
    digits.filter(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}

#[test]
fn a_signal_saves_and_ends_well() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    // None falls due by itself.
    let endless = "--steps 1000000 --eval-every 1000000";
    let mut signals = vec![("-INT", "interrupted"), ("-TERM", "terminated")];
    if cfg!(target_os = "linux") {
        signals.push(("-HUP", "hung-up"));
    }
    for (name, out) in signals {
        // That it ended early is said even by a run that says nothing else.
        let quiet = if name == "-TERM" { " --quiet" } else { "" };
        let begin = train(&place, out, &format!("{endless}{quiet}"));
        let mut running = Running::start(&place, &begin);
        running.trains(&place, out, 10);
        signal(&running, name);
        if name == "-HUP" {
            // As from the shell and the system; it may have ended by now.
            let process = running.child.id().to_string();
            let _ = Command::new("kill").args([name, &process]).status();
        }
        let (status, said) = running.ends();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("warning: stopped after step "), "{said}");
        let step = stopped_after(&said);
        let how = format!("`inception train --resume --out {}` goes on", place.path(out));
        assert!(said.contains(&how), "{said}");
        let last = checkpoints(&place, out).0.pop().expect("a checkpoint");
        assert!(last.ends_with(format!("step-{step:06}")), "{last:?} after step {step}");

        let steps = format!("--steps {}", step + 5);
        succeed_all(&resume(&place, out, &steps));
        let whole = format!("whole{name}");
        succeed_all(&train(&place, &whole, &format!("{steps} --eval-every 1000000")));
        assert_equal(&place, &whole, out);
    }
}

/// As `nohup` has it.
#[test]
fn a_hangup_that_was_ignored_at_the_start_stays_ignored() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let said = std::path::PathBuf::from(place.path("stderr"));
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" HUP; exec "$0" "$@""#, env!("CARGO_BIN_EXE_inception")]);
    command.arg("--no-tune").args(train(&place, "out", "--steps 1000000 --eval-every 1000000"));
    command
        .stderr(std::fs::File::create(&said).expect("a file"))
        .stdout(std::process::Stdio::null());
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut running = Running { child: command.spawn().expect("sh starts"), said };
    running.trains(&place, "out", 5);
    signal(&running, "-HUP");
    running.trains(&place, "out", 40);
    assert!(!running.said().contains("stopping"), "{}", running.said());
    running.kill();
}

/// While it still evaluates after the first.
#[test]
fn a_second_signal_ends_at_once() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1000, 4);
    let mut arguments = train(&place, "out", "--steps 1000000 --eval-every 1");
    let rows = arguments.iter().position(|word| word == "--val-rows").expect("a flag");
    arguments[rows + 1] = "990".to_string();
    for attempt in 0.. {
        let mut running = Running::start(&place, &arguments);
        running.trains(&place, "out", 2);
        signal(&running, "-INT");
        std::thread::sleep(Duration::from_millis(5));
        // It may have been about to end its evaluation.
        if running.child.try_wait().expect("a state").is_none() {
            signal(&running, "-INT");
        }
        let (status, said) = running.ends();
        let (whole, _) = checkpoints(&place, "out");
        assert!(!whole.is_empty());
        assert_eq!(status.signal(), None, "{said}");
        match status.code() {
            Some(130) => break,
            code => assert_eq!((code, attempt < 10), (Some(0), true), "{said}"),
        }
        // The next run would seem to train already by this one's metrics.
        std::fs::remove_dir_all(place.path("out")).expect("removed");
    }
}

#[test]
fn without_a_folder_nothing_is_saved_and_it_says_so() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let mut arguments = train(&place, "out", "--steps 1000000 --eval-every 20");
    let out = arguments.iter().position(|word| word == "--out").expect("a flag");
    arguments.drain(out..out + 2);
    let mut running = Running::start(&place, &arguments);
    running.says("step     20  loss");
    signal(&running, "-INT");
    let (status, said) = running.ends();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("error: stopped after step "), "{said}");
    assert!(said.contains("and nothing is saved; give --out DIR"), "{said}");
}
