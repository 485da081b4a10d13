//! What every op test needs: a device, a case run forward and backward, and comparisons that say
//! where they failed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use inception::engine::{Engine, EngineError, Program};
use inception::gpu::{Gpu, GpuOptions};
use inception::plan::{self, Rewrite, Target};
use inception::recording::{Recording, TensorId};
pub use inception::reference::{Given, Number, Random, Reference, Values, float, whole};
use inception::selftest::{Made, Recorded, Worst};
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

/// A way to plan a case.
type Rewriting<'a> = &'a dyn Fn(&mut [Recording]);

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

impl Lab {
    /// Records `op` over the inputs, then its backward pass for `dy`, runs both, and reads all.
    /// `dy` gets the output's shape.
    pub fn run(
        &mut self,
        inputs: &[Given],
        dy: impl FnOnce(&[usize]) -> Vec<f32>,
        op: impl for<'t> FnOnce(&[Tensor<'t>]) -> Tensor<'t>,
    ) -> Made {
        let recorded = Recorded::new(&self.tape, inputs, op);
        let (plain, dy) = (&recorded.recording, dy(recorded.shape()));
        let made = recorded.run(&mut self.engine, plain, inputs, &dy, 1).expect("the case runs");
        let keep: Vec<TensorId> = recorded.results().map(|(_, id)| id).collect();
        // The engine serves many cases, so none may share its memory.
        let without = vec![Rewrite::Memory];
        let here = Target { without, ..Target::of(self.engine.gpu()) };
        let without = vec![Rewrite::Memory, Rewrite::Subgroup];
        let tiled = Target { software: false, without, ..here.clone() };
        let rewrites: [Rewriting; 3] = [
            &|recordings| plan::plan(recordings, &here, &keep).expect("a plan"),
            &|recordings| plan::plan(recordings, &tiled, &keep).expect("a plan"),
            &|recordings| plan::workgroup(&mut recordings[0], &plan::SMALL),
        ];
        for rewrite in rewrites {
            let mut tuned = [plain.clone()];
            rewrite(&mut tuned);
            let [tuned] = tuned;
            // The engine knows tensors by number, so those that a plan added are taken here too.
            for _ in plain.tensors.len()..tuned.tensors.len() {
                self.tape.temporary(&[1]);
            }
            if tuned.passes == plain.passes {
                continue;
            }
            let other = recorded.run(&mut self.engine, &tuned, inputs, &dy, 1);
            let other = other.expect("the tuned case runs");
            agree(&tuned, "y", &other.y, &made.y);
            for (name, gradient) in &made.gradients {
                agree(&tuned, name, &other.gradients[name], gradient);
            }
        }
        made
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

/// What tests draw beside numbers.
pub trait Draw {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T;

    /// A shape of up to four axes and some thousand elements.
    fn shape(&mut self) -> Vec<usize>;
}

impl Draw for Random {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.between(0, from.len() - 1)]
    }

    fn shape(&mut self) -> Vec<usize> {
        let axes = self.between(1, 4);
        (0..axes).map(|_| self.between(1, 9)).collect()
    }
}

/// Replaces one float of an input.
pub fn set(given: &mut Given, at: usize, value: f32) {
    match &mut given.values {
        Values::F32(values) => values[at] = value,
        Values::U32(_) => panic!("{} has no floats", given.name),
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

/// Fails unless the op makes of these inputs, and of a random gradient of its output, what the
/// reference makes: each element within the reference's bound, and all within `tolerance`, of which
/// 0.0 asks for equality.
#[track_caller]
pub fn agrees(lab: &mut Lab, reference: &impl Reference, inputs: &[Given], tolerance: f64) {
    let what = &format!("{reference:?}");
    let values: Vec<_> = inputs.iter().map(|given| given.values.numbers()).collect();
    let truth = reference.forward(&values);
    let dy = Random::new(truth.len() as u64).floats(&[truth.len()]);
    let made = lab.run(inputs, |_| dy.clone(), |tensors| reference.record(tensors));
    near(what, "y", &made.y, &truth, tolerance);
    let dy: Vec<_> = dy.iter().map(|&v| Number::exact(v.into())).collect();
    let gradients = reference.backward(&values, &dy);
    assert_eq!(gradients.len(), inputs.len());
    for (given, truth) in inputs.iter().zip(&gradients) {
        let name = format!("d{}", given.name);
        match made.gradients.get(given.name) {
            Some(got) => near(what, &name, got, truth, tolerance),
            None => assert!(truth.is_empty(), "{what}: no {name}"),
        }
    }
}

#[track_caller]
fn near(what: &String, tensor: &str, got: &[f32], truth: &[Number], tolerance: f64) {
    let values: Vec<_> = truth.iter().map(|number| number.value).collect();
    close(what, tensor, got, &values, tolerance);
    let worst = Worst::of(got, truth);
    assert!(worst.is_within(), "{what}: {tensor}: beyond its bound: {worst:?}");
}

/// Fails unless the rule of the gradients agrees with central differences of the loops.
#[track_caller]
pub fn differentiates(reference: &impl Reference, inputs: &[Given]) {
    let what = &format!("{reference:?}");
    const STEP: f64 = 1e-5;
    let mut values: Vec<_> = inputs.iter().map(|given| given.values.numbers()).collect();
    let count = reference.forward(&values).len();
    let dy = Random::new(count as u64).floats(&[count]);
    let dy: Vec<_> = dy.iter().map(|&v| Number::exact(v.into())).collect();
    let gradients = reference.backward(&values, &dy);
    for (input, given) in inputs.iter().enumerate().filter(|(_, given)| given.differentiated) {
        let differences: Vec<_> = (0..values[input].len())
            .map(|i| {
                let mut at = |offset: f64| {
                    let kept = values[input][i];
                    values[input][i] = Number::exact(kept.value + offset);
                    let y = reference.forward(&values);
                    values[input][i] = kept;
                    y.iter().zip(&dy).map(|(y, dy)| y.value * dy.value).sum::<f64>()
                };
                (at(STEP) - at(-STEP)) / (2.0 * STEP)
            })
            .collect();
        let rule: Vec<_> = gradients[input].iter().map(|number| number.value).collect();
        close(what, &format!("d{}", given.name), &rule, &differences, 1e-8);
    }
}
