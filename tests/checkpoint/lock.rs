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
    assert!(!held.renew().unwrap(), "nothing has happened to it");
    drop(held);
    Lock::take(&run).expect("the file that is left holds nothing");
    // What a killed process has left, longer than what is written now.
    fs::write(run.join("lock"), "1234567890 1234567890 and more").unwrap();
    let held = Lock::take(&run).unwrap();
    let refused = Lock::take(&run).unwrap_err().to_string();
    assert!(!refused.contains("1234567890") && !refused.contains("more"), "{refused}");
    drop(held);
}

#[test]
#[cfg(unix)] // elsewhere nobody can remove a file that is open
fn a_removed_folder_is_taken_again_but_not_from_another() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    fs::create_dir(&run).unwrap();
    let mut held = Lock::take(&run).unwrap();
    fs::remove_dir_all(&run).unwrap();
    assert!(held.renew().unwrap());
    assert!(Lock::take(&run).is_err(), "made anew, and held");
    assert!(!held.renew().unwrap());

    fs::remove_dir_all(&run).unwrap();
    fs::create_dir(&run).unwrap();
    let other = Lock::take(&run).unwrap();
    // The same process in the same second: nothing but the mark tells them apart.
    fs::write(run.join("lock"), "7 7").unwrap();
    let refused = held.renew().unwrap_err().to_string();
    assert!(refused.contains("process 7, for "), "{refused}");
    drop(other);
}
