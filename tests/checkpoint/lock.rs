//! One run at a time in a folder.

use std::fs;
#[cfg(unix)]
use std::path::Path;

use inception::checkpoint::{CheckpointError, Lock};

#[test]
fn a_folder_is_held_by_one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    assert!(matches!(Lock::take(&run), Err(CheckpointError::Io { .. })), "the folder is not there");
    fs::create_dir(&run).unwrap();
    let mut held = Lock::take(&run).unwrap();
    let refused = Lock::take(&run).unwrap_err().to_string();
    assert!(refused.contains("run is in use by another run"), "{refused}");
    if cfg!(unix) {
        let by = format!("(process {}, for 0 minutes)", std::process::id());
        assert!(refused.contains(&by), "{refused}");
    }
    assert!(!held.renew().unwrap() && held.check().is_ok(), "nothing has happened to it");
    let clone = held.clone();
    drop(held);
    assert!(Lock::take(&run).is_err(), "a clone holds it too");
    drop(clone);
    Lock::take(&run).expect("the file that is left holds nothing");
    // What a killed process has left, longer than what is written now.
    for left in ["1234567890 12345678901234567890", "", "\0\0\0\0"] {
        fs::write(run.join("lock"), left).unwrap();
        let held = Lock::take(&run).unwrap();
        let refused = Lock::take(&run).unwrap_err().to_string();
        assert!(refused.contains("in use") && !refused.contains("1234567890"), "{refused}");
        drop(held);
        let mark = fs::read_to_string(run.join("lock")).unwrap();
        assert!(mark.starts_with(&format!("{} ", std::process::id())), "{mark:?}");
    }
}

#[test]
fn a_lock_of_another_program_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("lock");
    for other in ["mine", "123\n", "1 2 3", &"7".repeat(100)] {
        fs::write(&lock, other).unwrap();
        let refused = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("lock: it holds no mark of a run"), "{refused}");
        assert!(refused.contains("move it away or name another --out"), "{refused}");
        assert_eq!(fs::read_to_string(&lock).unwrap(), other);
    }
}

#[test]
#[cfg(unix)]
fn a_lock_is_not_taken_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    fs::create_dir(&run).unwrap();
    for there in [true, false] {
        let target = dir.path().join(if there { "there" } else { "nowhere" });
        if there {
            fs::write(&target, "1 2").unwrap();
        }
        std::os::unix::fs::symlink(&target, run.join("lock")).unwrap();
        let refused = Lock::take(&run).unwrap_err().to_string();
        assert!(refused.contains("lock: "), "{refused}");
        assert_eq!(fs::read_to_string(&target).ok().as_deref(), there.then_some("1 2"));
        fs::remove_file(run.join("lock")).unwrap();
    }
    let made = std::process::Command::new("mkfifo").arg(run.join("lock")).status().unwrap();
    assert!(made.success());
    let refused = Lock::take(&run).unwrap_err().to_string();
    assert!(refused.contains("it is no regular file"), "{refused}");
}

/// A folder that is held, and its lock.
#[cfg(unix)]
fn held() -> (tempfile::TempDir, std::path::PathBuf, Lock) {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("runs").join("run");
    fs::create_dir_all(&run).unwrap();
    let lock = Lock::take(&run).unwrap();
    (dir, run, lock)
}

#[test]
#[cfg(unix)] // elsewhere nobody can remove a file that is open
fn a_folder_that_is_gone_or_empty_is_taken_again() {
    let (dir, run, mut lock) = held();
    let empty = |run: &Path| fs::remove_file(run.join("lock")).unwrap();
    let moved = dir.path().join("moved");
    let deeper = |run: &Path| {
        fs::remove_dir_all(run).unwrap();
        fs::remove_dir_all(run.parent().unwrap()).unwrap();
    };
    let ways: [&dyn Fn(&Path); 4] = [
        &|run| fs::remove_dir_all(run).unwrap(),
        &|run| fs::rename(run, &moved).unwrap(),
        &empty,
        &deeper,
    ];
    for way in ways {
        let before = lock.clone();
        way(&run);
        assert!(matches!(lock.check(), Err(CheckpointError::Io { .. })), "only looked at");
        assert!(lock.renew().unwrap(), "made anew");
        assert!(matches!(Lock::take(&run), Err(CheckpointError::InUse { .. })), "and held");
        assert!(!lock.renew().unwrap() && lock.check().is_ok());
        assert!(
            matches!(before.check(), Err(CheckpointError::Taken { .. })),
            "the one that is gone"
        );
    }
    drop(lock);
    Lock::take(&run).expect("given back");
}

/// The lock goes first, the rest of the folder some time later.
#[test]
#[cfg(unix)]
fn a_folder_may_take_its_time_to_go() {
    let (_dir, run, mut lock) = held();
    fs::write(run.join("large"), "much").unwrap();
    fs::remove_file(run.join("lock")).unwrap();
    let rest = run.clone();
    let removal = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::remove_dir_all(rest).unwrap();
    });
    assert!(lock.renew().unwrap());
    removal.join().unwrap();
    assert!(Lock::take(&run).is_err(), "made anew, and held");
}

/// Without another run's lock, too, what lies in the folder may be another's.
#[test]
#[cfg(unix)]
fn a_folder_that_may_be_anothers_is_left_alone() {
    use std::os::unix::fs::symlink;
    let anew = |run: &Path| {
        fs::remove_dir_all(run).unwrap();
        fs::create_dir(run).unwrap();
        fs::write(run.join("metrics.csv"), "another's").unwrap();
    };
    let unlocked = |run: &Path| {
        fs::write(run.join(".hidden"), "").unwrap();
        fs::remove_file(run.join("lock")).unwrap();
    };
    let copied = |run: &Path| {
        let mark = fs::read(run.join("lock")).unwrap();
        fs::remove_dir_all(run).unwrap();
        fs::create_dir(run).unwrap();
        fs::write(run.join("lock"), mark).unwrap();
    };
    let link = |to: &'static str| {
        move |run: &Path| {
            fs::rename(run, run.with_file_name("moved")).unwrap();
            symlink(run.with_file_name(to), run).unwrap();
        }
    };
    let (nowhere, moved, itself) = (link("nowhere"), link("moved"), link("run"));
    let lock_by = |make: fn(&Path)| {
        move |run: &Path| {
            fs::remove_file(run.join("lock")).unwrap();
            make(&run.join("lock"));
        }
    };
    let folder = lock_by(|lock| fs::create_dir(lock).unwrap());
    let pipe = lock_by(|lock| {
        assert!(std::process::Command::new("mkfifo").arg(lock).status().unwrap().success());
    });
    let to_mark = lock_by(|lock| {
        fs::write(lock.with_file_name("mark"), "7 7").unwrap();
        symlink("mark", lock).unwrap();
    });
    let other = lock_by(|lock| fs::write(lock, "7 7").unwrap());
    let no_mark = lock_by(|lock| fs::write(lock, "mine").unwrap());
    let file = |run: &Path| {
        fs::remove_dir_all(run).unwrap();
        fs::write(run, "another's").unwrap();
    };
    let parent = |run: &Path| {
        fs::remove_dir_all(run.parent().unwrap()).unwrap();
        fs::write(run.parent().unwrap(), "another's").unwrap();
    };
    type Way<'a> = &'a dyn Fn(&Path);
    let ways: [(Way, &str); 12] = [
        (&anew, "its file `lock` was removed, and other files are there"),
        (&unlocked, "its file `lock` was removed, and other files are there"),
        (&copied, "its file `lock` is a copy of this run's"),
        (&nowhere, "it is no folder now"),
        (&itself, "it is no folder now"),
        (&folder, "its `lock` is no file now"),
        (&pipe, "its `lock` is no file now"),
        (&to_mark, "its `lock` is no file now"),
        (&other, "another run has taken it (process 7, for "),
        (&no_mark, "its file `lock` is another one than this run's"),
        (&file, "it is no folder now"),
        (&parent, "it is no folder now"),
    ];
    for (way, why) in ways {
        let (dir, run, mut lock) = held();
        way(&run);
        let before = fs::read_dir(&run).map(|entries| entries.count()).ok();
        let taken = lock.renew().unwrap_err();
        assert!(matches!(taken, CheckpointError::Taken { .. }), "{taken}");
        let said = taken.to_string();
        assert!(said.contains(why) && said.contains("may be another run's"), "no {why:?}: {said}");
        assert!(matches!(lock.renew(), Err(CheckpointError::Taken { .. })), "and so it stays");
        let after = fs::read_dir(&run).map(|entries| entries.count()).ok();
        assert_eq!(after, before, "something was made: {said}");
        drop(dir);
    }
    // Moved, and found by the old name all the same.
    let (_dir, run, mut lock) = held();
    moved(&run);
    assert!(!lock.renew().unwrap());
}

#[test]
#[cfg(unix)]
fn a_folder_that_comes_back_is_known() {
    let (_dir, run, mut lock) = held();
    let [first, second] = ["first", "second"].map(|name| run.with_file_name(name));
    fs::rename(&run, &first).unwrap();
    assert!(lock.renew().unwrap(), "it is made anew");
    fs::rename(&run, &second).unwrap();
    fs::rename(&first, &run).unwrap();
    let said = lock.renew().unwrap_err().to_string();
    assert!(said.contains("it is the folder that this run wrote into before"), "{said}");
    fs::rename(&run, &first).unwrap();
    fs::rename(&second, &run).unwrap();
    assert!(!lock.renew().unwrap(), "the newer one is the run's");
}

#[test]
#[cfg(unix)]
fn a_folder_that_another_has_taken_stays_the_others() {
    let (_dir, run, mut lock) = held();
    for whole in [true, false] {
        if whole {
            fs::remove_dir_all(&run).unwrap();
            fs::create_dir(&run).unwrap();
        } else {
            fs::remove_file(run.join("lock")).unwrap();
        }
        // By the same process in the same second: the mark is the same, the file is not.
        let other = Lock::take(&run).unwrap();
        assert!(matches!(lock.check(), Err(CheckpointError::Taken { .. })));
        assert!(matches!(lock.renew(), Err(CheckpointError::Taken { .. })));
        assert!(other.check().is_ok());
        drop(other);
        // What the other has left is its own, although it has gone.
        assert!(matches!(lock.renew(), Err(CheckpointError::Taken { .. })));
        fs::remove_file(run.join("lock")).unwrap();
        lock = Lock::take(&run).unwrap();
    }
}
