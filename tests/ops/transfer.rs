//! What the host writes is what it reads back, wherever the parts end in which it goes to the device.

use inception::engine::Engine;
use inception::recording::{TensorId, TensorInfo};
use inception::tape::Tape;

use crate::check;

/// An engine with a tensor `w` of that shape, changed before it gets memory.
fn engine(
    shape: &[usize],
    change: impl Fn(&mut TensorInfo),
) -> Option<(Engine, TensorInfo, TensorId)> {
    let mut engine = check::lab()?.engine;
    let tape = Tape::new();
    let w = tape.parameter("w", shape);
    w.relu();
    let id = w.id();
    let mut recording = tape.finish();
    let info = &mut recording.tensors[id.0 as usize];
    change(info);
    let info = info.clone();
    engine.compile(&recording).expect("it compiles");
    Some((engine, info, id))
}

/// Different in each element, and none is zero.
fn values(count: usize) -> Vec<u8> {
    (1..=count as u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn large_tensors_come_back_as_they_were_written() {
    // Megabytes: several parts of two. Of 132 columns a panel of 64 leaves one of 4; runs of 24
    // columns do not end where two megabytes do; rows of 7 are odd in every way.
    for (shape, shards, panel) in [
        ([9000, 132], vec![9000], None),
        ([9000, 132], vec![9000], Some(64)),
        ([9000, 132], vec![4999, 4001], Some(24)),
        ([9000, 132], vec![4096, 4096, 808], None),
        ([200_001, 7], vec![200_001], Some(4)),
        ([200_001, 7], vec![100_000, 100_001], None),
    ] {
        let changed = |info: &mut TensorInfo| {
            (info.shards, info.panel) = (shards.clone(), panel);
        };
        let Some((mut engine, info, id)) = engine(&shape, changed) else { return };
        let fresh = engine.read(id, &info).expect("zeros");
        assert!(fresh.iter().all(|&byte| byte == 0), "{shape:?}: new memory is zero");
        let written = values(info.len());
        engine.write(id, &info, &written);
        let read = engine.read(id, &info).expect("it comes back");
        let wrong = (0..info.len()).find(|i| read[i * 4..][..4] != written[i * 4..][..4]);
        assert_eq!(wrong, None, "{shape:?} in {shards:?}, panels {panel:?}: first wrong element");
        assert_eq!(read.len(), written.len());
    }
}

#[test]
fn bytes_fill_their_last_word_and_leave_the_rest() {
    const MEGABYTE: usize = 1 << 20;
    let Some((mut engine, info, id)) = engine(&[5 * MEGABYTE / 4], |_| {}) else { return };
    let before = values(info.len());
    for count in [0, 1, 6, 4096, 2 * MEGABYTE, 2 * MEGABYTE + 3, 5 * MEGABYTE - 1] {
        engine.write(id, &info, &before);
        let bytes: Vec<u8> = (0..count).map(|i| (i % 251) as u8).collect();
        engine.write_bytes(id, &info, &bytes);
        let read = engine.read(id, &info).expect("it comes back");
        let filled = count.next_multiple_of(4);
        assert!(read[..count] == bytes, "{count} bytes");
        assert!(read[count..filled].iter().all(|&byte| byte == 0), "{count} bytes: the last word");
        assert!(read[filled..] == before[filled..], "{count} bytes: what stands behind");
    }
}
