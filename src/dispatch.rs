//! A pass and its entry point held against each other: names, and threads as workgroups.

use crate::kernel::EntryPoint;
use crate::recording::Pass;

/// Holds a pass against its entry point.
///
/// # Panics
/// When the pass names other buffers than its entry point uses, or one buffer twice.
pub(crate) fn check_names(pass: &Pass, entry: &EntryPoint) {
    for bound in &pass.tensors {
        let known = entry.slots.contains_key(bound.name);
        assert!(
            known,
            "pass `{}` binds {}, which its entry does not use",
            pass.label(),
            bound.name
        );
    }
    let unbound = entry.slots.keys().find(|slot| !pass.tensors.iter().any(|b| b.name == **slot));
    assert!(unbound.is_none(), "pass `{}` does not bind {unbound:?}", pass.label());
    for (index, bound) in pass.tensors.iter().enumerate() {
        let earlier = &pass.tensors[..index];
        let twice = earlier.iter().find(|b| (b.tensor, b.shard) == (bound.tensor, bound.shard));
        if let Some(twice) = twice {
            let writes = entry.slots[twice.name].writes || entry.slots[bound.name].writes;
            assert!(!writes, "pass `{}` reads and writes one tensor", pass.label());
        }
    }
}

/// Workgroups along x, y, z for the pass's threads. Threads along x alone are folded onto y where
/// they would exceed the limit and the kernel computes its place from both.
pub(crate) fn workgroups(pass: &Pass, entry: &EntryPoint, limit: u32) -> Result<[u32; 3], String> {
    let mut groups = [0, 1, 2].map(|axis| pass.threads[axis].div_ceil(entry.workgroup_size[axis]));
    if groups[0] > limit && groups[1] == 1 && entry.folds {
        groups[1] = groups[0].div_ceil(limit);
        groups[0] = groups[0].div_ceil(groups[1]);
    }
    match groups.iter().all(|&count| count <= limit) {
        true => Ok(groups),
        false => Err(format!(
            "it needs {groups:?} workgroups, the limit is {limit} an axis; lower --batch-size"
        )),
    }
}
