//! One run at a time in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::CheckpointError;

/// File name of the lock in a run's folder. The file stays when the lock is given back: a folder is
/// free when no process holds the lock, and the system takes it from one that is killed.
const LOCK_FILE: &str = "lock";
/// Bytes of a mark at most.
const LONGEST: u64 = 64;

/// Holds the folder of a run until it is dropped.
#[derive(Debug)]
pub struct Lock {
    run: PathBuf,
    /// What tells this process's lock from another's: its number, and when it began.
    mark: String,
    /// Locked as long as it is open; none where the file system has no locks.
    file: Option<File>,
}

impl Lock {
    /// Takes the folder `run`, which must exist. A file system without locks is taken for free.
    ///
    /// # Errors
    /// [`CheckpointError::InUse`] when another process holds it, [`CheckpointError::Io`] when its
    /// file cannot be written, or is of another program: that stays as it is.
    pub fn take(run: &Path) -> Result<Lock, CheckpointError> {
        let path = run.join(LOCK_FILE);
        let failed = |why| CheckpointError::io("write", &path, why);
        let mut file = open(&path).map_err(failed)?;
        let foreign = |why: &str| {
            let why = format!("{why}, so another program's; move it away or name another --out");
            failed(std::io::Error::other(why))
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(foreign("it is no regular file"));
        }
        let mark = format!("{} {}", std::process::id(), now());
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Some systems let nobody read what another has locked.
                let by = std::fs::read_to_string(&path).ok().and_then(|mark| describe(&mark));
                return Err(CheckpointError::InUse { run: run.into(), by });
            }
            Err(TryLockError::Error(why)) => {
                log::warn!("cannot lock {}: {why}", path.display());
                return Ok(Lock { run: run.into(), mark, file: None });
            }
        }
        let mut before = Vec::new();
        (&file).take(LONGEST).read_to_end(&mut before).map_err(failed)?;
        // Nothing, or zeros, is what a crash may leave of a mark.
        let mark_of = |text: &str| text.is_empty() || describe(text).is_some();
        if !str::from_utf8(&before).is_ok_and(|text| mark_of(text.trim_matches('\0'))) {
            return Err(foreign("it holds no mark of a run"));
        }
        let written = file.rewind().and_then(|()| file.set_len(0));
        written.and_then(|()| file.write_all(mark.as_bytes())).map_err(failed)?;
        Ok(Lock { run: run.into(), mark, file: Some(file) })
    }

    /// Whether the folder was removed since it was taken. If so, it is made anew and taken again.
    ///
    /// # Errors
    /// As [`Lock::take`], also when another process has taken the folder made anew.
    pub fn renew(&mut self) -> Result<bool, CheckpointError> {
        if self.file.is_none() {
            return Ok(false);
        }
        match std::fs::read_to_string(self.run.join(LOCK_FILE)) {
            Ok(mark) if mark != self.mark => {
                Err(CheckpointError::InUse { run: self.run.clone(), by: describe(&mark) })
            }
            Err(why) if why.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(&self.run)
                    .map_err(|why| CheckpointError::io("make the folder", &self.run, why))?;
                *self = Lock::take(&self.run)?;
                Ok(true)
            }
            // Ours; or locked to readers, where no open file can be removed either.
            _ => Ok(false),
        }
    }
}

/// Opens the lock, or makes it; never what a link of its name leads to.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options.open(path)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// `process 4711, for 5 minutes`.
fn describe(mark: &str) -> Option<String> {
    let (process, since) = mark.split_once(' ')?;
    let process: u32 = process.parse().ok()?;
    let minutes = now().saturating_sub(since.parse().ok()?) / 60;
    Some(format!("process {process}, for {minutes} minutes"))
}
