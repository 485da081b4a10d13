//! Files read whole, but none that has no end: a name may lead to a device.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The bytes of a file that is `most` bytes long at most.
///
/// # Errors
/// When it cannot be read, or is longer.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => {
            Err(Error::other(format!("it is longer than {most} bytes, so it is something else")))
        }
        false => Ok(bytes),
    }
}

/// The same as text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    let text = String::from_utf8(read(path, most)?);
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
        assert!(read(Path::new("/dev/zero"), 1000).is_err());
    }
}
