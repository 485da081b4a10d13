//! Two runs in one folder.

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::{Running, resume, train};
#[cfg(unix)]
use crate::{assert_equal, stop::signal};

#[test]
fn a_second_run_in_the_folder_is_refused_until_the_first_is_gone() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let mut first = Running::start(&place, &train(&place, "out", "--steps 1000000 --eval-every 5"));
    first.trains(&place, "out", 20);
    let config = place.read("out/config.toml");
    for second in
        [train(&place, "out", "--steps 4 --overwrite"), resume(&place, "out", "--steps 2000000")]
    {
        let said = run_all(&second);
        assert_eq!(said.code, Some(1), "{said:?}");
        let out = place.path("out");
        assert!(said.error().starts_with(&format!("{out} is in use by another run")), "{said:?}");
        if cfg!(unix) {
            let process = format!("(process {}, for ", first.child.id());
            assert!(said.error().contains(&process), "{said:?}");
        }
    }
    assert_eq!(place.read("out/config.toml"), config, "the second run has changed something");
    first.trains(&place, "out", 40);
    // Killed, it holds nothing any more, though its file is still there.
    first.kill();
    succeed_all(&train(&place, "out", "--steps 4 --overwrite"));
}

/// Held by a new file, under the same name.
#[test]
#[cfg(unix)] // elsewhere nobody can remove a file that is open
fn a_lock_that_is_removed_is_made_anew() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let mut first = Running::start(&place, &train(&place, "out", "--steps 1000000 --eval-every 5"));
    first.trains(&place, "out", 20);
    let lock = place.path("out/lock");
    std::fs::remove_file(&lock).expect("removed");
    first.says(&format!("warning: {lock} was removed; it is made anew"));
    let second = run_all(&train(&place, "out", "--steps 4 --overwrite"));
    assert!(second.error().contains("is in use by another run"), "{second:?}");
    first.kill();
}

/// Another run takes the folder while the first is held up, and ends before that goes on. All that the
/// first comes to is in a folder of its own then, also when it loses its device there.
#[test]
#[cfg(unix)]
fn a_run_whose_folder_is_taken_saves_into_one_beside() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 500 --eval-every 500 --checkpoint-every 200";
    succeed_all(&train(&place, "whole", steps));
    for (out, more, rescued) in [
        ("one", "--profile-every 150", "one-rescued"),
        ("o n'e", "--lose-device-at 450", "o n'e-rescued-2"),
    ] {
        let arguments = train(&place, out, &format!("{steps} {more}"));
        if let Some(there) = rescued.strip_suffix("-2") {
            std::fs::create_dir(place.path(there)).expect("made");
        }
        let mut first = Running::start(&place, &arguments);
        first.trains(&place, out, 10);
        signal(&first, "-STOP");
        std::fs::remove_file(place.path(&format!("{out}/lock"))).expect("removed");
        succeed_all(&train(&place, out, "--steps 4 --overwrite --seed 2"));
        let files = |out: &str| {
            let mut all: Vec<_> = walk(place.path(out).as_ref());
            all.sort();
            all
        };
        let theirs = files(out);
        signal(&first, "-CONT");
        let (status, said) = first.ends();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(files(out) == theirs, "the first has written into the other's folder: {said}");
        let beside = place.path(rescued);
        let warned = format!("{} is another run's now (process ", place.path(out));
        assert_eq!(said.matches(&warned).count(), 1, "{said}");
        assert!(said.contains(&format!("saves into {beside} from now on")), "{said}");
        let quoted = if out == "one" {
            beside.clone()
        } else {
            format!("'{}'", beside.replace('\'', "'\\''"))
        };
        assert!(
            said.contains(&format!("`inception train --resume --out {quoted}` goes on")),
            "{said}"
        );
        assert_equal(&place, "whole", rescued);
        for name in ["report.html", "evaluation.json", "config.toml"] {
            assert!(!place.read(&format!("{rescued}/{name}")).is_empty(), "{name}");
        }
        assert!(!place.read("one-rescued/profile.json").is_empty());
        succeed_all(&resume(&place, rescued, "--steps 502"));
    }
    assert!(walk(place.path("o n'e-rescued").as_ref()).is_empty(), "it was there before");
}

/// The files below a folder with their bytes.
#[cfg(unix)]
fn walk(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let entries =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![(path.clone(), std::fs::read(&path).expect("a file"))],
        })
        .collect()
}
