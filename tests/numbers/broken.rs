//! Kernels that leave elements unwritten, and passes that read what is not made yet: found over
//! poisoned memory, and nowhere else.

use inception::engine::Engine;
use inception::kernel::Kernel;
use inception::numbers::{Found, poison, watch};
use inception::recording::Recording;
use inception::selftest::cases;
use inception::tape::Tape;
use inception::{ops, plan};

use crate::common;
use crate::ops::{Case, compile, targets};

/// Bounds of kernels, and bounds that stop too soon, or begin too late.
#[rustfmt::skip]
const BROKEN: [(&str, &str, &str); 23] = [
    ("add", "i * 4u >= ROWS * ROW", "i * 4u + 4u >= ROWS * ROW"),
    ("avg_pool", "id.x >= GROUPS || id.y >= PIXELS_OUT", "id.x >= GROUPS || id.y + 1u >= PIXELS_OUT"),
    ("batch", "if (id.x < LENGTH)", "if (id.x + 1u < LENGTH)"),
    ("concat", "if (id.x < GROUPS && id.y < PIXELS)", "if (id.x < GROUPS && id.y + 1u < PIXELS)"),
    ("conv2d", "if (p < FIRST_ROW + ROWS", "if (p + 1u < FIRST_ROW + ROWS"),
    ("conv2d", "ROWS && n < GROUPS)", "ROWS && n + 1u < GROUPS)"),
    ("conv2d", "if (row < taps() * CHANNELS", "if (row > 0u && row < taps() * CHANNELS"),
    ("dense", "if (m < BATCH)", "if (m + 1u < BATCH)"),
    ("dense", "if (row + 3u < ROWS)", "if (row + 4u < ROWS)"),
    ("dropout", "i * 4u >= ROWS * ROW", "i * 4u + 4u >= ROWS * ROW"),
    ("lrn", "id.x >= CHANNELS || id.y >= PIXELS", "id.x + 1u >= CHANNELS || id.y >= PIXELS"),
    ("max_pool", "ox >= OUT_W || image >= BATCH", "ox + 1i >= OUT_W || image >= BATCH"),
    ("max_pool", "ix >= IN_W || image >= BATCH", "ix >= IN_W || image + 1i >= BATCH"),
    ("max_pool", "winner[i] = pack(best.place);", "if (oy > begin) { winner[i] = pack(best.place); }"),
    ("relu", "i * 4u >= ROWS * ROW", "i == 0u || i * 4u >= ROWS * ROW"),
    ("softmax", "if (b >= BATCH)", "if (b + 1u >= BATCH)"),
    ("sum_rows", "if (n + s0 < GROUPS)", "if (n + s0 + 1u < GROUPS)"),
    ("conv2d_workgroup", "ROWS && n < GROUPS)", "ROWS && n + 1u < GROUPS)"),
    ("conv2d_subgroup", "ox < OUT_W && n < GROUPS", "ox + 1u < OUT_W && n < GROUPS"),
    ("conv2d_subgroup", "quad < QUADS && n < GROUPS", "quad + 1u < QUADS && n < GROUPS"),
    ("dense_workgroup", "if (m < BATCH && quad < ROWS / 4u)", "if (m + 1u < BATCH && quad < ROWS / 4u)"),
    ("dense_subgroup", "if (m < BATCH && n < GROUPS)", "if (m < BATCH && n + 1u < GROUPS)"),
    ("dense_subgroup", "if (m < BATCH && quad < ROWS / 4u)", "if (m < BATCH && quad + 1u < ROWS / 4u)"),
];

/// What the checks find when the passes of one kernel run with another in its place, in memory that
/// holds what the right ones made before; with the memory poisoned, and not.
fn found(
    engine: &mut Engine,
    case: &Case,
    plan: &Recording,
    broken: &Recording,
) -> [Option<Found>; 2] {
    [poison(broken), broken.clone()].map(|broken| {
        case.run(engine, plan);
        case.run_again(engine, &watch(&broken))
    })
}

#[test]
fn what_no_pass_has_written_is_named() {
    let Some(mut gpu) = common::gpu() else { return };
    let subgroups = targets(&gpu)[0].subgroup == [8, 8];
    let cases: Vec<Case> = cases().iter().map(|case| Case::new(case.as_ref())).collect();
    let mut unnoticed = Vec::new();
    for (name, text, wrong) in BROKEN {
        if name.ends_with("_subgroup") && !subgroups {
            continue; // this adapter never runs them
        }
        let mut kernels = ops::KERNELS.into_iter().chain(plan::KERNELS);
        let source = kernels.find(|kernel| kernel.name == name).expect(name).source;
        assert!(source.contains(text), "{name} has no `{text}`");
        let source = source.replace(text, wrong).leak();
        let kernel: &'static Kernel = Box::leak(Box::new(Kernel { name, source }));
        let target = &targets(&gpu)[usize::from(name.ends_with("_workgroup"))];
        let mut noticed = false;
        for case in &cases {
            for plan in case.plans(target) {
                let mut broken = plan.clone();
                for pass in broken.passes.iter_mut().filter(|pass| pass.kernel.name == name) {
                    pass.kernel = kernel;
                }
                if noticed || broken.passes.iter().all(|pass| pass.kernel.name != name) {
                    continue;
                }
                let mut engine = Engine::new(gpu);
                let [poisoned, plain] = found(&mut engine, case, &plan, &broken);
                gpu = engine.into_gpu().expect("the device is there");
                let Some(poisoned) = poisoned else { continue };
                let what = format!("{name}, {wrong}, {}: {poisoned}", case.name);
                assert!(poisoned.unwritten > 0, "{what}");
                let pass = poisoned.pass.as_ref().expect("a pass");
                assert!(pass.contains(&format!("{name}.")), "{what}");
                assert!(poisoned.to_string().contains("unwritten"), "{what}");
                assert_eq!(plain, None, "{what}");
                noticed = true;
            }
        }
        if !noticed {
            unnoticed.push((name, wrong));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn what_is_read_before_it_is_made_is_named() {
    let Some(gpu) = common::gpu() else { return };
    let tape = Tape::new();
    let x = tape.input("x", &[65, 10]);
    let y = tape.scope("first", || x.relu());
    tape.scope("second", || y.add(x));
    let plain = tape.finish();
    let mut swapped = plain.clone();
    swapped.passes.swap(0, 1);
    let mut engine = Engine::new(gpu);
    let named = |found: Option<Found>| found.map(|found| (found.pass, found.count, found.first));
    for (recording, expected) in [
        (&plain, None),
        (&swapped, Some((Some("second add.forward".to_string()), 650, vec![0, 0]))),
    ] {
        let mut run = |recording: &Recording| {
            // What was made before lies there.
            let program = engine.compile(&plain).expect("it compiles");
            engine.write(x.id(), plain.tensor(x.id()), bytemuck::cast_slice(&[1.5f32; 650]));
            engine.run(&program).expect("it runs");
            let watch = watch(recording);
            let program = compile(&mut engine, &watch);
            engine.run(&program).expect("it runs");
            crate::ops::found(&mut engine, &watch)
        };
        assert_eq!(run(recording), None, "not poisoned");
        assert_eq!(named(run(&poison(recording))), expected, "poisoned");
    }
}
