//! Runs products alone on the device, each by all families that have a kernel for it.

use std::collections::HashMap;

use super::{Product, Timing, fastest};
use crate::engine::{Engine, EngineError, Program};
use crate::gpu::Gpu;
use crate::plan::{self, Family, Rewrite, Target};
use crate::recording::{Pass, Recording, Role, Storage, TensorId, TensorInfo};

/// Bytes at which a tensor that can be split into shards is cut: enough for the largest GPU to be as
/// busy as with all of it, while the few of them stay below what training the network takes anyway.
const CUT: u64 = 256 << 20;
/// Rows at whose multiples they are cut: a split of the dense layer's forward product, and whole
/// tiles of every family.
const GRAIN: usize = 2048;
/// Products whose kernels are compiled together: more than there are processors, yet few enough
/// for the progress to be seen moving.
const TOGETHER: usize = 8;
/// Rounds in which the kernels of a product take turns, so that a change of the GPU's clock meets
/// them all.
const ROUNDS: usize = 3;
/// In a round a kernel runs for about so many seconds, but at most so many times.
const ROUND: f64 = 0.02;
const RUNS: usize = 5;
/// A kernel that takes so many times as long as the best is given up.
const HOPELESS: f64 = 3.0;

/// Measures the products, in the order given, and hands over key and times of each; `progress` as
/// [`tune`](super::tune) has it.
pub(super) fn measure(
    gpu: Gpu,
    products: &[Product],
    target: &Target,
    mut progress: impl FnMut(usize, usize),
    mut measured: impl FnMut(String, Timing),
) -> Result<Gpu, EngineError> {
    let limit = CUT.min(target.buffer_limit);
    let products: Vec<Product> = products.iter().map(|product| cut(product, limit)).collect();
    let mut stage = Stage::new(&products);
    let mut races: Vec<Race> =
        products.iter().map(|product| stage.prepare(product, target)).collect();
    let mut engine = Engine::new(gpu);
    let count = races.len();
    progress(0, count);
    for (chunk, races) in races.chunks_mut(TOGETHER).enumerate() {
        // On all processors at once. What fails here fails again below, alone.
        let passes = races.iter().flat_map(|race| &race.trials).flat_map(|t| t.passes.clone());
        if let Err(why) = engine.compile(&stage.recording(passes.collect())) {
            log::warn!("tuning: {why}");
        }
        for (index, race) in races.iter_mut().enumerate() {
            stage.fill(&mut engine, &race.tensors);
            race.compile(&mut engine, &stage, index == 0);
            race.run(&mut engine);
            // Where none ran, something else is wrong, and may be right the next time.
            if let Some(timing) = race.timing() {
                measured(race.key.clone(), timing);
            }
            progress(chunk * TOGETHER + index + 1, count);
        }
    }
    engine.into_gpu()
}

/// The product over fewer rows where the tensors along them have more than `limit` bytes: as many
/// as a plan would leave in a shard.
fn cut(product: &Product, limit: u64) -> Product {
    let mut product = product.clone();
    let Some(rows) = &mut product.pass.rows else { return product };
    if rows.along.is_empty() {
        return product; // no tensor is smaller for it
    }
    let bound = product.pass.tensors.iter().zip(&mut product.tensors);
    let along = bound.filter(|(bound, _)| rows.along.contains(&bound.name));
    let mut along: Vec<&mut TensorInfo> = along.map(|(_, info)| info).collect();
    let row = |info: &&mut TensorInfo| (info.len() / info.shape[0] * 4) as u64;
    let widest = along.iter().map(row).max().unwrap_or(4);
    // Buffers are padded to 16 bytes.
    let most = (limit.saturating_sub(15) / widest) as usize / GRAIN * GRAIN;
    rows.count = rows.count.min(most.max(GRAIN));
    product.pass.threads[rows.axis] = rows.threads();
    for info in &mut along {
        info.shape[0] = rows.count;
    }
    product
}

/// A product by the kernel of one family.
struct Trial {
    family: Family,
    passes: Vec<Pass>,
    /// Until it fails or is given up.
    program: Option<Program>,
    /// The least time so far, in seconds; none when it failed.
    least: Option<f64>,
}

impl Trial {
    /// A failure is no reason to end: there are other kernels.
    fn heed<T>(&mut self, result: Result<T, EngineError>) -> Option<T> {
        let Err(why) = &result else { return result.ok() };
        log::warn!("tuning: {:?} is left out: {why}", self.family);
        (self.program, self.least) = (None, None);
        None
    }

    /// The times of a round.
    fn run(&self, engine: &mut Engine, program: &Program) -> Result<Vec<f64>, EngineError> {
        let Some(least) = self.least else {
            // In its first run some drivers compile the kernel.
            engine.run(program)?;
            engine.finish()?;
            return engine.seconds(program, 1);
        };
        engine.seconds(program, ((ROUND / least) as usize).clamp(1, RUNS))
    }
}

/// A product by all its families.
struct Race {
    key: String,
    /// What the product binds.
    tensors: Vec<(&'static str, TensorId)>,
    trials: Vec<Trial>,
}

impl Race {
    fn compile(&mut self, engine: &mut Engine, stage: &Stage, warm_up: bool) {
        for trial in &mut self.trials {
            let compiled = engine.compile(&stage.recording(trial.passes.clone()));
            trial.program = trial.heed(compiled);
        }
        let mut ready = self.trials.iter_mut().filter(|trial| trial.program.is_some());
        if let Some(trial) = ready.next().filter(|_| warm_up) {
            let warm = trial.program.as_ref().map_or(Ok(()), |program| engine.warm_up(program));
            trial.heed(warm);
        }
    }

    fn run(&mut self, engine: &mut Engine) {
        for _ in 0..ROUNDS {
            for index in 0..self.trials.len() {
                let times = self.trials.iter().filter_map(|trial| trial.least);
                let best = times.fold(f64::INFINITY, f64::min);
                let trial = &mut self.trials[index];
                let given_up = trial.least.is_some_and(|least| least > HOPELESS * best);
                let Some(program) = trial.program.take().filter(|_| !given_up) else { continue };
                let ran = trial.run(engine, &program);
                if let Some(times) = trial.heed(ran) {
                    trial.least = times.into_iter().chain(trial.least).reduce(f64::min);
                    trial.program = Some(program);
                }
            }
        }
        self.trials.iter_mut().for_each(|trial| trial.program = None);
    }

    /// What was measured, if any kernel ran.
    fn timing(&self) -> Option<Timing> {
        let times = || self.trials.iter().map(|trial| (trial.family, trial.least));
        let family = fastest(times().filter_map(|(family, least)| Some((family, least?))))?;
        // For people too: no more digits than were measured.
        let milliseconds = |seconds: f64| (seconds * 1e7).round() / 1e4;
        let milliseconds = times().map(|(family, least)| (family, least.map(milliseconds)));
        Some(Timing { family, milliseconds: milliseconds.collect() })
    }
}

/// The tensors of all races. What kernels know by the same name shares a buffer, large enough for
/// the largest: so there are few, and no pass reads what another one wrote.
struct Stage {
    tensors: Vec<TensorInfo>,
    /// By name.
    buffers: HashMap<&'static str, Storage>,
    /// By name: how many elements have got their numbers.
    filled: HashMap<&'static str, usize>,
    numbers: Vec<f32>,
}

impl Stage {
    fn new(products: &[Product]) -> Stage {
        let mut buffers: HashMap<&'static str, Storage> = HashMap::new();
        let bound = products.iter().flat_map(|p| p.pass.tensors.iter().zip(&p.tensors));
        for (bound, info) in bound {
            let number = buffers.len();
            let buffer = buffers.entry(bound.name).or_insert(Storage { number, bytes: 0 });
            buffer.bytes = buffer.bytes.max((info.len() as u64 * 4).next_multiple_of(16));
        }
        Stage { tensors: Vec::new(), buffers, filled: HashMap::new(), numbers: Vec::new() }
    }

    /// The product by each family as a plan would have it, copies to images included.
    fn prepare(&mut self, product: &Product, target: &Target) -> Race {
        let mut pass = product.pass.clone();
        for (bound, info) in pass.tensors.iter_mut().zip(&product.tensors) {
            bound.tensor = TensorId(self.tensors.len() as u32);
            let (shards, storage) = (vec![info.shape[0]], Some(vec![self.buffers[bound.name]]));
            let role = Role::Temporary;
            self.tensors.push(TensorInfo { role, shards, storage, ..info.clone() });
        }
        let trial = |family: &Family| {
            let mut alone = target.clone();
            alone.without.push(Rewrite::Memory); // they have their buffers
            alone.choices = [(product.key.clone(), *family)].into_iter().collect();
            let mut planned = [self.recording(vec![pass.clone()])];
            // It fails only for one row over the limit, as the whole network's plan does.
            plan::plan(&mut planned, &alone, &[]).ok()?;
            let [Recording { passes, tensors }] = planned;
            let images = tensors.into_iter().skip(self.tensors.len());
            self.tensors.extend(images.map(|image| TensorInfo { storage: None, ..image }));
            Some(Trial { family: *family, passes, program: None, least: None })
        };
        let trials = product.families.iter().filter_map(trial).collect();
        let tensors = pass.tensors.iter().map(|bound| (bound.name, bound.tensor)).collect();
        Race { key: product.key.clone(), tensors, trials }
    }

    fn recording(&self, passes: Vec<Pass>) -> Recording {
        Recording { passes, tensors: self.tensors.clone() }
    }

    /// Gives compiled tensors numbers: on zeros a GPU's clock rises higher than on others.
    fn fill(&mut self, engine: &mut Engine, tensors: &[(&'static str, TensorId)]) {
        for (name, id) in tensors {
            let info = &self.tensors[id.0 as usize];
            let filled = self.filled.entry(name).or_default();
            if info.len() > *filled {
                *filled = info.len();
                let known = self.numbers.len();
                self.numbers.extend((known..*filled).map(|i| (i * 7919 % 1009) as f32 / 1e3));
                engine.write(*id, info, bytemuck::cast_slice(&self.numbers[..*filled]));
            }
        }
    }
}
