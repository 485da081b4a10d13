//! A profile as tables for people and as CSV.

use crate::cli::Failure;
use crate::cli::rates::{HEAD, columns, number};
use crate::profile::{HostTimes, Part, PassTimes, Profile, Speed, Total, Work};

/// The tables of a training step, those of inference, and both by the host's clock.
pub(super) fn tables(profile: &Profile, by_time: bool) -> String {
    let mut text = String::new();
    if profile.timestamps {
        for (name, part) in profile.parts() {
            text.push_str(&passes(name, part, by_time));
            text.push('\n');
        }
    } else {
        text.push_str(
            "This device gives no timestamps, so no pass can be timed. What follows are whole runs \
             by the host's clock.\n\n",
        );
    }
    text.push_str(&walls(profile));
    text
}

fn passes(name: &str, part: &Part, by_time: bool) -> String {
    let all = part.all.median;
    let line = |median: Option<f64>, min: Option<f64>, work: &Work, speed: &Speed, what: &str| {
        let share = median.zip(all).filter(|(_, all)| *all > 0.0).map(|(m, all)| m / all * 100.0);
        let [median, min] = [median, min].map(|seconds| milliseconds(seconds, 10));
        let [flop, bytes] = [work.flop, work.bytes].map(|count| count as f64 * 1e-6);
        let share = number(share, 5, 1);
        format!("{median} {min} {share} % {flop:>8.1} {bytes:>7.2} {}  {what}\n", columns(speed))
    };
    let head = |what: &str| {
        let [median, min] = ["median ms", "min ms"];
        format!(
            "{median:>10} {min:>10}  {:>6} {:>8} {:>7} {HEAD}  {what}\n",
            "share", "MFLOP", "MB"
        )
    };
    let total =
        |total: &Total| line(total.median, total.min, &total.work, &total.speed, &total.name);
    let mut text = format!("{name} of {} images, {} times\n", part.batch_size, part.samples);
    text.push_str(&head("pass"));
    for pass in sorted(part, by_time) {
        text.push_str(&line(
            pass.median,
            pass.min,
            &pass.facts.work,
            &pass.speed,
            &pass.facts.pass,
        ));
    }
    for (what, totals) in [("module", &part.modules), ("direction", &part.directions)] {
        // A single one is the same as all.
        if totals.len() > 1 {
            text.push('\n');
            text.push_str(&head(what));
            totals.iter().for_each(|sum| text.push_str(&total(sum)));
        }
    }
    text.push('\n');
    text.push_str(&total(&part.all));
    if part.all.missing > 0 {
        let of = part.passes.len() * part.samples;
        text.push_str(&format!(
            "{} of {of} times are missing: the device's stamps were zero or out of order; - where a \
             pass has none\n",
            part.all.missing
        ));
    }
    text
}

fn sorted(part: &Part, by_time: bool) -> Vec<&PassTimes> {
    let mut passes: Vec<&PassTimes> = part.passes.iter().collect();
    if by_time {
        let time = |pass: &PassTimes| pass.median.unwrap_or(-1.0);
        passes.sort_by(|a, b| time(b).total_cmp(&time(a)));
    }
    passes
}

/// Whole runs by the host's clock, and what timing costs.
fn walls(profile: &Profile) -> String {
    let head = ["record ms", "submit ms", "wait ms", "whole ms", "GPU ms", "passes ms"];
    let head: String = head.iter().map(|name| format!(" {name:>10}")).collect();
    let mut text = format!("{:22}{head}\n", "run of median length");
    for (name, part) in profile.parts() {
        let wall = &part.wall;
        let gpu = wall.gpu.map(|gpu| (gpu.busy, gpu.passes));
        let rows = [("plain", wall.plain, None), ("timed", wall.profiled, gpu)];
        for (what, host, gpu) in rows {
            let Some(HostTimes { recording, submitting, waiting, whole }) = host else { continue };
            let times = [Some(recording), Some(submitting), Some(waiting), Some(whole)];
            let times = times.into_iter().chain([gpu.map(|gpu| gpu.0), gpu.map(|gpu| gpu.1)]);
            let times: String = times.map(|time| format!(" {}", milliseconds(time, 10))).collect();
            text.push_str(&format!("{:22}{times}\n", format!("{name}, {what}")));
        }
    }
    for (name, part) in profile.parts() {
        if let (Some(cost), Some(gpu)) = (part.wall.timing_cost, part.wall.gpu) {
            text.push_str(&format!(
                "{name}: with its passes timed {cost:.2} times as long; they add up to {:.0} % of the \
                 GPU's time\n",
                gpu.passes / gpu.busy * 100.0
            ));
        }
    }
    text
}

fn milliseconds(seconds: Option<f64>, width: usize) -> String {
    number(seconds.map(|seconds| seconds * 1e3), width, 3)
}

/// One line a pass, both parts below one header; nothing where there is no time.
pub(super) fn csv(profile: &Profile, by_time: bool) -> Result<String, Failure> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "part",
        "pass",
        "kernel",
        "module",
        "direction",
        "samples",
        "missing",
        "first",
        "median",
        "min",
        "max",
        "flop",
        "bytes",
        "gflop_per_second",
        "gb_per_second",
        "least",
        "share_of_limit",
    ])?;
    let maybe = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    for (name, part) in profile.parts() {
        for PassTimes { facts, samples, missing, first, median, min, max, speed } in
            sorted(part, by_time)
        {
            csv.write_record([
                name,
                &facts.pass,
                &facts.kernel,
                &facts.module,
                &facts.direction,
                &samples.to_string(),
                &missing.to_string(),
                &maybe(*first),
                &maybe(*median),
                &maybe(*min),
                &maybe(*max),
                &facts.work.flop.to_string(),
                &facts.work.bytes.to_string(),
                &maybe(speed.gflop_per_second),
                &maybe(speed.gb_per_second),
                &facts.work.least.to_string(),
                &maybe(speed.share_of_limit),
            ])?;
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}
