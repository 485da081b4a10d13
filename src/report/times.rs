//! How long each pass takes, beside the least that it could take.

use maud::{Markup, html};

use crate::profile::Part;

/// File name of the passes' times in a run's folder.
pub const PROFILE_FILE: &str = "profile.json";

/// Passes that get a bar of their own.
const LONGEST: usize = 15;

/// A pass or a sum of passes: its name, its time and the least that it could have taken, in seconds.
type Timed<'a> = (&'a str, f64, f64);

/// The longest passes, and the sums by module and by direction.
pub(super) fn section(step: &Part) -> Markup {
    let mut passes: Vec<Timed> = step
        .passes
        .iter()
        .filter_map(|pass| Some((pass.facts.pass.as_str(), pass.median?, pass.facts.work.least)))
        .collect();
    let (count, missing) = (passes.len(), step.passes.len() - passes.len());
    passes.sort_by(longer);
    passes.truncate(LONGEST);
    let sums = |totals| -> Vec<Timed> {
        let totals: &Vec<crate::profile::Total> = totals;
        let timed = totals.iter().filter_map(|total| {
            // The least time of those that have times.
            let least = total.speed.share_of_limit? * total.median?;
            Some((total.name.as_str(), total.median?, least))
        });
        let mut timed: Vec<Timed> = timed.collect();
        timed.sort_by(longer);
        timed
    };
    let all = step.all.median.unwrap_or(0.0);
    html! {
        @if passes.is_empty() { p { "The adapter gave no times." } }
        @else {
            p.weak {
                "The " (count) " timed passes of a training step take " (milliseconds(all))
                @if missing > 0 { ", " (missing) " gave no time" }
                "; medians of " (step.samples) " steps by the adapter's clock. The dark part of a bar is the "
                "least time that the adapter's arithmetic and memory allow."
            }
            h3 { "Longest passes" }
            (bars(&passes, all))
            div.pair {
                div { h3 { "By module" } (bars(&sums(&step.modules), all)) }
                div { h3 { "By direction" } (bars(&sums(&step.directions), all)) }
            }
        }
    }
}

fn longer(a: &Timed, b: &Timed) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1)
}

fn bars(rows: &[Timed], all: f64) -> Markup {
    let most = rows.first().map_or(1.0, |first| first.1);
    let width = |time: f64| format!("{:.1}%", time / most * 100.0);
    html! {
        table.bars {
            @for (name, time, least) in rows {
                tr {
                    th scope="row" { (name) }
                    td.bar {
                        svg aria-hidden="true" {
                            rect width=(width(*time)) height="100%" rx="2" {}
                            // What a cache still holds may come faster than the memory allows.
                            rect.least width=(width(least.min(*time))) height="100%" rx="2" {}
                        }
                    }
                    td.number { (milliseconds(*time)) }
                    td.number.weak { (format!("{:.1} %", time / all * 100.0)) }
                }
            }
        }
    }
}

fn milliseconds(seconds: f64) -> String {
    match seconds * 1e3 {
        time if time >= 100.0 => format!("{time:.0} ms"),
        time if time >= 1.0 => format!("{time:.2} ms"),
        time => format!("{time:.3} ms"),
    }
}
