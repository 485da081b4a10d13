//! The configuration: presets, flags, files, and what is said about wrong ones.

use std::path::{Path, PathBuf};

use clap::Parser;
use inception::config::{Config, Init, Module, Order, Preset, Scale, TrainArgs};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    train: TrainArgs,
}

/// Every key with a value that differs from both presets, as flag text and as TOML.
const OTHER: [(&str, &str, &str); 17] = [
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
    ("seed", "9223372036854775807", "9223372036854775807"),
    ("scale", "unit", "'unit'"),
    ("init", "he", "'he'"),
    ("order", "shuffle", "'shuffle'"),
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
        seed: i64::MAX as u64,
        scale: Scale::Unit,
        init: Init::He,
        order: Order::Shuffle,
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

/// The message for a configuration file, with its path cut to `run.toml`.
fn complaint(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (_, flags) = file(dir.path(), text);
    let message = flags.resolve().unwrap_err().to_string();
    message.replace(&format!("{}/", dir.path().display()), "")
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
    let json = other().to_json().unwrap();
    assert!(json.contains(r#""maps":[3,4,5],"module":"naive""#), "{json}");
    assert!(json.contains(r#""dropout":0.1,"#), "{json}");
}

#[test]
fn each_value_out_of_bounds_is_named() {
    let size = "it must be from 1 to 1048576";
    let count = "it must be a whole number from 1 to 9223372036854775807";
    let drop = "it must be a number from 0 (no dropout) to just below 1";
    let rate = "it must be a finite number above 0 in single precision (1e-45 to 3.4e38)";
    let cases = [
        ("--val-rows=0", format!("val_rows is 0; {size}")),
        ("--maps=32,0", format!("maps is [32, 0]; {size}")),
        ("--reduce1x1=0", format!("reduce1x1 is 0; {size}")),
        ("--num-fc1=1048577", format!("num_fc1 is 1048577; {size}")),
        ("--batch-size=0", format!("batch_size is 0; {size}")),
        ("--dropout=1", format!("dropout is 1; {drop}")),
        ("--dropout=-0.5", format!("dropout is -0.5; {drop}")),
        ("--dropout=nan", format!("dropout is NaN; {drop}")),
        ("--learning-rate=0", format!("learning_rate is 0; {rate}")),
        ("--learning-rate=-1", format!("learning_rate is -1; {rate}")),
        ("--learning-rate=nan", format!("learning_rate is NaN; {rate}")),
        ("--learning-rate=inf", format!("learning_rate is inf; {rate}")),
        ("--steps=0", format!("steps is 0; {count}")),
        ("--eval-every=0", format!("eval_every is 0; {count}")),
        ("--log-every=0", format!("log_every is 0; {count}")),
    ];
    for (flag, message) in cases {
        let error = args(&[flag]).resolve().unwrap_err();
        assert_eq!(error.to_string(), message, "{flag}");
    }
    let tiny = args(&["--learning-rate=1e-60"]).resolve().unwrap_err();
    assert!(tiny.to_string().ends_with(rate), "{tiny}");
    let error = args(&["--seed=18446744073709551615"]).resolve().unwrap_err();
    assert!(error.to_string().contains("up to 9223372036854775807"), "{error}");
    let empty = Config { maps: vec![], ..other() };
    let message = "maps is empty; it must be a list of one or more channel counts";
    assert_eq!(empty.validate().unwrap_err().to_string(), message);
    let nameless = Config { test: "".into(), ..other() };
    let message = "test is \"\"; it must be a path of valid UTF-8";
    assert_eq!(nameless.validate().unwrap_err().to_string(), message);
    let huge = Config { seed: u64::MAX, ..other() };
    let message = "seed is 18446744073709551615; it must be a whole number from 0 to \
                   9223372036854775807";
    assert_eq!(huge.validate().unwrap_err().to_string(), message);
}

#[test]
fn a_bad_value_is_blamed_on_the_file_only_if_it_stands_there() {
    let text = "in run.toml: dropout is 1.5; it must be a number from 0 (no dropout) to just \
                below 1";
    assert_eq!(complaint("dropout = 1.5"), text);
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = file(dir.path(), "dropout = 1.5");
    let path = path.to_str().unwrap();
    let flags = args(&["--dropout=2", "--config", path]);
    let error = flags.resolve().unwrap_err();
    assert!(error.to_string().starts_with("dropout is 2;"), "{error}");
    let mended = args(&["--dropout=0", "--config", path]).resolve();
    assert_eq!(mended.unwrap().dropout, 0.0);
}

#[test]
fn a_bad_file_is_named_with_line_and_key() {
    let cases = [
        (
            "seed = 1\nstepz = 5\n",
            "in run.toml, line 2, key stepz: unknown field `stepz`, expected one of `preset`, `train`",
        ),
        ("config = 'x'", "in run.toml, line 1, key config: unknown field `config`"),
        (
            "\n\nsteps = 'many'",
            "in run.toml, line 3, key steps: invalid type: string \"many\", expected u64",
        ),
        (
            "val_rows = -1",
            "in run.toml, line 1, key val_rows: invalid value: integer `-1`, expected usize",
        ),
        (
            "maps = [\n 8,\n 'x',\n]",
            "in run.toml, line 3, key maps: invalid type: string \"x\", expected usize",
        ),
        (
            "# a = b\npreset = 'fast'",
            "in run.toml, line 2, key preset: unknown variant `fast`, expected `tutorial` or `quick`",
        ),
        ("module = 'fancy'", "in run.toml, line 1, key module: unknown variant `fancy`"),
        ("seed = 1\nseed = 2", "in run.toml, line 2, key seed: duplicate key"),
        ("seed = 1\nsteps = ", "in run.toml, line 2, key steps: string values must be quoted"),
        ("[seed", "in run.toml, line 1: "),
        ("seed = 99999999999999999999", "in run.toml, line 1, key seed: "),
    ];
    for (text, start) in cases {
        let message = complaint(text);
        assert!(message.starts_with(start), "{text:?} gives {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn an_unreadable_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.toml");
    let flags = args(&["--config", path.to_str().unwrap()]);
    let message = flags.resolve().unwrap_err().to_string();
    assert!(message.contains("none.toml: "), "{message}");
    assert!(message.ends_with("check the path after --config"), "{message}");
    let path = dir.path().join("run.toml");
    std::fs::write(&path, b"seed = \xff").unwrap();
    let flags = args(&["--config", path.to_str().unwrap()]);
    let message = flags.resolve().unwrap_err().to_string();
    assert!(message.contains("UTF-8"), "{message}");
}

#[test]
fn a_bad_stored_configuration_is_refused() {
    let json = other().to_json().unwrap();
    let cases = [
        ("", "EOF while parsing"),
        ("[]", "invalid"),
        (&json.replace("\"seed\"", "\"sead\""), "unknown field `sead`"),
        (&json.replace("\"seed\":9223372036854775807,", ""), "missing field `seed`"),
        (&json.replace("[3,4,5]", "[]"), "maps is empty"),
        (&json.replace("0.003", "1e999"), "number out of range"),
        (&"[".repeat(100_000), "the stored configuration"),
    ];
    for (text, part) in cases {
        let message = Config::from_json(text).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn files_cut_or_garbled_anywhere_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let text = other().to_toml().unwrap();
    for at in 0..text.len() {
        let _ = file(dir.path(), &text[..at]).1.resolve();
        for byte in ["\0", "\"", "[", "=", "\n", "é"] {
            let garbled = format!("{}{byte}{}", &text[..at], &text[at..]);
            let _ = file(dir.path(), &garbled).1.resolve();
        }
    }
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
