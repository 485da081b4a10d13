//! Every case of `inception selftest`, by every plan, with checks over poisoned memory and without.

use inception::engine::{Engine, Program};
use inception::gpu::Gpu;
use inception::numbers::{Found, Watch, poison, watch};
use inception::plan::{Rewrite, Target};
use inception::recording::Recording;
use inception::reference::{Given, Random, Reference};
use inception::selftest::{Made, Recorded, cases, plans};
use inception::tape::Tape;

use crate::common;

/// A case recorded, with its inputs and the gradient of its output.
pub struct Case {
    pub name: String,
    pub recorded: Recorded,
    inputs: Vec<Given>,
    dy: Vec<f32>,
    runs: usize,
}

impl Case {
    pub fn new(reference: &dyn Reference) -> Case {
        let mut random = Random::new(7);
        let inputs = reference.inputs(&mut random);
        let recorded = Recorded::new(&Tape::new(), &inputs, |tensors| reference.record(tensors));
        let dy = random.floats(recorded.shape());
        let (name, runs) = (format!("{reference:?}"), reference.runs());
        Case { name, recorded, inputs, dy, runs }
    }

    /// The case as recorded and as planned for this target.
    pub fn plans(&self, target: &Target) -> Vec<Recording> {
        let keep: Vec<_> = self.recorded.results().map(|(_, id)| id).collect();
        let plans = plans(&self.recorded.recording, target, &keep);
        plans.into_iter().map(|(_, plan)| plan).collect()
    }

    pub fn run(&self, engine: &mut Engine, plan: &Recording) -> Made {
        let made = self.recorded.run(engine, plan, &self.inputs, &self.dy, self.runs);
        made.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Runs it with its checks, over memory that is NaN.
    pub fn run_checked(&self, engine: &mut Engine, watch: &Watch) -> (Made, Option<Found>) {
        compile(engine, watch);
        let made = self.run(engine, &watch.recording);
        (made, found(engine, watch))
    }

    /// Runs it with its checks, over memory as it is.
    pub fn run_again(&self, engine: &mut Engine, watch: &Watch) -> Option<Found> {
        let program = compile(engine, watch);
        self.recorded.write(engine, &watch.recording, &self.inputs, &self.dy);
        engine.run(&program).expect("it runs");
        found(engine, watch)
    }
}

/// Makes a recording with its checks ready.
pub fn compile(engine: &mut Engine, watch: &Watch) -> Program {
    let program = engine.compile(&watch.recording).expect("it compiles");
    for (id, view) in &watch.views {
        engine.write(*id, watch.recording.tensor(*id), bytemuck::cast_slice(view));
    }
    program
}

/// What the checks found in the last run.
pub fn found(engine: &mut Engine, watch: &Watch) -> Option<Found> {
    let words = engine.fetch(watch.found, watch.words()).expect("it is fetched");
    let words = engine.collect(words).expect("it arrives");
    watch.found(&words.into_iter().map(f32::to_bits).collect::<Vec<_>>())
}

/// The adapter as it is, and as if it were a GPU without subgroups.
pub fn targets(gpu: &Gpu) -> [Target; 2] {
    let here = Target::of(gpu);
    let tiled = Target { software: false, without: vec![Rewrite::Subgroup], ..here.clone() };
    [here, tiled]
}

fn bits(made: &Made) -> Vec<u32> {
    let gradients = made.gradients.values().flatten();
    made.y.iter().chain(gradients).map(|value| value.to_bits()).collect()
}

#[test]
fn operations_make_the_same_bits_over_poison() {
    let Some(mut gpu) = common::gpu() else { return };
    let (mut done, targets) = (0, targets(&gpu));
    for case in cases() {
        let case = Case::new(case.as_ref());
        for target in &targets {
            for plan in case.plans(target) {
                let mut engine = Engine::new(gpu);
                let plain = case.run(&mut engine, &plan);
                let (checked, found) = case.run_checked(&mut engine, &watch(&poison(&plan)));
                assert_eq!(found, None, "{}\n{plan}", case.name);
                assert!(bits(&plain) == bits(&checked), "{}: other bits\n{plan}", case.name);
                gpu = engine.into_gpu().expect("the device is there");
                done += 1;
            }
        }
    }
    assert!(done > 100, "{done}");
}
