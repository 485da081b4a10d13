//! The parts of a run's page that show its last evaluation and its weights.

use maud::{Markup, html};

use super::text::thousands;
use super::{Evaluation, WrongDigit, picture};
use crate::metrics::{Confusion, class_name};

/// Strongest tint of a cell of the confusion table.
const TINT: f64 = 0.6;
/// Widest picture of filters in CSS pixels, and bounds for a weight's side.
const WIDEST: u32 = 640;
const WEIGHT: (u32, u32) = (2, 10);

/// Which classes are taken for which, as a table tinted by how many.
pub(super) fn confusion(evaluation: &Evaluation) -> Markup {
    let confusion = Confusion::from(evaluation.confusion.clone());
    let (scores, classes) = (confusion.classes(), confusion.counts().len());
    let name = |class| class_name(&evaluation.classes, class);
    let most_wrong = (0..classes)
        .flat_map(|truth| (0..classes).map(move |taken| (truth, taken)))
        .filter(|(truth, taken)| truth != taken)
        .map(|(truth, taken)| confusion.counts()[truth][taken])
        .max();
    let most_wrong = most_wrong.unwrap_or(0).max(1) as f64;
    // The right ones by their share of the row, the wrong ones beside the most frequent mistake.
    let tint = |truth: usize, taken: usize, count: u64| match truth == taken {
        true => ("right", scores[truth].recall.unwrap_or(0.0) * TINT),
        false => ("wrong", (count as f64 / most_wrong).sqrt() * TINT),
    };
    let share = |value: Option<f64>| match value {
        None => "\u{2013}".to_string(),
        Some(1.0) => "100".to_string(),
        // Cut rather than rounded, so that 100 means every one.
        Some(share) => format!("{:.1}", (share * 1000.0).floor() / 10.0),
    };
    html! {
        div.scroll {
            table.confusion {
                thead { tr {
                    th.corner scope="col" { "true" }
                    @for class in 0..classes { th scope="col" { (name(class)) } }
                    th.score scope="col" { "right %" }
                } }
                tbody {
                    @for (truth, row) in confusion.counts().iter().enumerate() {
                        tr {
                            th scope="row" { (name(truth)) }
                            @for (taken, &count) in row.iter().enumerate() {
                                @if count == 0 { td.none { "\u{b7}" } }
                                @else {
                                    @let (colour, opacity) = tint(truth, taken, count);
                                    td style=(format!("background:rgb(var(--{colour})/{opacity:.2})")) { (count) }
                                }
                            }
                            td.score { (share(scores[truth].recall)) }
                        }
                    }
                }
            }
        }
        p.weak {
            "Rows are what the " (evaluation.split.name()) " " (evaluation.noun()) " show, columns what they are taken for: "
            (thousands(confusion.correct())) " of " (thousands(confusion.total())) " rightly, after step "
            (thousands(evaluation.step)) "."
        }
    }
}

/// The most confidently wrong digits.
pub(super) fn wrong(evaluation: &Evaluation) -> Markup {
    html! {
        @if evaluation.wrong.is_empty() {
            p { "None of the " (evaluation.split.name()) " " (evaluation.noun()) " is taken for another." }
        } @else {
            p.weak {
                "Of the " (evaluation.split.name()) " " (evaluation.noun()) " after step " (thousands(evaluation.step))
                ", with the three " (evaluation.kinds()) " each is most likely taken for."
            }
            div.digits { @for digit in &evaluation.wrong { (wrong_digit(evaluation, digit)) } }
        }
    }
}

fn wrong_digit(evaluation: &Evaluation, digit: &WrongDigit) -> Markup {
    let name = |class| class_name(&evaluation.classes, class);
    let truth = name(digit.label.into());
    let alt = format!("row {}, a {truth}", digit.row);
    let picture = picture::wrong(evaluation, &digit.pixels);
    html! {
        figure.digit {
            img src=(picture::data_uri(&picture)) alt=(alt) width=(picture.width()) height=(picture.height());
            figcaption {
                span.truth { "a " b { (truth) } } " "
                span.weak { "row " (thousands(digit.row as u64)) }
            }
            table {
                @for (class, probability) in digit.likeliest() {
                    @let right = class == usize::from(digit.label);
                    tr.right[right] {
                        th scope="row" { (name(class)) }
                        td.bar {
                            svg aria-hidden="true" {
                                rect width=(format!("{:.1}%", probability * 100.0)) height="100%" rx="1" {}
                            }
                        }
                        td.number { (format!("{:.1} %", probability * 100.0)) }
                    }
                }
            }
        }
    }
}

/// The filters of the first module.
pub(super) fn filters(evaluation: &Evaluation) -> Markup {
    html! {
        p.weak {
            "What the first module's windows look for: blue weights are negative, red ones positive, white "
            "ones zero. A row of filters for each channel that comes in, a column for each map that goes out."
        }
        div.filters {
            @for filters in &evaluation.filters {
                @let picture = filters.picture();
                @let scale = (WIDEST / picture.width()).clamp(WEIGHT.0, WEIGHT.1);
                @let [height, width, channels, maps] = filters.shape;
                @let [rows, columns] = filters.shown();
                figure {
                    img.pixels src=(picture::data_uri(&picture)) width=(picture.width() * scale)
                        height=(picture.height() * scale)
                        alt=(format!("{rows} rows of {columns} filters of {height} by {width} weights"));
                    figcaption {
                        b { (filters.name) } " "
                        span.weak { "at most \u{b1}" (format!("{:.3}", filters.largest()))
                            @if rows < channels { ", the first " (rows) " of " (channels) " channels" }
                            @if columns < maps { ", the first " (columns) " of " (maps) " maps" }
                        }
                    }
                }
            }
        }
    }
}
