//! Every WGSL file of the crate, without a GPU: valid, portable, and laid out as the host expects.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use inception::kernel::{self, Kernel, Value, bind_sizes};
use inception::{ceiling, numbers, ops, plan};
use naga::back::{hlsl, msl, spv};

/// Entry points of other names than `forward`, `backward`, `backward_*` and `update`, and why.
const OTHER_ENTRIES: [(&str, &str); 14] = [
    ("batch", "images"),          // one of the two things that are gathered
    ("batch", "labels"),          // the other
    ("batch_norm", "products"),   // whose sums are gradients
    ("batch_norm", "squares"),    // whose sums are variances
    ("batch_norm", "track"),      // moves the running mean and variance
    ("ceiling", "multiply_add"),  // the most arithmetic
    ("ceiling", "stream"),        // the most memory traffic
    ("conv2d", "flip"),           // turns the weights round for backward_x
    ("numbers", "clear"),         // forgets what the step before found
    ("numbers", "part"),          // checks a part of a tensor
    ("numbers", "poison"),        // fills memory that is to be written
    ("numbers", "whole"),         // checks a tensor
    ("softmax", "cross_entropy"), // the loss of each example
    ("softmax", "mean"),          // the loss of the batch
];

/// The kernels of the ops, those that plans put in their place, those that check numbers, and those
/// that measure adapters.
fn kernels() -> impl Iterator<Item = &'static Kernel> {
    let ours = ops::KERNELS.into_iter().chain(plan::KERNELS);
    ours.chain(numbers::KERNELS).chain(ceiling::KERNELS)
}

/// What a plan may repeat: rows, columns and terms that a thread holds, loads that it makes.
const TILES: [&str; 8] = [
    "TILE",
    "SPAN",
    "QUADS_HELD",
    "STEP",
    "PIXEL_STEP",
    "EXAMPLE_STEP",
    "ROW_LOADS",
    "COLUMN_LOADS",
];

/// The text as it stands, with columns by one and by four where the file knows columns, and
/// with its lines repeated where it has tiles; all of these once more with sizes bound, where it has them.
fn texts(kernel: &Kernel) -> Vec<(String, String)> {
    let mut texts = vec![(kernel.name.to_string(), kernel.source.to_string())];
    let by = |columns, places, flags, width, packed| {
        [
            ("Columns", Value::Type(columns)),
            ("Places", Value::Type(places)),
            ("Flags", Value::Type(flags)),
            ("WIDTH", Value::U32(width)),
            ("PACKED", Value::U32(packed)),
        ]
    };
    let by_one = ("by one", by("f32", "u32", "bool", 1, 0));
    let by_four = ("by four", by("vec4<f32>", "vec4<u32>", "vec4<bool>", 4, 1));
    for (how, constants) in [by_one, by_four] {
        let known = constants.into_iter().filter(|(name, value)| {
            let kind = match value {
                Value::Type(_) => format!("\nalias {name} ="),
                _ => format!("\nconst {name}:"),
            };
            kernel.source.contains(&kind)
        });
        let known: Vec<_> = known.collect();
        if known.first().is_some_and(|(name, _)| *name == "Columns") {
            texts.push((format!("{} {how}", kernel.name), kernel.specialize(&known)));
        }
    }
    let tiles = TILES.map(|name| (name, Value::U32(2)));
    let declared = |name: &str| kernel.source.contains(&format!("\nconst {name}: u32 = "));
    let tiles: Vec<_> = tiles.into_iter().filter(|(name, _)| declared(name)).collect();
    if !tiles.is_empty() {
        texts.push((format!("{} in tiles", kernel.name), kernel.specialize(&tiles)));
    }
    let has_sizes = |(_, text): &&(String, String)| text.contains("//: sizes\n");
    let bind =
        |(name, text): &(String, String)| (format!("{name}, sizes bound"), bind_sizes(text).0);
    let bound: Vec<_> = texts.iter().filter(has_sizes).map(bind).collect();
    texts.extend(bound);
    texts
}

fn all_texts() -> impl Iterator<Item = (String, String)> {
    kernels().flat_map(texts)
}

fn validated(name: &str, text: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    // No capability beyond what every WebGPU device has, but for variants that say so by name.
    let mut capabilities = naga::valid::Capabilities::empty();
    capabilities.set(naga::valid::Capabilities::SUBGROUP, name.contains("_subgroup"));
    let flags = naga::valid::ValidationFlags::all();
    let mut validator = naga::valid::Validator::new(flags, capabilities);
    validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
    validator.subgroup_operations(naga::valid::SubgroupOperationSet::all());
    let info = validator
        .validate(&module)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    (module, info)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")
}

#[test]
fn all_are_valid_without_any_optional_feature() {
    let mut by_four = 0;
    for (name, text) in all_texts() {
        validated(&name, &text);
        by_four += usize::from(name.ends_with("by four"));
    }
    assert_eq!(by_four, 7, "avg_pool, batch_norm, concat, conv2d, dense, max_pool, sum_rows");
}

#[test]
fn all_translate_to_spirv_metal_and_hlsl() {
    for (name, text) in all_texts() {
        let (module, info) = validated(&name, &text);
        let words = spv::write_vec(&module, &info, &spv::Options::default(), None);
        assert!(!words.unwrap_or_else(|e| panic!("{name}: SPIR-V: {e}")).is_empty());

        let options = msl::Options { lang_version: (2, 0), ..Default::default() };
        let metal = msl::write_string(&module, &info, &options, &Default::default());
        let (metal, translated) = metal.unwrap_or_else(|e| panic!("{name}: Metal: {e}"));
        assert!(metal.contains("kernel void"), "{name}: {metal}");
        for entry in translated.entry_point_names {
            entry.unwrap_or_else(|e| panic!("{name}: Metal: {e}"));
        }

        let mut text = String::new();
        let options = hlsl::Options {
            // The number of workgroups reaches DirectX as constants, as wgpu does it.
            special_constants_binding: Some(hlsl::BindTarget::default()),
            ..Default::default()
        };
        let pipeline = hlsl::PipelineOptions::default();
        let translated = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
        for entry in translated.entry_point_names {
            entry.unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
        }
        assert!(text.contains("[numthreads("), "{name}: {text}");
    }
}

#[test]
fn each_begins_by_saying_what_it_computes() {
    for kernel in kernels() {
        let first = kernel.source.lines().next().unwrap_or("");
        assert!(first.starts_with("// "), "{}: {first}", kernel.name);
    }
}

#[test]
fn entries_are_named_for_their_part() {
    let mut met = BTreeSet::new();
    for kernel in kernels() {
        let entries = kernel::reflect(kernel.source).expect(kernel.name);
        assert!(!entries.is_empty(), "{}", kernel.name);
        for entry in entries.keys() {
            let usual = ["forward", "backward", "update"].contains(&entry.as_str())
                || entry.starts_with("backward_");
            let other = OTHER_ENTRIES.iter().find(|pair| **pair == (kernel.name, entry));
            met.extend(other);
            assert!(usual || other.is_some(), "{}.{entry}", kernel.name);
        }
    }
    assert_eq!(met, BTreeSet::from(OTHER_ENTRIES), "the list names what is gone");
}

#[test]
fn all_keep_to_the_limits_of_any_device() {
    for (name, text) in all_texts() {
        let (module, _) = validated(&name, &text);
        for (_, variable) in module.global_variables.iter() {
            if let Some(binding) = &variable.binding {
                assert_eq!(binding.group, 0, "{name}: {:?}", variable.name);
            }
        }
        for (entry, facts) in kernel::reflect(&text).expect(&name) {
            let images = facts.slots.values().filter(|slot| slot.image).count();
            assert!(facts.slots.len() - images <= 8, "{name}.{entry}: storage buffers");
            assert!(images <= 4, "{name}.{entry}: storage textures");
            let [x, y, z] = facts.workgroup_size;
            assert!(x * y * z <= 256 && z <= 64, "{name}.{entry}: {x} x {y} x {z} threads");
        }
    }
}

#[test]
fn elementwise_kernels_can_fold_their_threads() {
    for kernel in kernels() {
        let by_rows = kernel.source.contains("fn quad(");
        for (entry, facts) in kernel::reflect(kernel.source).expect(kernel.name) {
            assert_eq!(facts.folds, by_rows, "{}.{entry}", kernel.name);
        }
    }
}

#[test]
fn every_file_is_listed_once() {
    let files = std::fs::read_dir(folder()).expect("shaders/");
    let files: BTreeSet<_> = files
        .map(|file| file.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    let listed: BTreeSet<_> = kernels().map(|k| format!("{}.wgsl", k.name)).collect();
    assert_eq!(files, listed);
    assert_eq!(listed.len(), kernels().count());
}

#[test]
fn tint_accepts_all() {
    let run = |file: &Path| Command::new("tint").args(["--format", "wgsl"]).arg(file).output();
    let scratch = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in all_texts() {
        let file = scratch.path().join(format!("{}.wgsl", name.replace(' ', "_")));
        // naga takes subgroup operations as they are and refuses the directive that others ask for.
        let directive = if name.contains("_subgroup") { "enable subgroups;\n" } else { "" };
        std::fs::write(&file, format!("{directive}{text}")).expect("a file");
        match run(&file) {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{name}: {said}");
            }
            Err(error) => {
                // Not `eprintln!`, which the test harness hides when a test passes.
                let line = format!(
                    "\n!!!!! NOT TESTED with tint, Chrome's WGSL compiler: {error} !!!!!\n"
                );
                std::io::stderr().write_all(line.as_bytes()).expect("stderr");
                return;
            }
        }
    }
}

#[test]
#[should_panic(expected = "shaders/fill.wgsl declares no constant VALUE of the type of 1u")]
fn a_constant_of_another_type_is_refused() {
    let fill = kernels().find(|kernel| kernel.name == "fill");
    fill.expect("a kernel").specialize(&[("VALUE", 1u32.into())]);
}
