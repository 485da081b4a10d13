//! Networks that no adapter, or not this one, can hold: refused before anything is allocated.

use std::path::Path;

use inception::config::{Config, Module, Preset};
use inception::plan::Target;
use inception::train::Recordings;

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::say::assert_failed;

#[track_caller]
fn assert_refused(place: &Place, sizes: &str, parts: &[&str]) {
    let flags = format!("--val-rows 4 --limits default {sizes}");
    let said = run_all(&place.train("out", &flags.split_whitespace().collect::<Vec<_>>()));
    assert_failed(&said, 1, &[parts, &["lower "]].concat());
    assert!(!said.stderr.contains("prepared"), "{}", said.stderr);
    assert!(!Path::new(&place.path("out")).exists(), "it left something in --out");
}

#[test]
fn for_this_adapter() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(408, 4);
    let limit = "134217728 bytes";
    let wide = "--maps 2 --reduce1x1 2 --num-fc1 100000 --batch-size";
    let parts = ["W_fc1 [6272, 100000]", limit, "--num-fc1"];
    // Evaluations take 50 images, however few a step does.
    let little = "a lower --batch-size changes little, as evaluations take as many images at once)";
    assert_refused(&place, &format!("{wide} 50"), &[&parts[..], &[little]].concat());
    let helps = "lower --batch-size or what the layers make";
    assert_refused(&place, &format!("{wide} 51"), &[&parts[..], &[helps]].concat());
    let batch = "--maps 32,4 --reduce1x1 2 --num-fc1 4 --batch-size 400";
    let parts = ["[400, 28, 28, 128]", "160563200 bytes", limit, "--batch-size"];
    assert_refused(&place, batch, &parts);
}

/// More rows than one buffer takes are no reason to refuse them.
#[test]
fn more_rows_than_this_adapter_binds() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let count = 171_196;
    let header: Vec<u8> = [0x803u32, count, 28, 28].iter().flat_map(|n| n.to_be_bytes()).collect();
    let images = place.write("train-images-idx3-ubyte", header);
    let file = std::fs::OpenOptions::new().append(true).open(&images).expect("it is there");
    file.set_len(16 + u64::from(count) * 784).expect("it grows");
    let header: Vec<u8> = [0x801u32, count].iter().flat_map(|n| n.to_be_bytes()).collect();
    let labels = [header, vec![0; count as usize]].concat();
    place.write("train-labels-idx1-ubyte", labels);
    let flags = "--maps 2 --reduce1x1 2 --num-fc1 4 --batch-size 4 --val-rows 4 --steps 3";
    let mut flags: Vec<&str> = flags.split_whitespace().collect();
    flags.extend(["--limits", "default", "--train", &images]);
    let said = succeed_all(&place.train("out", &flags));
    for part in ["the images (134.2 MB) are more", "171,192 training"] {
        assert!(said.stderr.contains(part), "no {part:?} in: {}", said.stderr);
    }
    assert!(said.stdout.contains("of 4 digits"), "{}", said.stdout);
}

/// What takes hours is said before it begins.
#[test]
fn a_step_that_takes_long() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(408, 4);
    let conv = |n: usize| format!("{{ conv = {{ name = \"c{n}\", size = 9, out = 48 }} }},\n");
    let network = |layers: usize| {
        let layers: String = (0..layers).map(conv).collect();
        let softmax = "{ softmax = { name = \"s\", classes = 10 } }";
        format!("image = [28, 28, 1]\nlayers = [{layers}{softmax}]\n")
    };
    for (layers, long) in [(36, true), (4, false)] {
        let path = place.write("net.toml", network(layers));
        // The folder cannot be made, which is noticed next.
        let flags = format!("--network {path} --val-rows 4 --batch-size 400");
        let said = run_all(&place.train("train.csv/out", &flags.split(' ').collect::<Vec<_>>()));
        assert_failed(&said, 1, &["cannot make the folder"]);
        let warned = said.stderr.contains("billion operations, which takes a processor minutes");
        assert_eq!(warned, long, "{}", said.stderr);
    }
}

#[test]
fn for_any_adapter() {
    let place = Place::new(12, 4);
    let maps = "--maps 1048576 --batch-size 4";
    assert_refused(&place, maps, &["any adapter", "[3288334336, 700]", "--maps"]);
}

/// What the check lets pass can be recorded without a panic, also where it is tight.
#[test]
fn sizes_that_pass_the_check_can_be_recorded() {
    let sizes = [1, 7, 100, 3000, 65_535, 1 << 20];
    let target = Target::new(128 << 20, [0; 2], false);
    let mut recorded = 0;
    let config = Config::preset(Preset::Tutorial);
    for module in [Module::Reduced, Module::Naive] {
        for (maps, num_fc1) in sizes.iter().flat_map(|m| sizes.map(|f| (*m, f))) {
            for (reduce1x1, batch_size) in sizes.iter().flat_map(|r| sizes.map(|b| (*r, b))) {
                let maps = vec![maps, maps];
                let config =
                    Config { module, maps, num_fc1, reduce1x1, batch_size, ..config.clone() };
                if Recordings::check(&config).is_ok() {
                    let mut recordings = Recordings::training(&config, 60_000);
                    // Too large or not: it only must not panic.
                    let _ = recordings.fit(&target);
                    recorded += 1;
                }
            }
        }
    }
    assert!(recorded > 100, "{recorded}");
}

#[test]
fn the_advice_names_what_makes_it_large() {
    let place = Place::new(12, 4);
    let reduced = "--maps 2 --reduce1x1 1048576 --num-fc1 4 --batch-size 8";
    assert_refused(&place, reduced, &["any adapter", "--reduce1x1"]);
}

/// A layer's output for a hundred large images is more than an adapter binds by default, so fewer are
/// classified at once; beside training no more than that takes.
#[test]
fn large_images_are_classified_fewer_at_a_time() {
    let file = std::fs::read_to_string("assets/networks/googlenet.toml").expect("a network");
    let network = Some(toml::from_str(&file).expect("it is TOML"));
    let config = Config { network, batch_size: 4, ..Config::preset(Preset::Quick) };
    Recordings::check(&config).expect("it can be recorded");
    let target = Target::new(128 << 20, [8, 8], true);
    let memory = |mut recordings: Recordings| {
        recordings.fit(&target).expect("every layer can be bound");
        recordings.memory()
    };
    let images = 200;
    memory(Recordings::inference(&config, images));
    let alone = memory(Recordings::training_alone(&config, images));
    let beside = memory(Recordings::training(&config, images));
    assert!(beside < alone + alone / 10, "{beside} bytes, {alone} without evaluations");
}
