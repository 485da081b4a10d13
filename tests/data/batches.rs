use inception::config::Order;
use inception::data::{Batches, permutation};

fn batches(order: Order, seed: u64, batch: usize, count: usize) -> Batches {
    Batches::new(order, seed, batch, count).unwrap()
}

#[test]
fn cyclic_order_is_that_of_the_tutorial() {
    // offset = (step * 4) mod (10 - 4)
    let mut cyclic = batches(Order::Cyclic, 1, 4, 10);
    assert_eq!(cyclic.rows(0), [0, 1, 2, 3]);
    assert_eq!(cyclic.rows(1), [4, 5, 6, 7]);
    assert_eq!(cyclic.rows(2), [2, 3, 4, 5]);
    assert_eq!(cyclic.rows(3), [0, 1, 2, 3]);
    // 1,000,000 * 100 mod (60,000 - 100): 100,000,000 - 1669 * 59,900 = 26,900
    let mut cyclic = batches(Order::Cyclic, 1, 100, 60_000);
    assert_eq!(cyclic.rows(1_000_000)[0], 26_900);
    assert_eq!(cyclic.rows(598)[99], 59_899);
}

#[test]
fn a_batch_of_all_rows_is_possible() {
    let mut cyclic = batches(Order::Cyclic, 1, 3, 3);
    assert_eq!(cyclic.rows(0), [0, 1, 2]);
    assert_eq!(cyclic.rows(7), [0, 1, 2]);
    let mut rows = batches(Order::Shuffle, 1, 3, 3).rows(7);
    rows.sort_unstable();
    assert_eq!(rows, [0, 1, 2]);
}

#[test]
fn shuffled_batches_are_the_permutations_end_to_end() {
    let (seed, batch, count) = (7, 4, 10);
    let stream: Vec<u32> = (0..6).flat_map(|epoch| permutation(seed, epoch, count)).collect();
    let mut shuffled = batches(Order::Shuffle, seed, batch, 10);
    // Steps 2 and 7 cross into a new epoch.
    for (step, expected) in stream.chunks(batch).enumerate() {
        assert_eq!(shuffled.rows(step as u64), expected, "step {step}");
    }
}

#[test]
fn each_epoch_holds_every_row_once() {
    let mut shuffled = batches(Order::Shuffle, 3, 100, 1_000);
    for epoch in 0..3 {
        let mut rows: Vec<u32> =
            (0..10).flat_map(|step| shuffled.rows(epoch * 10 + step)).collect();
        rows.sort_unstable();
        assert!(rows.iter().copied().eq(0..1_000), "epoch {epoch}");
    }
}

#[test]
fn order_depends_on_seed_and_epoch_only() {
    assert_eq!(permutation(1, 5, 500), permutation(1, 5, 500));
    assert_ne!(permutation(1, 5, 500), permutation(1, 6, 500));
    assert_ne!(permutation(1, 5, 500), permutation(2, 5, 500));
    // From step 23 on without the steps before it, as after a resume.
    let mut fresh = batches(Order::Shuffle, 9, 64, 1_000);
    let mut used = fresh.clone();
    (0..23).for_each(|step| drop(used.rows(step)));
    assert_eq!(fresh.rows(23), used.rows(23));
}

#[test]
fn the_order_never_changes() {
    // Recorded once: a run must give the same result with every later version.
    assert_eq!(permutation(42, 0, 8), [7, 0, 1, 2, 3, 5, 6, 4]);
}

#[test]
fn permutations_are_even() {
    // Each of the 24 orders of 4 rows is expected 1,000 times; 5 standard deviations are 155.
    let mut counts = std::collections::HashMap::new();
    for epoch in 0..24_000 {
        *counts.entry(permutation(0, epoch, 4)).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 24);
    assert!(counts.values().all(|&count| (845..=1155).contains(&count)));
}

#[test]
fn the_largest_step_is_no_problem() {
    for order in [Order::Cyclic, Order::Shuffle] {
        assert_eq!(batches(order, u64::MAX, 100, 101).rows(u64::MAX).len(), 100);
    }
}

#[test]
fn too_few_rows_are_refused() {
    let error = Batches::new(Order::Shuffle, 1, 100, 99).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("fewer rows than the batch"), "{message}");
    assert!(message.contains("99") && message.contains("100"), "{message}");
    assert!(Batches::new(Order::Cyclic, 1, 0, 99).is_err());
}
