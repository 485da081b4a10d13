//! Batches gathered on the device.

use inception::ops::{PlainBatch, batch_labels};
use inception::tape::Tape;

use crate::check::{self, Random, Reference};

#[test]
fn images_agree_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(101);
    for case in 0..20 {
        let image = [random.between(1, 28), random.between(1, 28), random.between(1, 4)];
        // Division by 1 is exact; otherwise WGSL lets it be off by 2.5 units in the last place.
        let cases = [([0.0, 1.0], 0.0), ([0.0, 255.0], 4e-7), ([127.5, 127.5], 4e-7)];
        let (scale, tolerance) = cases[case % 3];
        let (count, batch) = (random.between(1, 9), random.between(1, 70));
        let images = PlainBatch { count, image, scale, batch };
        check::agrees(&mut lab, &images, &images.inputs(&mut random), tolerance);
        let tape = Tape::new();
        let given = images.inputs(&mut random);
        let tensors = [0, 1].map(|i| tape.input(given[i].name, &given[i].shape));
        assert_eq!(images.record(&tensors).shape(), [batch, image[0], image[1], image[2]]);
    }
}

#[test]
fn labels_are_the_bytes_of_their_rows() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(102);
    for batch in [1, 3, 64, 65, 200] {
        let (count, image) = (random.between(1, 50), [1, 1, 1]);
        let inputs = PlainBatch { count, image, scale: [0.0, 1.0], batch }.inputs(&mut random);
        let made = lab.run(&inputs, |_| vec![], |t| batch_labels(t[0], t[1]));
        let got: Vec<_> = made.y.iter().map(|v| v.to_bits()).collect();
        let values = [&inputs[0], &inputs[1]].map(|given| given.values.numbers());
        let words = values[0].iter().map(|word| word.value as u32);
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        let rows = values[1].iter().map(|row| row.value as usize);
        let truth: Vec<_> = rows.map(|row| u32::from(bytes[row])).collect();
        assert_eq!(got, truth, "batch {batch}");
    }
}
