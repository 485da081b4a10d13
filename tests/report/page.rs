//! What the pages show.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbaImage;
use inception::metrics::Row;
use inception::report::{Evaluation, Run, WrongDigit, html};

use crate::markup::{Element, elements};
use crate::{config, confusion, evaluation, filters, only, profile_of, rows, run, times, wrong};

/// The page of these runs, checked to be whole and to need nothing else.
fn page(runs: &[Run]) -> Vec<Element> {
    let page = html(runs);
    let all = elements(&page);
    for element in &all {
        assert!(element.name != "script", "a script");
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on"), "{name} runs a script");
            let number = name != "src" && (value.contains("NaN") || value.contains("inf%"));
            assert!(!number, "{name} is {value}");
            if ["src", "href", "srcset", "action", "data", "xlink:href"].contains(&name.as_str()) {
                assert!(value.starts_with("data:"), "{name} leads to {value}");
            }
        }
        if element.name == "style" {
            assert!(!element.text.contains("url(") && !element.text.contains("@import"));
        }
    }
    all
}

fn text(page: &[Element]) -> &str {
    &page.iter().find(|element| element.name == "main").expect("a main part").text
}

#[track_caller]
fn assert_says(page: &[Element], parts: &[&str]) {
    for part in parts {
        assert!(text(page).contains(part), "no {part:?} in: {}", text(page));
    }
}

fn headings(page: &[Element]) -> Vec<&str> {
    page.iter().filter(|e| e.name == "h2").map(|e| e.text.as_str()).collect()
}

fn picture(element: &Element) -> RgbaImage {
    let data = element.get("src").and_then(|src| src.strip_prefix("data:image/png;base64,"));
    let file = STANDARD.decode(data.expect("a PNG within the page")).expect("base64");
    image::load_from_memory(&file).expect("a picture").to_rgba8()
}

#[test]
fn a_finished_run() {
    let page = page(&[run()]);
    assert_eq!(
        headings(&page),
        [
            "Learning",
            "Confusion matrix",
            "Most confidently wrong",
            "First filters",
            "Time",
            "Configuration"
        ]
    );
    assert_says(
        &page,
        &[
            "91.23 % of 30 test digits after 100 steps in 26.5 s",
            "805,762 parameters, trained on Some GPU (software, vulkan) by inception 1.2.3",
            "25 of 30 rightly, after step 100",
            "row 1,234",
            "87.5 %",
            "6.2 %",
            "4.7 %",
            "learning_rate0.003",
            "maps[8, 4]",
            "The 3 timed passes of a training step take 8.00 ms, 1 gave no time; medians of 3 steps",
            "2x1 at most \u{b1}1.000",
        ],
    );
    let title = page.iter().find(|element| element.name == "title").expect("a title");
    assert_eq!(title.text, "good");
    // Each picture says what it shows, each chart too.
    for element in &page {
        match element.name.as_str() {
            "img" => assert!(element.get("alt").is_some_and(|alt| !alt.is_empty())),
            "svg" if element.get("role") == Some("img") => {
                assert!(element.get("aria-label").is_some_and(|label| label.contains("by step")));
            }
            _ => {}
        }
    }
}

#[test]
fn the_confusion_table() {
    let page = page(&[run()]);
    let cells: Vec<&Element> = {
        let begin = page.iter().position(|e| e.is("table", "confusion")).expect("the table");
        let end = page[begin + 1..].iter().position(|e| e.name == "table");
        page[begin..].iter().take(end.map_or(usize::MAX, |end| end + 1)).collect()
    };
    let cells: Vec<&Element> = cells.into_iter().filter(|e| e.name == "td").collect();
    assert_eq!(cells.len(), 10 * 11, "ten counts and the share of right ones in each row");
    for (truth, row) in cells.chunks(11).enumerate() {
        for (taken, (cell, count)) in row.iter().zip(confusion()[truth]).enumerate() {
            let style = cell.get("style").unwrap_or_default();
            match count {
                0 => assert_eq!((cell.text.as_str(), style), ("\u{b7}", "")),
                _ => {
                    assert_eq!(cell.text, count.to_string());
                    let colour = if truth == taken { "--right" } else { "--wrong" };
                    assert!(style.contains(colour), "{truth} as {taken}: {style}");
                }
            }
        }
    }
    let shares = |truth: usize| cells[truth * 11 + 10].text.as_str();
    assert_eq!([3, 4, 7, 0].map(shares), ["100", "87.5", "0.0", "\u{2013}"]);
    // The most frequent mistake has the strongest tint, and it is not so strong as to hide a number.
    let tint = |truth: usize, taken: usize| -> f64 {
        let style = cells[truth * 11 + taken].get("style").expect("a tint");
        let opacity = style.split('/').nth(1).and_then(|rest| rest.strip_suffix(')'));
        opacity.expect("an opacity").parse().expect("a number")
    };
    assert_eq!((tint(7, 1), tint(3, 3)), (0.6, 0.6));
    assert!(0.0 < tint(4, 9) && tint(4, 9) < tint(7, 1));
}

#[test]
fn wrong_digits_and_filters_are_pictures() {
    let page = page(&[run()]);
    let images: Vec<&Element> = page.iter().filter(|e| e.name == "img").collect();
    let [digit, drawn] = images[..] else { panic!("{images:?}") };
    let ink = picture(digit);
    assert_eq!(ink.dimensions(), (28, 28));
    let opacity: Vec<u8> = ink.pixels().map(|pixel| pixel.0[3]).collect();
    assert_eq!(opacity, wrong().pixels);
    assert!(ink.pixels().all(|pixel| pixel.0[..3] == [0; 3]), "black");
    // The likeliest first; the true one is marked.
    let rows: Vec<&str> =
        page.iter().filter(|e| e.is("tr", "right")).map(|e| e.text.as_str()).collect();
    assert_eq!(rows, ["76.2 %"], "the marked row of a 7 with a sixteenth");
    let likeliest: Vec<usize> = wrong().likeliest().into_iter().map(|(class, _)| class).collect();
    assert_eq!(likeliest, [1, 7, 2]);

    let drawn = picture(drawn);
    assert_eq!(drawn.dimensions(), (3, 2), "two filters of one column, a line between them");
    let at = |x, y| drawn.get_pixel(x, y).0;
    let hue = |[red, _, blue, opacity]: [u8; 4]| (opacity, red.cmp(&blue));
    use std::cmp::Ordering::{Greater, Less};
    assert_eq!(hue(at(0, 0)), (255, Greater), "1 is red");
    assert_eq!(hue(at(0, 1)), (255, Less), "-0.5 is blue");
    assert_eq!(hue(at(2, 1)), (255, Greater), "0.25 is reddish");
    assert!(at(2, 0)[..3].iter().all(|&part| part > 230), "0 is nearly white: {:?}", at(2, 0));
    assert!(at(0, 0)[1] < at(2, 1)[1], "1 has more colour than 0.25");
    assert_eq!([at(1, 0)[3], at(1, 1)[3]], [0, 0], "between filters there is nothing");
    assert_eq!(filters().weights.len(), 4);
}

/// What follows a heading, up to the next.
fn section<'a>(page: &'a [Element], heading: &str) -> &'a [Element] {
    let begin =
        page.iter().position(|e| e.text == heading && ["h2", "h3"].contains(&e.name.as_str()));
    let rest = &page[begin.unwrap_or_else(|| panic!("no {heading}")) + 1..];
    let end = rest.iter().position(|e| ["h2", "h3"].contains(&e.name.as_str()));
    &rest[..end.unwrap_or(rest.len())]
}

#[test]
fn times_are_sorted_beside_their_least() {
    // Text of each row, width of the bar and of its part that is the least time.
    let bars = |page: &[Element], heading: &str| -> Vec<[String; 3]> {
        let section = section(page, heading);
        let rows = section.iter().filter(|e| e.name == "tr").map(|e| e.text.clone());
        let widths: Vec<String> = section
            .iter()
            .filter(|e| e.name == "rect")
            .map(|e| e.get("width").expect("a width").to_string())
            .collect();
        let pairs = widths.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        rows.zip(pairs).map(|(text, (time, least))| [text, time, least]).collect()
    };
    let shown = page(&[run()]);
    assert_eq!(
        bars(&shown, "Longest passes"),
        [
            ["fc1 dense.backward_w5.00 ms62.5 %", "100.0%", "100.0%"],
            ["inception1/5x5 conv2d.forward2.00 ms25.0 %", "40.0%", "30.0%"],
            ["fc1 dense.forward1.00 ms12.5 %", "20.0%", "10.0%"],
        ]
    );
    assert_eq!(
        bars(&shown, "By module"),
        [["fc16.00 ms75.0 %", "100.0%", "50.0%"], ["inception12.00 ms25.0 %", "33.3%", "25.0%"],]
    );
    assert_eq!(
        bars(&shown, "By direction"),
        [["backward5.00 ms62.5 %", "100.0%", "100.0%"], ["forward3.00 ms37.5 %", "60.0%", "20.0%"],]
    );
    // Of many passes the longest; of passes without times none.
    let many = |median: fn(usize) -> Option<f64>| {
        let pass = |i| times("pass", &format!("pass{i}"), median(i), 0.0);
        Ok(Some(profile_of((0..40).map(pass).collect())))
    };
    let long = page(&[Run { profile: many(|i| Some(i as f64)), ..run() }]);
    let longest = bars(&long, "Longest passes");
    assert_eq!(longest.len(), 15);
    assert!(longest[0][0].starts_with("pass39") && longest[14][0].starts_with("pass25"));
    assert_says(&long, &["The 40 timed passes"]);
    let none = page(&[Run { profile: many(|_| None), ..run() }]);
    assert_says(&none, &["The adapter gave no times."]);
    let none = page(&[Run { profile: Ok(None), ..run() }]);
    assert!(!headings(&none).contains(&"Time"));
}

#[test]
fn hostile_names_stay_text() {
    let evil = "</title><script>alert(1)</script>\"'&amp;<img src=x onerror=alert(1)>";
    let profile = profile_of(vec![times("pass", evil, Some(0.1), 0.0)]);
    let damaged = Run {
        name: evil.into(),
        config: Err(format!("bad {evil}")),
        metrics: Err(format!("worse {evil}")),
        ..run()
    };
    let hostile = Run {
        name: evil.into(),
        config: Ok(Some(inception::config::Config { train: evil.into(), ..config() })),
        evaluation: Ok(Some(Evaluation {
            adapter: evil.into(),
            version: evil.into(),
            ..evaluation()
        })),
        profile: Ok(Some(profile)),
        ..run()
    };
    let shown = page(std::slice::from_ref(&hostile));
    assert_eq!(shown.iter().find(|e| e.name == "h1").map(|e| e.text.as_str()), Some(evil));
    assert_says(&shown, &[&format!("trained on {evil} by inception {evil}")]);
    let shown = page(std::slice::from_ref(&damaged));
    assert_says(&shown, &[&format!("bad {evil}"), &format!("worse {evil}")]);
    let several = page(&[hostile, damaged, run()]);
    assert_says(&several, &[&format!("A {evil}"), &format!("worse {evil}")]);
}

#[test]
fn runs_that_have_not_come_far() {
    let row = rows()[0];
    let nothing = page(&[only(Vec::new())]);
    assert_says(&nothing, &["Nothing was measured yet.", "No loss was logged yet."]);
    assert_eq!(headings(&nothing), ["Learning"]);
    let missing = page(&[Run { metrics: Ok(None), ..only(Vec::new()) }]);
    assert_says(&missing, &["Nothing was measured yet."]);
    let one = page(&[only(vec![row])]);
    assert_says(&one, &["Step 10, still going on or stopped early, after 2.5 s"]);
    assert_eq!(one.iter().filter(|e| e.name == "circle").count(), 1, "a single point is a dot");
    let half = page(&[Run { metrics: Ok(Some(rows()[..6].to_vec())), ..run() }]);
    assert_says(
        &half,
        &["Step 60 of 100, still going on or stopped early", ": 85.00 % of the validation digits"],
    );
    // A finished run that was resumed.
    let more = [rows(), vec![Row { step: 110, loss: Some(0.1), ..row }]].concat();
    assert_says(&page(&[Run { metrics: Ok(Some(more)), ..run() }]), &["Step 110 of 100"]);
    // The evaluation is of another step than the last row.
    let older = Evaluation { step: 50, ..evaluation() };
    assert_says(
        &page(&[Run { evaluation: Ok(Some(older)), ..run() }]),
        &["91.23 % of the test digits after"],
    );
    let right = Evaluation { wrong: Vec::<WrongDigit>::new(), ..evaluation() };
    assert_says(
        &page(&[Run { evaluation: Ok(Some(right)), ..run() }]),
        &["None of the test digits is taken for another."],
    );
    assert_says(&page(&[]), &["0 runs compared"]);
}

#[test]
fn losses_that_are_no_numbers() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut rows = rows();
        rows[4].loss = Some(bad);
        let shown = page(&[only(rows.clone())]);
        assert_says(&shown, &["1 logged losses are not finite, and not drawn."]);
        let paths: Vec<&Element> = shown.iter().filter(|e| e.is("path", "line")).collect();
        let path = paths[0].get("d").expect("a path");
        assert_eq!(path.matches('M').count(), 2, "a gap: {path}");
        rows.iter_mut().for_each(|row| row.loss = Some(bad));
        assert_says(&page(&[only(rows.clone())]), &["No loss was logged yet."]);
        page(&[only(rows), run()]);
    }
    // Zero and negative losses cannot stand on a logarithmic axis.
    let mut rows = rows();
    rows[9].loss = Some(0.0);
    let shown = page(&[only(rows)]);
    assert!(!text(&shown).contains("logarithmic"));
}

#[test]
fn several_runs() {
    let mut other = Run { name: "other".into(), ..run() };
    other.config = Ok(Some(inception::config::Config { seed: 77, ..config() }));
    other.metrics = Ok(Some(rows()[..6].to_vec()));
    let bare = Run {
        name: "bare".into(),
        evaluation: Err("evaluation.json is damaged".into()),
        ..only(Vec::new())
    };
    let shown = page(&[run(), other, bare]);
    assert_says(
        &shown,
        &["3 runs compared", "evaluation.json is damaged", "A, B: on Some GPU (software, vulkan)"],
    );
    let rows: Vec<&str> =
        shown.iter().filter(|e| e.name == "tr").map(|e| e.text.as_str()).collect();
    // 20 / 10 .. 20 / 100 have the mean 0.586; the first six 0.817.
    assert_eq!(rows[1], " A good91.23 %90.00 % (step 100)0.58610026.5 s805,762");
    assert_eq!(rows[2], " B other\u{2013}85.00 % (step 50)0.8176015.0 s805,762");
    assert_eq!(rows[3], " C bare\u{2013}\u{2013}\u{2013}\u{2013}\u{2013}\u{2013}");
    assert!(rows.contains(&"seed177\u{2013}"), "{rows:?}");
    // Letters stand at the lines' ends, from the top down: first of the losses, then the accuracies.
    let labels: Vec<&str> =
        shown.iter().filter(|e| e.is("text", "label")).map(|e| e.text.as_str()).collect();
    assert_eq!(labels, ["B", "A", "A", "B"]);
}

#[test]
fn equal_configurations() {
    let shown = page(&[run(), run()]);
    assert_says(&shown, &["Nothing differs.", "The same in all"]);
    // More runs than there are kinds of lines, or letters.
    let many = page(&vec![run(); 30]);
    assert_says(&many, &["A good", "Z good", "A2 good", "D2 good"]);
}
