//! Training with some layers frozen: every plan computes what the plain recording does.

use clap::ValueEnum;
use inception::config::Config;
use inception::model::is_chosen;
use inception::plan::{Rewrite, Target};
use inception::train::Recordings;

use crate::common;
use crate::network::{config, images};
use crate::sharded::{Trained, assert_close, three_steps};
use crate::tensors::{f32_bytes, random_weights};

/// Three steps of the network of every kind of layer, planned for a target, or not at all.
fn train(freeze: &str, target: Option<&Target>) -> Option<Trained> {
    let gpu = common::gpu()?;
    let freeze = freeze.split(',').filter(|word| !word.is_empty()).map(String::from).collect();
    let config = Config { freeze, learning_rate: 1e-3, ..config() };
    Recordings::check(&config).unwrap_or_else(|why| panic!("{why}"));
    let (images, labels) = images();
    let mut recordings = Recordings::training(&config, images.len());
    if let Some(target) = target {
        recordings.fit(target).expect("it fits");
    }
    Some(three_steps(gpu, recordings, &config, (&images, &labels), |trainer| {
        for (name, (_, values)) in random_weights(&config) {
            trainer.set(&name, &f32_bytes(&values));
        }
    }))
}

/// The variables whose bits are those of the random weights.
fn kept(trained: &Trained) -> Vec<String> {
    let weights = random_weights(&config());
    let same = |(name, values): &&(String, Vec<f32>)| {
        weights
            .get(name)
            .is_some_and(|(_, begun)| f32_bytes(begun) == bytemuck::cast_slice::<f32, u8>(values))
    };
    let mut names: Vec<_> = trained.tensors.iter().filter(same).map(|(n, _)| n.clone()).collect();
    names.sort();
    names
}

/// This adapter, and others of as many kinds as there are rewrites.
fn plans() -> Vec<(String, Target)> {
    let target = Target::of(&common::gpu().expect("the adapter is there"));
    // As if it were no processor, so that what its subgroups leave goes to workgroup memory.
    let other = Target { software: false, ..target.clone() };
    let all = Rewrite::value_variants().to_vec();
    let mut plans = vec![
        ("planned".to_string(), target),
        ("in parts".to_string(), Target { longest_pass: 100_000, ..other.clone() }),
        ("without any".to_string(), Target { without: all.clone(), ..other.clone() }),
    ];
    for rewrite in all {
        let target = Target { without: vec![rewrite], ..other.clone() };
        plans.push((format!("without {rewrite:?}"), target));
    }
    plans
}

fn check(freeze: &str) {
    let Some(plain) = train(freeze, None) else { return };
    let frozen: Vec<String> = freeze.split(',').map(String::from).collect();
    let weights = random_weights(&config());
    let chosen: Vec<_> = weights.keys().filter(|name| is_chosen(&frozen, name)).collect();
    assert_eq!(kept(&plain).iter().collect::<Vec<_>>(), chosen, "{freeze} frozen");

    for (plan, target) in plans() {
        let planned = train(freeze, Some(&target)).expect("the adapter is there");
        let what = format!("{freeze} frozen, {plan}");
        assert_close(&plain, &planned, &what);
        assert_eq!(kept(&planned).iter().collect::<Vec<_>>(), chosen, "{what}");
    }
}

#[test]
fn the_first_layer_frozen() {
    check("conv1");
}

#[test]
fn layers_in_the_middle_frozen() {
    check("conv2,conv3a*,left");
}

#[test]
fn the_last_layers_frozen() {
    check("fc,classes,aux_classes");
}

#[test]
fn batch_normalisation_frozen() {
    check("norm");
}

#[test]
fn every_other_layer_frozen() {
    check("conv1,norm,conv3a_3x3,aux_fc,right,classes");
}
