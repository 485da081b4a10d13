//! One run at a time in a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::CheckpointError;
use crate::bounded;

/// File name of the lock in a run's folder. The file stays when the lock is given back: a folder is
/// free when no process holds the lock, and the system takes it from one that is killed.
const LOCK_FILE: &str = "lock";
/// Bytes of a mark at most.
const LONGEST: u64 = 64;
/// How often, and at which distance, a folder without its lock is looked at: somebody may be about to
/// remove the rest of it.
const LOOKS: (u32, Duration) = (10, Duration::from_millis(100));

/// Holds the folder of a run until it and its clones are dropped.
#[derive(Clone, Debug)]
pub struct Lock {
    run: PathBuf,
    /// What tells this process's lock from another's: its number, and when it began.
    mark: String,
    /// The marks of folders of this name that it held before and that went.
    former: Vec<String>,
    /// Locked as long as it is open; none where the file system has no locks.
    file: Option<Arc<File>>,
}

impl Lock {
    /// Takes the folder `run`, which must exist. A file system without locks is taken for free.
    ///
    /// # Errors
    /// [`CheckpointError::InUse`] when another process holds it, [`CheckpointError::Io`] when its
    /// file cannot be written, or is of another program: that stays as it is.
    pub fn take(run: &Path) -> Result<Lock, CheckpointError> {
        Lock::take_by(run, OpenOptions::new().create(true).truncate(false))
    }

    /// Whether the folder is still the one that was taken, which its file tells: nobody else makes that one.
    ///
    /// # Errors
    /// [`CheckpointError::Taken`] when another file is in its place, [`CheckpointError::Io`] when there
    /// is none, or it cannot be looked at.
    pub fn check(&self) -> Result<(), CheckpointError> {
        let Some(file) = &self.file else { return Ok(()) };
        let path = self.run.join(LOCK_FILE);
        match is_same(file, &path, &self.mark) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.taken()),
            Err(why) => Err(CheckpointError::io("find", &path, why)),
        }
    }

    /// Sees to it that the folder is held, before something is written there. One that was removed, or
    /// in which nothing is left, is made anew and taken again: whether it came to that.
    ///
    /// # Errors
    /// [`CheckpointError::Taken`] when the folder may be another run's: another file is in the lock's
    /// place, or none and other files are there, or it is no folder. Else as [`Lock::take`].
    pub fn renew(&mut self) -> Result<bool, CheckpointError> {
        use ErrorKind::{AlreadyExists, NotADirectory, NotFound};
        match self.check() {
            Ok(()) => return Ok(false),
            Err(CheckpointError::Io { why, .. })
                if [NotFound, NotADirectory].contains(&why.kind()) || is_loop(&why) => {}
            // What is wrong there the next write will say.
            Err(CheckpointError::Io { .. }) => return Ok(false),
            Err(taken) => return Err(taken),
        }
        let (looks, distance) = LOOKS;
        let is_gone = |look| {
            std::thread::sleep(distance * u32::from(look > 0));
            is_free(&self.run)
        };
        if !(0..=looks).any(is_gone) {
            return Err(self.taken());
        }
        std::fs::create_dir_all(&self.run)
            .map_err(|why| CheckpointError::io("make the folder", &self.run, why))?;
        let lock = match Lock::take_by(&self.run, OpenOptions::new().create_new(true)) {
            Ok(lock) => lock,
            // Another run was quicker.
            Err(CheckpointError::InUse { .. }) => return Err(self.taken()),
            Err(CheckpointError::Io { why, .. }) if why.kind() == AlreadyExists => {
                return Err(self.taken());
            }
            Err(other) => return Err(other),
        };
        let mut former = std::mem::take(&mut self.former);
        former.push(std::mem::take(&mut self.mark));
        *self = Lock { former, ..lock };
        Ok(true)
    }

    fn taken(&self) -> CheckpointError {
        CheckpointError::Taken { run: self.run.clone(), why: self.instead() }
    }

    /// What is found in the lock's place.
    fn instead(&self) -> String {
        let path = self.run.join(LOCK_FILE);
        match std::fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => return "its `lock` is no file now".into(),
            Ok(_) => {}
            Err(_) if self.run.is_dir() => {
                return "its file `lock` was removed, and other files are there".into();
            }
            Err(_) => return "it is no folder now".into(),
        }
        let mark = bounded::read_text(&path, LONGEST).unwrap_or_default();
        match describe(&mark) {
            Some(_) if self.former.contains(&mark) => {
                "it is the folder that this run wrote into before, back in its place".into()
            }
            Some(_) if mark == self.mark => "its file `lock` is a copy of this run's".into(),
            Some(by) => format!("another run has taken it ({by})"),
            None => "its file `lock` is another one than this run's".into(),
        }
    }

    fn take_by(run: &Path, options: &mut OpenOptions) -> Result<Lock, CheckpointError> {
        let path = run.join(LOCK_FILE);
        let failed = |why| CheckpointError::io("write", &path, why);
        let mut file = open(&path, options).map_err(failed)?;
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
                return Err(CheckpointError::InUse { run: run.into(), by: holder(&path) });
            }
            Err(TryLockError::Error(why)) => {
                log::warn!("cannot lock {}: {why}", path.display());
                return Ok(Lock { run: run.into(), mark, former: Vec::new(), file: None });
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
        Ok(Lock { run: run.into(), mark, former: Vec::new(), file: Some(Arc::new(file)) })
    }
}

/// Whether there is no such folder, or nothing in it.
fn is_free(run: &Path) -> bool {
    match std::fs::read_dir(run) {
        Ok(mut entries) => entries.next().is_none(),
        // A link that leads nowhere is there.
        Err(_) => run.symlink_metadata().is_err_and(|why| why.kind() == ErrorKind::NotFound),
    }
}

/// Whether a link on the way leads to itself.
#[cfg(unix)]
fn is_loop(why: &std::io::Error) -> bool {
    why.raw_os_error() == Some(libc::ELOOP)
}

/// There it is not told apart.
#[cfg(not(unix))]
fn is_loop(_why: &std::io::Error) -> bool {
    false
}

/// Opens the lock, or makes it; never what a link of its name leads to.
fn open(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW);
    options.open(path)
}

/// Whether the file at `path` is the one that is open. A number that is in use is given to no other.
#[cfg(unix)]
fn is_same(file: &File, path: &Path, _mark: &str) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let [held, there] = [file.metadata()?, std::fs::symlink_metadata(path)?];
    Ok((held.dev(), held.ino()) == (there.dev(), there.ino()))
}

/// Whether the file at `path` holds the mark. One that is locked to readers cannot be removed either.
#[cfg(not(unix))]
fn is_same(_file: &File, path: &Path, mark: &str) -> std::io::Result<bool> {
    Ok(std::fs::read_to_string(path)? == mark)
}

/// What the lock at `path` says of who holds it. Some systems let nobody read what another has locked.
fn holder(path: &Path) -> Option<String> {
    describe(&bounded::read_text(path, LONGEST).ok()?)
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
