//! An operation recorded with its gradients, and run on a device.

use std::collections::BTreeMap;

use crate::engine::{Engine, EngineError};
use crate::recording::{COPY, Recording, Role, TensorId};
use crate::reference::{Given, Number, Values};
use crate::tape::{Tape, Tensor};

/// What was recorded of an operation, and which tensors are whose.
pub struct Recorded {
    /// Forward and backward, not planned.
    pub recording: Recording,
    /// The output.
    pub y: TensorId,
    inputs: Vec<TensorId>,
    dy: TensorId,
    gradients: Vec<(&'static str, TensorId)>,
}

/// What a device made of it.
#[derive(Debug)]
pub struct Made {
    /// The output's extents.
    pub shape: Vec<usize>,
    /// The output.
    pub y: Vec<f32>,
    /// By input name.
    pub gradients: BTreeMap<&'static str, Vec<f32>>,
}

impl Recorded {
    /// Records `op` over the inputs, then the gradients of those that want one, for a gradient of the
    /// output that the host gives.
    pub fn new(
        tape: &Tape,
        inputs: &[Given],
        op: impl for<'t> FnOnce(&[Tensor<'t>]) -> Tensor<'t>,
    ) -> Recorded {
        let input = |given: &Given| match given.differentiated {
            true => tape.tracked_input(given.name, &given.shape),
            false => tape.input(given.name, &given.shape),
        };
        let tensors: Vec<_> = inputs.iter().map(input).collect();
        let y = op(&tensors);
        let dy = tape.input("dy", &y.shape());
        if y.is_tracked() && inputs.iter().any(|given| given.differentiated) {
            y.backward(dy);
        }
        let gradients = inputs.iter().zip(&tensors);
        let gradients = gradients.filter_map(|(given, t)| Some((given.name, t.gradient()?.id())));
        Recorded {
            gradients: gradients.collect(),
            y: y.id(),
            inputs: tensors.iter().map(|t| t.id()).collect(),
            dy: dy.id(),
            recording: tape.finish(),
        }
    }

    /// The output's extents.
    pub fn shape(&self) -> &[usize] {
        &self.recording.tensor(self.y).shape
    }

    /// The output and the gradients, by name.
    pub fn results(&self) -> impl Iterator<Item = (String, TensorId)> {
        let gradients = self.gradients.iter().map(|(name, id)| (format!("d{name}"), *id));
        [("y".to_string(), self.y)].into_iter().chain(gradients)
    }

    /// Runs it as planned in `recording`, so many times, from these inputs and states of zero, and
    /// reads the results. Everything else that it uses is no number before.
    ///
    /// # Errors
    /// [`EngineError`] when the device cannot or does not.
    pub async fn run_async(
        &self,
        engine: &mut Engine,
        recording: &Recording,
        inputs: &[Given],
        dy: &[f32],
        runs: usize,
    ) -> Result<Made, EngineError> {
        let program = engine.compile(recording)?;
        for id in recording.used() {
            let info = recording.tensor(id);
            if info.role == Role::Temporary && !info.image {
                engine.write(id, info, bytemuck::cast_slice(&vec![f32::NAN; info.len()]));
            }
        }
        self.write(engine, recording, inputs, dy);
        for _ in 0..runs {
            engine.run_async(&program).await?;
        }
        let read = async |id| match id == self.dy {
            true => Ok(dy.to_vec()), // as an op may hand it on, without a pass that uses it
            false => {
                let bytes = engine.read_async(id, recording.tensor(id)).await?;
                Ok(bytemuck::pod_collect_to_vec(&bytes))
            }
        };
        let y = read(self.y).await?;
        let mut gradients = BTreeMap::new();
        for &(name, id) in &self.gradients {
            gradients.insert(name, read(id).await?);
        }
        Ok(Made { shape: self.shape().to_vec(), y, gradients })
    }

    /// Writes what a run begins from: these inputs, and states of zero.
    pub fn write(&self, engine: &mut Engine, recording: &Recording, inputs: &[Given], dy: &[f32]) {
        let used = recording.used();
        for &id in &used {
            let info = recording.tensor(id);
            if matches!(info.role, Role::Parameter | Role::State) {
                engine.write(id, info, &vec![0; info.len() * 4]);
            }
        }
        let dy_given = Values::F32(dy.to_vec());
        let given = inputs.iter().map(|given| &given.values).chain([&dy_given]);
        for (&id, values) in self.inputs.iter().chain([&self.dy]).zip(given) {
            if used.contains(&id) {
                engine.write(id, recording.tensor(id), values.bytes());
            }
        }
    }

    /// The kernels that make a result, in order: `conv2d.flip, conv2d_subgroup.backward_x`. For a
    /// gradient those behind the output only.
    pub fn makers(&self, recording: &Recording, result: TensorId) -> String {
        let passes = &recording.passes;
        let binds = |index: usize, id, written: bool| {
            let pass = &passes[index];
            let writes =
                |name| pass.kernel.writes(name) || (pass.kernel.name == COPY.name && name == "y");
            pass.tensors.iter().any(|b| b.tensor == id && writes(b.name) == written)
        };
        let forward = (0..passes.len()).rev().find(|&index| binds(index, self.y, true));
        let first = if result == self.y { 0 } else { forward.map_or(0, |index| index + 1) };
        let mut wanted = vec![result];
        let mut kernels = Vec::new();
        for index in (first..passes.len()).rev() {
            if wanted.iter().any(|&id| binds(index, id, true)) {
                let pass = &passes[index];
                wanted.extend(pass.tensors.iter().map(|bound| bound.tensor));
                kernels.push(format!("{}.{}", pass.kernel.name, pass.entry));
            }
        }
        kernels.retain(|name| name != "copy.image");
        kernels.reverse();
        kernels.dedup();
        kernels.join(", ")
    }
}

/// The element that comes nearest to its bound, or goes furthest beyond.
#[derive(Clone, Copy, Debug)]
pub struct Worst {
    /// Its place.
    pub element: usize,
    /// What the device made.
    pub got: f32,
    /// What it should have.
    pub truth: f64,
    /// How far off it is; infinite where one of them is no number.
    pub error: f64,
    /// How far off it may be.
    pub bound: f64,
}

impl Worst {
    /// Of results and what they should be, as many.
    pub fn of(got: &[f32], truth: &[Number]) -> Worst {
        let each = got.iter().zip(truth).enumerate().map(|(element, (&got, truth))| {
            let (bound, truth) = (truth.bound(), truth.value);
            let off = (f64::from(got) - truth).abs();
            let error = if off.is_nan() { f64::INFINITY } else { off };
            Worst { element, got, truth, error, bound }
        });
        // What must be exact is off by nothing or by infinitely much.
        let share = |worst: &Worst| match worst.error > 0.0 {
            true => worst.error / worst.bound,
            false => 0.0,
        };
        // The first of equal ones.
        let worse = |a: Worst, b: Worst| if share(&b) > share(&a) { b } else { a };
        each.reduce(worse).expect("a tensor is never empty")
    }

    /// Whether all elements are within their bounds.
    pub fn is_within(&self) -> bool {
        self.error <= self.bound
    }
}
