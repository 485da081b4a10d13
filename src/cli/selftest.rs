//! `inception selftest`: whether this adapter computes rightly.

use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::{Failure, Global, devices, open_gpu, print_results, progress_bar};
use crate::gpu::{AdapterFacts, INTERFACE};
use crate::selftest::{self, Check, Outcome};

/// Check this adapter's arithmetic: every operation, forward and backward, against the processor's
///
/// Runs each operation at odd shapes by every kernel that this adapter could be given, and trains a
/// tiny network, whose losses are known, twice. An error is held against what f32 may make of the
/// operation. Exit code 1 when anything is wrong. Put the output into a bug report.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  inception selftest\n  inception selftest --backend vulkan --json"
)]
pub(super) struct SelftestCommand {
    /// Print JSON, with each shape by itself
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    interface: &'static str,
    system: String,
    adapter: AdapterFacts,
    seconds: f64,
    wrong: usize,
    checks: Vec<Check>,
}

pub(super) fn run(command: SelftestCommand, global: &Global) -> Result<(), Failure> {
    let gpu = open_gpu(global)?;
    let (adapter, target) = (gpu.facts.clone(), global.untuned(&gpu));
    let bar = progress_bar(0, "checking {wide_bar} {pos}/{len}, {rate}, {eta} left");
    let begin = Instant::now();
    let checks = selftest::run(gpu, &target, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        interface: INTERFACE,
        system: system(),
        adapter,
        seconds: begin.elapsed().as_secs_f64(),
        wrong: checks.iter().filter(|check| !check.outcome.is_right()).count(),
        checks,
    };
    match command.json {
        true => print_results(&serde_json::to_string_pretty(&report)?)?,
        false => print_results(&describe(&report))?,
    }
    verdict(&report)
}

fn verdict(report: &Report) -> Result<(), Failure> {
    let wrong: Vec<_> = report.checks.iter().filter(|check| !check.outcome.is_right()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    // Where only variants are wrong, the plain kernels do meanwhile.
    let all = |names: &[&str]| wrong.iter().all(|c| names.iter().any(|n| c.kernels.contains(n)));
    let meanwhile = match () {
        _ if all(&["_subgroup", "Subgroup"]) => "run with --no-fuse subgroup meanwhile, ",
        _ if all(&["_workgroup", "Tiles"]) => "run with --no-fuse workgroup meanwhile, ",
        _ => "",
    };
    Err(Failure::new(format!(
        "{} of {} checks failed, so this adapter's results cannot be trusted: update the graphics \
         driver, try another --backend or --adapter, {meanwhile}or compute with --software; please \
         report it with this output",
        wrong.len(),
        report.checks.len()
    )))
}

/// The operating system, as it calls itself.
fn system() -> String {
    let os = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or(os.clone(), |name| format!("{os}, {}", name.trim_matches('"')))
}

fn describe(report: &Report) -> String {
    let Report { version, interface, system, checks, .. } = report;
    let mut text = format!("inception {version}, {interface}, {system}\n{}\n", report.adapter.name);
    text += &devices::facts(&report.adapter);
    text += &format!(
        "\n{:9} {:9} {:45} {:>6} {:>8} {:>8}  {:6} {}\n",
        "operation", "result", "kernels", "checks", "error", "allowed", "", "worst at"
    );
    let mut rest: Vec<&Check> = checks.iter().collect();
    let first_of = |op: &str| checks.iter().position(|check| check.op == op);
    rest.sort_by_key(|check| (first_of(&check.op), check.result != "y", &check.result));
    while let Some(first) = rest.first().copied() {
        let same = |check: &&Check| (&check.op, &check.kernels) == (&first.op, &first.kernels);
        let (row, others) = rest.into_iter().partition(same);
        rest = others;
        text += &line(&row);
    }
    text.push('\n');
    for check in checks.iter().filter(|check| !check.outcome.is_right()) {
        text += &complaint(check);
    }
    let right = checks.len() - report.wrong;
    text + &format!("{right} of {} checks right, in {:.1} s\n", checks.len(), report.seconds)
}

/// What one operation made by the same kernels: the result nearest to its bound.
fn line(checks: &[&Check]) -> String {
    let Check { op, kernels, .. } = checks[0];
    let mut results: Vec<_> = checks.iter().map(|check| check.result.as_str()).collect();
    results.dedup();
    let results = match results[..] {
        [result] => result.to_string(),
        _ => format!("{} results", results.len()),
    };
    let wrong = checks.iter().filter(|check| !check.outcome.is_right()).count();
    let verdict = if wrong > 0 { "FAILED" } else { "ok" };
    let worst = checks.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    let (shape, outcome) = worst.map_or(("", None), |check| (&check.shape, Some(&check.outcome)));
    let numbers = match outcome.and_then(error_and_bound) {
        Some((0.0, 0.0)) => format!("{:>8} {:>8}", "none", "none"),
        Some((error, bound)) => format!("{error:8.1e} {bound:8.1e}"),
        None => format!("{:17}", ""),
    };
    format!("{op:9} {results:9} {kernels:45} {:6} {numbers}  {verdict:6} {shape}\n", checks.len())
}

fn error_and_bound(outcome: &Outcome) -> Option<(f64, f64)> {
    match *outcome {
        Outcome::Right { error, bound } | Outcome::Wrong { error, bound, .. } => {
            Some((error, bound))
        }
        Outcome::Failed { .. } => None,
    }
}

/// How much of its bound an error takes; what failed altogether is worse than any.
fn share(check: &Check) -> f64 {
    match error_and_bound(&check.outcome) {
        Some((0.0, _)) => 0.0,
        Some((error, bound)) => error / bound,
        None => f64::INFINITY,
    }
}

fn complaint(check: &Check) -> String {
    let Check { op, result, kernels, shape, outcome } = check;
    let what = match outcome {
        Outcome::Right { .. } => return String::new(),
        Outcome::Wrong { element, got, truth, bound, .. } => {
            format!("element {element} is {got:.6e}, not {truth:.6e}, give or take {bound:.1e}")
        }
        Outcome::Failed { reason } => reason.clone(),
    };
    format!("FAILED {op} {result} of {shape}, by {kernels}: {what}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: &[(&str, Outcome)]) -> Report {
        let check = |(kernels, outcome): &(&str, Outcome)| Check {
            op: "conv2d".to_string(),
            result: "y".to_string(),
            kernels: kernels.to_string(),
            shape: "1x2x3x4".to_string(),
            outcome: outcome.clone(),
        };
        let checks: Vec<_> = checks.iter().map(check).collect();
        Report {
            version: "0",
            interface: INTERFACE,
            system: "none".to_string(),
            adapter: crate::gpu::Gpu::noop().facts,
            seconds: 1.0,
            wrong: checks.iter().filter(|check| !check.outcome.is_right()).count(),
            checks,
        }
    }

    const RIGHT: Outcome = Outcome::Right { error: 1e-7, bound: 2e-7 };
    const WRONG: Outcome =
        Outcome::Wrong { element: 7, got: 2.0, truth: 1.0, error: 1.0, bound: 1e-6 };

    #[test]
    fn what_is_wrong_is_named() {
        let report = report(&[("conv2d.forward", RIGHT), ("conv2d_subgroup.forward", WRONG)]);
        let text = describe(&report);
        let row = |kernels: &str| text.lines().find(|line| line.contains(kernels)).expect("a row");
        assert!(row("conv2d.forward").contains(" ok "), "{text}");
        assert!(row("conv2d_subgroup.forward").contains(" FAILED "), "{text}");
        assert!(text.contains("element 7 is 2.000000e0, not 1.000000e0, give or take 1.0e-6"));
        assert!(text.ends_with("1 of 2 checks right, in 1.0 s\n"), "{text}");
    }

    #[test]
    fn what_to_do_depends_on_what_is_wrong() {
        let said = |checks: &[(&str, Outcome)]| verdict(&report(checks)).err().map(|f| f.message);
        assert_eq!(said(&[("conv2d.forward", RIGHT)]), None);
        let failed = Outcome::Failed { reason: "out of memory".to_string() };
        let one = said(&[("planned, Subgroup", WRONG), ("dense_subgroup.forward", failed.clone())]);
        let one = one.expect("a failure");
        assert!(one.starts_with("2 of 2 checks failed") && one.contains("--no-fuse subgroup"));
        let tiles = said(&[("planned, LargeTiles", WRONG), ("conv2d.forward", RIGHT)]);
        assert!(tiles.expect("a failure").contains("--no-fuse workgroup"));
        let plain = said(&[("planned, LargeTiles", WRONG), ("conv2d.forward", failed)]);
        assert!(!plain.expect("a failure").contains("--no-fuse"));
    }
}
