//! `inception profile --compare`: two profiles side by side.

use std::path::Path;

use crate::cli::rates::number;
use crate::cli::{Failure, adapter_line, print_results, say};
use crate::profile::Profile;
use crate::profile::compare::{Compared, Row, compare, differences};

pub(super) fn run(paths: [&Path; 2], by_time: bool, json: bool) -> Result<(), Failure> {
    let [a, b] = [read(paths[0])?, read(paths[1])?];
    let mut parts = compare(&a, &b);
    if by_time {
        for part in &mut parts {
            let time = |row: &Row| row.a.unwrap_or(-1.0).max(row.b.unwrap_or(-1.0));
            for rows in [&mut part.passes, &mut part.only_a, &mut part.only_b] {
                rows.sort_by(|x, y| time(y).total_cmp(&time(x)));
            }
        }
    }
    if json {
        return print_results(&serde_json::to_string_pretty(&parts)?);
    }
    let mut text = String::new();
    for (letter, path, profile) in [("A", paths[0], &a), ("B", paths[1], &b)] {
        let (version, adapter) = (&profile.version, adapter_line(&profile.adapter));
        text.push_str(&format!("{letter}: {}, inception {version}, {adapter}\n", path.display()));
    }
    for (key, a, b) in differences(&a, &b) {
        text.push_str(&format!("they differ in {key}: {a} and {b}\n"));
    }
    parts.iter().for_each(|part| text.push_str(&table(part)));
    print_results(&text)
}

/// Reads a profile. A pipe is waited for, for ever if nobody writes there, so that it is said.
fn read(path: &Path) -> Result<Profile, Failure> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        say(&format!(
            "{} is no regular file: waiting for all that is written there",
            path.display()
        ));
    }
    Ok(Profile::read(path)?)
}

fn table(part: &Compared) -> String {
    let line = |row: &Row| {
        let [a, b] = [row.a, row.b].map(|seconds| number(seconds.map(|s| s * 1e3), 10, 3));
        format!("{a} {b} {}  {}\n", number(row.ratio, 7, 2), row.name)
    };
    let head = |what: &str| format!("\n{:>10} {:>10} {:>7}  {what}\n", "A ms", "B ms", "B / A");
    let mut text = head(part.part);
    let lists = [
        ("", &part.passes),
        ("only in A", &part.only_a),
        ("only in B", &part.only_b),
        ("module", &part.modules),
        ("direction", &part.directions),
    ];
    for (name, rows) in lists.iter().filter(|(_, rows)| !rows.is_empty()) {
        if !name.is_empty() {
            text.push_str(&head(name));
        }
        rows.iter().for_each(|row| text.push_str(&line(row)));
    }
    text.push_str(&head("in sum"));
    text.push_str(&line(&part.all));
    text.push_str(&line(&part.wall));
    text
}
