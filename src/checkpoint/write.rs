//! Writing a safetensors file of ours.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Cursor, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::read::{bad_value, find};
use super::{BLANK, CheckpointError, FORMAT, Origin, VERSION, checksum_entry};

/// A tensor to be saved. Its numbers are asked for only when they are to be written, and need not be
/// in memory all at once.
pub struct TensorSource<'a> {
    /// The name, not repeated within a file.
    pub name: String,
    /// The dimensions; their product is the number of elements.
    pub shape: Vec<usize>,
    /// Gives the elements, row-major, as little-endian f32.
    pub read: Reader<'a>,
}

/// Hands bytes on, in parts of whole elements, or says why it cannot.
pub type Reader<'a> = Box<dyn FnOnce(&mut dyn FnMut(&[u8])) -> Result<(), String> + 'a>;

impl fmt::Debug for TensorSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TensorSource({}, {:?})", self.name, self.shape)
    }
}

/// The metadata of a file of this origin, its checksum blank.
pub(super) fn metadata(origin: &Origin) -> Result<Value, CheckpointError> {
    let mut metadata = json!({
        "format": FORMAT,
        "version": VERSION,
        "step": origin.step.to_string(),
        "config": origin.config.to_json()?,
        "checksum": BLANK,
    });
    if let Some(accuracy) = origin.validation_accuracy {
        metadata["validation_accuracy"] = accuracy.to_string().into();
    }
    for (key, data) in [("training_data", &origin.training_data), ("test_data", &origin.test_data)]
    {
        if let Some(data) = data {
            metadata[key] = data.as_str().into();
        }
    }
    Ok(metadata)
}

/// Writes a safetensors file and waits until it is on the disk. On failure a part of it may be left.
pub(super) fn write_tensors(
    path: &Path,
    metadata: &Value,
    tensors: Vec<TensorSource>,
) -> Result<(), CheckpointError> {
    let failed = |why| CheckpointError::io("write", path, why);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
    write_to(&mut file, path, metadata, tensors)?;
    let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
    file.sync_all().map_err(failed)
}

/// The bytes of a safetensors file of weights, as [`save`](super::save) writes it. `path` stands for
/// it in errors.
///
/// # Errors
/// [`CheckpointError`] when a tensor cannot be read, is not finite or has not the size of its shape.
pub fn to_bytes(
    path: &Path,
    origin: &Origin,
    tensors: Vec<TensorSource>,
) -> Result<Vec<u8>, CheckpointError> {
    let mut bytes = Cursor::new(Vec::new());
    write_to(&mut bytes, path, &metadata(origin)?, tensors)?;
    Ok(bytes.into_inner())
}

/// Not by `safetensors::serialize_to_file`: its tensors cannot fail to be read, and it writes the
/// metadata in random order, so that equal checkpoints would differ in bytes.
fn write_to(
    file: &mut (impl Write + Seek),
    path: &Path,
    metadata: &Value,
    tensors: Vec<TensorSource>,
) -> Result<(), CheckpointError> {
    let refuse = |name: &str, why: &str| CheckpointError::Source {
        path: path.into(),
        name: name.into(),
        why: why.into(),
    };
    let header = header(metadata, &tensors, refuse)?;
    let failed = |why| CheckpointError::io("write", path, why);
    let mut checksum = crc32fast::Hasher::new();
    let mut write = |bytes: &[u8]| {
        checksum.update(bytes);
        file.write_all(bytes).map_err(failed)
    };
    write(&(header.len() as u64).to_le_bytes())?;
    write(&header)?;
    for tensor in tensors {
        let (name, shape) = (tensor.name, tensor.shape);
        let (mut given, mut written) = (0, Ok(()));
        let read = (tensor.read)(&mut |part| {
            let bad = bad_value(&name, part).filter(|_| written.is_ok());
            if let Some((index, value)) = bad {
                let (path, name, index) = (path.into(), name.clone(), given / 4 + index);
                written = Err(CheckpointError::Diverged { path, name, index, value });
            } else if written.is_ok() {
                written = write(part);
            }
            given += part.len();
        });
        read.map_err(|why| refuse(&name, &why))?;
        written?;
        let length = shape.iter().product::<usize>() * 4;
        if given != length {
            let why = format!("its shape {shape:?} takes {length} bytes, and {given} were given");
            return Err(refuse(&name, &why));
        }
    }
    // The checksum is known only now, and takes the place that was left blank for it.
    let place = find(&header, &checksum_entry(BLANK));
    let place = place.ok_or_else(|| refuse("(header)", "it has no room for the checksum"))?;
    let entry = checksum_entry(&format!("{:08x}", checksum.finalize()));
    file.seek(SeekFrom::Start(8 + place as u64)).map_err(failed)?;
    file.write_all(entry.as_bytes()).map_err(failed)
}

/// The safetensors header: JSON, padded so that the numbers begin at a multiple of eight.
fn header(
    metadata: &Value,
    tensors: &[TensorSource],
    refuse: impl Fn(&str, &str) -> CheckpointError,
) -> Result<Vec<u8>, CheckpointError> {
    let mut header = BTreeMap::from([("__metadata__", metadata.clone())]);
    let mut offset = 0_usize;
    for tensor in tensors {
        let name = tensor.name.as_str();
        let length = tensor.shape.iter().copied().try_fold(4, usize::checked_mul);
        let Some(end) = length.and_then(|length| offset.checked_add(length)) else {
            return Err(refuse(name, "its shape is too large"));
        };
        let info = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]});
        if header.insert(name, info).is_some() {
            return Err(refuse(name, "the name is used twice or reserved"));
        }
        offset = end;
    }
    let mut header = serde_json::to_vec(&header)
        .map_err(|why| refuse("(header)", &format!("it cannot be written as JSON: {why}")))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}
