//! Rewrites of recordings, without a GPU: what they change, what they leave, and that shared memory
//! is never needed twice at once. That the numbers stay is tested on a device: `tests/training` and,
//! for every case of every op, `tests/ops/check.rs`.

use std::collections::HashMap;

use inception::config::{Config, Module, Preset};
use inception::model::{self, Widths};
use inception::ops::{Adam, Padding, adam};
use inception::plan::{self, Choices, Family, Rewrite, Target};
use inception::recording::{Pass, Recording, Role, TensorId};
use inception::tape::Tape;

/// Threads of a subgroup that variants exist for.
const LANES: u32 = 8;

/// Kernel and entry of each pass.
fn kernels(recording: &Recording) -> Vec<String> {
    let name = |pass: &Pass| format!("{}.{}", pass.kernel.name, pass.entry);
    recording.passes.iter().map(name).collect()
}

fn count(recording: &Recording, kernel: &str) -> usize {
    kernels(recording).iter().filter(|name| name.starts_with(kernel)).count()
}

/// A training step of a network on 4 images of 12 x 12, and its loss.
fn step(config: &Config) -> (Recording, TensorId) {
    let tape = Tape::new();
    let x = tape.input("x", &[4, 12, 12, 1]);
    let label = tape.input("label", &[4]);
    let rate = tape.input("rate", &[1]);
    let loss = model::logits(x, &config.network()).softmax_cross_entropy(label);
    loss.backward(loss.ones());
    adam(&tape.parameters(), rate, Adam::default());
    (tape.finish(), loss.id())
}

fn small(module: Module) -> Config {
    Config { maps: vec![4, 8], reduce1x1: 4, num_fc1: 16, module, ..Config::preset(Preset::Quick) }
}

/// One convolution forward and backward.
fn convolution(channels: usize, columns: usize, stride: usize) -> Recording {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[2, 6, 6, channels]);
    let w = tape.parameter("w", &[3, 3, channels, columns]);
    let b = tape.parameter("b", &[columns]);
    let y = x.conv2d(w, b, stride, Padding::Same);
    y.backward(tape.input("dy", &y.shape()));
    tape.finish()
}

#[test]
fn subgroup_variants_take_the_shapes_that_are_theirs() {
    let variants = |channels, columns, stride, lanes| {
        let mut recording = convolution(channels, columns, stride);
        plan::subgroup(&mut recording, lanes);
        count(&recording, "conv2d_subgroup.")
    };
    assert_eq!(variants(8, 4, 1, LANES), 3, "forward, backward_x, backward_w");
    assert_eq!(variants(8, 4, 2, LANES), 0, "a stride");
    assert_eq!(variants(6, 4, 1, LANES), 0, "channels that are no multiple of 4");
    assert_eq!(variants(8, 6, 1, LANES), 0, "columns that are no multiple of 4");
    assert_eq!(variants(8, 4, 1, 32), 0, "another subgroup");
    assert_eq!(variants(8, 4, 1, 0), 0, "no subgroup");
    let (mut network, _) = step(&small(Module::Reduced));
    plan::subgroup(&mut network, LANES);
    assert_eq!(
        count(&network, "dense_subgroup."),
        3,
        "fc1; the ten columns of fc2 are no multiple"
    );
}

#[test]
fn workgroup_variants_take_the_shapes_that_are_theirs() {
    for tiles in [plan::LARGE, plan::SMALL] {
        let variants = |channels, columns, stride| {
            let mut recording = convolution(channels, columns, stride);
            plan::workgroup(&mut recording, &tiles);
            count(&recording, "conv2d_workgroup.")
        };
        assert_eq!(variants(8, 4, 1), 3, "forward, backward_x, backward_w");
        assert_eq!(variants(12, 20, 2), 3, "a stride");
        assert_eq!(variants(6, 4, 1), 0, "channels that are no multiple of 4");
        assert_eq!(variants(8, 6, 1), 0, "columns that are no multiple of 4");
        let (mut network, _) = step(&small(Module::Reduced));
        plan::workgroup(&mut network, &tiles);
        assert_eq!(count(&network, "dense_workgroup."), 3, "fc1, not the ten columns of fc2");
        assert_eq!(count(&network, "conv2d.flip"), count(&network, "conv2d_workgroup.backward_x"));
        let done = network.clone();
        plan::workgroup(&mut network, &tiles);
        assert_eq!(network, done, "a variant has no variant");
    }
}

#[test]
fn a_software_adapter_shares_nothing_through_workgroup_memory() {
    let shared = |software, subgroup, without: &[Rewrite]| {
        let (network, loss) = step(&small(Module::Reduced));
        let target =
            Target { without: without.to_vec(), ..Target::new(1 << 27, subgroup, software) };
        let mut network = [network];
        plan::plan(&mut network, &target, &[loss]).expect("it fits");
        kernels(&network[0]).iter().filter(|name| name.contains("_workgroup.")).count()
    };
    let (subgroup, other) = ([LANES; 2], [32; 2]);
    let all = shared(false, other, &[]);
    assert!(all > 10, "{all} passes");
    assert_eq!(shared(true, subgroup, &[]), 0);
    assert_eq!(shared(true, other, &[]), 0);
    assert_eq!(shared(false, other, &[Rewrite::Workgroup]), 0);
    assert_eq!(shared(false, subgroup, &[Rewrite::Subgroup]), all);
    assert!(shared(false, subgroup, &[]) < all, "subgroups come first");
}

/// A GPU has more threads than a few pictures have tiles of pixels; a processor is never idle.
#[test]
fn convolutions_of_few_pictures_take_small_tiles_on_a_gpu() {
    let small = |pictures, software| {
        let tape = Tape::new();
        let x = tape.input("x", &[pictures, 28, 28, 1]);
        x.conv2d(tape.parameter("w", &[1, 1, 1, 8]), tape.parameter("b", &[8]), 1, Padding::Same);
        let mut recording = tape.finish();
        plan::choose(&mut recording, &Target::new(128 << 20, [LANES, LANES], software));
        assert_eq!(count(&recording, "conv2d.forward"), 1);
        recording.passes[0].sizes_bound
    };
    assert_eq!(
        [1, 2, 5, 10, 11].map(|pictures| small(pictures, false)),
        [true, true, true, true, false]
    );
    assert_eq!([1, 2, 3, 5].map(|pictures| small(pictures, true)), [true, true, false, false]);
}

#[test]
fn a_key_tells_products_apart_and_nothing_else() {
    let keys = |recording: &Recording| -> Vec<String> {
        recording.passes.iter().filter_map(plan::key).collect()
    };
    let place = |name: &str, side: usize, columns: usize| {
        let tape = Tape::new();
        if name == "later" {
            tape.input("other", &[7]); // other numbers for all tensors behind it
        }
        let x = tape.tracked_input("x", &[2, side, side, 8]);
        let w = tape.parameter(&format!("w {name}"), &[3, 3, 8, columns]);
        let b = tape.parameter("b", &[columns]);
        let y = tape.scope(name, || x.conv2d(w, b, 1, Padding::Same));
        y.backward(tape.input("dy", &y.shape()));
        keys(&tape.finish())
    };
    let first = place("first", 6, 4);
    let shared = "CHANNELS=8 COLUMNS=4 DILATION=1 DY_STRIDE=1 GROUPS=1 IN_H=6 IN_W=6 KERNEL_H=3 \
        KERNEL_W=3 OUT_H=6 OUT_W=6 PAD_LEFT=1 PAD_TOP=1 PIXELS=72";
    assert!(first[0].starts_with(&format!("conv2d.forward {shared}")), "{}", first[0]);
    assert_eq!(first.len(), 3, "no flip and no sum: {first:?}");
    assert_eq!(first, place("later", 6, 4));
    let mut all = [first, place("larger", 7, 4), place("wider", 6, 8)].concat();
    let (mut network, _) = step(&small(Module::Reduced));
    plan::join(&mut network, &Target::new(1 << 27, [0; 2], false));
    let of_network = keys(&network);
    let fused = of_network.iter().filter(|key| key.contains("UPDATE_W=1")).count();
    assert_eq!(fused, 2, "a fused update is another pass: {of_network:?}");
    all.extend(of_network);
    // Towers repeat shapes; all else are different passes.
    all.sort();
    let count = all.len();
    all.dedup();
    assert!(all.len() > count * 3 / 4, "{} of {count}", all.len());
    // A pass that has got its kernel has no choice any more.
    plan::workgroup(&mut network, &plan::LARGE);
    assert!(keys(&network).len() < fused + 20, "{:?}", keys(&network));
}

#[test]
fn choices_steer_the_plan() {
    let gpu = Target::new(1 << 27, [32; 2], false);
    let planned = |choices: &[(&str, Family)], target: &Target| {
        let (network, loss) = step(&small(Module::Reduced));
        let mut joined = network.clone();
        plan::join(&mut joined, target);
        let keys: Vec<String> = joined.passes.iter().filter_map(plan::key).collect();
        let chosen = choices.iter().flat_map(|(begin, family)| {
            let keys: Vec<_> = keys.iter().filter(|key| key.starts_with(begin)).collect();
            assert!(!keys.is_empty(), "no {begin}");
            keys.into_iter().map(|key| (key.clone(), *family)).collect::<Vec<_>>()
        });
        let target = Target { choices: chosen.collect::<Choices>(), ..target.clone() };
        let mut network = [network];
        plan::plan(&mut network, &target, &[loss]).expect("it fits");
        let [network] = network;
        network
    };
    let rule = planned(&[], &gpu);
    let threads = |recording: &Recording, kernel: &str| -> Vec<[u32; 3]> {
        let of = recording.passes.iter();
        of.filter(|pass| pass.kernel.name == kernel).map(|pass| pass.threads).collect()
    };
    assert_eq!(planned(&[("conv2d.", Family::LargeTiles)], &gpu), rule, "as the rule has it");
    let plain = planned(&[("conv2d.", Family::Plain)], &gpu);
    let others = |recording: &Recording| -> Vec<Pass> {
        let product = |pass: &Pass| ["conv2d", "dense"].map(|op| pass.kernel.name.starts_with(op));
        let passes = recording.passes.iter().filter(|pass| product(pass) == [false; 2]);
        passes.cloned().collect()
    };
    assert_eq!(others(&plain), others(&rule), "choices change products alone");
    assert!(others(&plain).len() > 20);
    assert_eq!(count(&plain, "conv2d_workgroup."), 0);
    assert_eq!(threads(&plain, "dense_workgroup"), threads(&rule, "dense_workgroup"));
    let small = planned(&[("dense.forward", Family::SmallTiles)], &gpu);
    assert_eq!(kernels(&small), kernels(&rule));
    assert_ne!(threads(&small, "dense_workgroup"), threads(&rule, "dense_workgroup"));
    // What the target has no kernel for follows the rule.
    assert_eq!(planned(&[("conv2d.", Family::Subgroup)], &gpu), rule);
    let software = Target { software: true, ..gpu };
    let tiles = planned(&[("dense.", Family::LargeTiles)], &software);
    assert_eq!(tiles, planned(&[], &software));
}

/// Bytes of workgroup memory that a pass takes.
fn workgroup_memory(pass: &Pass) -> u32 {
    let (text, _) = pass.text();
    let module = naga::front::wgsl::parse_str(&text).expect("WGSL");
    let flags = naga::valid::ValidationFlags::all();
    let capabilities = naga::valid::Capabilities::empty();
    let info = naga::valid::Validator::new(flags, capabilities).validate(&module).expect("WGSL");
    let entry = module.entry_points.iter().position(|entry| entry.name == pass.entry);
    let used = info.get_entry_point(entry.expect("the entry"));
    let shared = module.global_variables.iter().filter(|(handle, variable)| {
        variable.space == naga::AddressSpace::WorkGroup && !used[*handle].is_empty()
    });
    shared.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum()
}

#[test]
fn tiles_keep_to_the_limits_of_any_device() {
    let shapes = [(4, 4), (64, 64), (128, 16), (12, 20), (700, 4), (4, 700), (256, 256)];
    let dense = |batch: usize, depth: usize, columns: usize| {
        let tape = Tape::new();
        let x = tape.tracked_input("x", &[batch, depth]);
        let y = x.dense(tape.parameter("w", &[depth, columns]), tape.parameter("b", &[columns]));
        y.backward(tape.input("dy", &y.shape()));
        tape.finish()
    };
    let mut recordings: Vec<_> = shapes.iter().map(|&(c, n)| convolution(c, n, 1)).collect();
    for (depth, columns) in shapes.into_iter().chain([(200_704, 700), (1 << 22, 4)]) {
        recordings.extend([1, 50, 1000].map(|batch| dense(batch, depth, columns)));
    }
    let mut largest = 0;
    for (mut recording, tiles) in
        recordings.iter().flat_map(|r| [plan::LARGE, plan::SMALL].map(|tiles| (r.clone(), tiles)))
    {
        plan::workgroup(&mut recording, &tiles);
        for pass in recording.passes.iter().filter(|p| p.kernel.name.ends_with("_workgroup")) {
            let bytes = workgroup_memory(pass);
            assert!(bytes > 0 && bytes <= 16 << 10, "{}: {bytes} bytes", pass.label());
            largest = largest.max(bytes);
            let [x, y, z] = pass.threads;
            let groups = [x as usize / tiles.threads, y as usize, z as usize];
            assert!(
                groups.iter().all(|n| (1..=65_535).contains(n)),
                "{}: {groups:?}",
                pass.label()
            );
        }
    }
    assert!(largest > 12 << 10, "the tiles leave memory unused: {largest} bytes");
}

#[test]
fn a_concatenation_is_written_and_read_in_place() {
    let (mut network, _) = step(&small(Module::Reduced));
    assert_eq!(count(&network, "concat."), 4 + 4 + 4 + 4);
    let relus = count(&network, "relu.forward");
    assert_eq!(relus, 2 + 1 + 2 + 1 + 1, "reductions, modules, fc1");
    plan::write_slices(&mut network);
    assert_eq!(count(&network, "concat.forward"), 0);
    plan::fuse_relu(&mut network);
    assert_eq!(count(&network, "relu.forward"), 1, "fc1's alone: a dense layer made its input");
    plan::read_slices(&mut network);
    assert_eq!(count(&network, "concat."), 0);
}

#[test]
fn what_a_convolution_did_not_make_is_still_copied() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[2, 6, 6, 4]);
    let y = model::inception(x, "1", Module::Naive, Widths::even(4, 4));
    y.backward(tape.input("dy", &y.shape()));
    let mut module = tape.finish();
    plan::write_slices(&mut module);
    plan::fuse_relu(&mut module);
    plan::read_slices(&mut module);
    // The max-pool's output and the gradient that it takes; and so the ReLU stands behind the copy.
    assert_eq!(count(&module, "concat.forward"), 1);
    assert_eq!(count(&module, "relu.forward"), 1);
    assert_eq!(count(&module, "concat.backward"), 1);
}

#[test]
fn adam_updates_where_a_dense_gradient_is_made() {
    let (mut network, _) = step(&small(Module::Reduced));
    let (updates, passes) = (count(&network, "adam."), network.passes.len());
    let states = |recording: &Recording| -> Vec<TensorId> {
        let used = recording.used().into_iter();
        used.filter(|&id| recording.tensor(id).role == Role::State).collect()
    };
    let before = states(&network);
    plan::fuse_adam(&mut network);
    assert_eq!(count(&network, "adam."), updates - 2, "W_fc1 and W_fc2");
    assert_eq!(network.passes.len(), passes - 2);
    assert_eq!(states(&network), before, "every moment is still updated");
    // The update stands behind the last pass that reads the old weights.
    let names = kernels(&network);
    let read = names.iter().rposition(|name| name == "dense.backward_x").expect("a gradient");
    let update = names.iter().position(|name| name == "dense.backward_w").expect("an update");
    assert!(read < update, "{names:?}");
}

#[test]
fn a_gradient_that_others_take_is_stored() {
    let tape = Tape::new();
    let x = tape.input("x", &[2, 4]);
    let w = tape.parameter("w", &[4, 4]);
    let b = tape.parameter("b", &[4]);
    // Used twice, so that what reaches w is a sum.
    let y = x.dense(w, b).dense(w, b);
    y.backward(tape.input("dy", &[2, 4]));
    adam(&tape.parameters(), tape.input("rate", &[1]), Adam::default());
    let mut recording = tape.finish();
    let before = recording.clone();
    plan::fuse_adam(&mut recording);
    assert_eq!(recording, before);
}

#[test]
fn shared_memory_is_never_needed_twice_at_once() {
    for module in [Module::Reduced, Module::Naive] {
        let (network, loss) = step(&small(module));
        let mut placed = vec![network];
        plan::place(&mut placed, &[loss]);
        let placed = &placed[0];
        assert!(placed.tensor(loss).storage.is_none(), "the host reads the loss later");
        let mut owners: HashMap<usize, TensorId> = HashMap::new();
        for (index, pass) in placed.passes.iter().enumerate() {
            for bound in &pass.tensors {
                let info = placed.tensor(bound.tensor);
                assert_eq!(
                    info.storage.is_some(),
                    info.role == Role::Temporary && bound.tensor != loss
                );
                let Some(storage) = info.storage.as_ref().map(|shards| shards[bound.shard]) else {
                    continue;
                };
                assert!(storage.bytes >= info.shard_bytes(bound.shard), "{} is cut off", info.name);
                let owner = owners.insert(storage.number, bound.tensor);
                // A tensor that comes into a buffer must be new, and its predecessor done with.
                if owner.is_some_and(|owner| owner != bound.tensor) {
                    let uses = |range: &[Pass], id: TensorId| {
                        range.iter().any(|p| p.tensors.iter().any(|b| b.tensor == id))
                    };
                    assert!(
                        !uses(&placed.passes[..index], bound.tensor),
                        "{} comes back",
                        info.name
                    );
                    assert!(
                        !uses(&placed.passes[index..], owner.expect("an owner")),
                        "still needed"
                    );
                }
            }
        }
        let temporaries: Vec<_> = placed
            .used()
            .into_iter()
            .map(|id| placed.tensor(id))
            .filter(|info| info.storage.is_some())
            .collect();
        let alone: u64 = temporaries.iter().map(|info| info.bytes()).sum();
        let storages = temporaries.iter().flat_map(|info| info.storage.iter().flatten());
        let sizes: HashMap<usize, u64> = storages.map(|s| (s.number, s.bytes)).collect();
        let shared: u64 = sizes.values().sum();
        // Activations live until their gradient, so more than half must stay.
        assert!(shared * 10 < alone * 7, "{shared} of {alone} bytes");
    }
}

#[test]
fn wide_weights_lie_in_panels_where_all_who_bind_them_know() {
    let layer = |columns: usize, twice: bool| {
        let tape = Tape::new();
        let x = tape.tracked_input("x", &[2, 64]);
        let w = tape.parameter("w", &[64, columns]);
        let y = x.dense(w, tape.parameter("b", &[columns]));
        // A ReLU of the weights walks them in order, row by row.
        let y = if twice { w.relu().tape().tensor(y.id()) } else { y };
        y.backward(tape.input("dy", &y.shape()));
        adam(&[w], tape.input("rate", &[1]), Adam::default());
        let mut recording = [tape.finish()];
        plan::subgroup(&mut recording[0], LANES);
        plan::panels(&mut recording);
        let [recording] = recording;
        let panels = recording.tensors.iter().filter_map(|info| info.panel);
        (panels.collect::<Vec<_>>(), recording)
    };
    let (panels, recording) = layer(132, false);
    assert_eq!(panels, [64; 4], "w, its gradient and both moments");
    let all: Vec<_> = recording.passes.iter().map(|pass| format!("{:?}", pass.constants)).collect();
    assert!(
        all.iter().filter(|text| text.contains("(\"PANEL\", U32(16))")).count() == 3,
        "{all:?}"
    );
    assert!(layer(64, false).0.is_empty(), "one panel is none");
    assert!(layer(132, true).0.is_empty(), "another pass binds them");
}

#[test]
fn panels_hold_each_element_once() {
    let tape = Tape::new();
    let id = tape.input("w", &[3, 10]).id();
    let mut info = tape.finish().tensor(id).clone();
    info.panel = Some(4);
    let order: Vec<_> = info
        .runs(info.shape[0], 0..info.shape[0])
        .map(|(plain, placed)| (plain.start / 4, placed))
        .collect();
    let starts: Vec<_> = order.iter().map(|(plain, _)| *plain).collect();
    assert_eq!(starts, [0, 10, 20, 4, 14, 24, 8, 18, 28], "two panels of four columns, one of two");
    let mut end = 0;
    for (_, placed) in order {
        assert_eq!(placed.start, end, "without a gap");
        end = placed.end;
    }
    assert_eq!(end, 120);
}

#[test]
fn an_image_is_copied_once_until_its_tensor_is_written_again() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[2, 6, 6, 8]);
    let layer = |x: inception::tape::Tensor, name: &str| {
        let w = tape.parameter(name, &[1, 1, 8, 8]).id();
        let b = tape.parameter(&format!("{name} b"), &[8]).id();
        x.conv2d(tape.tensor(w), tape.tensor(b), 1, Padding::Same).id()
    };
    let (one, two) = (layer(x, "w1"), layer(x, "w2"));
    let sum = tape.tensor(one).add(tape.tensor(two));
    let three = tape.tensor(layer(sum, "w1"));
    three.backward(tape.input("dy", &three.shape()));
    adam(&tape.parameters(), tape.input("rate", &[1]), Adam::default());
    // A second step within one recording: the weights are others now.
    let _ = layer(x, "w1");
    let mut recording = [tape.finish()];
    plan::subgroup(&mut recording[0], LANES);
    let known = recording[0].tensors.len();
    plan::images(&mut recording);
    let [recording] = recording;
    let copied = |name: &str| {
        let copies = recording.passes.iter().filter(|pass| pass.kernel.name == "copy");
        copies.filter(|pass| recording.tensor(pass.tensors[0].tensor).name == name).count()
    };
    assert_eq!(copied("x"), 1);
    assert_eq!(copied("w2"), 1);
    assert_eq!(copied("w1"), 2, "before and behind the update");
    assert!(
        recording.tensors[known..].iter().all(|info| info.image && info.role == Role::Temporary)
    );
    for pass in recording.passes.iter().filter(|pass| pass.kernel.name != "copy") {
        for bound in &pass.tensors {
            assert_eq!(recording.tensor(bound.tensor).image, bound.name.ends_with("_image"));
        }
    }
}

#[test]
fn gradients_are_added_and_masked_where_they_are_made() {
    let (mut network, _) = step(&small(Module::Reduced));
    plan::write_slices(&mut network);
    plan::fuse_relu(&mut network);
    plan::read_slices(&mut network);
    // The second module's input goes to four towers; the first one's, images, wants no gradient.
    assert_eq!(count(&network, "add."), 3);
    let masks = count(&network, "relu.backward");
    plan::fuse_add(&mut network);
    assert_eq!(count(&network, "add."), 0);
    plan::fuse_mask(&mut network);
    assert_eq!(masks - count(&network, "relu.backward"), 4 + 2 + 1, "reductions, modules, fc1");
    let epilogues = |name: &str| {
        let bound = |pass: &&inception::recording::Pass| {
            pass.tensors.iter().filter(|bound| bound.name == name).count()
        };
        network.passes.iter().map(|pass| bound(&pass)).sum::<usize>()
    };
    assert_eq!((epilogues("earlier"), epilogues("positive")), (3, 7));
}
