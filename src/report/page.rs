//! The page of one run, and what all pages share.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{DARK, LIGHT, STYLE};
use super::curves::{self, Curve, half_window};
use super::text::{per_cent, thousands};
use super::{Part, Run, Split, parts, times};
use crate::config::Config;
use crate::metrics::{Confusion, Row};

/// What each page begins with, and hardly another program's.
pub(super) const BEGIN: &str = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
                                <meta name=\"generator\" content=\"inception-wgpu\">";

/// A whole page.
pub(super) fn page(title: &str, body: Markup) -> Markup {
    let style = format!(
        ":root {{ color-scheme: light dark; {LIGHT} }}\n\
         @media screen and (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}\n\
         {STYLE}{}",
        include_str!("page.css")
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content="inception-wgpu";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Lest a browser asks a server for one.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body { main { (body) } }
        }
    }
}

/// One run.
pub(super) fn one(run: &Run) -> Markup {
    let rows = rows(run);
    let curve = [Curve { line: 0, label: String::new(), rows }];
    html! {
        header {
            p.weak { "Training report" }
            h1 { (run.name) }
            p.result { (result(run)) }
            @if let Ok(Some(evaluation)) = &run.evaluation {
                p.weak {
                    (thousands(evaluation.parameters)) " parameters, trained on " (evaluation.adapter)
                    " by inception " (evaluation.version)
                }
            }
        }
        section {
            h2 { "Learning" }
            (trouble(&run.metrics))
            @if run.metrics.is_ok() { (charts(&curve, noun(run))) }
        }
        (part("Confusion matrix", &run.evaluation, parts::confusion))
        @if let Ok(Some(evaluation)) = &run.evaluation {
            section { h2 { "Most confidently wrong" } (parts::wrong(evaluation)) }
            section { h2 { "First filters" } (parts::filters(evaluation)) }
        }
        (part("Time", &run.profile, |profile| times::section(&profile.training)))
        (part("Configuration", &run.config, configuration))
    }
}

/// A section, unless there is nothing to show; what is damaged is said in its place.
fn part<T>(title: &str, part: &Part<T>, show: impl FnOnce(&T) -> Markup) -> Markup {
    html! {
        @match part {
            Ok(None) => {},
            Ok(Some(content)) => section { h2 { (title) } (show(content)) },
            Err(_) => section { h2 { (title) } (trouble(part)) },
        }
    }
}

/// The sentence about a damaged file.
fn trouble<T>(part: &Part<T>) -> Markup {
    html! { @if let Err(why) = part { p.trouble { (why) } } }
}

pub(super) fn rows(run: &Run) -> &[Row] {
    run.metrics.as_ref().ok().and_then(|rows| rows.as_deref()).unwrap_or_default()
}

/// The curves of one or of several runs.
pub(super) fn charts(curves: &[Curve], noun: &str) -> Markup {
    let loss = curves::loss(curves);
    let rows: usize =
        curves.iter().map(|curve| curve.rows.iter().filter(|r| r.loss.is_some()).count()).sum();
    let gaps = curves.iter().flat_map(|curve| curve.rows).filter_map(|row| row.loss);
    let gaps = gaps.filter(|loss| !loss.is_finite()).count();
    let window = 2 * half_window(rows) + 1;
    html! {
        @if loss.is_none() { p { "No loss was logged yet." } }
        div.pair {
            @if let Some(chart) = loss {
                figure.chart {
                    figcaption { b { (chart.title) } }
                    (chart.html())
                    @if curves.len() > 1 { p.weak { "Running means of single batches." } }
                    @else if window > 1 {
                        p.weak { "Faint: single batches. Strong: the mean of " (window) " neighbours." }
                    }
                    @if gaps > 0 { p.trouble { (gaps) " logged losses are not finite, and not drawn." } }
                }
            }
            @if let Some(chart) = curves::accuracy(curves, noun) {
                figure.chart {
                    figcaption { b { (chart.title) } }
                    (chart.html())
                    @if curves.len() > 1 { p.weak { "Rings: accuracy on the test " (noun) "." } }
                }
            }
        }
    }
}

/// What the run classifies.
pub(super) fn noun(run: &Run) -> &'static str {
    match &run.config {
        Ok(Some(config)) => config.noun(),
        _ => "digits",
    }
}

/// What has come out so far, in a line.
fn result(run: &Run) -> Markup {
    let noun = noun(run);
    let rows = rows(run);
    let Some(last) = rows.last() else {
        let nothing = match run.metrics {
            Ok(_) => "Nothing was measured yet.",
            Err(_) => "What was measured cannot be read.",
        };
        return html! { (nothing) };
    };
    let accuracy = rows.iter().rev().find_map(|row| row.val_accuracy);
    let of = match &run.config {
        Ok(Some(config)) => format!(" of {}", thousands(config.steps)),
        _ => String::new(),
    };
    let tested = run.evaluation.as_ref().ok().and_then(Option::as_ref);
    let tested = tested.filter(|evaluation| evaluation.split == Split::Test);
    html! {
        @if let Some(test) = last.test_accuracy {
            strong { (per_cent(test)) }
            @match tested.filter(|evaluation| evaluation.step == last.step) {
                Some(evaluation) => {
                    " of " (thousands(Confusion::from(evaluation.confusion.clone()).total())) " test " (noun)
                }
                None => { " of the test " (noun) }
            }
            " after " (thousands(last.step)) " steps in " (seconds(last.seconds))
        } @else {
            "Step " (thousands(last.step)) (of) ", still going on or stopped early, after " (seconds(last.seconds))
            @if let Some(accuracy) = accuracy {
                ": " strong { (per_cent(accuracy)) } " of the validation " (noun)
            }
        }
    }
}

/// Seconds, or minutes and hours of long runs.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}

/// Keys and values as in the configuration's file.
pub(super) fn settings(config: &Config) -> Vec<(String, String)> {
    let text = config.to_toml().unwrap_or_default();
    let pair = |line: &str| {
        let (key, value) = line.split_once(" = ")?;
        Some((key.to_string(), value.trim_matches('"').to_string()))
    };
    text.lines().filter_map(pair).collect()
}

fn configuration(config: &Config) -> Markup {
    html! {
        dl.settings {
            @for (key, value) in settings(config) { div { dt { (key) } dd { (value) } } }
        }
    }
}
