//! Charts: where points, numbers and labels stand.

use inception::metrics::Row;
use inception::report::chart::{Axis, Chart, Mark, Series};
use inception::report::curves::{self, Curve};

use crate::markup::{Element, elements};

fn series(points: &[(f64, f64)]) -> Series {
    Series { line: 0, mark: Mark::Line, label: String::new(), points: points.to_vec() }
}

fn chart(x: Axis, y: Axis, series: Vec<Series>) -> Vec<Element> {
    let chart = Chart { title: "A chart".into(), x, y, series, note: None };
    elements(&format!("<!DOCTYPE html>{}", chart.html().into_string()))
}

fn path(chart: &[Element]) -> &str {
    let path = chart.iter().find(|element| element.name == "path");
    path.and_then(|element| element.get("d")).expect("a path")
}

/// The numbers along the left, with their places in per cent from the top.
fn ticks(chart: &[Element]) -> Vec<(String, f64)> {
    let left = |e: &&Element| e.is("text", "tick") && e.get("text-anchor") == Some("end");
    let ticks = chart.iter().filter(left).filter(|element| element.text != "step");
    let place = |e: &Element| e.get("y").and_then(|y| y.strip_suffix('%')).map(str::parse::<f64>);
    ticks.map(|e| (e.text.clone(), place(e).expect("per cent").expect("a number"))).collect()
}

fn names(ticks: &[(String, f64)]) -> Vec<&str> {
    ticks.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn points_stand_where_they_belong() {
    let points = [(0.0, 0.0), (50.0, 2.5), (100.0, 10.0)];
    let linear = chart(Axis::steps(100.0), Axis::linear(0.0, 10.0, " %"), vec![series(&points)]);
    assert_eq!(path(&linear), "M0.0 1000.0L500.0 750.0L1000.0 0.0");
    assert_eq!(names(&ticks(&linear)), ["0 %", "5 %", "10 %"]);
    let places: Vec<f64> = ticks(&linear).iter().map(|tick| tick.1).collect();
    assert_eq!(places, [100.0, 50.0, 0.0]);
    let below: Vec<&str> = linear
        .iter()
        .filter(|e| e.is("text", "tick") && e.get("text-anchor") == Some("middle"))
        .map(|e| e.text.as_str())
        .collect();
    assert_eq!(below, ["0", "50", "100"]);

    let points = [(0.0, 0.1), (50.0, 1.0), (60.0, 0.0), (70.0, -1.0), (100.0, 10.0)];
    let log = chart(Axis::steps(100.0), Axis::logarithmic(0.1, 10.0), vec![series(&points)]);
    assert_eq!(path(&log), "M0.0 1000.0L500.0 500.0M1000.0 0.0", "what has no logarithm is a gap");
    assert_eq!(names(&ticks(&log)), ["0.1", "0.3", "1", "3", "10"]);
}

#[test]
fn axes_hold_their_numbers_with_few_ticks() {
    let ends = [1e-30, 1e-7, 3e-4, 0.0101, 0.5, 0.99, 1.0, 7.3, 568.6, 12345.0, 3e7, 1e38];
    for (at, &low) in ends.iter().enumerate() {
        for &high in &ends[at..] {
            for log in [false, true] {
                let axis = |low, high| match log {
                    true => Axis::logarithmic(low, high),
                    false => Axis::linear(low, high, ""),
                };
                let chart = chart(
                    Axis::steps(1.0),
                    axis(low, high),
                    vec![series(&[(0.0, low), (1.0, high)])],
                );
                let ticks = ticks(&chart);
                let what = format!("{low} to {high}, logarithmic {log}: {ticks:?}");
                assert!((2..=9).contains(&ticks.len()), "{what}");
                assert!(
                    ticks.windows(2).all(|pair| pair[0].1 > pair[1].1 && pair[0].0 != pair[1].0),
                    "{what}"
                );
                assert!(ticks.iter().all(|tick| (-0.01..100.01).contains(&tick.1)), "{what}");
                let heights =
                    path(&chart).split(['M', 'L']).filter_map(|point| point.split_once(' '));
                for (_, height) in heights {
                    let height: f64 = height.parse().expect("a number");
                    assert!((-0.1..=1000.1).contains(&height), "{what}: {height}");
                }
            }
        }
    }
    let names_of = |y: Axis| names(&ticks(&chart(Axis::steps(1.0), y, vec![]))).join(" ");
    assert_eq!(names_of(Axis::linear(90.3, 97.0, " %")), "90 % 92 % 94 % 96 % 98 %");
    assert_eq!(names_of(Axis::linear(0.0, 33_000.0, "")), "0 10,000 20,000 30,000 40,000");
    assert_eq!(names_of(Axis::linear(0.2, 0.9, "")), "0.2 0.4 0.6 0.8 1.0");
    assert_eq!(names_of(Axis::logarithmic(0.02, 700.0)), "0.01 0.1 1 10 100 1000");
    assert_eq!(names_of(Axis::logarithmic(2e-6, 2e-5)), "1e-6 3e-6 1e-5 3e-5");
}

#[test]
fn long_runs_make_no_long_charts_and_lose_no_spike() {
    let mut points: Vec<(f64, f64)> = (0..200_000).map(|i| (f64::from(i), 0.5)).collect();
    points[123_457].1 = 1.0;
    points[55_555].1 = 0.0;
    points[199_999].1 = 0.25;
    let chart = chart(Axis::steps(200_000.0), Axis::linear(0.0, 1.0, ""), vec![series(&points)]);
    let path = path(&chart);
    assert!(path.len() < 10_000, "{} characters", path.len());
    let places: Vec<(f64, f64)> = path
        .split(['M', 'L'])
        .filter_map(|point| point.split_once(' '))
        .map(|(x, y)| (x.parse().expect("a number"), y.parse().expect("a number")))
        .collect();
    assert!(places.contains(&(617.3, 0.0)) && places.contains(&(277.8, 1000.0)), "both spikes");
    assert!(places.windows(2).all(|pair| pair[0].0 <= pair[1].0), "from left to right");
    assert_eq!(places.last(), Some(&(1000.0, 750.0)), "to the end");
}

/// Whatever the points are, there are few of them on the page.
#[test]
fn no_points_make_a_chart_long() {
    let count = 200_000;
    let every = |n: u32| {
        let height = move |i: u32| if i.is_multiple_of(n) { f64::NAN } else { 0.5 };
        (0..count).map(|i| (f64::from(i), height(i))).collect::<Vec<_>>()
    };
    for mark in [Mark::Faint, Mark::Line, Mark::Dots, Mark::Ring] {
        for points in [every(2), every(3), every(1000), every(count)] {
            let one = Series { mark, ..series(&points) };
            let chart = chart(Axis::steps(count.into()), Axis::linear(0.0, 1.0, ""), vec![one]);
            assert!(chart.len() < 600, "{} elements", chart.len());
            let lengths = chart.iter().filter_map(|element| element.get("d")).map(str::len);
            assert!(lengths.sum::<usize>() < 10_000);
        }
    }
    // A gap stays one, with a spike beside it.
    let mut points: Vec<_> = (0..count).map(|i| (f64::from(i), 0.5)).collect();
    points[100_000].1 = f64::INFINITY;
    points[100_100].1 = 1.0;
    let chart = chart(Axis::steps(count.into()), Axis::linear(0.0, 1.0, ""), vec![series(&points)]);
    assert_eq!(path(&chart).matches('M').count(), 2);
    assert!(path(&chart).contains("500.5 0.0"));
}

#[test]
fn labels_keep_apart() {
    let labelled =
        |value: f64| Series { label: format!("{value}"), ..series(&[(0.0, 5.0), (10.0, value)]) };
    for values in [vec![5.0; 8], vec![0.0; 8], vec![10.0; 8], vec![0.0, 0.1, 5.0, 5.1, 9.9, 10.0]] {
        let all = values.iter().map(|&value| labelled(value)).collect();
        let chart = chart(Axis::steps(10.0), Axis::linear(0.0, 10.0, ""), all);
        let labels = chart.iter().filter(|e| e.is("text", "label"));
        let places: Vec<(f64, f64)> = labels
            .map(|e| {
                let y = e.get("y").and_then(|y| y.strip_suffix('%')).expect("per cent");
                (e.text.parse().expect("its value"), y.parse().expect("a number"))
            })
            .collect();
        assert_eq!(places.len(), values.len());
        for pair in places.windows(2) {
            assert!(pair[1].1 - pair[0].1 > 7.4, "{places:?}");
            assert!(pair[0].0 >= pair[1].0, "higher values stand higher: {places:?}");
        }
        assert!(places.iter().all(|(_, y)| (-0.01..=100.01).contains(y)), "{places:?}");
    }
}

#[test]
fn the_loss_is_smoothed_and_its_axis_chosen() {
    let rows = |loss: fn(u64) -> f32| -> Vec<Row> {
        let row = |step| Row {
            step,
            loss: Some(loss(step)),
            val_accuracy: None,
            test_accuracy: None,
            seconds: 0.0,
        };
        (1..=20).map(row).collect()
    };
    let curve = |rows| [Curve { line: 0, label: String::new(), rows }];
    let up_and_down = rows(|step| if step.is_multiple_of(2) { 1.0 } else { 2.0 });
    let chart = curves::loss(&curve(&up_and_down)).expect("losses");
    assert_eq!(chart.title, "Training loss by step");
    let [raw, mean] = &chart.series[..] else { panic!("two lines") };
    assert!(raw.mark == Mark::Faint && mean.mark == Mark::Line);
    assert_eq!(raw.points[4], (5.0, 2.0));
    // Around an odd step 3 of 5 are 2, at the begin 2 of 3.
    assert!((mean.points[4].1 - 1.6).abs() < 1e-12 && (mean.points[0].1 - 5.0 / 3.0).abs() < 1e-12);
    assert_eq!(mean.label, "1.3");

    let falling = rows(|step| 0.5f32.powi(step as i32));
    let chart = curves::loss(&curve(&falling)).expect("losses");
    assert_eq!(chart.title, "Training loss by step, logarithmic");
    // The mean of logarithms of a geometric row is the row itself, but for the ends.
    let mean = &chart.series[1].points;
    assert!((mean[9].1 / 0.5f64.powi(10) - 1.0).abs() < 1e-9, "{mean:?}");
    // Of several runs only the means are drawn, so the axis has no room for a single batch's dip.
    let dip = rows(|step| if step == 10 { 3e-6 } else { 1.0 });
    let lowest = |chart: &Chart| {
        let page = elements(&format!("<!DOCTYPE html>{}", chart.html().into_string()));
        ticks(&page).first().map(|(name, _)| name.clone())
    };
    let [one, two] = [0, 1].map(|line| Curve { line, label: String::new(), rows: &dip });
    let alone = curves::loss(&curve(&dip)).expect("losses");
    let both = curves::loss(&[one, two]).expect("losses");
    assert_eq!((lowest(&alone).as_deref(), lowest(&both).as_deref()), (Some("1e-6"), Some("0.03")));
    // Few points are not smoothed.
    assert_eq!(curves::loss(&curve(&falling[..9])).expect("losses").series.len(), 1);
    assert!(
        curves::loss(&curve(&[])).is_none()
            && curves::accuracy(&curve(&falling), "digits").is_none()
    );
}
