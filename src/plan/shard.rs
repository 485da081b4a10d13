//! Splits tensors that are too large for one buffer into shards of rows.

use std::collections::{HashMap, HashSet};

use crate::cost::weight;
use crate::recording::{Recording, Rows, TensorId, TensorInfo};

/// What makes a network take less memory.
pub const SMALLER: &str = "lower --batch-size or what the layers make (--maps, --num-fc1, or in the \
                           --network's file)";

/// A tensor that neither fits the adapter's limit nor can be split.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "the network is too large for this adapter: tensor {tensor} {shape:?} takes {bytes} bytes, its \
     limit for one buffer is {limit} bytes, and {reason}; {advice}, or choose another --adapter"
)]
pub struct TooLarge {
    /// The tensor's name.
    pub tensor: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its size.
    pub bytes: u64,
    /// The adapter's limit for one bound buffer, in bytes.
    pub limit: u64,
    /// Why it was not split.
    pub reason: String,
    /// What makes it smaller.
    pub advice: &'static str,
}

/// Splits every tensor over `limit` bytes, and all tensors that share its rows in some pass, into
/// shards of rows, and each pass along these rows into one pass per shard. The recordings must be
/// of one tape: a tensor gets the same shards in all of them. Passes of more than `longest`
/// operations are cut likewise if they can be: drivers of desktops end what takes too long.
///
/// # Errors
/// [`TooLarge`] when a tensor over the limit is used by a pass that cannot be cut, or one row of it
/// is over the limit.
pub fn shard(recordings: &mut [Recording], limit: u64, longest: u64) -> Result<(), TooLarge> {
    let Some(tensors) = recordings.iter().map(|r| r.tensors.clone()).max_by_key(Vec::len) else {
        return Ok(());
    };
    let mut groups = Groups::new(tensors.len());
    for_each_cut(recordings, |rows, along| {
        for pair in along.windows(2) {
            groups.join(pair[0], pair[1], 1);
        }
        for id in along {
            groups.join(*id, *id, rows.grain());
        }
    });
    let most_rows = most_rows(recordings, &tensors, longest);
    let used: Vec<TensorId> = recordings.iter().flat_map(Recording::used).collect();
    let oversized = |id: &TensorId| {
        let info = &tensors[id.0 as usize];
        info.bytes() > limit || most_rows.get(id).is_some_and(|&most| most < info.shape[0])
    };
    let too_large = |id: TensorId, reason: String| {
        let info = &tensors[id.0 as usize];
        let (tensor, shape) = (info.name.clone(), info.shape.clone());
        TooLarge { tensor, shape, bytes: info.bytes(), limit, reason, advice: SMALLER }
    };
    let mut met = HashSet::new();
    for &big in used.iter().filter(|id| oversized(id)) {
        if !met.insert(groups.root(big)) {
            continue; // a tensor of its group was met before
        }
        let members: Vec<TensorId> = (0..tensors.len() as u32)
            .map(TensorId)
            .filter(|&id| groups.root(id) == groups.root(big))
            .collect();
        if let Some(place) = uncut_use(recordings, &members) {
            if members.iter().all(|id| tensors[id.0 as usize].bytes() <= limit) {
                continue; // a long pass that cannot be cut stays long
            }
            return Err(too_large(big, format!("pass `{place}` cannot take it in parts")));
        }
        let grain = groups.grain(big);
        let row_bytes = |id: &TensorId| {
            let info = &tensors[id.0 as usize];
            (info.len() / info.shape[0] * 4) as u64
        };
        let widest = members.iter().map(row_bytes).max().unwrap_or(4);
        // Buffers are padded to 16 bytes, so a shard must leave room for that.
        let fitting = (limit.saturating_sub(15) / widest) as usize / grain * grain;
        let quick = members.iter().filter_map(|id| most_rows.get(id)).min();
        let per_shard = quick.map_or(fitting, |&rows| fitting.min((rows / grain).max(1) * grain));
        if per_shard == 0 {
            let verb = if grain == 1 { "is" } else { "are" };
            return Err(too_large(big, format!("{grain} of its rows {verb} over the limit alone")));
        }
        let count = tensors[big.0 as usize].shape[0];
        let shards: Vec<usize> =
            (0..count).step_by(per_shard).map(|first| per_shard.min(count - first)).collect();
        for recording in recordings.iter_mut() {
            for id in &members {
                if let Some(info) = recording.tensors.get_mut(id.0 as usize) {
                    info.shards = shards.clone();
                }
            }
        }
    }
    recordings.iter_mut().for_each(|recording| cut_passes(recording, longest));
    Ok(())
}

/// The most rows that a pass may take of a tensor along its rows, where all are too much work.
fn most_rows(
    recordings: &[Recording],
    tensors: &[TensorInfo],
    longest: u64,
) -> HashMap<TensorId, usize> {
    let mut most = HashMap::new();
    for recording in recordings {
        for pass in &recording.passes {
            let work = weight(pass, recording);
            let Some(rows) = pass.rows.as_ref().filter(|_| work > longest) else { continue };
            for bound in pass.tensors.iter().filter(|bound| rows.along.contains(&bound.name)) {
                let all = tensors[bound.tensor.0 as usize].shape[0];
                let fitting = (u128::from(longest) * all as u128 / u128::from(work)) as usize;
                let known = most.entry(bound.tensor).or_insert(fitting);
                *known = fitting.min(*known);
            }
        }
    }
    most
}

/// Calls `visit` for each pass that can be cut, with the tensors along its rows.
fn for_each_cut(recordings: &[Recording], mut visit: impl FnMut(&Rows, &[TensorId])) {
    for pass in recordings.iter().flat_map(|recording| &recording.passes) {
        if let Some(rows) = &pass.rows {
            let along = pass.tensors.iter().filter(|b| rows.along.contains(&b.name));
            visit(rows, &along.map(|b| b.tensor).collect::<Vec<_>>());
        }
    }
}

/// The label of a pass that uses one of `members` as a whole, if there is one.
fn uncut_use(recordings: &[Recording], members: &[TensorId]) -> Option<String> {
    let passes = recordings.iter().flat_map(|recording| &recording.passes);
    let mut uncut = passes.filter(|pass| {
        pass.tensors.iter().any(|bound| {
            let along = pass.rows.as_ref().is_some_and(|rows| rows.along.contains(&bound.name));
            members.contains(&bound.tensor) && !along
        })
    });
    uncut.next().map(|pass| pass.label())
}

/// Rows of each part of a pass that no tensor follows: as few parts as none is longer than `longest`.
fn by_work(rows: &Rows, work: u64, longest: u64) -> Vec<usize> {
    let quick = u128::from(longest) * rows.count as u128 / u128::from(work.max(1));
    let part = (quick.min(rows.count as u128) as usize / rows.grain()).max(1) * rows.grain();
    (0..rows.count).step_by(part).map(|first| part.min(rows.count - first)).collect()
}

/// Replaces each pass along sharded rows by one pass per shard, and each one that is too long and
/// can be cut anywhere by several.
fn cut_passes(recording: &mut Recording, longest: u64) {
    let passes = std::mem::take(&mut recording.passes);
    for pass in passes {
        let shards = pass.rows.as_ref().and_then(|rows| {
            if rows.along.is_empty() {
                return Some(by_work(rows, weight(&pass, recording), longest));
            }
            let along = pass.tensors.iter().find(|b| rows.along.contains(&b.name))?;
            Some(recording.tensors[along.tensor.0 as usize].shards.clone())
        });
        let Some(shards) = shards.filter(|shards| shards.len() > 1) else {
            recording.passes.push(pass);
            continue;
        };
        let mut first = 0;
        for (shard, count) in shards.into_iter().enumerate() {
            let mut part = pass.clone();
            if let Some(rows) = &mut part.rows {
                (rows.first, rows.count) = (first, count);
                part.threads[rows.axis] = rows.threads();
                for bound in part.tensors.iter_mut().filter(|b| rows.along.contains(&b.name)) {
                    bound.shard = shard;
                }
            }
            recording.passes.push(part);
            first += count;
        }
    }
}

/// Tensors that share rows (a union-find forest), and the grain at which they may be cut.
struct Groups {
    parent: Vec<u32>,
    grain: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Groups { parent: (0..count as u32).collect(), grain: vec![1; count] }
    }

    fn root(&self, id: TensorId) -> u32 {
        let mut at = id.0;
        while self.parent[at as usize] != at {
            at = self.parent[at as usize];
        }
        at
    }

    fn join(&mut self, a: TensorId, b: TensorId, grain: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let grain = lcm(lcm(self.grain[a as usize], self.grain[b as usize]), grain);
        self.parent[a as usize] = b;
        self.grain[b as usize] = grain;
    }

    fn grain(&self, id: TensorId) -> usize {
        self.grain[self.root(id) as usize]
    }
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}
