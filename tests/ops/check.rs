//! What every op test needs: a device, a case run forward and backward, and comparisons that say
//! where they failed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use inception::engine::{Engine, EngineError, Program};
use inception::gpu::{Gpu, GpuOptions};
use inception::plan::{self, Target};
use inception::recording::{Recording, TensorId};
use inception::tape::{Tape, Tensor};

/// Allowed relative error of sums of products, by norm and by largest value.
///
/// f32 keeps 2^-24 = 6e-8 of each product. A sum of n of them in a fixed order is off by at most
/// n 2^-24, by about sqrt(n) 2^-24 where the errors are independent: 1e-5 is 170 times the rounding
/// and holds sums of 20,000, more than any test here makes; a wrong index is off by about 1.
pub const PRODUCTS: f64 = 1e-5;

/// A tape and an engine that many cases share.
pub struct Lab {
    pub tape: Tape,
    pub engine: Engine,
}

/// A lab, or `None` where there is no adapter and the environment says that this is well.
///
/// # Panics
/// With the reason when no adapter opens.
pub fn lab() -> Option<Lab> {
    match pollster::block_on(Gpu::open(&GpuOptions::default())) {
        Ok(gpu) => Some(Lab { tape: Tape::new(), engine: Engine::new(gpu) }),
        Err(error) => {
            let allowed = std::env::var("INCEPTION_TESTS_WITHOUT_GPU").is_ok_and(|v| v == "1");
            assert!(allowed, "{error}");
            // Not `eprintln!`, which the test harness hides when a test passes.
            let line = format!("\n!!!!! SKIPPED, NOT TESTED: {error} !!!!!\n");
            std::io::stderr().write_all(line.as_bytes()).expect("stderr");
            None
        }
    }
}

/// A tensor's elements, as the host writes them.
#[derive(Clone, Debug)]
pub enum Values {
    /// Differentiated.
    F32(Vec<f32>),
    /// Not differentiated: labels, keys, rows, bytes.
    U32(Vec<u32>),
}

impl Values {
    /// Replaces one float.
    pub fn set(&mut self, at: usize, value: f32) {
        match self {
            Values::F32(values) => values[at] = value,
            Values::U32(_) => panic!("not a float tensor"),
        }
    }

    pub fn wide(&self) -> Vec<f64> {
        match self {
            Values::F32(values) => wide(values),
            Values::U32(values) => values.iter().map(|&v| f64::from(v)).collect(),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Values::F32(values) => bytemuck::cast_slice(values),
            Values::U32(values) => bytemuck::cast_slice(values),
        }
    }
}

/// An input of a case.
#[derive(Clone, Debug)]
pub struct Given {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub values: Values,
}

/// A differentiated input.
pub fn float(name: &'static str, shape: &[usize], values: impl Into<Vec<f32>>) -> Given {
    let (shape, values) = (shape.to_vec(), Values::F32(values.into()));
    Given { name, shape, values }
}

/// An input of whole numbers.
pub fn whole(name: &'static str, shape: &[usize], values: impl Into<Vec<u32>>) -> Given {
    let (shape, values) = (shape.to_vec(), Values::U32(values.into()));
    Given { name, shape, values }
}

/// What a case made.
pub struct Made {
    pub shape: Vec<usize>,
    pub y: Vec<f32>,
    /// By input name.
    pub gradients: BTreeMap<&'static str, Vec<f32>>,
}

impl Lab {
    /// Records `op` over the inputs, then its backward pass for `dy`, runs both, and reads all.
    /// `dy` gets the output's shape.
    pub fn run(
        &mut self,
        inputs: &[Given],
        dy: impl FnOnce(&[usize]) -> Vec<f32>,
        op: impl for<'t> FnOnce(&[Tensor<'t>]) -> Tensor<'t>,
    ) -> Made {
        let tape = &self.tape;
        let tensors: Vec<_> = inputs
            .iter()
            .map(|given| match given.values {
                Values::F32(_) => tape.tracked_input(given.name, &given.shape),
                Values::U32(_) => tape.input(given.name, &given.shape),
            })
            .collect();
        let y = op(&tensors);
        let shape = y.shape();
        let dy_made = tape.input("dy", &shape);
        if y.is_tracked() {
            y.backward(dy_made);
        }
        let gradients: Vec<_> = inputs
            .iter()
            .zip(&tensors)
            .filter_map(|(given, t)| Some((given.name, t.gradient()?.id())))
            .collect();
        let (y, dy_id) = (y.id(), dy_made.id());
        let ids: Vec<_> = tensors.iter().map(|t| t.id()).collect();
        let recording = tape.finish();
        let program = self.compile(&recording);
        let used = recording.used();
        for (given, &id) in inputs.iter().zip(&ids) {
            if used.contains(&id) {
                self.write(&recording, id, &given.values);
            }
        }
        let dy = dy(&shape);
        if used.contains(&dy_id) {
            self.write(&recording, dy_id, &Values::F32(dy.clone()));
        }
        self.engine.run(&program).expect("the case runs");
        let made = self.made(&recording, y, dy_id, &dy, &gradients);
        let mut tuned = recording.clone();
        let keep: Vec<_> = gradients.iter().map(|(_, id)| *id).chain([y]).collect();
        let target = Target::of(self.engine.gpu());
        plan::plan(std::slice::from_mut(&mut tuned), &target, &keep).expect("a plan");
        // The engine knows tensors by number, so those that the plan added are taken on the tape too.
        for _ in recording.tensors.len()..tuned.tensors.len() {
            self.tape.temporary(&[1]);
        }
        if tuned.passes != recording.passes {
            let program = self.compile(&tuned);
            for (given, id) in inputs.iter().zip(ids).filter(|(_, id)| used.contains(id)) {
                self.write(&tuned, id, &given.values); // a plan may lay them out otherwise
            }
            self.engine.run(&program).expect("the tuned case runs");
            let other = self.made(&tuned, y, dy_id, &dy, &gradients);
            agree(&recording, "y", &other.y, &made.y);
            for (name, gradient) in &made.gradients {
                agree(&recording, name, &other.gradients[name], gradient);
            }
        }
        made
    }

    fn made(
        &mut self,
        recording: &Recording,
        y: TensorId,
        dy_id: TensorId,
        dy: &[f32],
        gradients: &[(&'static str, TensorId)],
    ) -> Made {
        let shape = recording.tensor(y).shape.clone();
        let read = |id| {
            if id == dy_id {
                return dy.to_vec(); // as an op may hand it on, without a pass that uses it
            }
            let bytes = self.engine.read(id, recording.tensor(id));
            bytemuck::pod_collect_to_vec(&bytes.expect("the result is read"))
        };
        Made {
            shape,
            y: read(y),
            gradients: gradients.iter().map(|&(name, id)| (name, read(id))).collect(),
        }
    }

    pub fn compile(&mut self, recording: &Recording) -> Program {
        self.engine
            .compile(recording)
            .unwrap_or_else(|error: EngineError| panic!("{error}\n{recording}"))
    }

    pub fn write(&mut self, recording: &Recording, id: TensorId, values: &Values) {
        self.engine.write(id, recording.tensor(id), values.bytes());
    }

    pub fn read(&mut self, recording: &Recording, id: TensorId) -> Vec<f32> {
        let bytes = self.engine.read(id, recording.tensor(id));
        bytemuck::pod_collect_to_vec(&bytes.expect("the tensor is read"))
    }
}

/// Fails unless `got` is near `truth`: the norm of the difference over the norm of the truth, and
/// the largest difference over the largest value, are both at most `tolerance`.
#[track_caller]
pub fn close<T: Copy + Into<f64> + fmt::LowerExp>(
    what: &impl fmt::Display,
    tensor: &str,
    got: &[T],
    truth: &[f64],
    tolerance: f64,
) {
    assert_eq!(got.len(), truth.len(), "{what}: {tensor}: length");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let largest =
        |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |a: f64, v| a.max(v.abs()));
    let differences = || got.iter().zip(truth).map(|(&g, &t)| g.into() - t);
    let by_norm = norm(&mut differences());
    let by_value = largest(&mut differences());
    let (norm, largest) = (norm(&mut truth.iter().copied()), largest(&mut truth.iter().copied()));
    // Written so that a NaN fails.
    let near = by_norm <= tolerance * norm && by_value <= tolerance * largest;
    if !near {
        let at = differences()
            .enumerate()
            .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
            .map_or(0, |(at, _)| at);
        panic!(
            "{what}: {tensor}: off by {:.3e} (norm) and {:.3e} (largest) of the truth, allowed \
             {tolerance:.1e}; worst at element {at}: {:e} for {:e}",
            by_norm / norm,
            by_value / largest,
            got[at],
            truth[at]
        );
    }
}

/// Fails unless both are equal bit by bit, but for the sign of zero.
#[track_caller]
pub fn same(what: &impl fmt::Display, tensor: &str, got: &[f32], truth: &[f32]) {
    assert_eq!(got.len(), truth.len(), "{what}: {tensor}: length");
    let differs = got.iter().zip(truth).position(|(g, t)| g != t && g.to_bits() != t.to_bits());
    if let Some(at) = differs {
        panic!("{what}: {tensor}: element {at} is {:e}, must be {:e}", got[at], truth[at]);
    }
}

/// A variant's results are those of the plain passes, but for rounding and for what is no number.
fn agree(recording: &Recording, tensor: &str, got: &[f32], plain: &[f32]) {
    let numbers = |values: &[f32]| -> Vec<f32> {
        values.iter().map(|v| if v.is_finite() { *v } else { 0.0 }).collect()
    };
    let kinds = |values: &[f32]| values.iter().map(|v| v.is_finite()).collect::<Vec<_>>();
    let what = format!("tuned against plain\n{recording}");
    assert_eq!(kinds(got), kinds(plain), "{what}: {tensor}");
    close(&what, tensor, &numbers(got), &wide(&numbers(plain)), PRODUCTS);
}

/// Numbers from a seed, the same on every machine: SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.bits() % (high - low + 1) as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() - 1)]
    }

    /// In -1..1, never 0.
    pub fn float(&mut self) -> f32 {
        ((self.bits() >> 40) as f32 + 0.5) / 8_388_608.0 - 1.0
    }

    /// A shape of up to four axes and some thousand elements.
    pub fn shape(&mut self) -> Vec<usize> {
        let axes = self.between(1, 4);
        (0..axes).map(|_| self.between(1, 9)).collect()
    }

    pub fn floats(&mut self, shape: &[usize]) -> Vec<f32> {
        (0..shape.iter().product()).map(|_| self.float()).collect()
    }
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// Tensors of a golden case by name.
pub type Golden = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The cases of a golden file, by name. Whole numbers (labels, places) come as f32, which holds them.
///
/// `INCEPTION_GOLDEN_OPS` names a folder of fuller files of the same form.
pub fn golden(file: &str) -> BTreeMap<String, Golden> {
    let folder = std::env::var_os("INCEPTION_GOLDEN_OPS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ops"),
        PathBuf::from,
    );
    let path = folder.join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let mut cases = BTreeMap::<String, Golden>::new();
    for (name, view) in file.tensors() {
        let (case, tensor) = name.rsplit_once('/').expect("case/tensor");
        let words = view.data().as_chunks::<4>().0;
        let values = match view.dtype() {
            safetensors::Dtype::F32 => words.iter().map(|&w| f32::from_le_bytes(w)).collect(),
            safetensors::Dtype::I32 => {
                words.iter().map(|&w| i32::from_le_bytes(w) as f32).collect()
            }
            other => panic!("{name}: {other:?}"),
        };
        let entry = (view.shape().to_vec(), values);
        cases.entry(case.to_string()).or_default().insert(tensor.to_string(), entry);
    }
    cases
}

/// A golden tensor as an input.
pub fn input(golden: &Golden, name: &'static str) -> Given {
    let (shape, values) = &golden[name];
    float(name, shape, values.clone())
}

/// An op again in plain loops over f64, and the rule of its gradients. Inputs come in order, whole
/// numbers as f64 too; gradients leave in the same order, empty where there is none.
pub trait Reference: fmt::Debug {
    fn forward(&self, inputs: &[Vec<f64>]) -> Vec<f64>;

    fn backward(&self, inputs: &[Vec<f64>], dy: &[f64]) -> Vec<Vec<f64>>;

    /// Fails unless the op makes of these inputs, and of a random gradient of its output, what the
    /// reference makes. `tolerance` 0.0 asks for equality.
    #[track_caller]
    fn agrees(
        &self,
        lab: &mut Lab,
        inputs: &[Given],
        tolerance: f64,
        op: impl for<'t> FnOnce(&[Tensor<'t>]) -> Tensor<'t>,
    ) {
        let what = &format!("{self:?}");
        let values: Vec<_> = inputs.iter().map(|given| given.values.wide()).collect();
        let truth = self.forward(&values);
        let dy = Random::new(truth.len() as u64).floats(&[truth.len()]);
        let made = lab.run(inputs, |_| dy.clone(), op);
        close(what, "y", &made.y, &truth, tolerance);
        let gradients = self.backward(&values, &wide(&dy));
        assert_eq!(gradients.len(), inputs.len());
        for (given, truth) in inputs.iter().zip(&gradients) {
            let name = format!("d{}", given.name);
            match made.gradients.get(given.name) {
                Some(got) => close(what, &name, got, truth, tolerance),
                None => assert!(truth.is_empty(), "{what}: no {name}"),
            }
        }
    }

    /// Fails unless the rule of the gradients agrees with central differences of the loops.
    #[track_caller]
    fn differentiates(&self, inputs: &[Given]) {
        let what = &format!("{self:?}");
        const STEP: f64 = 1e-5;
        let mut values: Vec<_> = inputs.iter().map(|given| given.values.wide()).collect();
        let count = self.forward(&values).len();
        let dy = wide(&Random::new(count as u64).floats(&[count]));
        let gradients = self.backward(&values, &dy);
        for (input, given) in inputs.iter().enumerate() {
            let Values::F32(_) = given.values else {
                continue;
            };
            let differences: Vec<_> = (0..values[input].len())
                .map(|i| {
                    let mut at = |offset: f64| {
                        let kept = values[input][i];
                        values[input][i] = kept + offset;
                        let y = self.forward(&values);
                        values[input][i] = kept;
                        y.iter().zip(&dy).map(|(y, dy)| y * dy).sum::<f64>()
                    };
                    (at(STEP) - at(-STEP)) / (2.0 * STEP)
                })
                .collect();
            let name = format!("d{}", given.name);
            close(what, &name, &gradients[input], &differences, 1e-8);
        }
    }
}
