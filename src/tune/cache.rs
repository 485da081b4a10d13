//! What was measured, kept in the user's cache folder: one readable file for all adapters, with the
//! times of kernels and the adapters' ceilings.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Timing, Timings};
use crate::bounded;
use crate::ceiling::{self, Ceiling};
use crate::foreign::{complaint, shown};
use crate::gpu::AdapterFacts;
use crate::kernel::Kernel;
use crate::ops;
use crate::plan::{self, Family};

/// The environment's name for the folder, where it is to be another than the user's cache folder.
const FOLDER: &str = "INCEPTION_CACHE";
/// Bytes of a cache; an adapter with a dozen networks takes a few hundred thousand.
const LONGEST: u64 = 1 << 26;

/// Operations or bytes a second that an adapter may do: from far below a software adapter on a slow
/// processor to far above all there are.
const RATES: RangeInclusive<f64> = 1e6..=1e17;
/// Milliseconds that a product may take: up to an hour.
const TIMES: RangeInclusive<f64> = 0.0..=3.6e6;

/// What is wrong with the file. Nothing that must be heeded: the kernels are measured anew.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be read.
    #[error("cannot read {}: {why}; kernels are measured anew", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
    /// It is none of ours, or was damaged.
    #[error("{} is damaged ({}); kernels are measured anew and it is replaced", path.display(), complaint(why))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and what stands there.
        why: serde_json::Error,
    },
    /// It holds a number that no adapter has.
    #[error(
        "{} says of {what} that it is {value:e}, which no adapter has; it is measured anew and replaced",
        path.display()
    )]
    Absurd {
        /// The file.
        path: PathBuf,
        /// The rate, or the product and family.
        what: String,
        /// The number.
        value: f64,
    },
    /// It cannot be written.
    #[error(
        "cannot keep the times of kernels in {}: {why}; they are measured again the next time, set \
         INCEPTION_CACHE to a folder that can be written",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
}

/// The whole file: adapters by name, interface and driver.
type File = BTreeMap<String, Adapter>;

/// What is known of one adapter.
#[derive(Serialize, Deserialize)]
struct Adapter {
    /// The hash of the kernels' texts that were measured.
    kernels: String,
    products: Timings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ceiling: Option<Limits>,
}

impl Adapter {
    fn new() -> Adapter {
        Adapter { kernels: kernels(), products: Timings::default(), ceiling: None }
    }
}

/// What an adapter can do at most.
#[derive(Serialize, Deserialize)]
struct Limits {
    /// The hash of the texts that measured it.
    kernels: String,
    #[serde(flatten)]
    ceiling: Ceiling,
}

/// A file of times, seen from one adapter and this version's kernels.
///
/// It may be used by several processes at once: a reader finds a whole file, and of two that write at
/// the same moment the later one's times stay.
#[derive(Clone, Debug)]
pub struct Cache {
    path: PathBuf,
    adapter: String,
}

impl Cache {
    /// The times of this adapter in the file at `path`, which need not exist.
    pub fn new(path: PathBuf, facts: &AdapterFacts) -> Cache {
        let AdapterFacts { name, backend, driver, .. } = facts;
        Cache { path, adapter: format!("{name}, {backend}, driver {driver}") }
    }

    /// The file `tuning.json` in the folder that the environment variable `INCEPTION_CACHE` names,
    /// or else in `inception-wgpu` in the user's cache folder; `None` where there is neither.
    pub fn of_user(facts: &AdapterFacts) -> Option<Cache> {
        let named = std::env::var_os(FOLDER).filter(|name| !name.is_empty()).map(PathBuf::from);
        let folder = named.or_else(|| Some(dirs::cache_dir()?.join("inception-wgpu")))?;
        Some(Cache::new(folder.join("tuning.json"), facts))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was measured of this adapter with these very kernels.
    ///
    /// # Errors
    /// [`CacheError`] when there is a file but it cannot be read or understood.
    pub fn load(&self) -> Result<Timings, CacheError> {
        let adapter = self.read()?.remove(&self.adapter);
        let valid = adapter.filter(|adapter| adapter.kernels == kernels());
        let timings = valid.map(|adapter| adapter.products).unwrap_or_default();
        for (key, timing) in timings.iter() {
            if let Some((family, value)) = absurd(timing) {
                let what = format!("{} by {family:?}", shown(key));
                return Err(CacheError::Absurd { path: self.path.clone(), what, value });
            }
        }
        Ok(timings)
    }

    /// Keeps what was measured, and what the file holds of other products and adapters.
    ///
    /// # Errors
    /// [`CacheError::Write`] when folder or file cannot be written.
    pub fn store(&self, timings: &Timings) -> Result<(), CacheError> {
        self.change(|adapter| {
            if adapter.kernels != kernels() {
                *adapter = Adapter { ceiling: adapter.ceiling.take(), ..Adapter::new() };
            }
            adapter.products.0.retain(|_, timing| absurd(timing).is_none());
            adapter.products.0.extend(timings.0.clone());
        })
    }

    /// The adapter's ceiling, if it was measured as it would be now.
    ///
    /// # Errors
    /// [`CacheError`] when there is a file but it cannot be read or understood.
    pub fn ceiling(&self) -> Result<Option<Ceiling>, CacheError> {
        let limits = self.read()?.remove(&self.adapter).and_then(|adapter| adapter.ceiling);
        let valid = limits.filter(|limits| limits.kernels == ceiling_kernels());
        let Some(Limits { ceiling, .. }) = valid else { return Ok(None) };
        let Ceiling { flop_per_second, bytes_per_second } = ceiling;
        for (what, value) in
            [("flop_per_second", flop_per_second), ("bytes_per_second", bytes_per_second)]
        {
            if !RATES.contains(&value) {
                let (path, what) = (self.path.clone(), what.to_string());
                return Err(CacheError::Absurd { path, what, value });
            }
        }
        Ok(Some(ceiling))
    }

    /// Keeps the adapter's ceiling, and all else in the file.
    ///
    /// # Errors
    /// [`CacheError::Write`] when folder or file cannot be written.
    pub fn store_ceiling(&self, ceiling: Ceiling) -> Result<(), CacheError> {
        let limits = Limits { kernels: ceiling_kernels(), ceiling };
        self.change(|adapter| adapter.ceiling = Some(limits))
    }

    /// Changes what the file holds of this adapter. A damaged file was told of when it was loaded, and
    /// is replaced.
    fn change(&self, change: impl FnOnce(&mut Adapter)) -> Result<(), CacheError> {
        let mut file = self.read().unwrap_or_default();
        change(file.entry(self.adapter.clone()).or_insert_with(Adapter::new));
        self.write(&file).map_err(|why| CacheError::Write { path: self.path.clone(), why })
    }

    fn read(&self) -> Result<File, CacheError> {
        let path = || self.path.clone();
        let absent = |kind| [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&kind);
        match bounded::read(&self.path, LONGEST) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|why| CacheError::Damaged { path: path(), why }),
            Err(why) if absent(why.kind()) => Ok(File::new()),
            Err(why) => Err(CacheError::Read { path: path(), why }),
        }
    }

    /// Under a name that no other process has, then renamed.
    fn write(&self, file: &File) -> std::io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(serde_json::to_string_pretty(file)?.as_bytes())?;
        temporary.as_file().sync_all()?;
        temporary.persist(&self.path)?;
        Ok(())
    }
}

/// A time that no product takes.
fn absurd(timing: &Timing) -> Option<(Family, f64)> {
    let mut times = timing.milliseconds.iter();
    times.find_map(|(&family, &time)| Some((family, time.filter(|time| !TIMES.contains(time))?)))
}

/// Changes with the text of any kernel and with the sizes of tiles.
fn kernels() -> String {
    let sizes = format!("{:?} {:?}", plan::LARGE, plan::SMALL);
    hash(ops::KERNELS.iter().chain(&plan::KERNELS), &sizes)
}

/// Changes with the text of the kernels that measure ceilings, and with how much they do.
fn ceiling_kernels() -> String {
    hash(ceiling::KERNELS.iter(), &ceiling::sizes())
}

/// The FNV-1a hash, 64 bits.
fn hash<'a>(kernels: impl Iterator<Item = &'a &'static Kernel>, sizes: &str) -> String {
    let bytes = kernels.map(|kernel| kernel.source).chain([sizes]).flat_map(str::bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
