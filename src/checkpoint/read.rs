//! Reading weights and checking them against what a model needs.

use std::io::Read;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::{BLANK, CheckpointError, FORMAT, MODEL_FILE, Origin, VERSION, checksum_entry};
use crate::bounded;
use crate::config::Config;
use crate::foreign::{complaint, shown};

/// A safetensors file in memory, its header checked.
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where the numbers begin in `bytes`.
    start: usize,
    header: Metadata,
    origin: Option<Origin>,
}

/// A checked tensor of a [`WeightFile`].
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// The name.
    pub name: &'a str,
    /// The dimensions.
    pub shape: &'a [usize],
    /// The elements, row-major, as little-endian f32; not necessarily aligned.
    pub bytes: &'a [u8],
}

impl<'a> Tensor<'a> {
    /// The elements, row-major.
    pub fn values(&self) -> impl Iterator<Item = f32> + Clone + use<'a> {
        values(self.bytes)
    }
}

impl WeightFile {
    /// Reads a safetensors file, or `model.safetensors` in the folder `path`, whole into memory.
    ///
    /// # Errors
    /// [`CheckpointError`] when the file cannot be read, is cut short, is no safetensors file, or is
    /// one of ours of a later version or with another checksum than it states.
    pub fn open(path: &Path) -> Result<WeightFile, CheckpointError> {
        let file = match path.is_dir() {
            true => path.join(MODEL_FILE),
            false => path.to_path_buf(),
        };
        if file != path && !file.exists() {
            return Err(CheckpointError::NoModel { dir: path.into() });
        }
        let path = file;
        let failed = |why| CheckpointError::io("read", &path, why);
        let mut bytes = Vec::new();
        let read = bounded::open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(failed)?;
        Self::from_bytes(path, bytes)
    }

    /// A safetensors file that is in memory already; `path` stands for it in errors.
    ///
    /// # Errors
    /// As [`WeightFile::open`], but for reading.
    pub fn from_bytes(path: PathBuf, bytes: Vec<u8>) -> Result<WeightFile, CheckpointError> {
        let (start, header) = parse_header(&path, &bytes)?;
        if is_ours(&header) {
            // First of all: damage may look like anything, also like a later version.
            verify(&path, &bytes, start, entry(&path, &header, "checksum")?)?;
        }
        let origin = parse_origin(&path, &header)?;
        Ok(WeightFile { path, bytes, start, header, origin })
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says of the run it is of; none when another program made it.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The configuration it was saved with; none when another program made the file.
    pub fn config(&self) -> Option<&Config> {
        self.origin.as_ref().map(|origin| &origin.config)
    }

    /// The tensors' names, in the order in which their numbers lie in the file.
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The dimensions of the tensor of this name; none when the file has no such tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| &info.shape[..])
    }

    /// The tensors of these names and shapes, in this order. The file must hold them and no others,
    /// all of finite f32 numbers.
    ///
    /// # Errors
    /// [`CheckpointError`] with the tensor and what is wrong with it.
    pub fn tensors_matching<'a>(
        &'a self,
        expected: &'a [(String, Vec<usize>)],
    ) -> Result<Vec<Tensor<'a>>, CheckpointError> {
        self.tensors_but(|_| false, expected)
    }

    /// As [`WeightFile::tensors_matching`], but without those of names that are `left_out`, which the
    /// file may hold or lack, whatever is in them.
    ///
    /// # Errors
    /// [`CheckpointError`] with the tensor and what is wrong with it.
    pub fn tensors_but<'a>(
        &'a self,
        left_out: impl Fn(&str) -> bool,
        expected: &'a [(String, Vec<usize>)],
    ) -> Result<Vec<Tensor<'a>>, CheckpointError> {
        let wanted = expected.iter().filter(|(name, _)| !left_out(name));
        let names: Vec<&str> = wanted.clone().map(|(name, _)| name.as_str()).collect();
        let found = self.names();
        let found: Vec<&str> = found.iter().map(String::as_str).filter(|n| !left_out(n)).collect();
        self.check_names(names, found)?;
        wanted.map(|(name, shape)| self.tensor(name, shape)).collect()
    }

    /// The tensor of this name and shape.
    ///
    /// # Errors
    /// [`CheckpointError`] when it is missing, misshapen, not f32, or holds bad numbers.
    pub fn tensor<'a>(
        &'a self,
        name: &'a str,
        shape: &'a [usize],
    ) -> Result<Tensor<'a>, CheckpointError> {
        let path = self.path.clone();
        let Some(info) = self.header.info(name) else {
            let why = format!("it lacks the tensor {name}");
            return Err(CheckpointError::Names { path, why, described: None });
        };
        let name_of = || name.to_string();
        if info.dtype != Dtype::F32 {
            return Err(CheckpointError::Dtype {
                path,
                name: name_of(),
                dtype: info.dtype.to_string(),
            });
        }
        if info.shape != shape {
            return Err(CheckpointError::Shape {
                path,
                name: name_of(),
                actual: info.shape.clone(),
                expected: shape.to_vec(),
                described: None,
            });
        }
        // In bounds: the header's offsets were checked against the file's length on opening.
        let (from, to) = info.data_offsets;
        let bytes = &self.bytes[self.start + from..self.start + to];
        if let Some((index, value)) = bad_value(name, bytes) {
            return Err(CheckpointError::Value { path, name: name_of(), index, value });
        }
        Ok(Tensor { name, shape, bytes })
    }

    fn check_names(&self, expected: Vec<&str>, found: Vec<&str>) -> Result<(), CheckpointError> {
        let has = |name: &str| self.header.info(name).is_some();
        let missing: Vec<&str> = expected.iter().copied().filter(|name| !has(name)).collect();
        let wanted: std::collections::HashSet<&str> = expected.into_iter().collect();
        let extra: Vec<&str> = found.into_iter().filter(|name| !wanted.contains(name)).collect();
        match super::names::complaint(&missing, &extra) {
            Some(why) => {
                let path = self.path.clone();
                Err(CheckpointError::Names { path, why, described: None })
            }
            None => Ok(()),
        }
    }
}

/// Little-endian f32 numbers, wherever they lie.
pub(super) fn values(bytes: &[u8]) -> impl Iterator<Item = f32> + Clone + use<'_> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers.iter().map(|&four| f32::from_le_bytes(four))
}

/// The first number that no training goes on from, and where it stands: one that is not finite or, in
/// Adam's second moments and in batch normalisation's variances, a negative one, whose root would be NaN.
pub(super) fn bad_value(name: &str, bytes: &[u8]) -> Option<(usize, f32)> {
    let squares = name.starts_with("v/") || name.starts_with("variance_");
    values(bytes).enumerate().find(|(_, x)| !x.is_finite() || (squares && *x < 0.0))
}

/// The header, and where the numbers begin. Here rather than by `SafeTensors::deserialize`, whose
/// sum of the lengths overflows on a hostile header, and which does not tell a file cut short.
fn parse_header(path: &Path, bytes: &[u8]) -> Result<(usize, Metadata), CheckpointError> {
    let damaged = |why: String| CheckpointError::Header { path: path.into(), why: complaint(why) };
    let wrong_length = |expected: u64| CheckpointError::Length {
        path: path.into(),
        actual: bytes.len() as u64,
        expected,
    };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(format!("it has just {} bytes", bytes.len())));
    };
    let length = u64::from_le_bytes(*length);
    // A file that does not even open a JSON object is of another kind, whatever length it states.
    if rest.first().is_some_and(|&byte| byte != b'{') {
        return Err(damaged("no JSON object follows its first 8 bytes".into()));
    }
    let header = usize::try_from(length).ok().and_then(|n| rest.get(..n));
    let Some(header) = header else {
        return Err(wrong_length(length.saturating_add(8)));
    };
    let start = 8 + header.len();
    let text = str::from_utf8(header).map_err(|why| damaged(why.to_string()))?;
    let header: Metadata = serde_json::from_str(text).map_err(|why| damaged(why.to_string()))?;
    let end = (header.data_len() as u64).saturating_add(start as u64);
    if end != bytes.len() as u64 {
        return Err(wrong_length(end));
    }
    Ok((start, header))
}

/// What the file at `path` says of the run it is of, from its header alone; none when another program
/// made it.
///
/// # Errors
/// As [`WeightFile::open`], but for what stands behind the header.
pub(super) fn origin_of(path: &Path) -> Result<Option<Origin>, CheckpointError> {
    let damaged = |why: String| CheckpointError::Header { path: path.into(), why: complaint(why) };
    let read = bounded::open(path).and_then(|mut file| {
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let mut header = String::new();
        file.take(u64::from_le_bytes(length)).read_to_string(&mut header)?;
        Ok(header)
    });
    let header = read.map_err(|why| CheckpointError::io("read", path, why))?;
    let header = serde_json::from_str(&header).map_err(|why| damaged(why.to_string()))?;
    parse_origin(path, &header)
}

fn metadata<'a>(header: &'a Metadata, key: &str) -> Option<&'a str> {
    header.metadata().as_ref()?.get(key).map(String::as_str)
}

/// Whether this program wrote the file. Other programs' metadata may well have entries of the same
/// names as ours, so those count only then.
fn is_ours(header: &Metadata) -> bool {
    metadata(header, "format") == Some(FORMAT)
}

/// An entry that each file of ours has.
fn entry<'a>(
    path: &Path,
    header: &'a Metadata,
    key: &'static str,
) -> Result<&'a str, CheckpointError> {
    let missing = || CheckpointError::Metadata { path: path.into(), key, why: "is missing".into() };
    metadata(header, key).ok_or_else(missing)
}

fn parse_origin(path: &Path, header: &Metadata) -> Result<Option<Origin>, CheckpointError> {
    if !is_ours(header) {
        return Ok(None);
    }
    let bad = |key, why: String| {
        let why = complaint(why);
        CheckpointError::Metadata { path: path.into(), key, why }
    };
    let need = |key| entry(path, header, key);
    let version = need("version")?;
    if version != VERSION {
        return Err(CheckpointError::Version { path: path.into(), version: shown(version) });
    }
    let step = need("step")?;
    let step = step.parse().map_err(|_| bad("step", format!("is {step:?}, not a whole number")))?;
    let config = Config::from_json(need("config")?)
        .map_err(|why| bad("config", format!("does not hold: {why}")))?;
    let [training_data, test_data] =
        ["training_data", "test_data"].map(|key| metadata(header, key).map(String::from));
    let accuracy = metadata(header, "validation_accuracy").map(|text| {
        let wrong = |_| bad("validation_accuracy", format!("is {text:?}, not a number"));
        text.parse().map_err(wrong)
    });
    let validation_accuracy = accuracy.transpose()?;
    Ok(Some(Origin { step, config, validation_accuracy, training_data, test_data }))
}

/// Holds a file of ours against the checksum that it states.
fn verify(path: &Path, bytes: &[u8], start: usize, stated: &str) -> Result<(), CheckpointError> {
    let entry = checksum_entry(stated);
    let place = find(&bytes[..start], &entry).unwrap_or(start);
    let behind = (place + entry.len()).min(bytes.len());
    let mut sum = crc32fast::Hasher::new();
    // As it was when the sum was taken, before it had its place.
    for part in [&bytes[..place], checksum_entry(BLANK).as_bytes(), &bytes[behind..]] {
        sum.update(part);
    }
    let actual = format!("{:08x}", sum.finalize());
    match actual == stated {
        true => Ok(()),
        false => {
            Err(CheckpointError::Checksum { path: path.into(), stated: shown(stated), actual })
        }
    }
}

/// Where `text` begins in `bytes`.
pub(super) fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|part| part == text.as_bytes())
}
