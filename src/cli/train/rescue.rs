//! A run whose folder is no longer its own: its lock was removed, and another run has taken it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::run::Run;
use crate::checkpoint::{CheckpointError, Lock};
use crate::cli::{Failure, quoted, warn};

impl Run {
    /// Looks whether the folder is still this run's, which is done before anything is written there.
    /// What was removed is made anew. Where another run has taken the folder, this one writes into a new
    /// one beside it from now on, all that it knows: its metrics from the first row, and with the
    /// next save a checkpoint. Whether it came to that.
    pub(super) fn hold_folder(&mut self) -> Result<bool, Failure> {
        let Some(saver) = &mut self.saver else { return Ok(false) };
        let taken = match saver.lock.renew() {
            Ok(None) => return Ok(false),
            Ok(Some(gone)) => {
                let gone = gone.display();
                self.bar.suspend(|| warn(&format!("{gone} was removed; it is made anew")));
                return Ok(false);
            }
            Err(taken @ CheckpointError::Taken { .. }) => taken,
            Err(other) => return Err(other.into()),
        };
        let (out, lock) = make_beside(&saver.out)?;
        saver.moved(out.clone(), lock);
        if let Some(metrics) = &mut self.metrics {
            metrics.moved(&out);
        }
        if let Some(profiling) = &mut self.profiling {
            profiling.moved(&out);
        }
        let message = format!(
            "{taken}; this one saves into {} from now on, where `inception train --resume --out {}` \
             goes on with it",
            out.display(),
            quoted(&out)
        );
        self.bar.suspend(|| warn(&message));
        self.out = Some(out);
        Ok(true)
    }

    /// Sees to it at a run's end that what it came to lies in a folder of its own.
    pub(super) fn keep(&mut self) -> Result<(), Failure> {
        if self.hold_folder()? {
            self.save()?;
            self.hear_of_saving(true)?;
        }
        Ok(())
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
