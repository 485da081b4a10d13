//! Files read whole, but none that has no end, and none that waits for a writer: a name may lead to a
//! device or a pipe.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Opens one of a program's own files, which is no device and no pipe.
///
/// # Errors
/// When it cannot be opened, or is something else.
pub fn open(path: &Path) -> Result<File> {
    // A pipe must not even be opened.
    match std::fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(Error::other("it is no regular file")),
    }
}

/// The bytes of one of a program's own files that is `most` bytes long at most.
///
/// # Errors
/// As [`open`], and when it cannot be read or is longer.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    read_from(open(path)?, most)
}

/// The same as text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    text(read(path, most)?)
}

/// The text of a file that a user has named, which may be a pipe.
///
/// # Errors
/// When it cannot be read, is longer or not UTF-8.
pub fn read_named(path: &Path, most: u64) -> Result<String> {
    text(read_from(File::open(path)?, most)?)
}

fn read_from(file: File, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => {
            Err(Error::other(format!("it is longer than {most} bytes, so it is something else")))
        }
        false => Ok(bytes),
    }
}

fn text(bytes: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(bytes);
    text.map_err(|_| Error::new(ErrorKind::InvalidData, "it is not text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, [b'x'; 10]).expect("written");
        assert_eq!(read(&path, 10).expect("all of it"), [b'x'; 10]);
        assert!(read(&path, 9).expect_err("too long").to_string().contains("longer than 9 bytes"));
        std::fs::write(&path, [0xff]).expect("written");
        assert!(read_text(&path, 9).expect_err("no text").to_string().contains("UTF-8"));
    }

    #[test]
    #[cfg(unix)]
    fn a_device_without_end_is_left_alone() {
        let said = read(Path::new("/dev/zero"), 1000).expect_err("no file").to_string();
        assert_eq!(said, "it is no regular file");
        let said = read_named(Path::new("/dev/zero"), 1000).expect_err("no end").to_string();
        assert!(said.contains("longer than 1000 bytes"), "{said}");
    }
}
