//! Layers that keep their weights: what is recorded for them, and what training makes of the others.

use std::collections::BTreeSet;

use inception::config::{Config, Module, Preset, Scale};
use inception::model::{LayersError, is_chosen};
use inception::recording::Role;
use inception::train::{Recordings, Unrecordable};

use crate::common::{self, Place, run_all, succeed_all};
use crate::losses::{check_frozen, config};
use crate::tensors;

fn patterns(words: &str) -> Vec<String> {
    words.split(',').map(String::from).collect()
}

fn freezing(words: &str, config: Config) -> Config {
    Config { freeze: patterns(words), ..config }
}

#[test]
fn patterns_are_of_layers() {
    let cases = [
        ("fc2", "W_fc2", true),
        ("fc2", "b_fc2", true),
        ("fc", "W_fc2", false),
        ("c2", "W_fc2", false),
        ("W_fc2", "W_fc2", false),
        ("FC2", "W_fc2", false),
        ("", "W_fc2", false),
        ("*", "W_fc2", true),
        ("**", "W_fc2", true),
        ("fc2*", "W_fc2", true),
        ("*fc2", "W_fc2", true),
        ("*fc", "W_fc2", false),
        ("conv*", "b_conv1_1x1_3", true),
        ("conv*", "b_fc1", false),
        ("conv1*", "W_conv10_3x3", true),
        ("conv1_*", "W_conv10_3x3", false),
        ("*_3x3", "W_conv1_3x3", true),
        ("*_3x3", "W_conv1_5x5", false),
        ("conv*_1x1_*", "W_conv2_1x1_4", true),
        ("conv*_1x1_*", "W_conv2_3x3", false),
        // The last part is none that an earlier one took.
        ("conv1_1x1_1*1", "W_conv1_1x1_1", false),
        ("*1x1*1", "W_conv1_1x1_1", true),
        ("*1x1*1x1*", "W_conv1_1x1_1", false),
        ("*x*x*", "W_conv1_1x1_1", false),
        ("*1*1*1*1*", "W_conv1_1x1_1", true),
        ("*1*1*1*1*1*", "W_conv1_1x1_1", false),
        (".*", "W_fc2", false),
        ("fc?", "W_fc2", false),
        ("none,fc1", "b_fc1", true),
    ];
    for (words, variable, chosen) in cases {
        assert_eq!(is_chosen(&patterns(words), variable), chosen, "{words} and {variable}");
    }
    assert!(!is_chosen(&[], "W_fc2"));
}

/// The network's training alone, over 40 digits.
fn recorded(words: &str) -> Recordings {
    let config = config(Module::Reduced, &[2, 3], Scale::Unit, 4, 1);
    let freeze = words.split(',').filter(|word| !word.is_empty()).map(String::from).collect();
    Recordings::training_alone(&Config { freeze, ..config }, 40)
}

#[test]
fn a_frozen_trunk_has_no_backward_pass() {
    let recordings = recorded("conv*");
    let training = recordings.training_passes().expect("training was recorded");
    let labels: Vec<_> = training.passes.iter().map(|pass| pass.label()).collect();
    let loss = labels.iter().position(|label| label == "loss softmax.mean").expect("a loss");
    let back = [
        "loss fill.forward",
        "loss softmax.backward",
        "fc2 dense.backward_x",
        "fc2 dense.backward_w",
        "fc2 sum_rows.forward",
        "fc1 relu.backward",
        "fc1 dense.backward_w",
        "fc1 sum_rows.forward",
        "optimizer/W_fc1 adam.update",
        "optimizer/b_fc1 adam.update",
        "optimizer/W_fc2 adam.update",
        "optimizer/b_fc2 adam.update",
    ];
    assert_eq!(labels[loss + 1..], back);
    let whole = recorded("");
    let whole = whole.training_passes().expect("training was recorded");
    let forward = whole.passes.iter().map(|pass| pass.label()).take(loss + 1);
    assert!(forward.eq(labels[..=loss].iter().cloned()), "the forward passes stay");
}

/// Weights that are frozen count as the network's, and have no moments in memory.
#[test]
fn frozen_layers_have_no_moments() {
    let whole = recorded("");
    let sizes = |recordings: &Recordings, part: &str| -> u64 {
        let of_part = recordings.parameters().into_iter().filter(|(name, _)| name.contains(part));
        of_part.map(|(_, shape)| shape.iter().product::<usize>() as u64 * 4).sum()
    };
    let moments = |recordings: &Recordings| -> BTreeSet<String> {
        let training = recordings.training_passes().expect("training was recorded");
        let states = training.tensors.iter().filter(|info| info.role == Role::State);
        states.map(|info| info.name.clone()).collect()
    };
    assert_eq!(moments(&whole).len(), 2 * whole.parameters().len());
    for (words, part) in [("conv*", "_conv"), ("conv1_*", "_conv1_"), ("fc1", "_fc1")] {
        let frozen = recorded(words);
        assert_eq!(frozen.parameters(), whole.parameters());
        assert_eq!(frozen.parameter_count(), whole.parameter_count());
        assert_eq!(frozen.frozen_count() as u64 * 4, sizes(&whole, part));
        let saved = whole.memory() - frozen.memory();
        assert!(saved > 2 * sizes(&whole, part), "{words}: {saved} bytes");
        let left = moments(&whole).into_iter().filter(|name| !name.contains(part));
        assert_eq!(moments(&frozen), left.collect());
    }
}

#[test]
fn what_cannot_be_frozen() {
    let check = |words: &str| {
        let config = freezing(words, Config::preset(Preset::Quick));
        Recordings::check(&config).map_err(|error| match error {
            Unrecordable::Freeze(why) => why,
            Unrecordable::Size(why) => panic!("{why}"),
        })
    };
    for words in ["conv*", "fc*", "conv1_3x3,conv2_5x5", "conv*,fc1", "*1"] {
        assert_eq!(check(words), Ok(()));
    }
    for words in ["*", "conv*,fc*", "*_*,fc1,fc2"] {
        assert_eq!(check(words), Err(LayersError::All { patterns: words.into() }));
    }
    for (words, unknown) in
        [("conv*,fc3", "fc3"), ("conv3*", "conv3*"), ("", ""), ("W_fc1", "W_fc1")]
    {
        let error = check(words).unwrap_err();
        let LayersError::None { option, pattern, layers } = &error else { panic!("{error}") };
        assert_eq!((*option, pattern.as_str()), ("freeze", unknown));
        let listed: Vec<_> = layers.split(", ").collect();
        assert_eq!(listed.len(), 14, "{layers}");
        assert!(listed.contains(&"conv2_1x1_4") && listed[12..] == ["fc1", "fc2"], "{layers}");
    }
}

/// The variables of these layers.
fn variables(layers: &str) -> Vec<String> {
    layers.split(' ').flat_map(|layer| [format!("W_{layer}"), format!("b_{layer}")]).collect()
}

fn check(words: &str, layers: &str, config: Config) {
    let variables = variables(layers);
    let frozen: Vec<&str> = variables.iter().map(String::as_str).collect();
    check_frozen(&format!("{words} frozen"), &freezing(words, config), &frozen);
}

#[test]
fn a_frozen_trunk() {
    let layers = "conv1_1x1_1 conv1_1x1_2 conv1_1x1_3 conv1_1x1_4 conv1_3x3 conv1_5x5";
    check("conv*", layers, config(Module::Reduced, &[3], Scale::Unit, 4, 6));
}

/// The first of two modules, whose channels are whole vectors.
#[test]
fn a_frozen_first_module() {
    let layers = "conv1_1x1_1 conv1_1x1_2 conv1_1x1_3 conv1_1x1_4 conv1_3x3 conv1_5x5";
    let config = config(Module::Reduced, &[4, 8], Scale::Unit, 4, 5);
    check("conv1_*", layers, Config { reduce1x1: 4, num_fc1: 12, ..config });
}

/// Towers, of which some lead to what is trained and some do not, and the layer behind all.
#[test]
fn frozen_towers() {
    let layers = "conv1_1x1_1 conv1_1x1_3 conv1_5x5 conv2_1x1_2 conv2_1x1_4 fc1";
    let words = "conv1_1x1_1,conv1_1x1_3,conv1_5x5,conv2_1x1_2,*2_1x1_4,fc1";
    check(words, layers, config(Module::Reduced, &[5, 7], Scale::Raw, 3, 5));
    let config = config(Module::Reduced, &[4, 8], Scale::Unit, 4, 5);
    check(words, layers, Config { reduce1x1: 4, num_fc1: 12, ..config });
}

#[test]
fn a_frozen_head_of_naive_modules() {
    check("fc*", "fc1 fc2", config(Module::Naive, &[4, 2], Scale::Raw, 3, 5));
}

const FLAGS: &str = "--maps 2,4 --reduce1x1 4 --num-fc1 8 --batch-size 4 --val-rows 4 \
                     --dropout 0.5 --order shuffle --scale unit --freeze conv*,fc2";

#[test]
fn resumed_is_uninterrupted() {
    if !common::has_adapter() {
        return;
    }
    let place = Place::new(30, 4);
    let train = |out: &str, more: &str| {
        place.train(out, &format!("{FLAGS} {more}").split_whitespace().collect::<Vec<_>>())
    };
    let go_on = |more: &str| -> Vec<String> {
        let out = place.path("parts");
        format!("train --resume --out {out} {more}").split(' ').map(String::from).collect()
    };
    succeed_all(&train("whole", "--steps 7"));
    succeed_all(&train("parts", "--steps 3"));
    succeed_all(&go_on("--steps 5"));
    let said = run_all(&go_on("--steps 7 --freeze conv*"));
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in [r#"["conv*", "fc2"] frozen"#, r#"["conv*"]"#, "--init-weights"] {
        assert!(said.error().contains(part), "{}", said.stderr);
    }
    succeed_all(&go_on("--steps 7 --freeze conv*,fc2"));
    assert!(place.checkpoint("whole") == place.checkpoint("parts"), "checkpoints differ");
    let optimizer = place.path("whole/checkpoints/step-000007/optimizer.safetensors");
    let names: Vec<String> = tensors::read(optimizer.as_ref()).into_keys().collect();
    assert_eq!(names, ["m/W_fc1", "m/b_fc1", "v/W_fc1", "v/b_fc1"]);
}
