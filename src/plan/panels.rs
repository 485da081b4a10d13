//! Lays the weights of wide dense layers out in panels of columns.

use std::collections::BTreeSet;

use super::{bound, is, set_size, size, subgroup};
use crate::recording::{Pass, Recording, TensorId};

/// Keeps the weights of dense layers, and what Adam remembers of them, as panels of as many columns
/// as a subgroup takes, in each panel row after row: what a subgroup loads then lies together, while
/// rows lie a whole row of columns apart. To be called after `subgroup` and before `shard`.
///
/// Taken where a `dense_subgroup` pass has more columns than that and all passes of the recordings,
/// which must be of one tape, that bind such a tensor know panels or do not mind.
pub fn panels(recordings: &mut [Recording]) {
    let seeds: Vec<(TensorId, usize)> = recordings
        .iter()
        .flat_map(|recording| &recording.passes)
        .filter(|pass| pass.kernel.name == subgroup::DENSE.name)
        .filter_map(|pass| Some((bound(pass, "w")?, panel_of(pass)?)))
        .collect();
    for (weights, panel) in seeds {
        let passes = recordings.iter().flat_map(|recording| &recording.passes);
        let Some(group) = together(&passes.collect::<Vec<_>>(), weights) else { continue };
        for recording in recordings.iter_mut() {
            for id in &group {
                if let Some(info) = recording.tensors.get_mut(id.0 as usize) {
                    info.panel = Some(panel * 4);
                }
            }
            for pass in &mut recording.passes {
                let binds = pass.tensors.iter().any(|bound| group.contains(&bound.tensor));
                if binds && pass.kernel.name == subgroup::DENSE.name {
                    set_size(pass, "PANEL", panel);
                }
            }
        }
    }
}

/// Groups of four columns that a workgroup of this pass takes, if there are more in all.
fn panel_of(pass: &Pass) -> Option<usize> {
    let taken = size(pass, "ROW_LANES") * size(pass, "SPAN");
    (taken < size(pass, "GROUPS")).then_some(taken)
}

/// The tensors that must lie as these weights do: those that some pass walks along with them. `None`
/// when a pass binds one of them and needs its rows whole.
fn together(passes: &[&Pass], weights: TensorId) -> Option<BTreeSet<TensorId>> {
    let mut group = BTreeSet::from([weights]);
    loop {
        let before = group.len();
        for pass in passes {
            let bound: Vec<_> = pass.tensors.iter().map(|b| (b.name, b.tensor)).collect();
            if !bound.iter().any(|(_, id)| group.contains(id)) {
                continue;
            }
            let knows = pass.kernel.name == subgroup::DENSE.name || is(pass, "adam", "update");
            let along = &pass.rows.as_ref().filter(|_| knows)?.along;
            for (name, id) in bound {
                match along.contains(&name) {
                    true => drop(group.insert(id)),
                    false if group.contains(&id) => return None,
                    false => {}
                }
            }
        }
        if group.len() == before {
            return Some(group);
        }
    }
}
