//! Ones, and threads folded onto a second axis.

use inception::ops::KERNELS;
use inception::recording::Rows;

use crate::check::{self, Draw, Random, Values, float};

#[test]
fn ones_in_every_shape() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(111);
    for _ in 0..12 {
        let shape = random.shape();
        let count: usize = shape.iter().product();
        let x = [float("x", &shape, vec![])];
        let made = lab.run(&x, |_| vec![], |t| t[0].ones());
        check::same(&format!("{shape:?}"), "y", &made.y, &vec![1.0; count]);
    }
}

#[test]
fn more_threads_than_one_axis_takes_are_folded() {
    let Some(mut lab) = check::lab() else { return };
    // 70,000 workgroups of one thread; WebGPU's limit is 65,535 on an axis.
    const COUNT: usize = 4 * 70_000 - 1;
    let fill = KERNELS.iter().find(|kernel| kernel.name == "fill");
    let y = lab.tape.temporary(&[COUNT]);
    let rows = Rows { along: vec!["y"], ..Rows::whole(COUNT, 4, 0) };
    lab.tape.dispatch_rows(
        fill.expect("a kernel"),
        "forward",
        &[("VALUE", 3.0f32.into()), ("SIZE", 1u32.into()), ("ROW", 1u32.into())],
        &[("y", y)],
        [1, 1, 1],
        rows,
    );
    let y = y.id();
    let recording = lab.tape.finish();
    let program = lab.compile(&recording);
    lab.write(&recording, y, &Values::F32(vec![0.0; COUNT]));
    lab.engine.run(&program).expect("it runs");
    check::same(&"folded", "y", &lab.read(&recording, y), &vec![3.0; COUNT]);
}

#[test]
fn threads_of_a_kernel_that_cannot_fold_are_refused() {
    let Some(mut lab) = check::lab() else { return };
    let sum = KERNELS.iter().find(|kernel| kernel.name == "sum_rows");
    let (x, y) = (lab.tape.input("x", &[4]), lab.tape.temporary(&[4]));
    let limit = lab.engine.gpu().facts.max_workgroups as usize;
    let sum = sum.expect("a kernel");
    let Some(threads) = limit.checked_mul(64).and_then(|n| n.checked_add(1)) else {
        return;
    };
    if u32::try_from(threads).is_err() {
        return; // no recording can ask for more than this adapter takes
    }
    lab.tape.dispatch(sum, "forward", &[], &[("x", x), ("y", y)], [threads, 1, 1]);
    let recording = lab.tape.finish();
    let error = lab.engine.compile(&recording).err().expect("too many threads");
    let error = error.to_string();
    assert!(error.contains("pass `sum_rows.forward` cannot run on"), "{error}");
    assert!(error.contains("the limit is"), "{error}");
}
