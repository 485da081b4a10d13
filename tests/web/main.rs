//! The page in a real browser: it computes what the program does. Needs `web/dist` (`scripts/web`) and
//! Chromium or Chrome; without one of them it skips, loudly.

#[path = "../common/mod.rs"]
mod common;
mod serve;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inception::config::{Config, Preset};
use inception::data::{Batches, load_labelled};
use inception::plan::Target;
use inception::train::{Recordings, Trainer};
use serde_json::Value;

/// How long the browser may take. A software adapter on two busy cores needs a few minutes.
const PATIENCE: Duration = Duration::from_secs(600);
const STEPS: usize = 50;
/// How far apart two losses of the same step may be, relative to the larger: as in the self-test. Kernels
/// sum in different orders, so weights differ in their last bits, and steps make more of that; 5e-7 was
/// measured between the two software adapters.
const TOLERANCE: f32 = inception::selftest::training::TOLERANCE as f32;

/// A browser, ended with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Browser {
    fn open(program: &Path, profile: &Path, url: &str) -> Browser {
        let profile = format!("--user-data-dir={}", profile.display());
        let flags = [
            "--headless=new",
            "--no-sandbox",
            "--enable-unsafe-webgpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
            &profile,
            url,
        ];
        let silent =
            |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Browser(silent(Command::new(program).args(flags)).expect("the browser starts"))
    }
}

/// The first browser in the PATH, or the one that `INCEPTION_BROWSER` names.
fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("INCEPTION_BROWSER") {
        return Some(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let folders = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|path| path.is_file())
}

/// The losses of the same steps by the program's side of the library.
fn native_losses() -> Option<Vec<f32>> {
    let gpu = common::gpu()?;
    let config = Config::preset(Preset::Quick);
    let digits = load_labelled(&common::repository("assets/mnist/mnist_train.csv.gz")).unwrap();
    let (digits, _) = digits.split_validation(config.val_rows).unwrap();
    let mut recordings = Recordings::training_alone(&config, digits.len());
    recordings.fit(&Target::of(&gpu)).unwrap();
    let batches = Batches::new(config.order, config.seed, config.batch_size, digits.len()).unwrap();
    let (images, labels) = (&digits.images, &digits.labels);
    let mut trainer = Trainer::new(gpu, recordings, images, labels, Some(batches)).unwrap();
    trainer.initialize();
    let mut losses = Vec::new();
    for _ in 0..STEPS {
        losses.extend(trainer.train_step().unwrap());
    }
    losses.extend(trainer.remaining_losses().unwrap());
    Some(losses.into_iter().map(|(_, loss)| loss).collect())
}

/// The page says how good its weights are; so does the file beside them.
#[test]
fn the_accuracy_on_the_page_is_the_measured_one() {
    let read = |name| std::fs::read_to_string(common::repository(name)).unwrap();
    let page = read("web/page/index.html");
    let said =
        page.split("data-accuracy=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let measured = read("assets/quick/README.md");
    assert!(measured.contains(&format!("**{said} %**")), "{said} % on the page, {measured}");
}

/// Not by `eprintln`, which is shown of failed tests only.
fn skip(why: &str) {
    let words = format!("\n!!!!! SKIPPED, NOT TESTED: the page: {why} !!!!!\n\n");
    std::io::stderr().write_all(words.as_bytes()).expect("stderr is there");
}

#[test]
fn the_page_computes_what_the_program_does() {
    let dist = common::repository("web/dist");
    if !dist.join("inception_web_bg.wasm").is_file() {
        return skip("web/dist is not there; scripts/web builds it, with wasm32-unknown-unknown");
    }
    let Some(program) = browser() else { return skip("no Chromium or Chrome is in the PATH") };
    let Some(native) = native_losses() else { return };
    let (url, reported) = serve::serve(dist);
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::open(&program, profile.path(), &format!("{url}/driver.html"));
    let report = reported.recv_timeout(PATIENCE).expect("the page reports in time");
    drop(browser);
    let report: Value = serde_json::from_str(&report).unwrap();
    eprintln!("on {}", report["device"]);
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["trouble"], "");

    for (name, digit) in [("zero", 0), ("two", 2), ("four", 4), ("seven", 7)] {
        assert_eq!(report["answers"][name], format!("This is a {digit}"));
    }
    assert_eq!(report["dropped"], "This is a 2");
    assert!(
        report["rubbish"].as_str().unwrap().starts_with("notes.txt is "),
        "{}",
        report["rubbish"]
    );
    let losses: Vec<f32> = serde_json::from_value(report["losses"].clone()).unwrap();
    assert_eq!(losses.len(), STEPS);
    let apart = |(a, b): (&f32, &f32)| (a - b).abs() / a.max(*b);
    let most = losses.iter().zip(&native).map(apart).fold(0.0, f32::max);
    eprintln!("losses of {STEPS} steps are at most {most:e} apart, relative to the larger");
    assert!(most <= TOLERANCE, "{most:e}\nin the browser {losses:?}\nnatively {native:?}");
    assert!(losses[0] > 2.0 && losses[STEPS - 1] < 1.0, "{losses:?}");

    assert_eq!(report["loaded"]["step"], STEPS);
    let own = format!("Weights: own.safetensors, 805,762 parameters, after {STEPS} steps.");
    assert_eq!(report["own"], own);
    assert!(report["cut"].as_str().unwrap().starts_with("Not loaded: cut.safetensors"));
    assert!(report["damaged"].as_str().unwrap().contains("cut"), "{}", report["damaged"]);
    assert!(report["lost"].as_str().unwrap().contains("was lost"), "{}", report["lost"]);
    assert_eq!(report["told"], "The GPU went away");
    assert_eq!((&report["retried"], &report["hidden"]), (&"This is a 4".into(), &true.into()));
    let without = report["without"].as_str().unwrap();
    for words in ["needs WebGPU", "Chrome", "Safari", "Firefox", "Try again"] {
        assert!(without.contains(words), "{words} is not in {without}");
    }
    assert_eq!(report["usable"], 0, "buttons that need a GPU");
    let checks = report["checks"].as_array().unwrap();
    let wrong: Vec<_> = checks.iter().filter(|check| check["outcome"]["is"] != "right").collect();
    assert!(wrong.is_empty(), "{} of {} checks: {wrong:#?}", wrong.len(), checks.len());
    assert!(checks.len() > 100, "{} checks", checks.len());
}
