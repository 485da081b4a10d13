//! What an adapter can do at most. No number is expected of any.

#[path = "common/mod.rs"]
mod common;

use inception::ceiling::Ceiling;
use inception::cost::Cost;
use inception::engine::Engine;
use inception::gpu::{Gpu, GpuOptions, Limits};

#[test]
fn an_adapter_has_ceilings_and_is_given_back() {
    let Some(gpu) = common::gpu() else { return };
    let (ceiling, gpu) = Ceiling::measure(gpu).expect("it can be measured");
    for rate in [ceiling.flop_per_second, ceiling.bytes_per_second] {
        assert!(rate.is_finite() && rate > 0.0, "{ceiling:?}");
    }
    assert_eq!(Engine::new(gpu).bytes(), 0);
}

#[test]
fn an_adapter_of_small_buffers_has_ceilings_too() {
    if common::gpu().is_none() {
        return;
    }
    // No multiple of what a thread stores.
    let limits = Limits::Lowered { buffer: 402_004, workgroups: 65_535 };
    let options = GpuOptions { limits, ..GpuOptions::default() };
    let gpu = pollster::block_on(Gpu::open(&options)).expect("it opens with less");
    let (ceiling, _) = Ceiling::measure(gpu).expect("it can be measured");
    assert!(ceiling.flop_per_second > 0.0 && ceiling.bytes_per_second > 0.0, "{ceiling:?}");
}

#[test]
fn the_slower_of_computing_and_moving_decides() {
    let ceiling = Ceiling { flop_per_second: 100.0, bytes_per_second: 10.0 };
    let cost = Cost { product_flop: 150, other_flop: 50, read: 10, written: 0 };
    assert_eq!(ceiling.seconds(&cost), 2.0);
    assert_eq!(ceiling.seconds(&Cost { read: 25, written: 5, ..cost }), 3.0);
}
