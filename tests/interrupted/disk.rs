//! Folders that cannot be written, full disks, folders that go.

use std::fs;

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::{Running, assert_equal, checkpoints, resume, train};

/// For a while something stands in the way of checkpoints.
#[test]
fn a_save_that_fails_is_missed_and_said_so_and_the_next_one_counts() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 400 --eval-every 10";
    succeed_all(&train(&place, "whole", steps));
    let mut running = Running::start(&place, &train(&place, "out", steps));
    running.trains(&place, "out", 25);
    let (folder, aside) = (place.path("out/checkpoints"), place.path("aside"));
    fs::rename(&folder, &aside).expect("put aside");
    place.write("out/checkpoints", "in the way");
    running.says("warning: the checkpoint of step ");
    fs::remove_file(&folder).expect("removed");
    fs::rename(&aside, &folder).expect("put back");
    let (status, said) = running.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("was not saved: cannot ") && said.contains(&folder), "{said}");
    assert!(said.contains("; the checkpoint of step "), "{said}");
    assert_equal(&place, "whole", "out");
}

#[test]
fn a_run_whose_last_save_fails_says_its_results_and_fails() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 200 --eval-every 10";
    let mut running = Running::start(&place, &train(&place, "out", steps));
    running.trains(&place, "out", 25);
    fs::rename(place.path("out/checkpoints"), place.path("aside")).expect("put aside");
    place.write("out/checkpoints", "in the way");
    let (status, said) = running.ends();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("error: the checkpoint of step 200 was not saved: cannot "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    fs::remove_file(place.path("out/checkpoints")).expect("removed");
    fs::rename(place.path("aside"), place.path("out/checkpoints")).expect("put back");
    succeed_all(&resume(&place, "out", ""));
    succeed_all(&train(&place, "whole", steps));
    assert_equal(&place, "whole", "out");
}

#[test]
#[cfg(unix)] // elsewhere nobody can remove a folder whose files are open
fn a_folder_that_is_removed_is_made_anew_with_all_that_belongs_there() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 400 --eval-every 10";
    succeed_all(&train(&place, "whole", steps));
    let mut running = Running::start(&place, &train(&place, "out", steps));
    running.trains(&place, "out", 25);
    // At once: a checkpoint may be written at this very moment.
    fs::rename(place.path("out"), place.path("aside")).expect("renamed");
    fs::remove_dir_all(place.path("aside")).expect("removed");
    let (status, said) = running.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    let warned =
        format!("warning: {} was removed, moved or emptied; it is made anew", place.path("out"));
    assert!(said.contains(&warned), "{said}");
    // The best may have been among what was removed, and none has come up to it since.
    let best = place.read("whole/best.safetensors");
    place.write("out/best.safetensors", best);
    assert_equal(&place, "whole", "out");
}

/// The working folder goes, and `--out` was given as seen from there.
#[test]
#[cfg(unix)]
fn a_working_folder_that_is_removed_takes_no_run_with_it() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 400 --eval-every 10";
    succeed_all(&train(&place, "whole", steps));
    for (work, out) in [("one", "out"), ("two", ".")] {
        fs::create_dir(place.path(work)).expect("made");
        let mut arguments = train(&place, "out", steps);
        let at = arguments.iter().position(|word| word == "--out").expect("a flag");
        arguments[at + 1] = out.to_string();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = crate::common::program(&arguments);
        command.current_dir(place.path(work));
        let mut running = Running::start_as(&place, command);
        let folder = if out == "." { work.to_string() } else { format!("{work}/{out}") };
        running.trains(&place, &folder, 25);
        fs::rename(place.path(work), place.path("aside")).expect("renamed");
        fs::remove_dir_all(place.path("aside")).expect("removed");
        let (status, said) = running.ends();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("it is made anew, with all metrics"), "{said}");
        place.write(&format!("{folder}/best.safetensors"), place.read("whole/best.safetensors"));
        assert_equal(&place, "whole", &folder);
    }
    // As the user gave it, where nothing has happened.
    let mut command = crate::common::program(&[]);
    let mut arguments = train(&place, "out", "--steps 2");
    let at = arguments.iter().position(|word| word == "--out").expect("a flag");
    arguments[at + 1] = "./sub/../out".to_string();
    command.args(&arguments).current_dir(place.folder.path());
    fs::create_dir(place.path("sub")).expect("made");
    let said: crate::common::Said = command.output().expect("it runs").into();
    assert!(said.stdout.ends_with("\nsaved in ./sub/../out\n"), "{said:?}");
    let said: crate::common::Said = command.output().expect("it runs").into();
    assert!(said.error().starts_with("./sub/../out holds a model already"), "{said:?}");
}

/// After the last save, while the network is measured: a run that is resumed at its end does nothing else.
#[test]
#[cfg(unix)]
fn a_folder_that_is_removed_at_the_end_is_made_anew_too() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 3000);
    succeed_all(&train(&place, "out", "--steps 20 --eval-every 20"));
    let last = place.path("out/checkpoints/step-000020");
    let mut running = Running::start(&place, &resume(&place, "out", ""));
    running.says("prepared in");
    crate::stop::signal(&running, "-STOP");
    fs::rename(place.path("out"), place.path("aside")).expect("renamed");
    crate::stop::signal(&running, "-CONT");
    let (status, said) = running.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("it is made anew, with all metrics"), "{said}");
    assert_eq!(checkpoints(&place, "out").0, [std::path::PathBuf::from(last)]);
    let rows = String::from_utf8(place.read("out/metrics.csv")).expect("UTF-8");
    assert_eq!(rows.lines().count(), 22, "a header, the steps and the test: {rows}");
    assert!(!place.read("out/report.html").is_empty());
}

/// Rows that were added to the file that is gone are not lost.
#[test]
#[cfg(unix)]
fn metrics_that_are_replaced_in_the_midst_are_written_anew() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 400 --eval-every 10";
    succeed_all(&train(&place, "whole", steps));
    let mut running = Running::start(&place, &train(&place, "out", steps));
    running.trains(&place, "out", 25);
    let copy = place.write("copy", "step,loss\n");
    fs::rename(copy, place.path("out/metrics.csv")).expect("renamed");
    let (status, said) = running.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    let warned = format!("warning: {} was removed, replaced", place.path("out/metrics.csv"));
    assert_eq!(said.matches(&warned).count(), 1, "{said}");
    assert_equal(&place, "whole", "out");
}

/// Runs a line of shell with the program as `$0` and its arguments as `$@`.
#[cfg(unix)]
fn shell(line: &str, arguments: &[String]) -> crate::common::Said {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", line]).arg(env!("CARGO_BIN_EXE_inception")).arg("--no-tune");
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("RUST_LOG");
    command.output().expect("sh runs").into()
}

/// The system refuses to let any file grow beyond what metrics need.
#[test]
#[cfg(unix)]
fn files_that_may_not_grow_are_named() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let line = r#"trap "" XFSZ; ulimit -f 64; exec "$0" "$@""#;
    let said = shell(line, &train(&place, "out", "--steps 20 --eval-every 10"));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.starts_with("test accuracy "), "{said:?}");
    assert!(!said.stdout.contains("saved in"), "{said:?}");
    assert!(said.stderr.contains("warning: the checkpoint of step 10 was not saved"), "{said:?}");
    let error = said.error();
    assert!(error.starts_with("the checkpoint of step 20 was not saved: cannot write "), "{error}");
    assert!(
        error.contains("/step-000020.") && error.contains(".tmp/model.safetensors: "),
        "{error}"
    );
    assert!(error.ends_with("; no checkpoint had been saved"), "{error}");
    assert_eq!(checkpoints(&place, "out"), (vec![], 0), "half a checkpoint is left");
}

/// A disk of its own, with room for one checkpoint but not for two, until something is removed.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_keeps_the_older_checkpoint() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let disk = place.path("disk");
    fs::create_dir(&disk).expect("made");
    let line = format!(
        "mount -t tmpfs -o size=1m tmpfs {disk} || exit 99
        head -c 600000 /dev/zero >{disk}/filler
        \"$0\" \"$@\"; echo code $?; ls {disk}/out/checkpoints
        rm {disk}/filler
        \"$0\" --no-tune train --resume --out {disk}/out; echo code $?; cp -r {disk}/out {}",
        place.path("out")
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &line]);
    command.arg(env!("CARGO_BIN_EXE_inception")).arg("--no-tune");
    let steps = "--steps 20 --eval-every 10";
    command.args(train(&place, "disk/out", steps)).current_dir(env!("CARGO_MANIFEST_DIR"));
    let said: crate::common::Said = match command.output() {
        Ok(output) if ![Some(99), Some(1)].contains(&output.status.code()) => output.into(),
        other => {
            return eprintln!("\n!!!!! SKIPPED, NOT TESTED: no disk to fill: {other:?} !!!!!\n");
        }
    };
    let first = said.stdout.lines().take(3).collect::<Vec<_>>();
    assert!(first[0].starts_with("test accuracy "), "{said:?}");
    assert_eq!(first[1..], ["code 1", "step-000010"], "{said:?}");
    assert!(said.error().starts_with("the checkpoint of step 20 was not saved: "), "{said:?}");
    assert!(said.error().contains("No space left on device"), "{said:?}");
    assert!(said.stdout.trim_end().ends_with("code 0"), "{said:?}");
    succeed_all(&train(&place, "whole", steps));
    assert_equal(&place, "whole", "out");
}

/// The checkpoint is whole; that an older one stays is a matter of room.
#[test]
#[cfg(unix)]
fn an_older_checkpoint_that_cannot_be_removed_fails_no_save() {
    use std::os::unix::fs::PermissionsExt;
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 8 --eval-every 2 --keep 1";
    succeed_all(&train(&place, "whole", steps));
    succeed_all(&train(&place, "out", &steps.replace("8", "2")));
    let old = place.path("out/checkpoints/step-000002");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o555)).expect("made read-only");
    // Root may remove anything, unless it is root of no one's files.
    let root = fs::write(format!("{old}/probe"), "").is_ok();
    let line = if root { r#"exec unshare --user "$0" "$@""# } else { r#"exec "$0" "$@""# };
    if root {
        fs::remove_file(format!("{old}/probe")).expect("removed");
        let probe = shell("unshare --user true", &[]);
        if probe.code != Some(0) {
            return eprintln!("\n!!!!! SKIPPED, NOT TESTED: {} !!!!!\n", probe.stderr);
        }
    }
    let said = shell(line, &resume(&place, "out", "--steps 8"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let warned = "warning: not all older checkpoints could be removed, and they take room: cannot ";
    assert_eq!(said.stderr.matches(warned).count(), 1, "{said:?}");
    assert!(said.stderr.contains(&format!("{old}.old/")), "{said:?}");
    assert!(!said.stderr.contains("was not saved"), "{said:?}");
    let left = fs::read_dir(place.path("out/checkpoints")).expect("a folder").count();
    assert_eq!((checkpoints(&place, "out").0.len(), left), (1, 2));
    let read = |out: &str| place.read(&format!("{out}/model.safetensors"));
    assert!(read("whole") == read("out"), "the weights differ");
    fs::set_permissions(format!("{old}.old"), fs::Permissions::from_mode(0o755))
        .expect("as it was");
}

/// A folder that cannot be written, and one that cannot be made, are found before the training.
#[test]
#[cfg(unix)]
fn a_read_only_folder_is_refused_at_the_start() {
    use std::os::unix::fs::PermissionsExt;
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let out = place.path("out");
    succeed_all(&train(&place, "out", "--steps 2"));
    let file = place.path("train.csv");
    let below = run_all(&train(&place, "train.csv/out", "--steps 2"));
    assert_eq!(below.code, Some(1), "{below:?}");
    assert!(below.error().contains(&format!("cannot make the folder {file}/out: ")), "{below:?}");

    fs::set_permissions(&out, fs::Permissions::from_mode(0o555)).expect("made read-only");
    // Root may write anywhere, unless it is root of no one's files.
    let root = fs::write(place.path("out/probe"), "").is_ok();
    let line = if root { r#"exec unshare --user "$0" "$@""# } else { r#"exec "$0" "$@""# };
    let probe = shell("unshare --user true", &[]);
    if root && probe.code != Some(0) {
        return eprintln!("\n!!!!! SKIPPED, NOT TESTED: {} !!!!!\n", probe.stderr);
    }
    for arguments in [
        resume(&place, "out", "--steps 4"),
        train(&place, "out", "--steps 2 --overwrite"),
        train(&place, "out/new", "--steps 2"),
    ] {
        let said = shell(line, &arguments);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.error().contains("cannot ") && said.error().contains(&out), "{said:?}");
        assert!(said.error().contains("ermission denied"), "{said:?}");
    }
    assert_eq!(checkpoints(&place, "out").0.len(), 1);
    fs::set_permissions(&out, fs::Permissions::from_mode(0o755)).expect("as it was");
}
