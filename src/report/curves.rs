//! What the rows of a metrics file give to draw.

use super::chart::{Axis, Chart, Mark, Series};
use super::text;
use crate::metrics::Row;

/// The curves of one run: which of the chart's lines, the label (empty for a run alone) and its rows.
pub struct Curve<'a> {
    /// Number of the line.
    pub line: usize,
    /// Text at the line's end; of a run that stands alone it is the last value instead.
    pub label: String,
    /// The run's metrics.
    pub rows: &'a [Row],
}

/// Highest loss over the lowest from which on the axis is logarithmic.
const LOG_FROM: f64 = 20.0;

/// Training loss by step; nothing where no row has a finite one. A run alone is drawn as its single
/// batches, faint, under their running mean; of several only the means.
pub fn loss(curves: &[Curve]) -> Option<Chart> {
    let raw: Vec<Vec<(f64, f64)>> = curves.iter().map(|curve| losses(curve.rows)).collect();
    let (low, high) = range(raw.iter().flatten())?;
    let log = low > 0.0 && high > LOG_FROM * low;
    let alone = curves.len() == 1;
    let mut series = Vec::new();
    for (curve, points) in curves.iter().zip(raw) {
        let means = running_mean(&points, half_window(points.len()), log);
        let last = means.iter().rfind(|point| point.1.is_finite()).map(|point| point.1);
        let value = last.map_or(String::new(), |mean| text::number(mean, mean / 10.0));
        let label = if alone { value } else { curve.label.clone() };
        if alone && half_window(points.len()) > 0 {
            series.push(Series {
                line: curve.line,
                mark: Mark::Faint,
                label: String::new(),
                points,
            });
        }
        series.push(Series { line: curve.line, mark: Mark::Line, label, points: means });
    }
    // Of what is drawn: means alone span less.
    let (low, high) = range(series.iter().flat_map(|series| &series.points))?;
    let y = match log {
        true => Axis::logarithmic(low, high),
        false => Axis::linear(low.min(0.0), high, ""),
    };
    let scale = if log { ", logarithmic" } else { "" };
    let title = format!("Training loss by step{scale}");
    Some(Chart { title, x: steps(curves), y, series, note: None })
}

/// Validation accuracy by step, and the accuracy on the test set as rings; nothing where no row
/// has either. `noun` says what is classified, such as `digits`.
pub fn accuracy(curves: &[Curve], noun: &str) -> Option<Chart> {
    let points = |rows: &[Row], value: fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
        let point = |row: &Row| Some((row.step as f64, value(row)? * 100.0));
        rows.iter().filter_map(point).collect()
    };
    let alone = curves.len() == 1;
    let mut series = Vec::new();
    let mut note = None;
    for curve in curves {
        let validation = points(curve.rows, |row| row.val_accuracy);
        let test = points(curve.rows, |row| row.test_accuracy);
        let last = validation.last().map_or(String::new(), |last| format!("{:.1} %", last.1));
        let label = if alone { last } else { curve.label.clone() };
        if let Some(last) = test.last().filter(|_| alone) {
            note = Some(format!("\u{25cb} test {noun}: {:.2} %", last.1));
        }
        let line = curve.line;
        series.push(Series { line, mark: Mark::Dots, label, points: validation });
        series.push(Series { line, mark: Mark::Ring, label: String::new(), points: test });
    }
    let (low, high) = range(series.iter().flat_map(|series| &series.points))?;
    let y = Axis::linear(low, 100f64.max(high), " %");
    let title = "Validation accuracy by step".to_string();
    Some(Chart { title, x: steps(curves), y, series, note })
}

/// Steps and losses, NaN and infinity included: they are gaps.
fn losses(rows: &[Row]) -> Vec<(f64, f64)> {
    rows.iter().filter_map(|row| Some((row.step as f64, f64::from(row.loss?)))).collect()
}

fn steps(curves: &[Curve]) -> Axis {
    let last = curves.iter().filter_map(|curve| curve.rows.iter().map(|row| row.step).max());
    Axis::steps(last.max().unwrap_or(0) as f64)
}

fn range<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> Option<(f64, f64)> {
    let finite = points.map(|point| point.1).filter(|value| value.is_finite());
    finite.fold(None, |range: Option<(f64, f64)>, value| {
        let (low, high) = range.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    })
}

/// Neighbours on each side that are averaged, of so many points. Few points stay as they are.
pub(super) fn half_window(points: usize) -> usize {
    if points < 10 { 0 } else { (points / 40).max(2) }
}

/// The mean of each point and up to `half` finite neighbours on each side; of the logarithms where
/// they are what is drawn. What is not finite stays so.
fn running_mean(points: &[(f64, f64)], half: usize, log: bool) -> Vec<(f64, f64)> {
    let there = |value: f64| if log { value.ln() } else { value };
    let back = |value: f64| if log { value.exp() } else { value };
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let near: Vec<_> = points.iter().map(|point| finite(there(point.1))).collect();
    let mean = |(&(step, value), (sum, count)): (&(f64, f64), (f64, usize))| match value.is_finite()
    {
        true => (step, back(sum / count as f64)),
        false => (step, value),
    };
    points.iter().zip(window_sums(&near, half)).map(mean).collect()
}

/// The sum of each value and up to `half` neighbours on each side, and how many of them there are.
///
/// Nothing is subtracted, since what is left of a small number beside a large one would be wrong: the
/// values stand in blocks as long as a window, so that each window is the end of one block and the
/// begin of the next.
fn window_sums(values: &[Option<f64>], half: usize) -> Vec<(f64, usize)> {
    let (length, last) = (2 * half + 1, values.len().saturating_sub(1));
    let add = |sum: &mut (f64, usize), value: &Option<f64>| {
        *sum = (sum.0 + value.unwrap_or(0.0), sum.1 + usize::from(value.is_some()));
        Some(*sum)
    };
    let mut to = Vec::with_capacity(values.len());
    let mut from = Vec::with_capacity(values.len());
    for block in values.chunks(length) {
        to.extend(block.iter().scan((0.0, 0), add));
        from.extend(block.iter().rev().scan((0.0, 0), add));
        let begin = to.len() - block.len();
        from[begin..].reverse();
    }
    let sum = |at: usize| {
        let (first, end) = (at.saturating_sub(half), (at + half).min(last));
        match (first / length == end / length, first % length) {
            (true, 0) => to[end],
            // A window that the last value cuts short.
            (true, _) => from[first],
            _ => (from[first].0 + to[end].0, from[first].1 + to[end].1),
        }
    };
    (0..values.len()).map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_summed() {
        for (count, half) in (0..40).flat_map(|count| (0..6).map(move |half| (count, half))) {
            let value = |at: usize| (at % 7 != 3).then_some(((at * 37) % 11) as f64);
            let values: Vec<Option<f64>> = (0..count).map(value).collect();
            let plain = |at: usize| {
                let near = &values[at.saturating_sub(half)..(at + half + 1).min(count)];
                (near.iter().flatten().sum(), near.iter().flatten().count())
            };
            let plain: Vec<(f64, usize)> = (0..count).map(plain).collect();
            assert_eq!(window_sums(&values, half), plain, "{count} values, {half} on each side");
        }
        // What is small stays exact behind what is large.
        let mut values = vec![Some(1e-3); 100];
        values[20] = Some(1e30);
        assert_eq!(window_sums(&values, 2)[23].0, window_sums(&values, 2)[90].0);
    }
}
