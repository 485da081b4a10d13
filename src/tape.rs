//! The tape: records passes, and for each output the rule that differentiates it.
//!
//! Reverse-mode differentiation (Griewank and Walther, *Evaluating Derivatives*, chapter 3) on the
//! host; the arithmetic itself is in the recorded passes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use crate::kernel::{Constant, Kernel};
use crate::recording::{Bound, Pass, Recording, Role, Rows, TensorId, TensorInfo};

/// Records gradient passes: gets the inputs, the output and the output's gradient as handles.
type Rule = Box<dyn for<'t> Fn(&[Tensor<'t>], Tensor<'t>, Tensor<'t>)>;

struct Node {
    place: String,
    inputs: Vec<TensorId>,
    output: TensorId,
    rule: Rule,
}

/// Chooses parameters by their names.
type Choice = Box<dyn Fn(&str) -> bool>;

#[derive(Default)]
struct State {
    tensors: Vec<TensorInfo>,
    /// Whether a tensor depends on a parameter, by id.
    tracked: Vec<bool>,
    passes: Vec<Pass>,
    nodes: Vec<Node>,
    gradients: HashMap<TensorId, TensorId>,
    place: Vec<String>,
    /// Which parameters, by name, get no gradient; none where absent.
    frozen: Option<Choice>,
}

/// Records passes over tensors. Shapes are checked here; a wrong one panics with the op's name.
#[derive(Default)]
pub struct Tape {
    state: RefCell<State>,
}

/// A place on the tape. Free to copy; owns no memory.
#[derive(Clone, Copy)]
pub struct Tensor<'t> {
    tape: &'t Tape,
    id: TensorId,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty tape whose parameters get no gradient: only tracked inputs do.
    pub fn frozen() -> Self {
        Self::freezing(|_| true)
    }

    /// An empty tape whose parameters of such names get no gradient. What leads to no other parameter
    /// gets no gradient pass either.
    pub fn freezing(frozen: impl Fn(&str) -> bool + 'static) -> Self {
        Tape { state: RefCell::new(State { frozen: Some(Box::new(frozen)), ..State::default() }) }
    }

    fn add(&self, name: String, shape: &[usize], role: Role, tracked: bool) -> Tensor<'_> {
        let empty = shape.is_empty() || shape.contains(&0);
        assert!(!empty, "tensor {name}: shape {shape:?} has no elements");
        let mut state = self.state.borrow_mut();
        let id = TensorId(u32::try_from(state.tensors.len()).expect("fewer than 2^32 tensors"));
        let shards = vec![shape[0]];
        let (shape, image, panel, storage) = (shape.to_vec(), false, None, None);
        state.tensors.push(TensorInfo { name, shape, role, shards, image, panel, storage });
        state.tracked.push(tracked);
        Tensor { tape: self, id }
    }

    /// A tensor that the host writes; no gradient flows into it.
    pub fn input(&self, name: &str, shape: &[usize]) -> Tensor<'_> {
        self.add(name.to_string(), shape, Role::Input, false)
    }

    /// An input that is differentiated like a parameter: for gradient checks and saliency maps.
    pub fn tracked_input(&self, name: &str, shape: &[usize]) -> Tensor<'_> {
        self.add(name.to_string(), shape, Role::Input, true)
    }

    /// The trained variable of that name, made at the first call.
    ///
    /// # Panics
    /// When it exists with another shape.
    #[track_caller]
    pub fn parameter(&self, name: &str, shape: &[usize]) -> Tensor<'_> {
        self.named(name, shape, Role::Parameter)
    }

    /// A variable of the model that gets no gradient, such as a running mean, made at the first call.
    ///
    /// # Panics
    /// When it exists with another shape.
    #[track_caller]
    pub fn statistic(&self, name: &str, shape: &[usize]) -> Tensor<'_> {
        let known = self.all(Role::Parameter).into_iter().find(|known| known.name() == name);
        match known {
            Some(known) => {
                assert_eq!(known.shape(), shape, "statistic {name} was made with another shape");
                known
            }
            None => self.add(name.to_string(), shape, Role::Parameter, false),
        }
    }

    /// The optimizer's memory of that name, made at the first call: zero at first, kept from run to
    /// run.
    ///
    /// # Panics
    /// When it exists with another shape.
    #[track_caller]
    pub fn state(&self, name: &str, shape: &[usize]) -> Tensor<'_> {
        self.named(name, shape, Role::State)
    }

    #[track_caller]
    fn named(&self, name: &str, shape: &[usize], role: Role) -> Tensor<'_> {
        let found = self.all(role).into_iter().find(|known| known.name() == name);
        let Some(found) = found else {
            let frozen = self.state.borrow().frozen.as_ref().is_some_and(|frozen| frozen(name));
            let tracked = role == Role::Parameter && !frozen;
            return self.add(name.to_string(), shape, role, tracked);
        };
        let known = found.shape();
        let kind = if role == Role::State { "state" } else { "parameter" };
        assert_eq!(known, shape, "{kind} {name} was made with shape {known:?}");
        found
    }

    fn all(&self, role: Role) -> Vec<Tensor<'_>> {
        let state = self.state.borrow();
        let ids = (0..state.tensors.len()).filter(|&id| state.tensors[id].role == role);
        ids.map(|id| Tensor { tape: self, id: TensorId(id as u32) }).collect()
    }

    /// All parameters in the order they were made.
    pub fn parameters(&self) -> Vec<Tensor<'_>> {
        self.all(Role::Parameter)
    }

    /// A tensor for a pass to write.
    pub fn temporary(&self, shape: &[usize]) -> Tensor<'_> {
        let place = self.state.borrow().place.join("/");
        self.add(place, shape, Role::Temporary, false)
    }

    /// The handle of a tensor of this tape.
    pub fn tensor(&self, id: TensorId) -> Tensor<'_> {
        Tensor { tape: self, id }
    }

    /// Runs `record` with `name` added to the place that passes and tensors are labelled with.
    pub fn scope<R>(&self, name: &str, record: impl FnOnce() -> R) -> R {
        self.state.borrow_mut().place.push(name.to_string());
        let result = record();
        self.state.borrow_mut().place.pop();
        result
    }

    /// Records one pass.
    #[track_caller]
    pub fn dispatch(
        &self,
        kernel: &'static Kernel,
        entry: &'static str,
        constants: &[Constant],
        tensors: &[(&'static str, Tensor)],
        threads: [usize; 3],
    ) {
        self.record(kernel, entry, constants, tensors, threads, None);
    }

    /// Records one pass that can be cut along rows; `threads` along `rows.axis` follow from `rows`.
    #[track_caller]
    pub fn dispatch_rows(
        &self,
        kernel: &'static Kernel,
        entry: &'static str,
        constants: &[Constant],
        tensors: &[(&'static str, Tensor)],
        mut threads: [usize; 3],
        rows: Rows,
    ) {
        threads[rows.axis] = rows.threads() as usize;
        self.record(kernel, entry, constants, tensors, threads, Some(rows));
    }

    #[track_caller]
    fn record(
        &self,
        kernel: &'static Kernel,
        entry: &'static str,
        constants: &[Constant],
        tensors: &[(&'static str, Tensor)],
        threads: [usize; 3],
        rows: Option<Rows>,
    ) {
        let threads = threads.map(|n| u32::try_from(n).expect("thread count must fit u32"));
        let tensors =
            tensors.iter().map(|&(name, t)| Bound { name, tensor: t.id, shard: 0 }).collect();
        let mut state = self.state.borrow_mut();
        let place = state.place.join("/");
        let constants = constants.to_vec();
        let sizes_bound = false;
        state.passes.push(Pass {
            place,
            kernel,
            entry,
            constants,
            tensors,
            threads,
            rows,
            sizes_bound,
        });
    }

    /// Cuts the tape: the passes recorded since the last cut. Tensors and parameters stay, so that
    /// a second recording of the same model shares its weights.
    pub fn finish(&self) -> Recording {
        let mut state = self.state.borrow_mut();
        state.nodes.clear();
        state.gradients.clear();
        Recording { passes: std::mem::take(&mut state.passes), tensors: state.tensors.clone() }
    }
}

impl<'t> Tensor<'t> {
    /// The tape it is on.
    pub fn tape(self) -> &'t Tape {
        self.tape
    }

    /// Its number on the tape.
    pub fn id(self) -> TensorId {
        self.id
    }

    /// Its name: the parameter's, or the place that made it.
    pub fn name(self) -> String {
        self.tape.state.borrow().tensors[self.id.0 as usize].name.clone()
    }

    /// Extents, outermost first.
    pub fn shape(self) -> Vec<usize> {
        self.tape.state.borrow().tensors[self.id.0 as usize].shape.clone()
    }

    /// Number of elements.
    #[allow(clippy::len_without_is_empty)] // a tensor is never empty
    pub fn len(self) -> usize {
        self.shape().iter().product()
    }

    /// A new temporary of the same shape.
    pub fn like(self) -> Tensor<'t> {
        self.tape.temporary(&self.shape())
    }

    /// Whether a gradient is wanted: it is a parameter or was made from one.
    pub fn is_tracked(self) -> bool {
        self.tape.state.borrow().tracked[self.id.0 as usize]
    }

    /// Says what this tensor was made from and how to differentiate that. The rule is forgotten
    /// when no input wants a gradient.
    pub fn made_from(
        self,
        inputs: &[Tensor<'t>],
        rule: impl for<'a> Fn(&[Tensor<'a>], Tensor<'a>, Tensor<'a>) + 'static,
    ) -> Tensor<'t> {
        if inputs.iter().any(|input| input.is_tracked()) {
            let mut state = self.tape.state.borrow_mut();
            state.tracked[self.id.0 as usize] = true;
            let place = state.place.join("/");
            let inputs = inputs.iter().map(|input| input.id).collect();
            state.nodes.push(Node { place, inputs, output: self.id, rule: Box::new(rule) });
        }
        self
    }

    /// Adds `gradient` to what has reached this tensor so far. A gradient is never changed once
    /// made: the second one makes a new sum.
    pub fn accumulate(self, gradient: Tensor<'t>) {
        if !self.is_tracked() {
            return;
        }
        assert_eq!(self.shape(), gradient.shape(), "the gradient of {} has another shape", self);
        let sum = match self.gradient() {
            Some(earlier) => earlier.add(gradient),
            None => gradient,
        };
        self.tape.state.borrow_mut().gradients.insert(self.id, sum.id);
    }

    /// The gradient that has reached this tensor, once `backward` has been recorded.
    pub fn gradient(self) -> Option<Tensor<'t>> {
        let id = self.tape.state.borrow().gradients.get(&self.id).copied()?;
        Some(self.tape.tensor(id))
    }

    /// Records the gradient passes of everything this tensor was made from, starting with `dy`,
    /// the gradient of this tensor. For a loss, `dy` is [`Tensor::ones`].
    ///
    /// # Panics
    /// When `dy` has another shape.
    pub fn backward(self, dy: Tensor<'t>) {
        self.accumulate(dy);
        let nodes = std::mem::take(&mut self.tape.state.borrow_mut().nodes);
        for node in nodes.iter().rev() {
            let output = self.tape.tensor(node.output);
            let Some(dy) = output.gradient() else {
                continue;
            };
            let inputs: Vec<_> = node.inputs.iter().map(|&id| self.tape.tensor(id)).collect();
            let outer = std::mem::replace(
                &mut self.tape.state.borrow_mut().place,
                vec![node.place.clone()],
            );
            (node.rule)(&inputs, output, dy);
            self.tape.state.borrow_mut().place = outer;
        }
    }
}

impl fmt::Display for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name(), self.shape())
    }
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {self}", self.id.0)
    }
}
