//! `inception report`: a run's page made again, or several runs compared.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, print_of, warn};
use crate::metrics::{self, METRICS_FILE};
use crate::report::{self, REPORT_FILE};

/// Make the report of a run again, or one that compares several runs
///
/// `train --out` makes the report of its run by itself, at each evaluation. A report is one HTML
/// file that needs no other; no adapter is needed to make it.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    inception report runs/quick\n  \
    inception report runs/quick runs/seed2 runs/three --out seeds.html")]
pub(super) struct ReportCommand {
    /// Folders that `train --out` has written
    #[arg(value_name = "DIR", required = true)]
    runs: Vec<PathBuf>,
    /// The file to write [default: report.html in the run's folder; of several, compare.html in the
    /// current folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file also where it is no report
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(command: ReportCommand) -> Result<(), Failure> {
    let runs: Result<Vec<_>, _> = command.runs.iter().map(|dir| report::load(dir)).collect();
    let mut runs = runs?;
    let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
    for (run, dir) in runs.iter_mut().zip(&command.runs) {
        // Folders of one name are told apart by the folders around them.
        if names.iter().filter(|name| **name == run.name).count() > 1 {
            run.name = dir.display().to_string();
        }
    }
    for (run, dir) in runs.iter().zip(&command.runs) {
        run.damage().into_iter().for_each(warn);
        let path = dir.join(METRICS_FILE);
        if let Some(line) = metrics::cut_line(&path) {
            warn(&format!(
                "in {}, line {line}, the last one, is cut, or being written just now: it is left out; \
                 where it is whole, end it with a newline",
                path.display()
            ));
        }
    }
    let out = command.out.unwrap_or_else(|| match &command.runs[..] {
        [dir] => dir.join(REPORT_FILE),
        _ => Path::new("compare.html").into(),
    });
    if !command.overwrite && report::is_of_others(&out) {
        return Err(Failure::new(format!(
            "{} is there and was not made by `inception report`; give another --out, or --overwrite to \
             replace it",
            out.display()
        )));
    }
    report::write(&out, &report::html(&runs))?;
    print_of(&out, &out.display().to_string())
}
