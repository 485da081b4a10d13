//! Two runs in one folder.

use std::fs;

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::{Running, resume, train};
#[cfg(unix)]
use crate::{assert_equal, checkpoints, stop::signal};

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

/// What befalls a folder while its run is held up. All that the run comes to is in a folder of its own
/// then, also when it loses its device, before it has noticed or there; and what lies in the old one
/// stays as it is.
#[test]
#[cfg(unix)] // elsewhere nobody can remove a file that is open
fn a_run_whose_folder_may_be_anothers_saves_into_one_beside() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 120 --eval-every 120 --checkpoint-every 60";
    succeed_all(&train(&place, "whole", steps));
    let unlock = |place: &Place, out: &str| {
        fs::remove_file(place.path(&format!("{out}/lock"))).expect("removed");
    };
    let take = move |place: &Place, out: &str| {
        unlock(place, out);
        succeed_all(&train(place, out, "--steps 4 --overwrite --seed 2"));
    };
    let anew = |place: &Place, out: &str| {
        fs::remove_dir_all(place.path(out)).expect("removed");
        for name in ["metrics.csv", "model.safetensors", "config.toml", "report.html"] {
            fs::create_dir_all(place.path(out)).expect("made");
            place.write(&format!("{out}/{name}"), "precious");
        }
    };
    let file = |place: &Place, out: &str| {
        fs::remove_dir_all(place.path(out)).expect("removed");
        place.write(out, "precious");
    };
    let (by, gone) =
        ("another run has taken it (process ", "its file `lock` was removed, and other");
    type Befalls<'a> = &'a dyn Fn(&Place, &str);
    let all: [(&str, &str, &str, Befalls, &str); 6] = [
        ("one", "--profile-every 45", "one-rescued", &take, by),
        ("o n'e", "--lose-device-at 110", "o n'e-rescued-2", &take, by),
        ("soon", "--lose-device-at 50", "soon-rescued", &take, by),
        ("unlocked", "", "unlocked-rescued", &unlock, gone),
        ("anew", "", "anew-rescued", &anew, gone),
        ("file", "", "file-rescued", &file, "it is no folder now"),
    ];
    for (out, more, rescued, befalls, why) in all {
        let arguments = train(&place, out, &format!("{steps} {more}"));
        if let Some(there) = rescued.strip_suffix("-2") {
            fs::create_dir(place.path(there)).expect("made");
        }
        let mut first = Running::start(&place, &arguments);
        first.trains(&place, out, 10);
        signal(&first, "-STOP");
        befalls(&place, out);
        let files = |out: &str| {
            let mut all: Vec<_> = walk(place.path(out).as_ref());
            all.sort();
            all
        };
        // Metrics go on in the file that is open, until the next save.
        let theirs = |out: &str| {
            let mut all = files(out);
            all.retain(|(path, _)| out != "unlocked" || !path.ends_with("metrics.csv"));
            all
        };
        let before = theirs(out);
        signal(&first, "-CONT");
        let (status, said) = first.ends();
        assert_eq!(status.code(), Some(0), "{out}: {said}");
        assert!(theirs(out) == before, "{out}: the first has written there: {said}");
        let (folder, beside) = (place.path(out), place.path(rescued));
        let warned = format!(
            "warning: {folder} may be another run's by now, so nothing more is written there: "
        );
        assert_eq!(said.matches(&format!("{warned}{why}")).count(), 1, "{out}: {said}");
        assert!(said.contains(&format!("goes on in {beside}, with all metrics")), "{said}");
        assert!(said.contains(&format!("is not copied: it is in {folder}, unless")), "{said}");
        let quoted = match out {
            "o n'e" => format!("'{}'", beside.replace('\'', "'\\''")),
            _ => beside.clone(),
        };
        let goes_on = format!("`inception train --resume --out {quoted}` goes on");
        assert!(said.contains(&goes_on), "{said}");
        assert_equal(&place, "whole", rescued);
        for name in ["report.html", "evaluation.json", "config.toml"] {
            assert!(!place.read(&format!("{rescued}/{name}")).is_empty(), "{name}");
        }
        succeed_all(&resume(&place, rescued, "--steps 122"));
    }
    assert!(!place.read("one-rescued/profile.json").is_empty());
    assert!(walk(place.path("o n'e-rescued").as_ref()).is_empty(), "it was there before");
}

/// The run has no device then, and nothing of it is in memory: it ends, and says where its checkpoint was.
#[test]
#[cfg(unix)]
fn a_folder_that_is_taken_between_two_devices_is_told_with_what_it_held() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 120 --eval-every 120 --checkpoint-every 60";
    succeed_all(&train(&place, "whole", steps));
    for number in 0..20 {
        let out = format!("out{number}");
        let lose = format!("{steps} --lose-device-at 110");
        let mut run = Running::start(&place, &train(&place, &out, &lose));
        run.says("going back to that checkpoint");
        signal(&run, "-STOP");
        fs::remove_file(place.path(&format!("{out}/lock"))).expect("removed");
        place.write(&format!("{out}/notes"), "precious");
        let too_late = run.said().matches("prepared in").count() > 1;
        signal(&run, "-CONT");
        let (status, said) = run.ends();
        if too_late {
            continue;
        }
        assert_eq!(status.code(), Some(1), "{said}");
        let folder = place.path(&out);
        let error = said.lines().last().expect("an error");
        assert!(error.contains("its file `lock` was removed"), "{said}");
        let was =
            format!("the device had been lost, and a checkpoint of this run was in {folder}: ");
        assert!(
            error.contains(&was) && error.contains("`inception train --resume --out "),
            "{said}"
        );
        succeed_all(&resume(&place, &out, ""));
        return assert_equal(&place, "whole", &out);
    }
    panic!("the next device was always quicker");
}

/// Neither where it was nor beside it: the run ends with its results, and says what is missing.
#[test]
#[cfg(unix)]
fn a_run_that_can_be_saved_nowhere_says_its_results_and_fails() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    fs::create_dir(place.path("runs")).expect("made");
    let steps = "--steps 60 --eval-every 10";
    let mut run = Running::start(&place, &train(&place, "runs/out", steps));
    run.trains(&place, "runs/out", 15);
    signal(&run, "-STOP");
    fs::rename(place.path("runs"), place.path("moved")).expect("moved");
    place.write("runs", "precious");
    signal(&run, "-CONT");
    let (status, said) = run.ends();
    assert_eq!(status.code(), Some(1), "{said}");
    let out = place.path("runs/out");
    let error = said.lines().last().expect("an error");
    assert!(error.starts_with(&format!("error: cannot make the folder {out}-rescued: ")), "{said}");
    assert!(
        !said.contains("is kept") && said.contains(&format!("is gone from {out}, or ")),
        "{said}"
    );
    assert_eq!(place.read("runs"), b"precious");
    assert_eq!(checkpoints(&place, "moved/out").1, 0, "half a checkpoint is left");
}

/// The files below a folder with their bytes.
#[cfg(unix)]
fn walk(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    if folder.is_file() {
        return vec![(folder.into(), fs::read(folder).expect("a file"))];
    }
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![(path.clone(), fs::read(&path).expect("a file"))],
        })
        .collect()
}
