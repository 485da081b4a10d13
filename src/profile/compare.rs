//! Two profiles side by side.
//!
//! Passes are matched by what they compute and where (their place and operation), not by kernel, so that
//! a profile of other kernels or another adapter can stand beside; of several at one place the first
//! matches the first, the second the second.

use std::collections::HashMap;

use serde::Serialize;

use super::{Part, PassTimes, Profile, Total};

/// A part of both profiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// `training step` or `inference`.
    pub part: &'static str,
    /// Passes that both have, in the order of the first profile.
    pub passes: Vec<Row>,
    /// Passes that only the first has.
    pub only_a: Vec<Row>,
    /// Passes that only the second has.
    pub only_b: Vec<Row>,
    /// Sums by module.
    pub modules: Vec<Row>,
    /// Sums by direction.
    pub directions: Vec<Row>,
    /// The sum of all passes, each profile's own.
    pub all: Row,
    /// A plain run by the host's clock.
    pub wall: Row,
}

/// The same thing in both: medians, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is; of a pass computed by two kernels both are named.
    pub name: String,
    /// In the first.
    pub a: Option<f64>,
    /// In the second.
    pub b: Option<f64>,
    /// The second over the first.
    pub ratio: Option<f64>,
}

impl Row {
    fn new(name: impl Into<String>, a: Option<f64>, b: Option<f64>) -> Row {
        let ratio = a.filter(|a| *a > 0.0).zip(b).map(|(a, b)| b / a);
        Row { name: name.into(), a, b, ratio }
    }
}

/// The parts that both profiles have.
pub fn compare(a: &Profile, b: &Profile) -> Vec<Compared> {
    let pairs = a.parts().filter_map(|(name, part)| {
        let (_, other) = b.parts().find(|(known, _)| *known == name)?;
        Some((name, part, other))
    });
    pairs.map(|(name, a, b)| parts(name, a, b)).collect()
}

/// Keys of the configuration in which the profiles differ, each with both values; those that say where
/// files are and how long a run is do not matter here.
pub fn differences(a: &Profile, b: &Profile) -> Vec<(String, String, String)> {
    let table = |profile: &Profile| match serde_json::to_value(&profile.config) {
        Ok(serde_json::Value::Object(table)) => table,
        _ => serde_json::Map::new(),
    };
    let (a, b) = (table(a), table(b));
    let idle = ["train", "test", "val_rows", "steps", "eval_every", "log_every"];
    let differ = a.iter().filter(|(key, value)| {
        !idle.contains(&key.as_str()) && b.get(*key).is_some_and(|other| other != *value)
    });
    differ.map(|(key, value)| (key.clone(), value.to_string(), b[key].to_string())).collect()
}

fn parts(name: &'static str, a: &Part, b: &Part) -> Compared {
    let mut of_b: HashMap<Key, &PassTimes> = keyed(&b.passes).into_iter().collect();
    let (mut passes, mut only_a) = (Vec::new(), Vec::new());
    for (key, pass) in keyed(&a.passes) {
        match of_b.remove(&key) {
            Some(other) => passes.push(pair(pass, other)),
            None => only_a.push(Row::new(&pass.facts.pass, pass.median, None)),
        }
    }
    let left = keyed(&b.passes).into_iter().filter(|(key, _)| of_b.contains_key(key));
    let only_b = left.map(|(_, pass)| Row::new(&pass.facts.pass, None, pass.median)).collect();
    let whole = |part: &Part| part.wall.plain.or(part.wall.profiled).map(|host| host.whole);
    Compared {
        part: name,
        passes,
        only_a,
        only_b,
        modules: totals(&a.modules, &b.modules),
        directions: totals(&a.directions, &b.directions),
        all: Row::new("all passes", a.all.median, b.all.median),
        wall: Row::new("by the host's clock", whole(a), whole(b)),
    }
}

/// Place, operation, and the how-manieth of these.
type Key<'a> = (&'a str, &'a str, usize);

fn keyed(passes: &[PassTimes]) -> Vec<(Key<'_>, &PassTimes)> {
    let mut met: HashMap<(&str, &str), usize> = HashMap::new();
    let mut keyed = Vec::new();
    for pass in passes {
        let (place, operation) = (pass.facts.place.as_str(), pass.facts.operation.as_str());
        let count = met.entry((place, operation)).or_default();
        *count += 1;
        keyed.push(((place, operation, *count), pass));
    }
    keyed
}

fn pair(a: &PassTimes, b: &PassTimes) -> Row {
    let name = match a.facts.pass == b.facts.pass {
        true => a.facts.pass.clone(),
        false => format!("{}, {}", a.facts.pass, b.facts.kernel),
    };
    Row::new(name, a.median, b.median)
}

/// All names of the first, then those that only the second has.
fn totals(a: &[Total], b: &[Total]) -> Vec<Row> {
    let median = |totals: &[Total], name: &str| {
        totals.iter().find(|total| total.name == name).and_then(|total| total.median)
    };
    let new = b.iter().filter(|total| a.iter().all(|known| known.name != total.name));
    let names = a.iter().chain(new).map(|total| total.name.as_str());
    names.map(|name| Row::new(name, median(a, name), median(b, name))).collect()
}
