//! Which kernels are the fastest for the products at hand, measured on the device.
//!
//! A product or a convolution can be computed by several families of kernels ([`Family`]). Which of
//! them wins depends on the adapter, its driver and the shape, and no rule foresees it. So [`tune`]
//! runs each product of a network alone, by each family that has a kernel for it, and what it finds
//! goes into [`Target::choices`]. A [`Cache`] keeps the times, so that each adapter is measured once.
//!
//! ```no_run
//! use inception::config::{Config, Preset};
//! use inception::gpu::{Gpu, GpuOptions};
//! use inception::plan::Target;
//! use inception::train::Recordings;
//! use inception::tune::{Cache, tune};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut recordings = Recordings::training(&Config::preset(Preset::Tutorial), 60_000);
//! let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
//! let mut target = Target::of(&gpu);
//! let cache = Cache::new("tuning.json".into(), &gpu.facts);
//! let mut known = cache.load()?;
//! let (choices, gpu) = tune(gpu, recordings.passes(), &target, &mut known, |_, _| {})?;
//! cache.store(&known)?;
//! target.choices = choices;
//! recordings.fit(&target)?;
//! # Ok(())
//! # }
//! ```
//!
//! Software adapters are not measured: there the subgroup variants win nearly always, by up to ten
//! times, and measuring the others would take minutes.
//!
//! Families add up in another order, so they differ in the last bits. Two runs are bit-equal on the
//! same adapter and driver with the same choices, and choices stay the same as long as the cache
//! does.

mod cache;
mod measure;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

pub use self::cache::{Cache, CacheError};
use crate::engine::EngineError;
use crate::gpu::Gpu;
use crate::plan::{self, Choices, Family, Target};
use crate::recording::{Pass, Recording, TensorInfo};

/// What was measured of one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The fastest.
    pub family: Family,
    /// The least time of each family; none where its kernel failed.
    pub milliseconds: BTreeMap<Family, Option<f64>>,
}

/// What was measured of products, by their [`key`](plan::key).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timings(BTreeMap<String, Timing>);

impl Timings {
    /// What was measured of the product with that key.
    pub fn get(&self, key: &str) -> Option<&Timing> {
        self.0.get(key)
    }

    /// Keys and what was measured, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Timing)> {
        self.0.iter().map(|(key, timing)| (key.as_str(), timing))
    }

    /// Number of products.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was measured yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The family to take of those that the product can choose from; `None` when one of them was
    /// not measured yet.
    fn choice(&self, product: &Product) -> Option<Family> {
        let Timing { family, milliseconds } = self.0.get(&product.key)?;
        let families = &product.families;
        if !families.iter().all(|family| milliseconds.contains_key(family)) {
            return None;
        }
        if families.contains(family) {
            return Some(*family);
        }
        fastest(families.iter().filter_map(|family| Some((*family, milliseconds[family]?))))
    }
}

/// The first of those with the least time.
fn fastest(times: impl Iterator<Item = (Family, f64)>) -> Option<Family> {
    times.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(family, _)| family)
}

/// Chooses the fastest family for each product of the recordings, which are of one tape and not
/// planned yet. Measures those that are not in `known` and adds them there; calls `progress` with
/// how many of them are done, and of how many, before the first and after each.
///
/// Chooses nothing for software adapters, and for recordings that cannot be planned for the target.
///
/// # Errors
/// [`EngineError`] when the device is lost. A kernel that fails alone is not chosen.
pub fn tune<'a>(
    gpu: Gpu,
    recordings: impl IntoIterator<Item = &'a Recording>,
    target: &Target,
    known: &mut Timings,
    progress: impl FnMut(usize, usize),
) -> Result<(Choices, Gpu), EngineError> {
    let products = products(recordings.into_iter().cloned().collect(), target);
    let unknown: Vec<_> = products.iter().filter(|p| known.choice(p).is_none()).cloned().collect();
    let gpu = match unknown.is_empty() {
        true => gpu,
        false => measure::measure(gpu, &unknown, target, progress, |key, timing| {
            known.0.insert(key, timing);
        })?,
    };
    let chosen = products.iter().filter_map(|p| Some((p.key.clone(), known.choice(p)?)));
    Ok((chosen.collect(), gpu))
}

/// A pass that has a choice, with the tensors that it binds.
#[derive(Clone)]
struct Product {
    key: String,
    families: Vec<Family>,
    pass: Pass,
    tensors: Vec<TensorInfo>,
}

/// All that have a choice on this target, each once.
fn products(mut recordings: Vec<Recording>, target: &Target) -> Vec<Product> {
    let misfit = || plan::plan(&mut recordings.clone(), target, &[]).is_err();
    if target.software || misfit() {
        return Vec::new();
    }
    let (mut products, mut met) = (Vec::new(), HashSet::new());
    for recording in &mut recordings {
        plan::join(recording, target);
        for pass in &recording.passes {
            let Some(key) = plan::key(pass) else { continue };
            let families = Family::candidates(pass, target);
            if families.len() > 1 && met.insert(key.clone()) {
                let tensors = pass.tensors.iter().map(|bound| recording.tensor(bound.tensor));
                let tensors = tensors.cloned().collect();
                products.push(Product { key, families, pass: pass.clone(), tensors });
            }
        }
    }
    products
}
