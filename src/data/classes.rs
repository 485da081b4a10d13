//! A folder of pictures by class: `<class>/<picture>.png` or `.jpg`.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::{
    DataError, MAX_IMAGES, MOST_CLASSES, OnBadImage, Part, Wanted, permutation, photo, wanted,
};

/// Endings of files that are taken for pictures.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// The pictures of a folder.
pub(super) struct Pictures {
    /// With their labels, in the order in which they are read.
    files: std::vec::IntoIter<(PathBuf, u8)>,
    /// How many there are.
    pub(super) count: usize,
    /// The classes' names, by label.
    pub(super) names: Vec<String>,
    wanted: Wanted,
    /// What was wrong with those that were left out.
    pub(super) skipped: Vec<String>,
    /// By label, the folders of which no picture was read yet.
    unread: BTreeMap<u8, PathBuf>,
}

impl Pictures {
    /// Finds the pictures. Labels go by the names of the classes' folders in the order of their bytes,
    /// or by the names that are wanted.
    ///
    /// Pictures are read in an order that is shuffled, by the same random numbers always, so that the
    /// last rows, which are for validation, are of all classes. Nothing is read by way of links in the
    /// folder, as they may lead out of it. Files that begin with a dot or are no pictures by their
    /// ending do not count.
    pub(super) fn find(folder: &Path, wanted: &Wanted) -> Result<Pictures, DataError> {
        let name = folder.display();
        let mut folders = Vec::new();
        for entry in entries(folder)? {
            let kind = kind(&entry)?;
            if kind.is_dir() {
                folders.push((class_name(&entry)?, entry.path()));
            } else if kind.is_symlink() {
                return Err(link(&entry.path()));
            }
            if folders.len() > MOST_CLASSES {
                return Err(DataError::new(format!(
                    "{name} holds more than {MOST_CLASSES} folders, the most classes that there can \
                     be. Wanted is a folder for each class, with its pictures in it."
                )));
            }
        }
        folders.sort();
        let own: Vec<String> = folders.iter().map(|(class, _)| class.clone()).collect();
        let names = match &wanted.classes {
            known if known.is_empty() && own.len() < 2 => {
                return Err(DataError::new(format!(
                    "{name} holds {} folders of pictures. Wanted is a folder for each class, {name}/cat \
                     and {name}/dog for example, two at least.",
                    own.len()
                )));
            }
            known if known.is_empty() => own,
            known if own.is_empty() => {
                return Err(DataError::new(format!(
                    "{name} holds no folders of pictures. Wanted is a folder for each class, {}.",
                    first(known)
                )));
            }
            known => known.clone(),
        };
        if let Some(why) = wanted::misnamed(&names) {
            return Err(DataError::new(format!(
                "the folders of {name} make {why}. A class's name has up to 100 characters, none of \
                 them a control character."
            )));
        }
        let (mut files, mut unread) = (Vec::new(), BTreeMap::new());
        for (class, path) in folders {
            let Some(label) = names.iter().position(|known| *known == class) else {
                return Err(DataError::new(format!(
                    "{}: {class} is no class that the network knows. It knows {}. Take the folder away, \
                     or name it as one of them.",
                    path.display(),
                    first(&names)
                )));
            };
            let before = files.len();
            pictures_of(&path, label as u8, &mut files)?;
            if files.len() == before {
                return Err(DataError::new(format!(
                    "{} holds no pictures: no file in it ends in .png, .jpg or .jpeg. Put some there, \
                     or take the folder away.",
                    path.display()
                )));
            }
            unread.insert(label as u8, path);
        }
        let count = files.len();
        let mut taken: Vec<Option<(PathBuf, u8)>> = files.into_iter().map(Some).collect();
        let order = permutation(0, 0, count as u32);
        let files: Vec<_> = order.iter().filter_map(|&at| taken[at as usize].take()).collect();
        let (wanted, skipped) = (wanted.clone(), Vec::new());
        Ok(Pictures { files: files.into_iter(), count, names, wanted, skipped, unread })
    }

    /// Appends the next picture and its label. Whether there was one.
    pub(super) fn next(
        &mut self,
        pixels: &mut Vec<u8>,
        labels: &mut Vec<u8>,
    ) -> Result<bool, DataError> {
        for (path, label) in self.files.by_ref() {
            match open(&path).and_then(|file| photo::read(&path, file, self.wanted.image)) {
                Ok(read) => {
                    pixels.extend(read);
                    labels.push(label);
                    self.unread.remove(&label);
                    return Ok(true);
                }
                Err(error) if self.wanted.on_bad_image == OnBadImage::Skip => {
                    self.skipped.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        if self.skipped.len() == self.count {
            return Err(DataError::new(format!(
                "none of the {} pictures can be read. The first: {}",
                self.count, self.skipped[0]
            )));
        }
        match self.unread.first_key_value().filter(|_| self.wanted.part == Part::Training) {
            None => Ok(false),
            Some((_, folder)) => Err(DataError::new(format!(
                "{} holds no picture that can be read, so nothing of its class would be learnt. Put some \
                 there, or take the folder away.",
                folder.display()
            ))),
        }
    }
}

/// The pictures of one class, in the order of their names.
fn pictures_of(folder: &Path, label: u8, to: &mut Vec<(PathBuf, u8)>) -> Result<(), DataError> {
    let before = to.len();
    for entry in entries(folder)? {
        let (path, kind) = (entry.path(), kind(&entry)?);
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if kind.is_symlink() {
            return Err(link(&path));
        }
        if kind.is_dir() {
            return Err(DataError::new(format!(
                "{} is a folder in the folder of a class, where only pictures may be. Take it away, or \
                 put its pictures beside it.",
                path.display()
            )));
        }
        if !kind.is_file() {
            return Err(DataError::new(format!(
                "{} is a pipe, a socket or a device in the folder of a class, where only pictures may be. \
                 Take it away.",
                path.display()
            )));
        }
        if ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) {
            to.push((path, label));
        }
        if to.len() > MAX_IMAGES {
            return Err(DataError::new(format!(
                "{} and the folders before it hold more than {MAX_IMAGES} pictures, the most that are \
                 read.",
                folder.display()
            )));
        }
    }
    to[before..].sort();
    Ok(())
}

/// What lies in a folder and is not hidden.
fn entries(folder: &Path) -> Result<impl Iterator<Item = DirEntry>, DataError> {
    let failed =
        |error| DataError::new(format!("{}: cannot read the folder ({error}).", folder.display()));
    let all: Result<Vec<DirEntry>, _> =
        fs::read_dir(folder).map_err(failed)?.take(MAX_IMAGES + 1).collect();
    let hidden = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    Ok(all.map_err(failed)?.into_iter().filter(move |entry| !hidden(entry)))
}

/// Of the entry itself, not of what it leads to.
fn kind(entry: &DirEntry) -> Result<fs::FileType, DataError> {
    entry.file_type().map_err(|error| {
        DataError::new(format!("{}: cannot tell what it is ({error}).", entry.path().display()))
    })
}

fn class_name(entry: &DirEntry) -> Result<String, DataError> {
    entry.file_name().into_string().map_err(|name| {
        DataError::new(format!(
            "{}: the name {name:?} is not valid UTF-8, so it cannot be a class's. Name the folder anew.",
            entry.path().display()
        ))
    })
}

fn link(path: &Path) -> DataError {
    DataError::new(format!(
        "{} is a link. Links within a folder of pictures are not followed, as they may lead out of it: put \
         there what it leads to, or take it away.",
        path.display()
    ))
}

/// Opens a file that was no link when it was found; nor is it one now, where the system can say so.
fn open(path: &Path) -> Result<File, DataError> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NOFOLLOW | libc::O_NONBLOCK,
    );
    options.open(path).map_err(|error| {
        DataError::new(format!("{}: cannot open the file ({error}).", path.display()))
    })
}

/// The first few names.
fn first(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    let more = if names.len() > 5 { ", .." } else { "" };
    format!("{}{more}", shown.join(", "))
}
