//! Whether an adapter computes rightly: every operation, forward and backward, by every kernel that it
//! could be given there, held against plain loops in f64 on the host.
//!
//! ```
//! use inception::gpu::{Gpu, GpuOptions};
//! use inception::plan::Target;
//! use inception::selftest;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
//! let target = Target::of(&gpu);
//! let checks = selftest::run(gpu, &target, |_, _| {});
//! for check in checks.iter().filter(|check| !check.outcome.is_right()) {
//!     println!("wrong: {} {} by {}", check.op, check.result, check.kernels);
//! }
//! # Ok(())
//! # }
//! ```

mod case;
mod cases;
mod joined;
pub mod training;

use serde::Serialize;

pub use case::{Made, Recorded, Worst};
pub use cases::cases;
pub use joined::PlainJoined;

use crate::engine::{Engine, EngineError};
use crate::gpu::Gpu;
use crate::ops::{self, PlainDropout};
use crate::plan::{self, Choices, Family, Target};
use crate::recording::{Recording, TensorId};
use crate::reference::{Number, Random, Reference};
use crate::tape::Tape;

/// One result of one case by one plan.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The operation, `training` or `device`.
    pub op: String,
    /// Which of its results: `y`, `dx`.
    pub result: String,
    /// The kernels that made it, or the family of kernels.
    pub kernels: String,
    /// The first inputs' shapes.
    pub shape: String,
    /// How it came out.
    pub outcome: Outcome,
}

/// How a check came out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Outcome {
    /// All within their bounds.
    Right {
        /// That of the element nearest to its bound.
        error: f64,
        /// Its bound; 0 where it must be exact.
        bound: f64,
    },
    /// An element beyond its bound.
    Wrong {
        /// The one that is furthest beyond.
        element: usize,
        /// What the adapter made.
        got: f32,
        /// What it should have.
        truth: f64,
        /// How far off that is; null in JSON where one of them is no number.
        error: f64,
        /// How far off it may be.
        bound: f64,
    },
    /// The adapter or its driver refused.
    Failed {
        /// Its words.
        reason: String,
    },
}

impl Outcome {
    /// Whether there is nothing to complain of.
    pub fn is_right(&self) -> bool {
        matches!(self, Outcome::Right { .. })
    }

    fn of(worst: Worst) -> Outcome {
        let Worst { element, got, truth, error, bound } = worst;
        match worst.is_within() {
            true => Outcome::Right { error, bound },
            false => Outcome::Wrong { element, got, truth, error, bound },
        }
    }
}

/// Checks the adapter, with every family of kernels that the target could be given. `progress` hears
/// how many parts are done, and of how many, after each.
pub async fn run_async(
    gpu: Gpu,
    target: &Target,
    progress: impl FnMut(usize, usize),
) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(error) = run_all(gpu, target, &mut checks, progress).await {
        // The device is gone, and with it what was left to do.
        let outcome = Outcome::Failed { reason: error.to_string() };
        let [op, result, kernels, shape] = ["device", "", "", ""].map(String::from);
        checks.push(Check { op, result, kernels, shape, outcome });
    }
    checks
}

/// [`run_async`], waited for.
#[cfg(not(target_arch = "wasm32"))]
pub fn run(gpu: Gpu, target: &Target, progress: impl FnMut(usize, usize)) -> Vec<Check> {
    pollster::block_on(run_async(gpu, target, progress))
}

async fn run_all(
    mut gpu: Gpu,
    target: &Target,
    checks: &mut Vec<Check>,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), EngineError> {
    let cases = cases();
    let parts = cases.len() + 2;
    for (index, case) in cases.iter().enumerate() {
        gpu = check_case(gpu, case.as_ref(), target, checks).await?;
        progress(index + 1, parts);
    }
    gpu = check_large(gpu, checks).await?;
    progress(cases.len() + 1, parts);
    check_training(gpu, target, checks).await?;
    progress(parts, parts);
    Ok(())
}

/// For each family of kernels that the target could choose for a product of the recordings, the
/// target that chooses it wherever it can.
pub fn targets(recordings: &[Recording], target: &Target) -> Vec<(Family, Target)> {
    let mut products = Vec::new();
    for recording in recordings {
        let mut joined = recording.clone();
        plan::join(&mut joined, target);
        let found = joined
            .passes
            .iter()
            .filter_map(|pass| Some((plan::key(pass)?, Family::candidates(pass, target))));
        products.extend(found.collect::<Vec<_>>());
    }
    let with = |family: Family| {
        let of_family = products.iter().filter(|(_, families)| families.contains(&family));
        let choices: Choices = of_family.map(|(key, _)| (key.clone(), family)).collect();
        choices.iter().next()?;
        Some((family, Target { choices, ..target.clone() }))
    };
    Family::ALL.into_iter().filter_map(with).collect()
}

/// The recording as it stands, and planned for each of its [`targets`], each plan once, with a word
/// about it.
pub fn plans(
    recording: &Recording,
    target: &Target,
    keep: &[TensorId],
) -> Vec<(String, Recording)> {
    let mut plans = vec![("as recorded".to_string(), recording.clone())];
    for (family, target) in targets(std::slice::from_ref(recording), target) {
        let mut planned = [recording.clone()];
        let fits = plan::plan(&mut planned, &target, keep).is_ok();
        let [planned] = planned;
        if fits && plans.iter().all(|(_, known)| known.passes != planned.passes) {
            plans.push((planned_for(family), planned));
        }
    }
    plans
}

fn planned_for(family: Family) -> String {
    format!("planned, {family:?}")
}

/// Runs a case by all plans.
async fn check_case(
    mut gpu: Gpu,
    case: &dyn Reference,
    target: &Target,
    checks: &mut Vec<Check>,
) -> Result<Gpu, EngineError> {
    let mut random = Random::new(7);
    let inputs = case.inputs(&mut random);
    let recorded = Recorded::new(&Tape::new(), &inputs, |tensors| case.record(tensors));
    let results: Vec<_> = recorded.results().collect();
    let keep: Vec<_> = results.iter().map(|(_, id)| *id).collect();
    let numbers: Vec<_> = inputs.iter().map(|given| given.values.numbers()).collect();
    let y = case.forward(&numbers);
    let dy = random.floats(recorded.shape());
    let exact: Vec<_> = dy.iter().map(|&v| Number::exact(v.into())).collect();
    let gradients = case.backward(&numbers, &exact);
    let extents = inputs
        .iter()
        .take(2)
        .map(|given| given.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"));
    let shape = extents.collect::<Vec<_>>().join(" ");
    let alone = ops::KERNELS.iter().any(|kernel| kernel.name == case.op());
    for (how, plan) in plans(&recorded.recording, target, &keep) {
        let mut engine = Engine::new(gpu);
        let made = recorded.run_async(&mut engine, &plan, &inputs, &dy, case.runs()).await;
        for (name, id) in &results {
            let makers = recorded.makers(&plan, *id);
            if makers.is_empty() {
                continue; // the gradient given, handed on
            }
            // Of several operations together there are too many to name.
            let kernels = if alone { makers } else { how.clone() };
            let input = inputs.iter().position(|given| format!("d{}", given.name) == *name);
            let truth = input.map_or(&y, |input| &gradients[input]);
            let outcome = match &made {
                Ok(made) => {
                    let got = input.map_or(&made.y, |input| &made.gradients[inputs[input].name]);
                    Outcome::of(Worst::of(got, truth))
                }
                Err(error) => Outcome::Failed { reason: error.to_string() },
            };
            checks.push(Check {
                op: case.op().to_string(),
                result: name.clone(),
                kernels,
                shape: shape.clone(),
                outcome,
            });
        }
        gpu = engine.into_gpu_async().await?;
    }
    Ok(gpu)
}

/// Bytes of the largest tensor that is checked: one more than 65,535 workgroups of an elementwise
/// kernel.
const LARGE: u64 = 1 << 28;

/// Every element of a tensor as large as the adapter binds, up to [`LARGE`]: those that dropout keeps
/// depend on their places.
async fn check_large(gpu: Gpu, checks: &mut Vec<Check>) -> Result<Gpu, EngineError> {
    let count = gpu.buffer_limit().min(LARGE) as usize / 4 - 1;
    let (tape, key) = (Tape::new(), [3u32, 5]);
    let given = tape.input("key", &[2]);
    let y = tape.input("x", &[count]).ones().dropout(0.5, given, 0);
    let (given, y, recording) = (given.id(), y.id(), tape.finish());
    let mut engine = Engine::new(gpu);
    let mut made = async || {
        let program = engine.compile(&recording)?;
        engine.write(given, recording.tensor(given), bytemuck::cast_slice(&key));
        engine.run_async(&program).await?;
        engine.read_async(y, recording.tensor(y)).await
    };
    let outcome = match made().await {
        Err(error) => Outcome::Failed { reason: error.to_string() },
        Ok(bytes) => {
            let dropout = PlainDropout { shape: vec![count], rate: 0.5, layer: 0 };
            let [kept, dropped] = [Number::exact(1.0) / Number::exact(0.5), Number::exact(0.0)];
            let truth = dropout.kept(key).map(|keep| if keep { kept } else { dropped });
            let words = bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word));
            let wrong = |(got, truth): &(f32, Number)| {
                let off = (f64::from(*got) - truth.value).abs();
                off.is_nan() || off > truth.bound()
            };
            let (element, (got, truth)) =
                words.zip(truth).enumerate().find(|(_, pair)| wrong(pair)).unwrap_or_default();
            let mut worst = Worst::of(&[got], &[truth]);
            worst.element = element;
            Outcome::of(worst)
        }
    };
    let [op, result, kernels] = ["dropout", "y", "fill.forward, dropout.forward"].map(String::from);
    checks.push(Check { op, result, kernels, shape: count.to_string(), outcome });
    engine.into_gpu_async().await
}

/// Trains a tiny network by each family of kernels, twice: the losses are those known, and all bits
/// are the same again.
async fn check_training(
    mut gpu: Gpu,
    target: &Target,
    checks: &mut Vec<Check>,
) -> Result<Gpu, EngineError> {
    let passes: Vec<_> = training::recordings().passes().cloned().collect();
    for (family, target) in targets(&passes, target) {
        let mut recordings = training::recordings();
        recordings.fit(&target).expect("kilobytes fit the limits of any device");
        let (first, again);
        ([first, again], gpu) = training::train_twice_async(gpu, recordings).await?;
        let truth = training::LOSSES.map(|loss| Number::within(loss, training::TOLERANCE));
        let other = first.bits.iter().zip(&again.bits).filter(|(a, b)| a != b).count();
        let same = Worst::of(&[other as f32], &[Number::exact(0.0)]);
        for (result, worst) in [("losses", Worst::of(&first.losses, &truth)), ("again", same)] {
            checks.push(Check {
                op: "training".to_string(),
                result: result.to_string(),
                kernels: planned_for(family),
                shape: format!("{} steps of 6x9x7", training::LOSSES.len()),
                outcome: Outcome::of(worst),
            });
        }
    }
    Ok(gpu)
}
