//! The losses that `inception selftest` expects are those of the reference.

use inception::selftest::training::{IMAGE, LOSSES, config, images, weights};

use crate::close::by_each;
use crate::reference::Reference;

#[test]
fn the_losses_expected_are_the_references() {
    let config = config();
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let initial = weights().into_iter().map(|(name, shape, values)| (name, (shape, wide(values))));
    let mut reference = Reference::new(&config, initial.collect());
    let (images, labels) = images();
    let pixels: Vec<f64> = images.pixels.iter().map(|&p| f64::from(p) / 255.0).collect();
    let (batch, length) = (config.batch_size, IMAGE[0] * IMAGE[1]);
    let losses: Vec<f64> = (0..LOSSES.len())
        .map(|step| {
            let first = step * batch % (labels.len() - batch);
            let pixels = &pixels[first * length..][..batch * length];
            reference.step([IMAGE[0], IMAGE[1]], pixels, &labels[first..][..batch])
        })
        .collect();
    let error = by_each(&losses, &LOSSES);
    assert!(error < 1e-12, "they are {losses:?}, off by {error:e}");
}
