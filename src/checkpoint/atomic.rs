//! Files that are never seen half-written: a temporary name in the same folder, synced, renamed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::CheckpointError;
use super::run::entries;
use crate::bounded;

/// What the temporary names of files begin and end with. Between stand the process's number and one that
/// is given out once.
const BEGIN: &str = ".inception-";
const END: &str = ".tmp";

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes something in the folder of `path`, under a temporary name that nobody has.
fn make_beside<T>(
    path: &Path,
    make: impl Fn(&Path) -> io::Result<T>,
) -> Result<(PathBuf, T), CheckpointError> {
    static GIVEN_OUT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = GIVEN_OUT.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_file_name(format!("{BEGIN}{}-{number}{END}", std::process::id()));
        match make(&temporary) {
            Ok(made) => return Ok((temporary, made)),
            // Of a process that was killed, and had the same number.
            Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
            Err(why) => return Err(CheckpointError::io("write", path, why)),
        }
    }
}

/// Removes the temporary files that killed processes have left in a folder; nobody may write there now.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn sweep(folder: &Path) -> Result<(), CheckpointError> {
    let is_left = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let numbers = name.strip_prefix(BEGIN).and_then(|name| name.strip_suffix(END));
        let numbers = numbers.and_then(|numbers| numbers.split_once('-'));
        let is_number = |text: &str| text.parse::<u64>().is_ok();
        numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
            && fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
    };
    entries(folder)?.iter().filter(is_left).try_for_each(|path| remove(path))
}

/// Writes a whole small file, in place of any older one.
///
/// # Errors
/// [`CheckpointError::Io`]; the older file is as it was then.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), CheckpointError> {
    let (temporary, mut file) = make_beside(path, |name| File::create_new(name))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    drop(file);
    let written = written.map_err(|why| CheckpointError::io("write", path, why));
    publish_file(&temporary, path, written)
}

/// Whether the path is where this program's results go.
pub fn is_stdout(path: &Path) -> bool {
    ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Writes a file that a user has named: what a link leads to, not the link; and straight into what is
/// no file, such as a pipe that is read, or into stdout, which may be a file that others write too.
///
/// # Errors
/// [`CheckpointError::Io`], also for a pipe that nobody reads; an older file is as it was then.
pub fn write_named(path: &Path, content: &[u8]) -> Result<(), CheckpointError> {
    if is_stdout(path) {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(content).and_then(|()| stdout.flush());
        return written.map_err(|why| CheckpointError::io("write", path, why));
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let why = io::Error::new(ErrorKind::IsADirectory, "it is a folder");
            Err(CheckpointError::io("write", path, why))
        }
        Ok(found) if !found.is_file() => {
            let written = open_device(path).and_then(|mut file| file.write_all(content));
            written.map_err(|why| CheckpointError::io("write", path, why))
        }
        Ok(_) => {
            let file = fs::canonicalize(path);
            let file = file.map_err(|why| CheckpointError::io("find", path, why))?;
            write_file(&file, content)
        }
        Err(_) => write_file(path, content),
    }
}

/// Opens for writing what is no file. To open a pipe is to wait for a reader, so that it is asked first
/// whether there is one.
fn open_device(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
        if fs::metadata(path)?.file_type().is_fifo() {
            let asked = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path);
            let asked = asked.map_err(|why| match why.raw_os_error() {
                Some(libc::ENXIO) => {
                    io::Error::other("it is a pipe that nobody reads; start its reader first")
                }
                _ => why,
            });
            // Closed only then, lest the reader take it for the end.
            let (_asked, file) = (asked?, File::options().write(true).open(path)?);
            return Ok(file);
        }
    }
    File::options().write(true).open(path)
}

/// Looks whether a file can be written that a user has named, and leaves what is there as it is.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn check_named(path: &Path) -> Result<(), CheckpointError> {
    let target = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return write_named(path, b""), // which says so
        Ok(found) if !found.is_file() => return Ok(()),
        Ok(_) => fs::canonicalize(path).map_err(|why| CheckpointError::io("find", path, why))?,
        Err(_) => path.into(),
    };
    let (temporary, _) = make_beside(&target, |name| File::create_new(name))?;
    remove(&temporary)
}

/// Whether a file is there that does not begin so, as all that this program writes of its kind do: it is
/// not to be replaced unasked. Empty ones, and what is no file, hold nothing to lose.
pub fn is_of_others(path: &Path, begin: &[u8]) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    let mut found = Vec::new();
    let read =
        bounded::open(path).and_then(|file| file.take(begin.len() as u64).read_to_end(&mut found));
    is_file && (read.is_err() || (!found.is_empty() && found != begin))
}

/// Gives the file of a temporary name its final one if it was written; whatever fails, it does not stay.
fn publish_file(
    temporary: &Path,
    path: &Path,
    written: Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let published = written.and_then(|()| publish(temporary, path));
    if published.is_err() {
        // Should this fail too, the first failure is still the one to report.
        let _ = fs::remove_file(temporary);
    }
    published
}

/// Gives what lies under a temporary name in the same folder, a file or a folder, its final one.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn publish(temporary: &Path, path: &Path) -> Result<(), CheckpointError> {
    let failed = |why| CheckpointError::io("rename a temporary file to", path, why);
    fs::rename(temporary, path).map_err(failed)?;
    sync_parent(path)
}

/// Shows the file `from` as `to` too, in place of any older one: by a second name for the same bytes
/// or, where the file system knows no such names, by a copy.
///
/// # Errors
/// [`CheckpointError::Io`]; the older file is as it was then.
pub fn link(from: &Path, to: &Path) -> Result<(), CheckpointError> {
    let linked = make_beside(to, |name| fs::hard_link(from, name));
    let (temporary, written) = match linked {
        Ok((temporary, ())) => (temporary, Ok(())),
        Err(_) => {
            let (temporary, mut file) = make_beside(to, |name| File::create_new(name))?;
            let copied = File::open(from).and_then(|mut from| io::copy(&mut from, &mut file));
            let copied = copied.and_then(|_| file.sync_all());
            let failed = |why| CheckpointError::io("copy to its final place", from, why);
            (temporary, copied.map_err(failed))
        }
    };
    publish_file(&temporary, to, written)?;
    // Renaming one name of a file to another of the same file leaves both.
    remove(&temporary)
}

/// Removes a file, if it is there: of a link the link. A folder it leaves, and says so.
///
/// # Errors
/// [`CheckpointError::Io`].
pub fn remove(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => {
            Err(CheckpointError::io("remove", path, why))
        }
        _ => Ok(()),
    }
}

fn sync_parent(path: &Path) -> Result<(), CheckpointError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    sync_folder(parent.unwrap_or(Path::new(".")))
}

/// Waits until the names in a folder are on the disk: without this a new one might not survive a
/// power failure.
///
/// # Errors
/// [`CheckpointError::Io`].
#[cfg(unix)]
pub fn sync_folder(folder: &Path) -> Result<(), CheckpointError> {
    let sync = File::open(folder).and_then(|f| f.sync_all());
    sync.map_err(|why| CheckpointError::io("sync", folder, why))
}

/// Folders cannot be synced on this system.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> Result<(), CheckpointError> {
    Ok(())
}
