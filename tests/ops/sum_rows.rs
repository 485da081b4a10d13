//! Sum over the outermost axes.

use inception::ops::PlainSumRows;

use crate::check::{self, Draw, PRODUCTS, Random, Reference, float};

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(91);
    // Up to 64 rows in one pass, up to 2048 in two, more in three; four groups of columns a thread.
    let heights = [1, 2, 31, 32, 33, 63, 64, 65, 96, 1000, 2047, 2048, 2049, 2080, 5000];
    let mut shapes: Vec<_> = heights.map(|n| (n, 1)).to_vec();
    shapes.extend(heights.map(|n| (n, random.pick(&[3, 4, 8, 10, 64, 257]))));
    shapes.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 20, 24, 28, 32, 36].map(|n| (65, n)));
    for _ in 0..16 {
        shapes.push((random.between(1, 700), random.between(1, 300)));
    }
    for (rows, columns) in shapes {
        // Of one sign, lest a sum that happens to vanish ask for more digits than f32 has.
        let x: Vec<_> = random.floats(&[rows, columns]);
        let x = x.into_iter().map(f32::abs).collect::<Vec<_>>();
        let x = [float("x", &[rows, columns], x)];
        check::agrees(&mut lab, &PlainSumRows(rows, columns), &x, PRODUCTS);
    }
}

#[test]
fn several_axes_at_once() {
    let Some(mut lab) = check::lab() else { return };
    let shape = [3, 4, 5, 6];
    for axes in 0..4 {
        let x = [float("x", &shape, Random::new(92).floats(&shape))];
        let rows = shape[..axes].iter().product();
        let truth = PlainSumRows(rows, 360 / rows).forward(&[x[0].values.numbers()]);
        let truth: Vec<_> = truth.iter().map(|number| number.value).collect();
        let made = lab.run(&x, |_| vec![], |t| t[0].sum_rows(axes));
        assert_eq!(made.shape, shape[axes..]);
        check::close(&format!("{axes} axes"), "y", &made.y, &truth, PRODUCTS);
    }
}
