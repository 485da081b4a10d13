//! Several runs side by side.

use maud::{Markup, html};

use super::curves::Curve;
use super::page::{charts, noun, rows, seconds, settings};
use super::text::{number, per_cent, thousands};
use super::{Run, chart};
use crate::metrics::Row;

/// Logged losses at the end of a run whose mean is shown.
const LAST: usize = 10;

/// The letter by which a run is known in charts: A to Z, then A2 and so on.
fn letter(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

/// The page's body.
pub(super) fn several(runs: &[Run]) -> Markup {
    let curves: Vec<Curve> = runs
        .iter()
        .enumerate()
        .map(|(line, run)| Curve { line, label: letter(line), rows: rows(run) })
        .collect();
    html! {
        header {
            p.weak { "Training report" }
            h1 { (runs.len()) " runs compared" }
        }
        section {
            h2 { "Results" }
            (results(runs))
            @for run in runs { (troubles(run)) }
        }
        section { h2 { "Learning" } (charts(&curves, runs.first().map_or("digits", noun))) }
        section { h2 { "Configuration" } (differences(runs)) }
    }
}

/// What is damaged of a run.
fn troubles(run: &Run) -> Markup {
    html! { @for why in run.damage() { p.trouble { (why) } } }
}

/// A run's letter with a piece of its line.
fn key(index: usize) -> Markup {
    let class = format!("line line{}", index % chart::LINES);
    html! {
        svg.key viewBox="0 0 26 10" width="26" height="10" aria-hidden="true" {
            path class=(class) d="M0 5H26" {}
        }
        " " b { (letter(index)) }
    }
}

fn results(runs: &[Run]) -> Markup {
    let none = || "\u{2013}".to_string();
    html! {
        div.scroll {
            table.runs {
                thead { tr {
                    th scope="col" { "Run" }
                    @for name in ["Test", "Best validation", "Loss at the end", "Steps", "Time", "Parameters"] {
                        th scope="col" { (name) }
                    }
                } }
                tbody {
                    @for (index, run) in runs.iter().enumerate() {
                        @let rows = rows(run);
                        @let evaluation = run.evaluation.as_ref().ok().and_then(Option::as_ref);
                        tr {
                            th scope="row" { (key(index)) " " (run.name) }
                            td { (rows.iter().rev().find_map(|row| row.test_accuracy).map_or_else(none, per_cent)) }
                            td { (best(rows).map_or_else(none, |(step, value)| {
                                format!("{} (step {})", per_cent(value), thousands(step))
                            })) }
                            td { (loss_at_end(rows).map_or_else(none, |loss| number(loss, loss / 100.0))) }
                            td { (rows.last().map_or_else(none, |row| thousands(row.step))) }
                            td { (rows.last().map_or_else(none, |row| seconds(row.seconds))) }
                            td { (evaluation.map_or_else(none, |one| thousands(one.parameters))) }
                        }
                    }
                }
            }
        }
        p.weak { "Loss at the end: mean of the last " (LAST) " logged batches." }
        @for (adapter, letters) in adapters(runs) {
            p.weak { (letters.join(", ")) ": on " (adapter) }
        }
    }
}

/// The adapters, each with the letters of its runs.
fn adapters(runs: &[Run]) -> Vec<(&str, Vec<String>)> {
    let mut all: Vec<(&str, Vec<String>)> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let Ok(Some(evaluation)) = &run.evaluation else { continue };
        match all.iter_mut().find(|(adapter, _)| *adapter == evaluation.adapter) {
            Some((_, letters)) => letters.push(letter(index)),
            None => all.push((&evaluation.adapter, vec![letter(index)])),
        }
    }
    all
}

/// The best validation accuracy, and the first step that reached it.
fn best(rows: &[Row]) -> Option<(u64, f64)> {
    let measured = rows.iter().filter_map(|row| Some((row.step, row.val_accuracy?)));
    measured.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn loss_at_end(rows: &[Row]) -> Option<f64> {
    let losses = rows.iter().rev().filter_map(|row| row.loss).take(LAST);
    let losses: Vec<f64> = losses.map(f64::from).collect();
    (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}

/// The values that differ as a table, the others in a line.
fn differences(runs: &[Run]) -> Markup {
    let all: Vec<Vec<(String, String)>> = runs
        .iter()
        .map(|run| run.config.as_ref().ok().and_then(Option::as_ref).map_or(vec![], settings))
        .collect();
    let value = |run: usize, key: &str| {
        let found = all[run].iter().find(|(name, _)| name == key);
        found.map_or("\u{2013}", |(_, value)| value)
    };
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in all.iter().flatten() {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    let same = |key: &&str| (1..runs.len()).all(|run| value(run, key) == value(0, key));
    let (same, different): (Vec<&str>, Vec<&str>) = keys.into_iter().partition(same);
    html! {
        @if different.is_empty() { p { "Nothing differs." } }
        @else {
            div.scroll {
                table.runs.differences {
                    thead { tr {
                        th scope="col" { "Differs" }
                        @for (index, run) in runs.iter().enumerate() {
                            th scope="col" { (key(index)) " " (run.name) }
                        }
                    } }
                    tbody {
                        @for name in different {
                            tr {
                                th scope="row" { (name) }
                                @for run in 0..runs.len() { td { (value(run, name)) } }
                            }
                        }
                    }
                }
            }
        }
        @if !same.is_empty() {
            h3 { "The same in all" }
            dl.settings {
                @for name in same { div { dt { (name) } dd { (value(0, name)) } } }
            }
        }
    }
}
