//! The program is killed at any moment.

use std::time::Duration;

use crate::common::{Place, Random, has_adapter, succeed_all};
use crate::{Running, assert_equal, checkpoints, resume, train};

/// Kills unless the environment's `INCEPTION_TESTS_KILLS` says more: see docs/robustness.md.
const KILLS: u64 = 20;

/// 26 rows to train on and 4 a batch, so that each part of a run shuffles within an epoch.
#[test]
fn killed_at_any_moment_it_goes_on_as_if_nothing_had_happened() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let steps = "--steps 300 --eval-every 7 --checkpoint-every 2";
    succeed_all(&train(&place, "whole", steps));
    let wanted = std::env::var("INCEPTION_TESTS_KILLS").ok();
    let wanted = wanted.map_or(KILLS, |text| text.parse().expect("a number of kills"));
    let mut random = Random(1);
    let (mut kills, mut writing, mut runs) = (0, 0, 0);
    while kills < wanted {
        let out = format!("killed{runs}");
        runs += 1;
        loop {
            let before = checkpoints(&place, &out).0;
            let arguments = match before.is_empty() {
                // The metrics of one that came to no checkpoint are not replaced unasked.
                true => train(&place, &out, &format!("{steps} --overwrite")),
                false => resume(&place, &out, ""),
            };
            if kills == wanted {
                succeed_all(&arguments);
                break;
            }
            let mut running = Running::start(&place, &arguments);
            if !wait_a_while(&place, &out, &mut running, &mut random) {
                let (status, said) = running.ends();
                assert!(status.success(), "{said}");
                break;
            }
            running.kill();
            kills += 1;
            let (after, half) = checkpoints(&place, &out);
            assert!(after.last() >= before.last(), "a checkpoint is lost");
            writing += half.min(1);
        }
        assert_equal(&place, "whole", &out);
    }
    eprintln!("{kills} kills, {writing} of them while a checkpoint was written; {runs} runs");
    assert!(writing > 0, "no kill met a checkpoint half-written");
}

/// Waits for a moment to kill at: any at all, soon after a step, or within the writing of a
/// checkpoint. False when the program ended before.
fn wait_a_while(place: &Place, out: &str, running: &mut Running, random: &mut Random) -> bool {
    let micros = |random: &mut Random, most: u64| Duration::from_micros(random.bits() % most);
    let metrics = place.path(&format!("{out}/metrics.csv"));
    let length = || std::fs::metadata(&metrics).map_or(0, |metadata| metadata.len());
    let folder = place.path(&format!("{out}/checkpoints"));
    let writes = || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|e| e == "tmp"))
    };
    match random.bits() % 4 {
        0 => std::thread::sleep(micros(random, 700_000)),
        1 => {
            let begun = length();
            // It is shorter at first, where rows behind the checkpoint are dropped.
            if !running.comes_to(|| length() > begun + 20) {
                return false;
            }
            std::thread::sleep(micros(random, 100_000));
        }
        _ => {
            std::thread::sleep(micros(random, 500_000));
            if !running.comes_to(writes) {
                return false;
            }
            std::thread::sleep(micros(random, 3_000));
        }
    }
    running.child.try_wait().expect("a state").is_none()
}
