//! Wrong values and files, and what is said about them.

use std::time::Duration;

use inception::config::{Config, Every, TrainArgs};

use super::{args, file, other};

/// The message for a configuration file, with its path cut to `run.toml`.
fn complaint(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (_, flags) = file(dir.path(), text);
    let message = flags.resolve().unwrap_err().to_string();
    message.replace(&format!("{}/", dir.path().display()), "")
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
        ("--keep=0", format!("keep is 0; {size}")),
    ];
    for (flag, message) in cases {
        let error = args(&[flag]).resolve().unwrap_err();
        assert_eq!(error.to_string(), message, "{flag}");
    }
    let tiny = args(&["--learning-rate=1e-60"]).resolve().unwrap_err();
    assert!(tiny.to_string().ends_with(rate), "{tiny}");
    let flags = TrainArgs { seed: Some(u64::MAX), ..TrainArgs::default() };
    let error = flags.resolve().unwrap_err();
    assert!(error.to_string().contains("up to 9223372036854775807"), "{error}");
    let empty = Config { maps: vec![], ..other() };
    let message = "maps is empty; it must be a list of one or more channel counts";
    assert_eq!(empty.validate().unwrap_err().to_string(), message);
    let many = |modules| Config { maps: vec![1; modules], ..other() }.validate();
    let message = "maps is a list of 65 channel counts; it must be of at most 64, one a module";
    assert_eq!(many(65).unwrap_err().to_string(), message);
    assert!(many(64).is_ok());
    let named = |names: &[&str]| Config {
        classes: names.iter().map(|n| n.to_string()).collect(),
        ..other()
    };
    let long = "x".repeat(101);
    for (wrong, said) in [
        (&["cat", "cat"][..], "a list with \"cat\""),
        (&["cat", ""], "a list with \"\""),
        (&["a\x1b[2J"], "a list with \"a\\u{1b}[2J\""),
        (&[&long], "a list with \"xxx"),
        (&(0..257).map(|_| "x").collect::<Vec<_>>(), "a list of 257"),
    ] {
        let error = named(wrong).validate().unwrap_err().to_string();
        assert!(error.starts_with(&format!("classes is {said}")), "{error}");
        assert!(error.contains("up to 256 different names"), "{error}");
    }
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
            "in run.toml, line 2, key preset: unknown variant `fast`, expected one of `tutorial`, `quick`, \
             `best`",
        ),
        ("module = 'fancy'", "in run.toml, line 1, key module: unknown variant `fancy`"),
        ("seed = 1\nseed = 2", "in run.toml, line 2, key seed: duplicate key"),
        ("seed = 1\nsteps = ", "in run.toml, line 2, key steps: string values must be quoted"),
        ("[seed", "in run.toml, line 1: "),
        ("seed = 99999999999999999999", "in run.toml, line 1, key seed: "),
        (
            "seed = 1\nsteps = 18446744073709551615",
            "in run.toml, line 2, key steps: u64 value was too large; whole numbers may go up to 9223372036854775807",
        ),
        ("maps = [\n1,\n9223372036854775808]", "in run.toml, line 3, key maps: "),
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
    assert!(
        message
            .ends_with("it is not text in UTF-8; save it as UTF-8, or name another after --config"),
        "{message}"
    );
    let flags = args(&["--config", dir.path().to_str().unwrap()]);
    let message = flags.resolve().unwrap_err().to_string();
    assert!(message.contains("--config"), "{message}");
    #[cfg(unix)]
    assert!(
        message.ends_with("--config takes a file, such as the config.toml in a run's folder"),
        "{message}"
    );
}

#[test]
fn what_a_file_says_is_shown_short_and_without_what_a_terminal_obeys() {
    let long = "x".repeat(5000);
    let texts = [
        format!("{long} = 5"),
        format!("preset = '{long}'"),
        "'\\u001b[2J' = 5".replace("\\u001b", "\u{1b}"),
        "\"\\u001b[2J\" = 5".to_string(),
        "module = \"\\u0007\\u001b[31m\"".to_string(),
        format!("dropout = 0.5\nfreeze = [\"\\u001b{long}\"]\ntrain = ''"),
        format!("maps = [{}0]", "1, ".repeat(5000)),
    ];
    for text in texts {
        let message = complaint(&text);
        assert!(message.chars().count() < 1000, "{} characters: {message}", message.len());
        assert!(!message.contains(char::is_control), "{message:?}");
    }
    let json = other().to_json().unwrap().replace("\"seed\"", &format!("\"{long}\""));
    let message = Config::from_json(&json).unwrap_err().to_string();
    assert!(message.len() < 1000, "{message}");
}

#[test]
#[cfg(unix)]
fn a_path_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::PathBuf::from(std::ffi::OsStr::from_bytes(b"digits\xff.csv"));
    let flags = TrainArgs { test: Some(path), ..TrainArgs::default() };
    let message = flags.resolve().unwrap_err().to_string();
    assert_eq!(message, r#"test is "digits\xFF.csv"; it must be a path of valid UTF-8"#);
    assert_eq!(flags.over(&other()).unwrap_err().to_string(), message);
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
        (&json.replace("[3,4,5]", &format!("[1{}]", ",1".repeat(99_999))), "100000 channel counts"),
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
fn checkpoints_are_due_by_steps_or_time() {
    let parse = |text: &str| text.parse::<Every>();
    let time = |seconds| Ok(Every::Time(Duration::from_secs(seconds)));
    for (text, every) in [
        ("evaluation", Ok(Every::Evaluation)),
        ("1", Ok(Every::Steps(1))),
        ("4294967295", Ok(Every::Steps(4294967295))),
        ("90s", time(90)),
        ("10m", time(600)),
        ("2h", time(7200)),
        ("4294967295h", time(4294967295 * 3600)),
    ] {
        assert_eq!(parse(text), every);
        assert_eq!(every.unwrap().to_string(), text);
    }
    assert_eq!(parse("120m"), parse("2h"));
    for text in ["", "0", "0m", "m", "-5", "1.5h", "10 m", "10min", "4294967296", "weekly", "5ü"] {
        let why = parse(text).unwrap_err();
        assert!(why.contains("neither a number of steps (500), nor a time"), "{why}");
        assert!(why.starts_with(&format!("{text:?}")), "{why}");
    }
    // A file may leave the quotes out.
    let dir = tempfile::tempdir().unwrap();
    let config = |text: &str| file(dir.path(), text).1.resolve().unwrap().checkpoint_every;
    assert_eq!(config("checkpoint_every = 500"), Every::Steps(500));
    assert_eq!(config("checkpoint_every = '500'"), Every::Steps(500));
    let text = complaint("seed = 1\ncheckpoint_every = 'never'");
    assert!(text.starts_with("in run.toml, line 2, key checkpoint_every: \"never\" is"), "{text}");
}
