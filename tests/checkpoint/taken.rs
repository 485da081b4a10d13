//! Folders that another run takes, or that go, while a checkpoint is written.

use std::fs;
use std::path::Path;

use inception::checkpoint::{CHECKPOINTS, CheckpointError, Origin, load, optimizer_tensors, save};
use inception::config::Config;

use super::{files_in, held, origin, quick, save_as, save_to, sources, weights};

fn steps(run: &Path) -> Vec<String> {
    files_in(&run.join(CHECKPOINTS))
}

/// The folder is taken at one of the moments at which it is asked for: what could be another run's by
/// then stays as it is.
#[test]
fn a_save_ends_where_the_folder_is_taken() {
    let all = |run: &Path| {
        let folder = run.join(CHECKPOINTS);
        let files = files_in(&folder).into_iter().flat_map(|step| {
            let names = files_in(&folder.join(&step)).into_iter();
            names.map(move |name| format!("{CHECKPOINTS}/{step}/{name}")).collect::<Vec<_>>()
        });
        let top = files_in(run).into_iter().filter(|name| name != CHECKPOINTS);
        let read = |name: String| (fs::read(run.join(&name)).unwrap(), name);
        files.chain(top).map(read).collect::<Vec<_>>()
    };
    let moments = optimizer_tensors(&weights());
    for asked in 1.. {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path();
        save_as(run, &Origin { config: Config { keep: 1, ..quick() }, ..origin(1) });
        save_to(run, 3);
        fs::write(run.join("config.toml"), "another's").unwrap();
        let before = all(run);
        let count = std::cell::Cell::new(0);
        let held = || {
            count.set(count.get() + 1);
            let (run, why) = (run.to_path_buf(), "a test".to_string());
            if count.get() < asked { Ok(()) } else { Err(CheckpointError::Taken { run, why }) }
        };
        let new = Origin {
            config: Config { keep: 1, ..quick() },
            validation_accuracy: Some(0.5),
            ..origin(2)
        };
        let saved = save(run, &new, sources(&weights()), sources(&moments), held);
        if saved.is_ok() {
            assert_eq!(
                asked, 5,
                "asked at the beginning, and before each thing that replaces another"
            );
            assert_eq!(steps(run), ["step-000002"]);
            break;
        }
        assert!(matches!(saved, Err(CheckpointError::Taken { .. })), "{saved:?}");
        let after = all(run);
        match asked {
            1 | 2 => assert!(after == before, "something has changed at {asked}"),
            3 => {
                assert_eq!(steps(run), ["step-000001", "step-000002", "step-000003"]);
                let rest: Vec<_> =
                    after.into_iter().filter(|(_, name)| !name.contains("step-000002")).collect();
                assert!(rest == before, "more than the checkpoint has changed");
            }
            _ => assert_eq!(steps(run), ["step-000001", "step-000002", "step-000003"]),
        }
    }
}

/// Another run in this folder, of the same process even, saves the same step meanwhile.
#[test]
fn what_another_has_saved_meanwhile_stays() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    save_to(run, 1);
    let mut interrupted = sources(&weights());
    let read = std::mem::replace(&mut interrupted[1].read, Box::new(|_| Ok(())));
    interrupted[1].read = Box::new(|part| {
        save_to(run, 2);
        read(part)
    });
    let moments = optimizer_tensors(&weights());
    let ended = save(run, &origin(2), interrupted, sources(&moments), held).unwrap_err();
    assert!(ended.to_string().contains("optimizer.safetensors"), "{ended}");
    assert_eq!(steps(run), ["step-000001", "step-000002"]);
    let (newest, damaged) = load(run).unwrap();
    assert_eq!((newest.origin.step, damaged.len()), (2, 0));
}

/// A folder that is removed while a checkpoint is written is not made again without its lock.
#[test]
#[cfg(unix)] // elsewhere nobody can remove a file that is open
fn a_folder_that_goes_meanwhile_stays_gone() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    save_to(&run, 1);
    let mut interrupted = sources(&weights());
    let read = std::mem::replace(&mut interrupted[1].read, Box::new(|_| Ok(())));
    let gone = run.clone();
    interrupted[1].read = Box::new(move |part| {
        // No other process's, until it has its own.
        let name = format!("step-000002.{}.tmp", std::process::id());
        assert_eq!(steps(&gone), ["step-000001", &name]);
        fs::remove_dir_all(&gone).unwrap();
        read(part)
    });
    let moments = optimizer_tensors(&weights());
    save(&run, &origin(2), interrupted, sources(&moments), held).unwrap_err();
    assert!(!run.exists());
}
