//! `selftest`: it runs every kernel there is, and notices when one is wrong.

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;

use inception::engine::Engine;
use inception::gpu::Gpu;
use inception::kernel::{Kernel, reflect};
use inception::plan::{Rewrite, Target};
use inception::recording::{COPY, Recording};
use inception::reference::{Number, Random, Reference};
use inception::selftest::{Recorded, Worst, cases, plans, targets, training};
use inception::tape::Tape;
use inception::{ops, plan};

/// An adapter with subgroups of eight, one that has none, and their limits WebGPU's.
fn adapters() -> [Target; 2] {
    [Target::new(128 << 20, [8, 8], true), Target::new(128 << 20, [0, 0], false)]
}

fn recorded(case: &dyn Reference) -> Recorded {
    let inputs = case.inputs(&mut Random::new(7));
    Recorded::new(&Tape::new(), &inputs, |tensors| case.record(tensors))
}

#[test]
fn every_entry_of_every_kernel_is_run() {
    let mut run = BTreeSet::new();
    let mut note = |recording: &Recording| {
        let passes = recording.passes.iter().filter(|pass| pass.kernel.name != COPY.name);
        run.extend(passes.map(|pass| format!("{}.{}", pass.kernel.name, pass.entry)));
    };
    for target in adapters() {
        for case in cases() {
            let recorded = recorded(case.as_ref());
            let keep: Vec<_> = recorded.results().map(|(_, id)| id).collect();
            for (_, plan) in plans(&recorded.recording, &target, &keep) {
                note(&plan);
            }
        }
        let passes: Vec<_> = training::recordings().passes().cloned().collect();
        for (_, target) in targets(&passes, &target) {
            let mut recordings = training::recordings();
            recordings.fit(&target).expect("it fits");
            recordings.passes().for_each(&mut note);
        }
    }
    for kernel in ops::KERNELS.into_iter().chain(plan::KERNELS) {
        for entry in reflect(kernel.source).expect(kernel.name).keys() {
            let name = format!("{}.{entry}", kernel.name);
            assert!(run.contains(&name), "selftest never runs {name}");
        }
    }
}

/// What a broken compiler or device might make of a kernel: text in it, and other text.
#[rustfmt::skip]
const WRONG: [(&str, &str, &str); 58] = [
    ("batch_norm", "+ EPSILON", "+ 2.0 * EPSILON"),
    ("batch_norm", "(dy[i] - shared_part)", "dy[i]"),
    ("batch_norm", "scale(id.x) * dy[i]", "dy[i] / scale(id.x)"),
    ("augment", "floor(place)", "round(place)"),
    ("augment", "mix(above, below, part.x)", "mix(above, below, part.y)"),
    ("augment", "draw(image, 4u) < 0.0", "draw(image, 4u) > 0.0"),
    ("adam", "ONE_MINUS_BETA2 * gradient * gradient", "ONE_MINUS_BETA2 * gradient"),
    ("adam", "(sqrt(square) + EPSILON)", "sqrt(square + EPSILON)"),
    ("add", "a[i] + b[i]", "a[i] - b[i]"),
    ("avg_pool", "- max(first, 0i)", "- first"),
    ("avg_pool", "/ f32(pixels)", "/ f32(KERNEL * KERNEL)"),
    ("avg_pool", "oy <= last_y", "oy < last_y"),
    ("batch", "rows[id.y] * LENGTH + id.x)", "rows[id.y] * LENGTH + id.x + 1u)"),
    ("concat", "y[id.y * GROUPS_OUT + FIRST + id.x]", "y[id.y * GROUPS_OUT + id.x]"),
    ("concat", "dy[id.y * GROUPS_OUT + FIRST + id.x]", "dy[id.y * GROUPS_OUT + id.x]"),
    ("conv2d", "vec2<i32>(PAD_TOP, PAD_LEFT)", "vec2<i32>(PAD_LEFT, PAD_TOP)"),
    ("conv2d", "taps() - 1u - row / CHANNELS", "row / CHANNELS"),
    ("conv2d", "all(place * DILATION == dilated)", "true"),
    ("conv2d", "p < end; p++", "p + 1u < end; p++"),
    ("conv2d", "value < Columns(0.0)", "value < Columns(-1.0)"),
    ("conv2d", "result += earlier[i]", "result -= earlier[i]"),
    ("conv2d", "positive[i] > Columns(0.0)", "positive[i] >= Columns(0.0)"),
    ("conv2d", "kx < KERNEL_W; kx++", "kx + 1i < KERNEL_W; kx++"),
    ("dense", "x[x_r0 + k]", "x[x_r0 + k + 1u]"),
    ("dense", "split == 0u", "true"),
    ("dense", "if (row + 3u < ROWS)", "if (row + 4u < ROWS)"),
    ("dense", "m < BATCH; m++", "m + 1u < BATCH; m++"),
    ("dense", "positive[i] > 0.0", "positive[i] >= 0.0"),
    ("dense", "BETA2 * square[i]", "square[i]"),
    ("dropout", "747796405u", "747796407u"),
    ("dropout", "value / KEEP", "value"),
    ("lrn", "pow(s, -BETA)", "1.0 / s"),
    ("lrn", "2.0 * ALPHA", "ALPHA"),
    ("lrn", "j <= last_of(id.x)", "j < last_of(id.x)"),
    ("max_pool", "next.value > best.value", "next.value >= best.value"),
    ("max_pool", "row - PAD_TOP, 0i, IN_H - 1i", "row, 0i, IN_H - 1i"),
    ("max_pool", "ox * STRIDE == left", "true"),
    ("relu", "select(x[i], vec4<f32>(0.0), x[i] < vec4<f32>(0.0))", "x[i]"),
    ("relu", "y_made[i] > vec4<f32>(0.0)", "y_made[i] >= vec4<f32>(0.0)"),
    ("softmax", "- (x[b * CLASSES + label[b]] - top)", "- x[b * CLASSES + label[b]]"),
    ("softmax", "b < BATCH; b++", "b + 1u < BATCH; b++"),
    ("softmax", "/ sum - target_c", "/ sum + target_c"),
    ("softmax", "= exp(x[b * CLASSES + c] - top) / sum", "= exp(x[b * CLASSES + c]) / sum"),
    ("sum_rows", "r < end; r++", "r + 1u < end; r++"),
    ("sum_rows", "y[chunk * GROUPS + n + s0]", "y[chunk * GROUPS + n]"),
    ("conv2d_subgroup", "v_r0.w * ww_s0", "v_r0.w * wz_s0"),
    ("conv2d_subgroup", "i32(image_row % OUT_H) - PAD_TOP + ky", "i32(image_row % OUT_H) + ky"),
    ("conv2d_subgroup", "min(block + place, QUADS - 1u)", "block"),
    ("conv2d_subgroup", "i % 4096u, i / 4096u", "i % 2048u, i / 2048u"),
    ("dense_subgroup", "(k + 3u) * width_s0", "(k + 2u) * width_s0"),
    ("dense_subgroup", "return min(PANEL, GROUPS - n / PANEL * PANEL)", "return PANEL"),
    ("dense_subgroup", "sum_r0 += v_r0.w * c3", "sum_r0 += v_r0.w * c2"),
    ("dense_subgroup", "ONE_MINUS_BETA1 * g;", "g;"),
    ("conv2d_workgroup", "v_r0.w * ww_s0", "v_r0.w * wz_s0"),
    ("conv2d_workgroup", "vec2<i32>(PAD_TOP, PAD_LEFT)", "vec2<i32>(PAD_LEFT, PAD_TOP)"),
    ("conv2d_workgroup", "all(place * DILATION == dilated)", "true"),
    ("dense_workgroup", "w_turned[column + s0 * COLUMN_THREADS + WIDTH][q0]", "w_turned[column + s0 * COLUMN_THREADS][q0]"),
    ("dense_workgroup", "select(0u, first + m_l0, wanted_l0)", "select(0u, m_l0, wanted_l0)"),
];

/// Whether any case notices that the kernel is another.
fn is_noticed(mut gpu: Gpu, target: &Target, wrong: &'static Kernel) -> (bool, Gpu) {
    for case in cases() {
        let mut random = Random::new(7);
        let inputs = case.inputs(&mut random);
        let recorded = recorded(case.as_ref());
        let keep: Vec<_> = recorded.results().map(|(_, id)| id).collect();
        let dy = random.floats(recorded.shape());
        for (_, mut plan) in plans(&recorded.recording, target, &keep) {
            let mut met = false;
            for pass in plan.passes.iter_mut().filter(|pass| pass.kernel.name == wrong.name) {
                (pass.kernel, met) = (wrong, true);
            }
            if !met {
                continue;
            }
            let mut engine = Engine::new(gpu);
            let made = recorded.run(&mut engine, &plan, &inputs, &dy, case.runs());
            let made = made.expect("it runs, if wrongly");
            gpu = engine.into_gpu().expect("the device is there");
            let numbers: Vec<_> = inputs.iter().map(|given| given.values.numbers()).collect();
            let dy: Vec<_> = dy.iter().map(|&v| Number::exact(v.into())).collect();
            let gradients = case.backward(&numbers, &dy);
            let results = inputs.iter().zip(&gradients);
            let results =
                results.filter_map(|(g, truth)| Some((made.gradients.get(g.name)?, truth)));
            let y = case.forward(&numbers);
            let mut all = results.chain([(&made.y, &y)]);
            if all.any(|(got, truth)| !Worst::of(got, truth).is_within()) {
                return (true, gpu);
            }
        }
    }
    (false, gpu)
}

#[test]
fn wrong_kernels_are_noticed() {
    let Some(mut gpu) = common::gpu() else { return };
    let here = Target::of(&gpu);
    let without = vec![Rewrite::Subgroup];
    let tiled = Target { software: false, without, ..here.clone() };
    let mut unnoticed = Vec::new();
    for (name, text, wrong) in WRONG {
        if name.ends_with("_subgroup") && here.subgroup != [8, 8] {
            continue; // this adapter never runs them
        }
        let kernel =
            ops::KERNELS.into_iter().chain(plan::KERNELS).find(|kernel| kernel.name == name);
        let source = kernel.expect(name).source;
        assert!(source.contains(text), "{name} has no `{text}`");
        let source = source.replace(text, wrong).leak();
        let kernel = Box::leak(Box::new(Kernel { name, source }));
        let target = if name.ends_with("_workgroup") { &tiled } else { &here };
        let noticed;
        (noticed, gpu) = is_noticed(gpu, target, kernel);
        if !noticed {
            unnoticed.push((name, wrong));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}
