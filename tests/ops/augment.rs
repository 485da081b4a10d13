//! Images changed at random.

use inception::ops::{Augmentation, PlainAugment};
use inception::reference::fixed;

use crate::check::{self, Lab, Random, Reference, whole};

const NOTHING: Augmentation = Augmentation { sine: 0.0, zoom: 0.0, shift: 0.0, mirror: false };

#[test]
fn agrees_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(121);
    for case in 0..20 {
        let shape = [1, 1, 1, 1].map(|least| random.between(least, [5, 19, 17, 4][case % 4]));
        let size = [random.between(1, 21), random.between(1, 18)];
        let by = Augmentation {
            sine: [0.0, 0.2, 0.9][case % 3],
            zoom: [0.15, 0.0, 0.5][case % 3],
            shift: [2.5, 4.0, 0.0][case % 3],
            mirror: case % 2 == 0,
        };
        let op = PlainAugment { shape, size, by };
        check::agrees(&mut lab, &op, &op.inputs(&mut random), 2e-5);
    }
}

/// What is made of images `[batch, height, width]` that count their pixels from 1.
fn made(
    lab: &mut Lab,
    shape: [usize; 3],
    by: Augmentation,
    size: [usize; 2],
    key: [u32; 2],
) -> Vec<f32> {
    let [batch, height, width] = shape;
    let length = height * width;
    let x: Vec<f32> = (0..batch * length).map(|at| (at % length) as f32 + 1.0).collect();
    let inputs = [fixed("x", &[batch, height, width, 1], x), whole("key", &[2], key)];
    lab.run(&inputs, |_| vec![], |t| t[0].augment(t[1], by, size)).y
}

#[test]
fn nothing_changes_nothing_and_a_crop_is_the_middle() {
    let Some(mut lab) = check::lab() else { return };
    let same: Vec<f32> = (1..=12).map(|n| n as f32).collect();
    assert_eq!(made(&mut lab, [1, 3, 4], NOTHING, [3, 4], [1, 2]), same);
    let middle = made(&mut lab, [1, 4, 4], NOTHING, [2, 2], [1, 2]);
    assert_eq!(middle, [6.0, 7.0, 10.0, 11.0]);
}

#[test]
fn about_every_other_image_is_mirrored() {
    let Some(mut lab) = check::lab() else { return };
    let by = Augmentation { mirror: true, ..NOTHING };
    let images = made(&mut lab, [400, 1, 3], by, [1, 3], [7, 8]);
    let mirrored = images.chunks(3).filter(|image| *image == [3.0, 2.0, 1.0]).count();
    let straight = images.chunks(3).filter(|image| *image == [1.0, 2.0, 3.0]).count();
    assert_eq!(mirrored + straight, 400);
    assert!((150..250).contains(&mirrored), "{mirrored} of 400"); // 5 standard deviations
}

#[test]
fn the_key_and_the_place_in_the_batch_draw() {
    let Some(mut lab) = check::lab() else { return };
    let by = Augmentation { sine: 0.2, zoom: 0.1, shift: 2.0, mirror: false };
    let one = made(&mut lab, [3, 6, 5], by, [6, 5], [1, 2]);
    assert_eq!(one, made(&mut lab, [3, 6, 5], by, [6, 5], [1, 2]));
    assert_ne!(one[..30], one[30..60]);
    for key in [[2, 2], [1, 3]] {
        assert_ne!(one, made(&mut lab, [3, 6, 5], by, [6, 5], key));
    }
}
