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

/// Validation accuracy by step, and the accuracy on the test digits as rings; nothing where no row
/// has either.
pub fn accuracy(curves: &[Curve]) -> Option<Chart> {
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
            note = Some(format!("\u{25cb} test digits: {:.2} %", last.1));
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
    let mean = |index: usize| {
        let (step, value) = points[index];
        if !value.is_finite() {
            return (step, value);
        }
        let near = &points[index.saturating_sub(half)..(index + half + 1).min(points.len())];
        let near: Vec<f64> = near.iter().map(|p| there(p.1)).filter(|v| v.is_finite()).collect();
        (step, back(near.iter().sum::<f64>() / near.len() as f64))
    };
    (0..points.len()).map(mean).collect()
}
