//! Quiet runs, colours, completions, manual pages.

use crate::common::{Place, has_adapter, program, run, run_all, succeed};
use crate::say::{assert_fails, tiny};

#[test]
fn quiet_leaves_results_and_errors_only() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let said = run_all(&tiny(&place, "run", "--quiet"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr, "");
    assert!(said.stdout.starts_with("test accuracy "), "{said:?}");
    let said = run_all(&tiny(&place, "run", "--quiet"));
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.starts_with("error: ") && said.stderr.contains("--overwrite"), "{said:?}");
    // Otherwise there is more.
    let said = run_all(&tiny(&place, "other", ""));
    assert!(said.stderr.contains("adapter: ") && said.stderr.contains("parameters"), "{said:?}");
    assert!(!said.stderr.contains('\u{1b}'), "escapes where there is no terminal: {said:?}");
}

#[test]
fn colours_are_for_those_who_want_them() {
    let stderr = |variables: &[(&str, &str)]| {
        let mut command = program(&["test", "--model", "nowhere"]);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        command.envs(variables.iter().copied());
        String::from_utf8(command.output().expect("it runs").stderr).expect("UTF-8")
    };
    assert!(stderr(&[]).starts_with("error: "), "no terminal, no colours");
    assert!(stderr(&[("CLICOLOR_FORCE", "1")]).starts_with("\u{1b}["));
    assert!(stderr(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).starts_with("error: "));
}

#[test]
fn shells_can_complete() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = succeed(&["completions", shell]).stdout;
        for word in ["inception", "train", "learning-rate", "no-tune"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    let said = run(&["completions", "dish"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("dish") && said.stderr.contains("fish"), "{said:?}");
}

#[test]
fn each_command_has_a_manual_page() {
    let place = Place::new(1, 1);
    let out = place.path("a/man1");
    succeed(&["man", "--out", &out]);
    let page =
        |name: &str| String::from_utf8(place.read(&format!("a/man1/{name}"))).expect("UTF-8");
    let own = page("inception.1");
    assert_eq!(own.trim_end(), succeed(&["man"]).stdout.trim_end());
    assert!(own.contains("Exit codes"), "{own}");
    for command in ["train", "test", "predict", "devices", "report", "profile", "bench"] {
        assert!(own.contains(&format!("inception\\-{command}(1)")), "{own}");
        let page = page(&format!("inception-{command}.1"));
        assert!(page.contains(".SH OPTIONS") && page.contains("Examples:"), "{page}");
    }
    let file = place.write("file", "");
    assert_fails(&["man", "--out", &file], 1, &["manual pages", &file]);
    // Pages of this program are replaced, and no others: then none is written.
    place.write("a/man1/inception-test.1", own.replace("inception 1", "inception-test 1"));
    succeed(&["man", "--out", &out]);
    let measured = page("inception-test.1");
    assert!(measured.contains("Measure a saved network"), "{measured}");
    place.write("a/man1/inception.1", measured.replace("inception-test 1", "inception 1"));
    for content in ["precious", &measured] {
        let kept = place.write("a/man1/inception-train.1", content);
        assert_fails(&["man", "--out", &out], 1, &[&kept, "is no manual page", "another --out"]);
        assert_eq!(page("inception-train.1"), content);
        assert_ne!(page("inception.1"), own, "a page was written");
    }
}

/// What is asked for and cannot be printed is a failure; a reader that has had enough is none.
#[test]
#[cfg(target_os = "linux")] // others have no /dev/full
fn results_that_nobody_gets_are_a_failure() {
    for arguments in [&["--help"][..], &["--version"], &["train", "--help"], &["cost"], &["man"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it opens");
        let said = program(arguments).stdout(full).output().expect("it runs");
        let stderr = String::from_utf8(said.stderr).expect("UTF-8");
        assert_eq!(said.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: cannot write to stdout: No space left"), "{stderr}");
        let mut child =
            program(arguments).stdout(std::process::Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")] // others have no /dev/full
fn predictions_that_nobody_gets_are_a_failure() {
    if !has_adapter() {
        return;
    }
    let (model, picture) = ("assets/quick/model.safetensors", "assets/digits/two.png");
    for json in [&[][..], &["--json"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it opens");
        let arguments = [&["predict", "--model", model, picture], json].concat();
        let said = program(&arguments).stdout(full).output().expect("it runs");
        let stderr = String::from_utf8(said.stderr).expect("UTF-8");
        assert_eq!(said.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("error: cannot write to stdout: No space left"), "{stderr}");
    }
}

/// Names that would colour or clear the terminal.
#[test]
#[cfg(unix)]
fn what_a_terminal_would_obey_is_not_printed() {
    let place = Place::new(1, 1);
    let odd = place.path("\u{1b}[2J\u{7}");
    for arguments in [
        vec!["test", "--model", &odd],
        vec!["inspect", &odd],
        vec!["train", "--config", &odd],
        vec!["train", "--train", &odd],
        vec!["report", &odd],
    ] {
        let said = run(&arguments);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(!said.stderr.contains(['\u{1b}', '\u{7}']), "{said:?}");
        assert!(said.stderr.contains("\\u{1b}[2J\\u{7}"), "{said:?}");
    }
}
