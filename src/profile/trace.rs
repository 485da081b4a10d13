//! Timed runs on a line of time, as a file that ui.perfetto.dev and chrome://tracing open: JSON in the
//! Trace Event Format.
//!
//! Two tracks: what the host did in each run, and, nested, the runs, modules and passes of the device.
//! Every slice is a pair of `B` and `E` events in order of time, with microseconds from the first run's
//! begin and whole nanoseconds.
//!
//! WebGPU tells nothing of how the device's clock stands to the host's. But nothing of a run can begin
//! before its submission, nor end after the host has waited for it. A run is drawn in the middle between
//! these bounds, so it is off by at most the `clock_uncertain_us` that its slice carries. Lengths are the
//! device's own.

use std::time::Duration;

use web_time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::{PassFacts, Runs};
use crate::gpu::AdapterFacts;
use crate::timing::{Stamps, Timed};

/// What each trace begins with, as the keys of an object come in the order of their letters. Readers pass over
/// keys that they do not know.
pub const BEGIN: &[u8] = br#"{"by":"inception-wgpu","#;

/// Runs of one kind, with the facts of their passes.
pub struct Track<'a> {
    /// What a run is called.
    pub name: &'a str,
    /// Of the passes, in order.
    pub facts: &'a [PassFacts],
    /// The runs. The first of them, in which a driver may compile, is left out.
    pub runs: &'a Runs,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
enum Phase {
    #[serde(rename = "B")]
    Begin,
    #[serde(rename = "E")]
    End,
    #[serde(rename = "M")]
    Metadata,
}

#[derive(Serialize)]
struct Event {
    ph: Phase,
    pid: u32,
    tid: u32,
    /// Microseconds.
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

const HOST: u32 = 1;
const GPU: u32 = 2;

/// One of the two tracks. Its time never goes back: where two passes overlap on the device, the later
/// one is drawn from the end of the earlier.
struct Line {
    tid: u32,
    category: &'static str,
    /// Nanoseconds.
    now: u64,
    events: Vec<Event>,
}

impl Line {
    fn new(tid: u32, category: &'static str) -> Line {
        Line { tid, category, now: 0, events: Vec::new() }
    }

    fn event(&mut self, ph: Phase, seconds: f64, name: Option<String>, args: Value) {
        self.now = self.now.max((seconds * 1e9).round() as u64);
        let (tid, ts, cat) =
            (self.tid, self.now as f64 / 1e3, name.as_ref().map(|_| self.category));
        self.events.push(Event { ph, pid: 1, tid, ts, cat, name, args });
    }

    fn begin(&mut self, seconds: f64, name: impl Into<String>, args: Value) {
        self.event(Phase::Begin, seconds, Some(name.into()), args);
    }

    fn end(&mut self, seconds: f64) {
        self.event(Phase::End, seconds, None, Value::Null);
    }
}

/// The whole file.
pub fn trace(adapter: &AdapterFacts, tracks: &[Track]) -> Value {
    let mut runs: Vec<(&Track, bool, &Timed)> = Vec::new();
    for track in tracks {
        runs.extend(track.runs.plain.iter().map(|run| (track, false, run)));
        runs.extend(track.runs.profiled.iter().map(|run| (track, true, run)));
    }
    runs.sort_by_key(|(_, _, run)| run.host.begin);
    let (mut host, mut gpu) = (Line::new(HOST, "host"), Line::new(GPU, "gpu"));
    if let Some(origin) = runs.first().map(|(_, _, run)| run.host.begin) {
        for (number, (track, profiled, run)) in runs.iter().enumerate() {
            let what = if *profiled { "timed" } else { "plain" };
            let name = format!("{}, {what}", track.name);
            draw_host(&mut host, origin, run, name, number);
            draw_gpu(&mut gpu, origin, run, track, number);
        }
    }
    let label = |tid, what: &str, args| Event {
        ph: Phase::Metadata,
        pid: 1,
        tid,
        ts: 0.0,
        cat: None,
        name: Some(what.to_string()),
        args,
    };
    let device = format!("GPU: {}", adapter.name);
    let mut events = vec![
        label(HOST, "process_name", json!({ "name": "inception" })),
        label(HOST, "thread_name", json!({ "name": "host" })),
        label(HOST, "thread_sort_index", json!({ "sort_index": HOST })),
        label(GPU, "thread_name", json!({ "name": device })),
        label(GPU, "thread_sort_index", json!({ "sort_index": GPU })),
    ];
    events.extend(host.events);
    events.extend(gpu.events);
    json!({
        "by": env!("CARGO_PKG_NAME"),
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "version": env!("CARGO_PKG_VERSION"),
            "adapter": adapter.name,
            "driver": adapter.driver,
        },
    })
}

fn draw_host(line: &mut Line, origin: Instant, run: &Timed, name: String, number: usize) {
    let at = |instant: Instant| (instant - origin).as_secs_f64();
    let clock = run.host;
    line.begin(at(clock.begin), name, json!({ "run": number }));
    let parts = [
        ("write inputs, encode", clock.begin, clock.recorded),
        ("submit", clock.recorded, clock.submitted),
        ("wait", clock.submitted, clock.done),
    ];
    for (name, begin, end) in parts {
        line.begin(at(begin), name, Value::Null);
        line.end(at(end));
    }
    line.end(at(clock.done));
}

fn draw_gpu(line: &mut Line, origin: Instant, run: &Timed, track: &Track, number: usize) {
    let passes: Vec<(&PassFacts, &Stamps)> = track
        .facts
        .iter()
        .zip(&run.passes)
        .filter_map(|(facts, stamps)| Some((facts, stamps.as_ref()?)))
        .collect();
    let latest =
        |passes: &[(&PassFacts, &Stamps)]| passes.iter().map(|p| p.1.end).fold(0.0, f64::max);
    let Some(first) = passes.iter().map(|(_, stamps)| stamps.begin).reduce(f64::min) else {
        return;
    };
    let (begin, uncertain) = placed(run, origin, latest(&passes) - first);
    let at = |stamp: f64| begin + (stamp - first);
    let args = json!({ "run": number, "clock_uncertain_us": uncertain * 1e6 });
    line.begin(begin, track.name, args);
    for passes in passes.chunk_by(|a, b| a.0.module == b.0.module) {
        line.begin(at(passes[0].1.begin), passes[0].0.module.clone(), Value::Null);
        for (facts, stamps) in passes {
            let args = json!({
                "kernel": facts.kernel,
                "direction": facts.direction,
                "us": stamps.seconds() * 1e6,
                "flop": facts.work.flop,
                "bytes": facts.work.bytes,
            });
            line.begin(at(stamps.begin), facts.pass.clone(), args);
            line.end(at(stamps.end));
        }
        line.end(at(latest(passes)));
    }
    line.end(at(latest(&passes)));
}

/// Where a run of that many seconds on the device begins, in seconds from the origin: in the middle of
/// what the host's clock allows. And by how much it may be off. Where it allows nothing, since the
/// device's clock goes faster, the run begins with its submission.
fn placed(run: &Timed, origin: Instant, seconds: f64) -> (f64, f64) {
    let submission = run.host.recorded;
    let slack = (run.host.done - submission).saturating_sub(Duration::from_secs_f64(seconds));
    let half = slack.as_secs_f64() / 2.0;
    ((submission - origin).as_secs_f64() + half, half)
}
