//! The configuration: presets, flags, files, and what is said about wrong ones.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use inception::config::{
    Augment, Config, Decay, Every, Init, Module, Order, Preset, Scale, TrainArgs,
};
use inception::data::OnBadImage;

mod wrong;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    train: TrainArgs,
}

/// Every key with a value that differs from both presets, as flag text and as TOML.
const OTHER: [(&str, &str, &str); 24] = [
    ("train", "a.csv", "'a.csv'"),
    ("test", "b.csv", "'b.csv'"),
    ("val_rows", "7", "7"),
    ("maps", "3,4,5", "[3, 4, 5]"),
    ("module", "naive", "'naive'"),
    ("reduce1x1", "9", "9"),
    ("num_fc1", "11", "11"),
    ("dropout", "0.1", "0.1"),
    ("batch_size", "13", "13"),
    ("learning_rate", "0.003", "0.003"),
    ("steps", "17", "17"),
    ("eval_every", "19", "19"),
    ("log_every", "23", "23"),
    ("checkpoint_every", "10m", "'10m'"),
    ("keep", "3", "3"),
    ("seed", "9223372036854775807", "9223372036854775807"),
    ("scale", "unit", "'unit'"),
    ("init", "he", "'he'"),
    ("order", "shuffle", "'shuffle'"),
    ("decay", "cosine", "'cosine'"),
    ("warmup", "29", "29"),
    ("augment", "digits", "'digits'"),
    ("freeze", "conv1_*,fc1", "['conv1_*', 'fc1']"),
    ("on_bad_image", "skip", "'skip'"),
];

fn other() -> Config {
    Config {
        train: "a.csv".into(),
        test: "b.csv".into(),
        val_rows: 7,
        maps: vec![3, 4, 5],
        module: Module::Naive,
        reduce1x1: 9,
        num_fc1: 11,
        dropout: 0.1,
        batch_size: 13,
        learning_rate: 0.003,
        steps: 17,
        eval_every: 19,
        log_every: 23,
        checkpoint_every: Every::Time(Duration::from_secs(600)),
        keep: 3,
        seed: i64::MAX as u64,
        scale: Scale::Unit,
        init: Init::He,
        order: Order::Shuffle,
        decay: Decay::Cosine,
        warmup: 29,
        augment: Augment::Digits,
        freeze: vec!["conv1_*".into(), "fc1".into()],
        on_bad_image: OnBadImage::Skip,
        classes: Vec::new(),
        network: None,
    }
}

fn args(flags: &[&str]) -> TrainArgs {
    let argv = std::iter::once("train").chain(flags.iter().copied());
    Cli::try_parse_from(argv).expect("flags parse").train
}

fn flags_for(keys: &[(&str, &str, &str)]) -> Vec<String> {
    let flag = |key: &str| format!("--{}", key.replace('_', "-"));
    let pairs = keys.iter().map(|(k, v, _)| [flag(k), v.to_string()]);
    pairs.flatten().collect()
}

fn file(dir: &Path, text: &str) -> (PathBuf, TrainArgs) {
    let path = dir.join("run.toml");
    std::fs::write(&path, text).unwrap();
    let flags = args(&["--config", path.to_str().unwrap()]);
    (path, flags)
}

#[test]
fn presets_are_valid_and_as_published() {
    let tutorial = args(&[]).resolve().unwrap();
    assert_eq!(tutorial, Config::preset(Preset::Tutorial));
    assert_eq!(tutorial.maps, [32, 64]);
    assert_eq!((tutorial.reduce1x1, tutorial.num_fc1), (16, 700));
    assert_eq!((tutorial.steps, tutorial.batch_size), (20_000, 50));
    assert_eq!((tutorial.learning_rate, tutorial.dropout), (1e-4, 0.5));
    let quick = args(&["--preset", "quick"]).resolve().unwrap();
    assert_eq!(quick, Config::preset(Preset::Quick));
    assert_eq!((quick.steps, quick.log_every), (1000, 10));
    assert_eq!((quick.scale, quick.init), (Scale::Unit, Init::He));
    let best = args(&["--preset", "best"]).resolve().unwrap();
    assert_eq!(best, Config::preset(Preset::Best));
    assert_eq!(best.network().modules().count(), 3);
}

#[test]
fn the_learning_rate_rises_and_falls() {
    let config = Config {
        learning_rate: 8.0,
        steps: 12,
        warmup: 4,
        decay: Decay::Cosine,
        ..Config::preset(Preset::Quick)
    };
    let rates = |config: &Config| -> Vec<f64> {
        (0..13).map(|step| (config.learning_rate_at(step) * 1e9).round() / 1e9).collect()
    };
    let half =
        |angle: f64| ((4.0 + 4.0 * (angle * std::f64::consts::PI / 8.0).cos()) * 1e9).round() / 1e9;
    let falling: Vec<f64> = (0..9).map(|step| half(f64::from(step))).collect();
    assert_eq!(rates(&config), [&[2.0, 4.0, 6.0, 8.0][..], &falling].concat());
    let flat = Config { decay: Decay::None, warmup: 2, ..config.clone() };
    assert_eq!(rates(&flat)[..4], [4.0, 8.0, 8.0, 8.0]);
    let longer = Config { warmup: 100, ..config };
    assert_eq!(longer.learning_rate_at(11), 0.96);
}

#[test]
fn each_flag_and_each_key_reaches_its_own_field() {
    let dir = tempfile::tempdir().unwrap();
    let base = Config::preset(Preset::Tutorial);
    let mut all = String::new();
    for entry in OTHER {
        let line = format!("{} = {}\n", entry.0, entry.2);
        let owned = flags_for(&[entry]);
        let flags: Vec<&str> = owned.iter().map(String::as_str).collect();
        let by_flag = args(&flags).resolve().unwrap();
        let by_file = file(dir.path(), &line).1.resolve().unwrap();
        assert_ne!(by_flag, base, "{}", entry.0);
        assert_eq!(by_flag, by_file, "{}", entry.0);
        all += &line;
    }
    assert_eq!(file(dir.path(), &all).1.resolve().unwrap(), other());
    let owned = flags_for(&OTHER);
    let flags: Vec<&str> = owned.iter().map(String::as_str).collect();
    assert_eq!(args(&flags).resolve().unwrap(), other());
    assert_eq!(args(&flags).over(&base).unwrap(), other());
}

#[test]
fn flags_win_over_the_file_and_the_file_over_the_preset() {
    let dir = tempfile::tempdir().unwrap();
    let (path, alone) = file(dir.path(), "preset = 'quick'\nseed = 5\nsteps = 6\n");
    let config = alone.resolve().unwrap();
    assert_eq!((config.seed, config.steps, config.num_fc1), (5, 6, 64));
    let path = path.to_str().unwrap();
    let mixed = args(&["--seed", "8", "--config", path]).resolve().unwrap();
    assert_eq!((mixed.seed, mixed.steps, mixed.num_fc1), (8, 6, 64));
    let flags = args(&["--preset", "tutorial", "--config", path]);
    let config = flags.resolve().unwrap();
    assert_eq!((config.seed, config.steps, config.num_fc1), (5, 6, 700));
    assert_eq!(config.learning_rate, 1e-4);
}

#[test]
fn round_trips() {
    let dir = tempfile::tempdir().unwrap();
    let odd = Config {
        dropout: 0.3,
        learning_rate: 1.0 / 8192.0 + 1e-9,
        train: "a dir/\"quoted\" é.csv".into(),
        ..other()
    };
    for config in [Config::preset(Preset::Tutorial), Config::preset(Preset::Quick), other(), odd] {
        let text = config.to_toml().unwrap();
        assert_eq!(file(dir.path(), &text).1.resolve().unwrap(), config);
        let json = config.to_json().unwrap();
        assert_eq!(Config::from_json(&json).unwrap(), config);
    }
    let named = Config { classes: vec!["cat".into(), "a \"dog\"".into()], ..other() };
    assert_eq!(file(dir.path(), &named.to_toml().unwrap()).1.resolve().unwrap(), named);
    assert_eq!(Config::from_json(&named.to_json().unwrap()).unwrap(), named);
    let json = other().to_json().unwrap();
    assert!(json.contains(r#""maps":[3,4,5],"module":"naive""#), "{json}");
    assert!(json.contains(r#""dropout":0.1,"#), "{json}");
}

#[test]
fn help_states_the_tutorials_values() {
    let help = <Cli as clap::CommandFactory>::command().render_long_help().to_string();
    let tutorial = toml::Table::try_from(Config::preset(Preset::Tutorial)).unwrap();
    for (key, value) in tutorial {
        let flag = format!("--{} <", key.replace('_', "-"));
        let at = help.find(&flag).unwrap_or_else(|| panic!("{flag}: {help}"));
        let words: String = help[at..].split_whitespace().collect::<Vec<_>>().join(" ");
        let stated = words.split("[tutorial: ").nth(1).and_then(|t| t.split(']').next());
        let shown = match value {
            toml::Value::Array(list) if list.is_empty() => "none".into(),
            toml::Value::Array(list) => {
                let items: Vec<String> = list.iter().map(ToString::to_string).collect();
                items.join(",")
            }
            toml::Value::Float(0.0001) => "1e-4".into(),
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        assert_eq!(stated, Some(shown.as_str()), "{key}");
    }
}
