//! A run whose folder is no longer its own, or gone.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::run::Run;
use crate::checkpoint::{CheckpointError, Lock};
use crate::cli::{Failure, quoted, warn};

impl Run {
    /// Looks whether the folder is still this run's, which is done before anything is written there.
    /// One that is gone or empty is made anew. Where another run may have it, this one writes into a new
    /// one beside it from now on. Either way all metrics are written there, from the first row, and with
    /// the next save a checkpoint; earlier ones are not. Whether it came to that.
    pub(super) fn hold_folder(&mut self) -> Result<bool, Failure> {
        let Some(saver) = &mut self.saver else { return Ok(false) };
        let before = saver.out.clone();
        let (out, message) = match saver.lock.renew() {
            Ok(false) => return Ok(false),
            Ok(true) => {
                let message = format!(
                    "{} was removed, moved or emptied; it is made anew, with all metrics. What else \
                     the run had saved there, its best weights among it, is where the folder was \
                     moved to, if it was",
                    before.display()
                );
                (before, message)
            }
            Err(taken @ CheckpointError::Taken { .. }) => {
                let (out, lock) = make_beside(&before)?;
                saver.lock = lock;
                let message = format!(
                    "{taken}. This run goes on in {}, with all metrics, and saves there from now on; \
                     from its first checkpoint there `inception train --resume --out {}` goes on. \
                     What it had saved before, its best weights among it, is not copied: it is in {}, \
                     unless somebody has moved, replaced or removed it",
                    out.display(),
                    quoted(&out),
                    before.display()
                );
                (out, message)
            }
            Err(other) => return Err(other.into()),
        };
        saver.moved(out.clone());
        if let Some(metrics) = &mut self.metrics {
            metrics.moved(&out);
        }
        if let Some(profiling) = &mut self.profiling {
            profiling.moved(&out);
        }
        self.bar.suspend(|| warn(&message));
        self.out = Some(out);
        Ok(true)
    }

    /// Sees to it at a run's end that what it came to lies in a folder of its own, and is on the disk.
    pub(super) fn keep(&mut self) -> Result<(), Failure> {
        if self.hold_folder()? {
            self.save()?;
            self.hear_of_saving(true)?;
        }
        self.check_saved()?;
        self.sync_metrics()
    }
}

/// Makes and takes a folder that was not there: `-rescued` added to the name, and a number if need be.
fn make_beside(out: &Path) -> Result<(PathBuf, Lock), CheckpointError> {
    let failed = |path: &Path, why| CheckpointError::io("make the folder", path, why);
    let out = match out.file_name() {
        Some(_) => out.to_path_buf(),
        // `.` has a name too.
        None => out.canonicalize().map_err(|why| failed(out, why))?,
    };
    for number in 1.. {
        let mut name = out.file_name().unwrap_or_default().to_os_string();
        name.push(if number == 1 { "-rescued".to_string() } else { format!("-rescued-{number}") });
        let folder = out.with_file_name(name);
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok((folder.clone(), Lock::take(&folder)?)),
            Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
            Err(why) => return Err(failed(&folder, why)),
        }
    }
    unreachable!("numbers do not end")
}
