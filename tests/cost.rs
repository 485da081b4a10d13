//! What passes cost: arithmetic and bytes held against counts by hand. Needs no GPU.

use clap::ValueEnum;
use inception::config::{Config, Module, Preset};
use inception::cost::{Cost, Tower, costs, layers, towers};
use inception::model::{self, Widths};
use inception::ops::{Adam, Padding, adam, concat};
use inception::plan::{self, Rewrite, Target};
use inception::recording::Recording;
use inception::tape::Tape;
use inception::train::Recordings;

/// An adapter as most software adapters are.
fn target(without: &[Rewrite]) -> Target {
    let without = without.to_vec();
    Target { without, ..Target::new(128 << 20, [8, 8], true) }
}

fn tutorial(target: Option<&Target>) -> Recording {
    let mut recordings = Recordings::training(&Config::preset(Preset::Tutorial), 1000);
    if let Some(target) = target {
        recordings.fit(target).expect("the network can be cut");
    }
    recordings.training_passes().expect("training was recorded").clone()
}

fn total(recording: &Recording) -> Cost {
    costs(recording).into_iter().sum()
}

/// The costs of the passes of that label.
#[track_caller]
fn all_of(recording: &Recording, label: &str) -> Vec<Cost> {
    let passes = recording.passes.iter().zip(costs(recording));
    let found: Vec<Cost> =
        passes.filter(|(pass, _)| pass.label() == label).map(|(_, cost)| cost).collect();
    assert!(!found.is_empty(), "no {label} in:\n{recording}");
    found
}

/// The cost of the only pass of that label.
#[track_caller]
fn of(recording: &Recording, label: &str) -> Cost {
    let found = all_of(recording, label);
    assert_eq!(found.len(), 1, "{label}:\n{recording}");
    found[0]
}

#[test]
fn a_step_of_the_tutorials_network() {
    // Forward, to the weights and to the inputs.
    let fc1 = 3 * 2 * 50 * (28 * 28 * 256) * 700;
    let fc2 = 3 * 2 * 50 * 700 * 10;
    let pixels = 50 * 28 * 28;
    let large = |map: u64| 16 * 9 * map + 16 * 25 * map;
    let module = |inputs: u64, map: u64| inputs * (16 + 16 + map + map) + large(map);
    let (first, second) = (module(1, 32), module(128, 64));
    // The image gets no gradient, so neither do the convolutions that read it.
    let convolutions = 2 * pixels * (2 * (first + second) + large(32) + second);
    let by_hand = fc1 + fc2 + convolutions;
    assert_eq!(by_hand, 59_264_973_600);
    let cost = total(&tutorial(None));
    assert_eq!(cost.product_flop, by_hand);
    // Twelve a parameter in Adam, and little besides.
    let adam = 12 * 140_573_758;
    assert!((adam..adam * 5 / 4).contains(&cost.other_flop), "{cost:?}");
}

#[test]
fn a_plan_changes_no_product() {
    let plain = total(&tutorial(None)).product_flop;
    assert_eq!(total(&tutorial(Some(&target(&[])))).product_flop, plain);
    for &without in Rewrite::value_variants() {
        let planned = tutorial(Some(&target(&[without])));
        assert_eq!(total(&planned).product_flop, plain, "without {without:?}");
    }
    let gpu = Target { subgroup: [32, 32], software: false, ..target(&[]) };
    assert_eq!(total(&tutorial(Some(&gpu))).product_flop, plain, "on a GPU");
}

/// The weights' gradient is neither written nor read any more; all else must be moved still.
#[test]
fn a_fused_update_spares_the_gradients_bytes() {
    // Without copies to images, of which there are more where there are more passes.
    let apart = total(&tutorial(Some(&target(&[Rewrite::Images, Rewrite::Adam]))));
    let fused = total(&tutorial(Some(&target(&[Rewrite::Images]))));
    let gradients = 4 * (28 * 28 * 256 * 700 + 700 * 10);
    assert_eq!(apart.written - fused.written, gradients);
    assert_eq!(apart.other_flop, fused.other_flop);
    // The small tensors that each shard reads whole, once for the product and once for the update.
    let spared = apart.read - fused.read;
    assert!(spared.abs_diff(gradients) < 1_000, "{spared}");
}

#[test]
fn shards_share_the_work() {
    let label = "fc1 dense.backward_x";
    let apart = Target { subgroup: [0, 0], ..target(&[Rewrite::Relu]) };
    let whole = of(&tutorial(None), label);
    let shards = all_of(&tutorial(Some(&apart)), label);
    assert!(shards.len() > 1);
    let sum: Cost = shards.iter().copied().sum();
    assert_eq!(sum.product_flop, whole.product_flop);
    assert_eq!(sum.written, whole.written);
    // Each shard reads the whole of dy.
    let dy = 4 * 50 * 700;
    assert_eq!(sum.read, whole.read + (shards.len() as u64 - 1) * dy);
    assert_eq!(whole.read, 4 * 28 * 28 * 256 * 700 + dy);
}

#[test]
fn parts_of_a_convolution_share_the_work() {
    let none = Target { subgroup: [0, 0], ..target(&[Rewrite::Workgroup]) };
    let (whole, cut) = (none.clone(), Target { longest_pass: 100_000_000, ..none });
    for entry in ["forward", "backward_x", "backward_w"] {
        let label = format!("inception2/5x5 conv2d.{entry}");
        let whole = of(&tutorial(Some(&whole)), &label);
        let parts = all_of(&tutorial(Some(&cut)), &label);
        assert!(parts.len() > 1, "{entry}");
        let sum: Cost = parts.iter().copied().sum();
        assert_eq!((sum.flop(), sum.written), (whole.flop(), whole.written), "{entry}");
        // Each part reads the weights, or a bias, again.
        assert!(sum.read >= whole.read, "{entry}");
        let least = parts.iter().map(Cost::flop).min();
        assert!(least > Some(0) && least < Some(whole.flop()), "{entry}");
    }
}

#[test]
fn each_kind_of_pass_by_hand() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[2, 8, 6, 3]);
    let (w, b) = (tape.parameter("w", &[5, 3, 3, 4]), tape.parameter("b", &[4]));
    let y = tape.scope("conv", || x.conv2d(w, b, 2, Padding::Valid)).max_pool(2, 1, Padding::Valid);
    let (w, b) = (tape.parameter("w2", &[4, 7]), tape.parameter("b2", &[7]));
    let y = tape.scope("fc", || y.relu().dense(w, b));
    let loss = y.softmax_cross_entropy(tape.input("label", &[2]));
    loss.backward(loss.ones());
    adam(&tape.parameters(), tape.input("rate", &[1]), Adam::default());
    let recording = tape.finish();
    let cost = |label| {
        let cost = of(&recording, label);
        (cost.product_flop, cost.other_flop, cost.read / 4, cost.written / 4)
    };
    // Two rows and columns of windows of 5 x 3 at a stride of 2.
    let (x, y, w) = (2 * 8 * 6 * 3, 2 * 4 * 4, 5 * 3 * 3 * 4);
    let products = 2 * (2 * 4) * w;
    assert_eq!(cost("conv conv2d.forward"), (products, 0, x + w + 4, y));
    assert_eq!(cost("conv conv2d.flip"), (0, w, w, w));
    assert_eq!(cost("conv conv2d.backward_x"), (products, 0, y + w, x));
    assert_eq!(cost("conv conv2d.backward_w"), (products, 0, x + y, w));
    assert_eq!(cost("conv sum_rows.forward"), (0, y, y, 4));
    assert_eq!(cost("fc dense.forward"), (2 * 2 * 4 * 7, 0, 8 + 28 + 7, 14));
    assert_eq!(cost("fc dense.backward_x"), (2 * 2 * 4 * 7, 0, 14 + 28, 8));
    assert_eq!(cost("fc dense.backward_w"), (2 * 2 * 4 * 7, 0, 8 + 14, 28));
    assert_eq!(cost("fc relu.forward"), (0, 8, 8, 8));
    // The pooled maps have a single pixel; each window shows four.
    let (_, pool, read, _) = cost("max_pool.forward");
    assert_eq!((pool, read), (4 * y, y));
    assert_eq!(cost("optimizer/w2 adam.update"), (0, 12 * 28, 4 * 28 + 1, 3 * 28));
}

/// A slice of a wider tensor costs what the slice holds.
#[test]
fn only_the_slice_counts() {
    let tape = Tape::new();
    let x = tape.tracked_input("x", &[2, 6, 6, 8]);
    let parts = [4, 12].map(|columns| {
        let w = tape.parameter(&format!("w{columns}"), &[3, 3, 8, columns]);
        let b = tape.parameter(&format!("b{columns}"), &[columns]);
        tape.scope(&format!("part{columns}"), || x.conv2d(w, b, 1, Padding::Same))
    });
    let y = tape.scope("joined", || concat(&parts));
    y.backward(tape.input("dy", &y.shape()));
    let plain = tape.finish();
    let mut sliced = plain.clone();
    plan::write_slices(&mut sliced);
    plan::read_slices(&mut sliced);
    assert!(!sliced.to_string().contains("concat"), "{sliced}");
    for pass in ["conv2d.forward", "conv2d.backward_x", "conv2d.backward_w", "sum_rows.forward"] {
        for part in ["part4", "part12"] {
            let label = format!("{part} {pass}");
            assert_eq!(all_of(&sliced, &label), all_of(&plain, &label), "{label}");
        }
    }
    // And a copy costs its part, read once and written once.
    let copies = plain.passes.iter().zip(costs(&plain));
    let mut copies = copies.filter(|(pass, _)| pass.kernel.name == "concat");
    let bytes = 4 * 2 * 6 * 6 * 4;
    let (_, first) = copies.next().expect("a copy");
    assert_eq!((first.read, first.written), (bytes, bytes));
}

#[test]
fn a_batch_reads_its_own_images_only() {
    let recordings = Recordings::inference(&Config::preset(Preset::Quick), 10_000);
    let inference = recordings.inference_passes().expect("inference was recorded");
    let cost = of(inference, "batch batch.images");
    assert_eq!((cost.read, cost.written), (100 * 784 + 4 * 100, 4 * 100 * 784));
}

/// A pass's cost must not depend on which of its constants a variant has.
#[test]
fn a_module_costs_the_same_in_every_variant() {
    let record = |lanes| {
        let tape = Tape::new();
        let x = tape.tracked_input("x", &[2, 12, 12, 16]);
        let config = Config::preset(Preset::Quick);
        let y = model::inception(x, "1", config.module, Widths::even(16, 8));
        y.backward(tape.input("dy", &y.shape()));
        let mut recording = tape.finish();
        plan::subgroup(&mut recording, lanes);
        recording
    };
    let (plain, variant) = (record(0), record(8));
    assert_ne!(plain, variant);
    assert_eq!(costs(&plain), costs(&variant));
}

/// What is copied to an image is read from there, at the same cost; the copy comes on top.
#[test]
fn copies_cost_their_bytes_and_change_nothing_else() {
    let (plain, copied) = (target(&[Rewrite::Images]), target(&[]));
    let (plain, copied) = (tutorial(Some(&plain)), tutorial(Some(&copied)));
    let passes = copied.passes.iter().zip(costs(&copied));
    let (copies, others): (Vec<_>, Vec<_>) =
        passes.partition(|(pass, _)| pass.kernel.name == "copy");
    assert!(!copies.is_empty());
    for (pass, cost) in copies {
        let bytes = 4 * copied.tensor(pass.tensors[0].tensor).len() as u64;
        assert_eq!(cost, Cost { read: bytes, written: bytes, ..Cost::default() });
    }
    let others: Vec<Cost> = others.into_iter().map(|(_, cost)| cost).collect();
    assert_eq!(others, costs(&plain));
}

/// The paper's inception (3a), whose 5x5 tower the tutorial works out.
#[test]
fn the_tutorials_example() {
    let widths =
        Widths { one: 64, reduce_three: 96, three: 128, reduce_five: 16, five: 32, pool: 32 };
    let counts = |kind| -> Vec<(&str, Vec<u64>)> {
        let towers = towers(kind, [28, 28, 192], widths);
        let counts = |tower: &Tower| tower.layers.iter().map(|p| p.multiply_accumulates).collect();
        towers.iter().map(|tower| (tower.name, counts(tower))).collect()
    };
    let naive = [
        ("1x1", vec![9_633_792]),
        ("3x3", vec![173_408_256]),
        ("5x5", vec![120_422_400]),
        ("pool", vec![]),
    ];
    let reduced = [
        ("1x1", vec![9_633_792]),
        ("3x3", vec![14_450_688, 86_704_128]),
        ("5x5", vec![2_408_448, 10_035_200]),
        ("pool", vec![4_816_896]),
    ];
    assert_eq!(counts(Module::Naive), naive);
    assert_eq!(counts(Module::Reduced), reduced);
}

/// By a formula of its own, at odd sizes, and against all that the module records.
#[test]
fn towers_by_hand() {
    let sizes = [
        ([28, 28, 1], [8, 4, 8, 4, 8, 8]),
        ([7, 5, 3], [1, 2, 3, 4, 5, 6]),
        ([1, 1, 1], [1, 1, 1, 1, 1, 1]),
        ([2, 9, 480], [192, 96, 208, 16, 48, 64]),
    ];
    for ([height, width, channels], [one, reduce_three, three, reduce_five, five, pool]) in sizes {
        let widths = Widths { one, reduce_three, three, reduce_five, five, pool };
        let input = [height, width, channels];
        let by_hand = |window: usize, from: usize, to: usize| {
            (height * width * window * window * from * to) as u64
        };
        let naive =
            [by_hand(1, channels, one), by_hand(3, channels, three), by_hand(5, channels, five), 0];
        let reduced = [
            by_hand(1, channels, one),
            by_hand(1, channels, reduce_three) + by_hand(3, reduce_three, three),
            by_hand(1, channels, reduce_five) + by_hand(5, reduce_five, five),
            by_hand(1, channels, pool),
        ];
        for (kind, by_hand) in [(Module::Naive, naive), (Module::Reduced, reduced)] {
            let counted: Vec<u64> = towers(kind, input, widths).iter().map(Tower::total).collect();
            assert_eq!(counted, by_hand, "{kind:?} {input:?} {widths:?}");
            let tape = Tape::new();
            let x = tape.input("x", &[1, height, width, channels]);
            let y = model::inception(x, "7", kind, widths);
            assert_eq!(y.shape()[3], widths.towers(kind, channels).iter().sum::<usize>());
            // No convolution is in two towers, and none is in no tower.
            assert_eq!(2 * counted.iter().sum::<u64>(), total(&tape.finish()).product_flop);
        }
    }
}

#[test]
fn layers_are_the_variables() {
    let tutorial = Config::preset(Preset::Tutorial);
    let recordings = Recordings::inference_by(1, &tutorial, 1);
    let recording = recordings.inference_passes().expect("inference was recorded");
    let layers = layers(recording);
    let name = |id| recording.tensor(id).name.clone();
    let variables: Vec<String> =
        layers.iter().flat_map(|layer| [name(layer.weights), name(layer.bias)]).collect();
    let parameters: Vec<String> =
        recordings.parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(variables, parameters);
    let sizes = layers.iter().flat_map(|layer| [layer.weights, layer.bias]);
    assert_eq!(sizes.map(|id| recording.tensor(id).len()).sum::<usize>(), 140_573_758);
    assert_eq!(layers[7].place, "inception2/1x1_2");
    assert_eq!(name(layers[7].weights), "W_conv2_1x1_2");
    let counts = layers.iter().map(|layer| layer.multiply_accumulates);
    let dense = 28 * 28 * 256 * 700 + 700 * 10;
    // As in `a_step_of_the_tutorials_network`, forward and for one image.
    let module = |inputs: u64, map: u64| inputs * (32 + 2 * map) + 16 * 34 * map;
    assert_eq!(counts.sum::<u64>(), dense + 28 * 28 * (module(1, 32) + module(128, 64)));
}
