//! The folder of a run: what is kept, the newest and the best, and what interruptions leave.

use std::fs;
use std::path::{Path, PathBuf};

use inception::checkpoint::{
    BEST_FILE, CHECKPOINTS, CheckpointError, MODEL_FILE, OPTIMIZER_FILE, Origin, WeightFile,
    atomic, best_accuracy, clear, go_back, holds_a_model, load, optimizer_tensors, publish, save,
};
use inception::config::Config;

use super::{files_in, held, origin, quick, save_as, save_to, sources, weights};
use crate::common::sign;

fn steps(run: &Path) -> Vec<String> {
    files_in(&run.join(CHECKPOINTS))
}

fn step_of(path: PathBuf) -> u64 {
    WeightFile::open(&path).unwrap().origin().unwrap().step
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = byte % bytes.len();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_newest_are_kept_and_the_best_weights() {
    for keep in 1..=3_u64 {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path();
        let accuracies =
            [None, Some(0.5), Some(0.75), None, Some(0.75), Some(0.5), Some(0.8), None];
        let best = [None, Some(2), Some(3), Some(3), Some(3), Some(3), Some(7), Some(7)];
        for (step, (accuracy, best)) in (1..).zip(accuracies.into_iter().zip(best)) {
            let config = Config { keep: keep as usize, ..quick() };
            save_as(run, &Origin { config, validation_accuracy: accuracy, ..origin(step) });
            // One that was not evaluated does not do alone.
            let keep = keep.max(1 + u64::from(accuracy.is_none()));
            let kept = (step + 1).saturating_sub(keep).max(1)..=step;
            assert_eq!(steps(run), kept.map(|s| format!("step-{s:06}")).collect::<Vec<_>>());
            assert_eq!(step_of(run.join(MODEL_FILE)), step);
            assert_eq!(best.is_some(), run.join(BEST_FILE).exists());
            assert_eq!(best.map(|_| step_of(run.join(BEST_FILE))), best, "best at {step}");
        }
        assert_eq!(best_accuracy(run), Some(0.8));
    }
}

/// Weights that are finite, but nothing that is made of them.
#[test]
fn checkpoints_that_lead_nowhere_give_way_to_the_one_before() {
    let saved = |accuracies: [Option<f64>; 4]| {
        let dir = tempfile::tempdir().unwrap();
        for (step, validation_accuracy) in (1..).zip(accuracies) {
            let config = Config { keep: 9, steps: 100 + step, ..quick() };
            save_as(dir.path(), &Origin { config, validation_accuracy, ..origin(step) });
        }
        dir
    };
    let best = |run: &Path| run.join(BEST_FILE).exists().then(|| step_of(run.join(BEST_FILE)));
    let none = [None; 4];
    let first = [Some(0.9), Some(0.5), None, Some(0.8)];
    let last = [None, Some(0.5), None, Some(0.8)];
    for (accuracies, bad, goes_to, best_then) in [
        (none, 4, 3, None),
        (none, 2, 1, None),
        (first, 3, 2, Some(1)),
        (last, 3, 2, Some(2)),
        (last, 4, 3, None),
    ] {
        let dir = saved(accuracies);
        let run = dir.path();
        assert_eq!(go_back(run, bad).unwrap(), Some(goes_to));
        let left: Vec<_> = (1..=goes_to).map(|step| format!("step-{step:06}")).collect();
        assert_eq!(steps(run), left);
        assert_eq!(step_of(run.join(MODEL_FILE)), goes_to);
        assert_eq!(best(run), best_then, "{accuracies:?} from {bad}");
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        assert!(config.contains(&format!("steps = {}", 100 + goes_to)), "{config}");
        assert_eq!(load(run).unwrap().0.origin.step, goes_to);
    }
    // Nothing older, or nothing older that is whole: all stays.
    let dir = saved(none);
    let run = dir.path();
    assert_eq!(go_back(run, 1).unwrap(), None);
    for step in ["step-000001", "step-000002", "step-000003"] {
        flip(&run.join(CHECKPOINTS).join(step).join(MODEL_FILE), 9);
    }
    assert_eq!(go_back(run, 4).unwrap(), None);
    assert_eq!(steps(run).len(), 4);
    assert_eq!(step_of(run.join(MODEL_FILE)), 4);
}

#[test]
fn a_million_steps_are_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for step in [999_999, 1_000_000, 1_000_001] {
        save_to(dir.path(), step);
    }
    assert_eq!(steps(dir.path()), ["step-1000000", "step-1000001"]);
    assert_eq!(load(dir.path()).unwrap().0.origin.step, 1_000_001);
}

/// A flipped bit, a cut or a missing file, in either file of the newest, then of both.
#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let damages: [fn(&Path); 4] = [
        |path| flip(path, 9),
        |path| flip(path, fs::metadata(path).unwrap().len() as usize - 1),
        |path| fs::write(path, &fs::read(path).unwrap()[..100]).unwrap(),
        |path| fs::remove_file(path).unwrap(),
    ];
    for damage in damages {
        for name in [MODEL_FILE, OPTIMIZER_FILE] {
            let dir = tempfile::tempdir().unwrap();
            let run = dir.path();
            let (old, new) = (save_to(run, 100), save_to(run, 200));
            damage(&new.join(name));
            let (checkpoint, damaged) = load(run).unwrap();
            assert_eq!(checkpoint.origin.step, 100);
            assert_eq!(damaged.len(), 1);
            let said = damaged[0].to_string();
            assert!(said.contains("step-000200") && said.contains(name), "{said}");

            // The run goes on from there and comes to the damaged one, or saves before it.
            publish(run, &checkpoint.dir).unwrap();
            assert_eq!(step_of(run.join(MODEL_FILE)), 100);
            for step in [150, 200] {
                let copy = tempfile::tempdir().unwrap();
                for one in [&old, &new] {
                    let to = copy.path().join(CHECKPOINTS).join(one.file_name().unwrap());
                    fs::create_dir_all(&to).unwrap();
                    for file in files_in(one) {
                        fs::copy(one.join(&file), to.join(file)).unwrap();
                    }
                }
                save_to(copy.path(), step);
                assert_eq!(steps(copy.path()), ["step-000100".into(), format!("step-{step:06}")]);
                assert_eq!(load(copy.path()).unwrap().0.origin.step, step);
            }

            damage(&old.join(name));
            let error = load(run).unwrap_err();
            assert!(
                matches!(&error, CheckpointError::NoneWhole { damaged, .. } if damaged.len() == 2)
            );
            let said = error.to_string();
            assert!(said.contains("no checkpoint in ") && said.contains("step-000100"), "{said}");
        }
    }
}

/// As when the program is killed at any moment of a save.
#[test]
fn what_an_interrupted_save_leaves_is_not_seen_and_swept() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    save_to(run, 1);
    let folder = run.join(CHECKPOINTS);
    for left in ["step-000002.tmp", "step-000002.4711.tmp", "step-000000.old"] {
        fs::create_dir(folder.join(left)).unwrap();
        fs::write(folder.join(left).join(MODEL_FILE), "half").unwrap();
    }
    fs::write(run.join(".inception-4711-0.tmp"), "half").unwrap();
    // Of another, under a name that differs.
    fs::write(run.join("model.safetensors.tmp"), "precious").unwrap();
    assert_eq!(load(run).unwrap().0.origin.step, 1);
    atomic::sweep(run).unwrap();
    save_to(run, 2);
    assert_eq!(fs::read(run.join("model.safetensors.tmp")).unwrap(), b"precious");
    fs::remove_file(run.join("model.safetensors.tmp")).unwrap();
    assert_eq!(steps(run), ["step-000001", "step-000002"]);
    assert_eq!(files_in(run), [CHECKPOINTS, "config.toml", MODEL_FILE]);

    // Renamed, but neither shown as the newest nor as the best.
    let third = save_as(run, &Origin { validation_accuracy: Some(0.5), ..origin(3) });
    fs::remove_file(run.join(BEST_FILE)).unwrap();
    fs::copy(folder.join("step-000002").join(MODEL_FILE), run.join("older")).unwrap();
    fs::rename(run.join("older"), run.join(MODEL_FILE)).unwrap();
    publish(run, &third).unwrap();
    assert_eq!([MODEL_FILE, BEST_FILE].map(|name| step_of(run.join(name))), [3, 3]);
    // Doing so twice changes nothing, and leaves nothing.
    publish(run, &third).unwrap();
    assert_eq!(files_in(run), [BEST_FILE, CHECKPOINTS, "config.toml", MODEL_FILE]);
}

#[test]
fn a_folder_without_checkpoints_says_so_and_can_be_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    assert!(!holds_a_model(run) && best_accuracy(run).is_none());
    for run in [run, &run.join("nowhere")] {
        let error = load(run).unwrap_err();
        assert!(error.to_string().contains("holds no checkpoint to resume"), "{error}");
        clear(run).unwrap();
    }
    save_as(run, &Origin { validation_accuracy: Some(0.5), ..origin(3) });
    fs::remove_file(run.join(MODEL_FILE)).unwrap();
    assert!(holds_a_model(run), "a checkpoint is one");
    clear(run).unwrap();
    assert_eq!(files_in(run), [] as [&str; 0]);
    assert!(!holds_a_model(run));
}

/// Whatever others have put among the checkpoints, under whatever names.
#[test]
fn what_is_not_a_runs_own_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let folder = run.join(CHECKPOINTS);
    let foreign = [
        "notes.tmp/a",
        "notes.old",
        "step-1/model.safetensors",
        "step-000001x/model.safetensors",
        "step-000002.tmp/notes",
        "step-000003/notes",
        "step-000004/model.safetensors.bak",
        "step-000009/notes",
    ];
    save_to(&run, 3);
    for path in foreign {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs::write(folder.join(path), path).unwrap();
    }
    let all_there = |when: &str| {
        for path in foreign {
            let read = fs::read_to_string(folder.join(path));
            assert_eq!(read.ok().as_deref(), Some(path), "{when}");
        }
    };
    // One that is kept takes a name where others' files lie; it is still whole, and goes when its time
    // has come.
    for step in 3..8 {
        save_to(&run, step);
        let (newest, damaged) = load(&run).unwrap();
        assert_eq!((newest.origin.step, damaged.len()), (step, 0));
        assert!(
            folder.join(format!("step-{:06}", step - 1)).join(MODEL_FILE).exists() || step == 3
        );
        assert!(!folder.join(format!("step-{:06}", step - 2)).join(MODEL_FILE).exists());
        all_there("saved");
    }
    clear(&run).unwrap();
    all_there("cleared");
    assert!(!holds_a_model(&run));
    assert!(load(&run).unwrap_err().to_string().contains("holds no checkpoint"));
    let left = files_in(&folder);
    let folders = foreign.map(|path| path.split('/').next().unwrap());
    assert!(left.iter().all(|name| folders.contains(&name.as_str())), "{left:?}");
    assert_eq!(files_in(&run), [CHECKPOINTS]);
    save_to(&run, 1);
    assert_eq!(load(&run).unwrap().0.origin.step, 1);
}

#[test]
#[cfg(unix)]
fn what_links_lead_to_is_neither_written_nor_removed() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let (run, others) = (dir.path().join("run"), dir.path().join("others"));
    save_to(&others, 1);
    let whole = others.join(CHECKPOINTS).join("step-000001");
    save_to(&run, 2);
    let folder = run.join(CHECKPOINTS);
    let own = format!("step-000003.{}.tmp", std::process::id());
    for name in ["step-000001", "step-000003", "step-000003.tmp", &own, "step-000003.old"] {
        symlink(&whole, folder.join(name)).unwrap();
    }
    let precious = dir.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    // The names that this process gives to its next temporary files; the first is a folder's.
    let names: Vec<_> =
        (0..40).map(|n| format!(".inception-{}-{n}.tmp", std::process::id())).collect();
    fs::create_dir(run.join(&names[0])).unwrap();
    names[1..].iter().for_each(|name| symlink(&precious, run.join(name)).unwrap());
    atomic::sweep(&run).unwrap();
    assert!(names.iter().all(|name| fs::symlink_metadata(run.join(name)).is_ok()));
    save_to(&run, 3);
    assert_eq!(load(&run).unwrap().0.origin.step, 3);
    assert!(!folder.join("step-000003").is_symlink());
    clear(&run).unwrap();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!(files_in(&whole), [MODEL_FILE, OPTIMIZER_FILE]);
    assert_eq!(load(&others).unwrap().0.origin.step, 1);
}

/// A folder in the way of a file: it stays, and so does no temporary.
#[test]
fn a_rename_that_fails_leaves_no_temporary() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    fs::create_dir_all(to.join("inside")).unwrap();
    fs::write(&from, "new").unwrap();
    assert!(atomic::write_file(&to, b"new").unwrap_err().to_string().contains("rename"));
    assert!(atomic::link(&from, &to).unwrap_err().to_string().contains("rename"));
    assert!(atomic::remove(&to).is_err(), "a folder is no file");
    assert_eq!(files_in(dir.path()), ["from", "to"]);
    assert_eq!(files_in(&to), ["inside"]);
    // As a checkpoint, too.
    let run = dir.path().join("run");
    fs::create_dir_all(run.join(CHECKPOINTS)).unwrap();
    fs::write(run.join(CHECKPOINTS).join("step-000001"), "in the way").unwrap();
    let moments = optimizer_tensors(&weights());
    save(&run, &origin(1), sources(&weights()), sources(&moments), held).unwrap_err();
    assert_eq!(steps(&run), ["step-000001"]);
}

/// What this program is not allowed to read, or too old to, is no damage to go back behind.
#[test]
fn a_later_versions_checkpoint_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    save_to(dir.path(), 1);
    let newest = save_to(dir.path(), 2).join(MODEL_FILE);
    let bytes = fs::read(&newest).unwrap();
    let entry = br#""version":"1""#;
    let at = bytes.windows(entry.len()).position(|part| part == entry).unwrap();
    let mut later = bytes.clone();
    later[at + entry.len() - 2] = b'2';
    // Not signed, it is a flipped bit.
    fs::write(&newest, &later).unwrap();
    assert_eq!(load(dir.path()).unwrap().0.origin.step, 1);
    sign(&mut later);
    fs::write(&newest, &later).unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(error, CheckpointError::Version { .. }), "{error}");
}

/// Two file systems know no file by two names, as some know none at all.
#[test]
#[cfg(target_os = "linux")]
fn where_files_have_one_name_they_are_copied() {
    use std::os::unix::fs::MetadataExt;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm"));
    let there = match there {
        Ok(there) if fs::metadata(&there).unwrap().dev() != fs::metadata(&here).unwrap().dev() => {
            there
        }
        _ => return eprintln!("\n!!!!! SKIPPED, NOT TESTED: no second file system !!!!!\n"),
    };
    let (from, to) = (here.path().join("from"), there.path().join("to"));
    fs::write(&to, "older").unwrap();
    fs::write(&from, "newer").unwrap();
    atomic::link(&from, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"newer");
    assert_eq!(files_in(there.path()), ["to"]);
    assert_eq!(fs::metadata(&from).unwrap().nlink(), 1);
    let error = atomic::link(&here.path().join("none"), &to).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
    assert_eq!(fs::read(&to).unwrap(), b"newer");
    assert_eq!(files_in(there.path()), ["to"]);
}
