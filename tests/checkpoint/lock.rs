//! One run at a time in a folder.

use std::fs;

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
    assert_eq!(held.renew().unwrap(), None, "nothing has happened to it");
    drop(held);
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

#[test]
#[cfg(unix)] // elsewhere nobody can remove a file that is open
fn a_removed_folder_is_taken_again_but_not_from_another() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    fs::create_dir(&run).unwrap();
    let mut held = Lock::take(&run).unwrap();
    fs::remove_dir_all(&run).unwrap();
    assert_eq!(held.renew().unwrap(), Some(run.clone()));
    assert!(Lock::take(&run).is_err(), "made anew, and held");
    assert_eq!(held.renew().unwrap(), None);
    fs::remove_file(run.join("lock")).unwrap();
    assert_eq!(held.renew().unwrap(), Some(run.join("lock")), "the folder is there");
    assert!(Lock::take(&run).is_err(), "made anew, and held");
    assert_eq!(held.renew().unwrap(), None);

    for whole in [true, false] {
        if whole {
            fs::remove_dir_all(&run).unwrap();
            fs::create_dir(&run).unwrap();
        } else {
            fs::remove_file(run.join("lock")).unwrap();
        }
        // By the same process in the same second: the mark is the same, the file is not.
        let other = Lock::take(&run).unwrap();
        for ended in [false, true] {
            if ended {
                // What the other has left is its own, although it has gone.
                fs::write(run.join("lock"), "7 7").unwrap();
            }
            let taken = held.renew().unwrap_err();
            assert!(matches!(taken, CheckpointError::Taken { .. }), "{taken}");
            let by = if ended { "process 7, for " } else { "for 0 minutes" };
            assert!(taken.to_string().contains(by), "{taken}");
        }
        drop(other);
        assert!(held.renew().is_err());
        fs::remove_file(run.join("lock")).unwrap();
        held = Lock::take(&run).unwrap();
    }
}
