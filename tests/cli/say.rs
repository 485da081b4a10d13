//! What a failure must look like, and the tiny network that the tests use.

use std::path::Path;

use inception::checkpoint::{Origin, TensorSource, optimizer_tensors, save};
use inception::config::{Config, Preset};
use inception::model::initial_values;
use inception::train::Recordings;

use crate::common::{Place, Said, run, run_all};

/// Sizes of a network that is quick to compile.
pub const TINY: &str = "--maps 2 --reduce1x1 2 --num-fc1 4 --batch-size 4 --val-rows 4 --steps 2";

/// Arguments of `train` for the tiny network into `out`, then `more`.
pub fn tiny(place: &Place, out: &str, more: &str) -> Vec<String> {
    place.train(out, &format!("{TINY} {more}").split_whitespace().collect::<Vec<_>>())
}

/// The tiny network's configuration.
pub fn tiny_config(place: &Place) -> Config {
    Config {
        train: place.path("train.csv").into(),
        test: place.path("test.csv").into(),
        maps: vec![2],
        reduce1x1: 2,
        num_fc1: 4,
        batch_size: 4,
        val_rows: 4,
        steps: 2,
        ..Config::preset(Preset::Quick)
    }
}

/// A checkpoint of the tiny network as at its second step.
pub fn checkpoint(place: &Place, name: &str) -> String {
    let config = tiny_config(place);
    let weights = Recordings::inference(&config, 1).parameters();
    let value = |name: &str, shape: &[usize]| {
        let values = match name.contains('/') {
            true => vec![0.0; shape.iter().product()],
            false => initial_values(name, shape, config.init, config.seed),
        };
        values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()
    };
    let sources = |tensors: &[(String, Vec<usize>)]| -> Vec<TensorSource> {
        let source = |(name, shape): &(String, Vec<usize>)| {
            let bytes = value(name, shape);
            let read = Box::new(move |part: &mut dyn FnMut(&[u8])| {
                part(&bytes);
                Ok(())
            });
            TensorSource { name: name.clone(), shape: shape.clone(), read }
        };
        tensors.iter().map(source).collect()
    };
    let path = place.path(name);
    let moments = optimizer_tensors(&weights);
    let origin = Origin {
        step: 2,
        config: config.clone(),
        validation_accuracy: None,
        training_data: None,
        test_data: None,
    };
    save(path.as_ref(), &origin, sources(&weights), sources(&moments), || Ok(()))
        .expect("it is saved");
    path
}

/// Checks that it failed with one clear sentence that holds all `parts`.
#[track_caller]
pub fn assert_failed(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert_eq!(said.stdout, "", "results of a failure");
    let error = said.error();
    assert_eq!(error.lines().count(), 1, "not one line: {error}");
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
    for noise in ["panicked", "backtrace", "RUST_BACKTRACE", "src/", "Err(", "unwrap"] {
        assert!(!said.stderr.contains(noise), "{noise:?} in: {}", said.stderr);
    }
}

#[track_caller]
pub fn assert_fails(arguments: &[&str], code: i32, parts: &[&str]) {
    assert_failed(&run(arguments), code, parts);
}

/// Checks that a training run fails so, and leaves nothing in `out`.
#[track_caller]
pub fn assert_train_fails(place: &Place, more: &str, parts: &[&str]) {
    let said = run_all(&tiny(place, "fresh", more));
    assert_failed(&said, 1, parts);
    assert!(!Path::new(&place.path("fresh")).exists(), "it left something in --out");
}
