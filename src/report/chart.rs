//! Line charts as SVG that fill whatever width they get: lines stretch with the page, text keeps its size.
//!
//! No chart library draws them. `plotters` lays out for one size in pixels and writes every colour
//! as a number, so that its charts shrink to unreadable text on a phone and cannot follow the
//! page's light and dark colours. Here places are per cent of the area, and colours are classes
//! that [`STYLE`] gives meaning.

use maud::{Markup, html};

use super::text;

/// The charts' style sheet. Its colours are variables: [`LIGHT`] or [`DARK`].
pub const STYLE: &str = include_str!("chart.css");
/// The variables on light ground, as CSS declarations.
pub const LIGHT: &str = include_str!("light.css");
/// The variables on dark ground, as CSS declarations.
pub const DARK: &str = include_str!("dark.css");

/// Different lines that [`STYLE`] has: each a colour and a dash, told apart without colours too.
pub const LINES: usize = 6;

/// Units along each side of the box that the lines are drawn in, before it is stretched.
const BOX: f64 = 1000.0;
/// Most points of a line: more would not be seen and only make the file large.
const MOST_POINTS: usize = 500;
/// Most points that get a dot each.
const MOST_DOTS: usize = 40;
/// Least distance of two labels, per cent of the area's height.
const LABEL_GAP: f64 = 7.5;

/// A line chart.
pub struct Chart {
    /// What it shows, for those who do not see it.
    pub title: String,
    /// Along the bottom.
    pub x: Axis,
    /// Along the left.
    pub y: Axis,
    /// The lines, the later ones on top.
    pub series: Vec<Series>,
    /// A remark in the corner at the lower right.
    pub note: Option<String>,
}

/// Some points of a chart.
pub struct Series {
    /// Which of the [`LINES`]; larger numbers begin anew.
    pub line: usize,
    /// How they are drawn.
    pub mark: Mark,
    /// Text behind the last point; may be empty.
    pub label: String,
    /// From left to right. What is not finite, or not above 0 on a logarithmic axis, is a gap.
    pub points: Vec<(f64, f64)>,
}

/// How points are drawn.
#[derive(Clone, Copy, PartialEq)]
pub enum Mark {
    /// A faint thin line, for what is noisy.
    Faint,
    /// A line.
    Line,
    /// A line with a dot at each point, unless there are many.
    Dots,
    /// Rings and no line.
    Ring,
}

/// A range of numbers along a side of the area.
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 to the last step.
    pub fn steps(last: f64) -> Axis {
        let last = last.max(1.0);
        let every = nice(last / 4.0).max(1.0);
        let count = (last / every + 1e-9).floor() as u64;
        let ticks = (0..=count).map(|i| i as f64 * every);
        let ticks = ticks.map(|step| (step, text::thousands(step as u64))).collect();
        Axis { low: 0.0, high: last, log: false, ticks }
    }

    /// At least from `low` to `high`, with a unit behind each number.
    pub fn linear(low: f64, high: f64, unit: &str) -> Axis {
        let span = match high - low {
            span if span > 0.0 => span,
            _ => low.abs().max(1.0) * 0.1,
        };
        let every = nice(span / 4.0);
        let (first, last) = ((low / every + 1e-9).floor(), ((low + span) / every - 1e-9).ceil());
        let count = (last - first) as usize;
        let ticks = (0..=count).map(|i| (first + i as f64) * every);
        let ticks = ticks.map(|value| (value, text::number(value, every) + unit)).collect();
        Axis { low: first * every, high: last * every, log: false, ticks }
    }

    /// Logarithmic, at least from `low` to `high`, both above 0.
    pub fn logarithmic(low: f64, high: f64) -> Axis {
        let decades = (high / low).log10();
        let parts: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 3.0] };
        let every = (decades / 6.0).ceil().max(1.0) as i32;
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let marks: Vec<f64> = (first.div_euclid(every) * every..=last + every)
            .step_by(every as usize)
            .flat_map(|power| parts.iter().map(move |part| part * 10f64.powi(power)))
            .collect();
        // The marks just outside, so that each line of the grid has its number.
        let begin = marks.iter().rposition(|mark| *mark <= low).unwrap_or(0);
        let end = marks.iter().position(|mark| *mark >= high).unwrap_or(marks.len() - 1);
        let end = end.max(begin + 1).min(marks.len() - 1);
        let ticks = marks[begin..=end].iter().map(|&mark| (mark, text::number(mark, mark)));
        Axis { low: marks[begin], high: marks[end], log: true, ticks: ticks.collect() }
    }

    /// Where a number stands, from 0 to 1; none if it stands nowhere.
    fn place(&self, value: f64) -> Option<f64> {
        let along = match self.log {
            true => (value / self.low).log10() / (self.high / self.low).log10(),
            false => (value - self.low) / (self.high - self.low),
        };
        along.is_finite().then_some(along)
    }
}

/// The smallest of 1, 2, 5, 10, 20 .. (and of their tenths) that is not below `least`.
fn nice(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let parts = [1.0, 2.0, 5.0, 10.0];
    parts.map(|part| part * power).into_iter().find(|step| *step >= least * 0.999).unwrap_or(power)
}

/// A point in the stretched box.
type Place = (f64, f64);

impl Chart {
    /// The chart for a page with the style sheet.
    pub fn html(&self) -> Markup {
        html! {
            svg.plot role="img" aria-label=(self.title) { (self.content()) }
        }
    }

    /// What stands in an `svg` element of any size. Numbers of the axes lie outside it, to the left
    /// and below, and labels to the right, so the element's overflow has to be visible.
    pub fn content(&self) -> Markup {
        let per_cent = |along: f64| format!("{:.2}%", along * 100.0);
        let below = |along: f64| per_cent(1.0 - along);
        let placed: Vec<Vec<Vec<Place>>> =
            self.series.iter().map(|series| self.segments(series)).collect();
        let lines = || self.series.iter().zip(&placed);
        html! {
            title { (self.title) }
            @for (value, label) in &self.y.ticks {
                @if let Some(y) = self.y.place(*value) {
                    line.grid x1="0" x2="100%" y1=(below(y)) y2=(below(y)) {}
                    text.tick x="0" dx="-8" y=(below(y)) dy="4" text-anchor="end" { (label) }
                }
            }
            text.tick x="0" dx="-8" y="100%" dy="22" text-anchor="end" { "step" }
            @for (value, label) in &self.x.ticks {
                @if let Some(x) = self.x.place(*value) {
                    text.tick x=(per_cent(x)) y="100%" dy="22" text-anchor="middle" { (label) }
                }
            }
            svg viewBox={ "0 0 " (BOX) " " (BOX) } preserveAspectRatio="none" width="100%" height="100%" overflow="visible" {
                @for (series, segments) in lines().filter(|(series, _)| series.mark != Mark::Ring) {
                    path class=(series.class()) d=(path(segments)) vector-effect="non-scaling-stroke" {}
                }
            }
            @for (series, segments) in lines() {
                @for (x, y) in series.dots(segments) {
                    circle class=(series.class()) cx=(per_cent(x)) cy=(below(y)) r="3" {}
                }
            }
            @for (text, class, x, y) in self.labels(&placed) {
                text class=(class) x=(per_cent(x)) dx="8" y=(per_cent(y)) dy="4" { (text) }
            }
            @if let Some(note) = &self.note {
                text.note x="100%" dx="-6" y="100%" dy="-10" text-anchor="end" { (note) }
            }
        }
    }

    /// The places of a series' points, from 0 to 1 to the right and up, parted at its gaps.
    fn segments(&self, series: &Series) -> Vec<Vec<Place>> {
        let place = |&(x, y): &(f64, f64)| self.x.place(x).zip(self.y.place(y));
        let places: Vec<Option<Place>> = series.points.iter().map(place).collect();
        let kept = thin(&places, MOST_POINTS);
        let segments = kept.split(Option::is_none).filter(|segment| !segment.is_empty());
        segments.map(|segment| segment.iter().flatten().copied().collect()).collect()
    }

    /// The labels with class and place (to the right and down), moved apart where they would meet.
    fn labels(&self, placed: &[Vec<Vec<Place>>]) -> Vec<(&str, String, f64, f64)> {
        let mut labels: Vec<_> = self
            .series
            .iter()
            .zip(placed)
            .filter(|(series, _)| !series.label.is_empty())
            .filter_map(|(series, segments)| {
                let (x, y) = *segments.last()?.last()?;
                Some((series.label.as_str(), format!("label {}", series.colour()), x, 1.0 - y))
            })
            .collect();
        labels.sort_by(|a, b| a.3.total_cmp(&b.3));
        let gap = LABEL_GAP / 100.0;
        let mut least = 0.0;
        for label in &mut labels {
            label.3 = label.3.max(least);
            least = label.3 + gap;
        }
        let mut most = 1.0;
        for label in labels.iter_mut().rev() {
            label.3 = label.3.min(most);
            most = label.3 - gap;
        }
        labels
    }
}

impl Series {
    fn colour(&self) -> String {
        format!("line{}", self.line % LINES)
    }

    fn class(&self) -> String {
        let mark = match self.mark {
            Mark::Faint => "faint",
            Mark::Line | Mark::Dots => "line",
            Mark::Ring => "ring",
        };
        format!("{mark} {}", self.colour())
    }

    fn dots(&self, segments: &[Vec<Place>]) -> Vec<Place> {
        let count: usize = segments.iter().map(Vec::len).sum();
        let alone = |segment: &&Vec<Place>| segment.len() == 1;
        match self.mark {
            Mark::Ring => segments.concat(),
            Mark::Dots if count <= MOST_DOTS => segments.concat(),
            // A line of one point would not be seen.
            _ => segments.iter().filter(alone).flatten().copied().collect(),
        }
    }
}

/// The lowest and highest of each of equally long parts, so that no spike is lost; behind a part with a
/// gap is one.
fn thin(points: &[Option<Place>], most: usize) -> Vec<Option<Place>> {
    if points.len() <= most {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * most);
    for part in points[..points.len() - 1].chunks(points.len().div_ceil(most / 2)) {
        let there = || part.iter().flatten();
        let by_height = |a: &&Place, b: &&Place| a.1.total_cmp(&b.1);
        let ends = there().min_by(by_height).into_iter().chain(there().max_by(by_height));
        let mut both: Vec<Place> = ends.copied().collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.extend(both.into_iter().map(Some));
        kept.extend(part.contains(&None).then_some(None));
    }
    kept.extend(points.last());
    kept
}

fn path(segments: &[Vec<Place>]) -> String {
    let mut path = String::new();
    for segment in segments {
        for (index, (x, y)) in segment.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            path.push_str(&format!("{command}{:.1} {:.1}", x * BOX, (1.0 - y) * BOX));
        }
    }
    path
}
