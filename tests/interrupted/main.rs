//! What can befall a run: it is killed, stopped, its disk is full, its folder goes, another run comes.
//! Whatever it is, `--resume` goes on from a whole checkpoint and ends as if nothing had happened.

#[path = "../common/mod.rs"]
mod common;

mod device;
mod disk;
mod diverged;
mod kill;
mod lock;
#[cfg(unix)]
mod stop;
mod streamed;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use inception::checkpoint::Checkpoint;
use inception::metrics::{self, Row};

use crate::common::{Place, program};

/// A tiny network, with all that draws random numbers.
const FLAGS: &str = "--maps 2 --reduce1x1 2 --num-fc1 4 --batch-size 4 --val-rows 4 --dropout 0.5 \
                     --order shuffle --scale unit --log-every 1";

/// Arguments of a run into `out`.
fn train(place: &Place, out: &str, more: &str) -> Vec<String> {
    place.train(out, &format!("{FLAGS} {more}").split_whitespace().collect::<Vec<_>>())
}

/// Arguments that go on with the run in `out`.
fn resume(place: &Place, out: &str, more: &str) -> Vec<String> {
    let mut arguments = vec!["train".to_string(), "--resume".to_string()];
    arguments.extend(["--out".to_string(), place.path(out)]);
    arguments.extend(more.split_whitespace().map(String::from));
    arguments
}

/// A program under way; what it says on stderr goes to a file.
struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    fn start(place: &Place, arguments: &[String]) -> Running {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Running::start_as(place, program(&arguments))
    }

    fn start_as(place: &Place, mut command: Command) -> Running {
        let said = PathBuf::from(place.path("stderr"));
        let file = std::fs::File::create(&said).expect("a file for stderr");
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("it starts");
        Running { child, said }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("what it said")
    }

    /// Whether it came to what is waited for; false when it ended before.
    fn comes_to(&mut self, condition: impl Fn() -> bool) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(120) {
            if condition() {
                return true;
            }
            if self.child.try_wait().expect("a state").is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        panic!("it came to nothing: {}", self.said());
    }

    /// Waits until there is a row of metrics for this step.
    #[track_caller]
    fn trains(&mut self, place: &Place, out: &str, step: u64) {
        let path = place.path(&format!("{out}/metrics.csv"));
        let row = format!("\n{step},");
        let there = || std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&row));
        assert!(self.comes_to(there), "it ended before step {step}: {}", self.said());
    }

    /// Waits until it has said so.
    #[track_caller]
    fn says(&mut self, part: &str) {
        let path = self.said.clone();
        let said = || std::fs::read_to_string(&path).is_ok_and(|text| text.contains(part));
        assert!(self.comes_to(said), "it ended without {part:?}: {}", self.said());
    }

    fn ends(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("it ends");
        (status, self.said())
    }

    fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that has failed leaves nothing running.
        let _ = self.child.kill();
    }
}

/// The folders of a run's checkpoints, the oldest first, each of which must be whole; and how many
/// others lie beside them, half-written.
fn checkpoints(place: &Place, out: &str) -> (Vec<PathBuf>, usize) {
    let Ok(folder) = std::fs::read_dir(place.path(&format!("{out}/checkpoints"))) else {
        return (Vec::new(), 0);
    };
    let all = folder.map(|entry| entry.expect("an entry").path());
    let (mut whole, other): (Vec<_>, Vec<_>) =
        all.partition(|path| path.extension().is_none_or(|end| end != "tmp" && end != "old"));
    whole.sort();
    for dir in &whole {
        let opened = Checkpoint::open(dir);
        assert!(opened.is_ok(), "{opened:?}");
    }
    (whole, other.len())
}

/// Checks that two runs have led to the same: weights, moments, best weights, losses, accuracies.
#[track_caller]
fn assert_equal(place: &Place, one: &str, two: &str) {
    let last = |out: &str| checkpoints(place, out).0.pop().expect("a checkpoint");
    let read = |path: &Path| std::fs::read(path).expect("a file of a run");
    let (a, b) = (last(one), last(two));
    assert_eq!(a.file_name(), b.file_name(), "the last checkpoints");
    for name in ["model.safetensors", "optimizer.safetensors"] {
        assert!(read(&a.join(name)) == read(&b.join(name)), "{name} of {one} and {two} differ");
    }
    for name in ["model.safetensors", "best.safetensors"] {
        let [a, b] = [one, two].map(|out| read(place.path(&format!("{out}/{name}")).as_ref()));
        assert!(a == b, "{name} of {one} and {two} differ");
    }
    let rows = |out: &str| -> Vec<Row> {
        let path = place.path(&format!("{out}/metrics.csv"));
        let mut rows = metrics::read(path.as_ref()).expect("metrics");
        rows.iter_mut().for_each(|row| row.seconds = 0.0);
        // A run that was interrupted in its last moments measures its end twice.
        rows.dedup();
        rows
    };
    assert_eq!(rows(one), rows(two));
}
