//! Batches gathered on the device.

use inception::ops::{batch_images, batch_labels};

use crate::check::{self, Given, Random, Reference, whole};

#[derive(Debug)]
struct Images {
    length: usize,
    divisor: f32,
}

/// Bytes of packed u32, lowest first.
fn bytes(packed: &[f64]) -> Vec<u8> {
    packed.iter().flat_map(|&v| (v as u32).to_le_bytes()).collect()
}

impl Reference for Images {
    fn forward(&self, inputs: &[Vec<f64>]) -> Vec<f64> {
        let bytes = bytes(&inputs[0]);
        let rows = inputs[1].iter().map(|row| *row as usize);
        let images = rows.flat_map(|row| &bytes[row * self.length..][..self.length]);
        images.map(|&v| f64::from(v) / f64::from(self.divisor)).collect()
    }

    fn backward(&self, _: &[Vec<f64>], _: &[f64]) -> Vec<Vec<f64>> {
        vec![vec![], vec![]]
    }
}

/// `count` rows of `length` random bytes, and `batch` numbers of rows, the last row among them.
fn inputs(count: usize, length: usize, batch: usize, random: &mut Random) -> [Given; 2] {
    let words = (count * length).div_ceil(4);
    let packed: Vec<_> = (0..words).map(|_| random.bits() as u32).collect();
    let mut rows: Vec<_> = (0..batch).map(|_| random.between(0, count - 1) as u32).collect();
    rows[batch - 1] = count as u32 - 1;
    [whole("bytes", &[words], packed), whole("rows", &[batch], rows)]
}

#[test]
fn images_agree_with_plain_loops() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(101);
    for case in 0..20 {
        let image = [random.between(1, 28), random.between(1, 28)];
        let length = image[0] * image[1];
        // Division by 1 is exact; otherwise WGSL lets it be off by 2.5 units in the last place.
        let (divisor, tolerance) = [(1.0, 0.0), (255.0, 4e-7)][case % 2];
        let batch = random.between(1, 70);
        let inputs = inputs(random.between(1, 9), length, batch, &mut random);
        Images { length, divisor }.agrees(&mut lab, &inputs, tolerance, |t| {
            let x = batch_images(t[0], t[1], image, divisor);
            assert_eq!(x.shape(), [batch, image[0], image[1], 1]);
            x
        });
    }
}

#[test]
fn labels_are_the_bytes_of_their_rows() {
    let Some(mut lab) = check::lab() else { return };
    let mut random = Random::new(102);
    for batch in [1, 3, 64, 65, 200] {
        let inputs = inputs(random.between(1, 50), 1, batch, &mut random);
        let made = lab.run(&inputs, |_| vec![], |t| batch_labels(t[0], t[1]));
        let got: Vec<_> = made.y.iter().map(|v| v.to_bits()).collect();
        let values = [&inputs[0], &inputs[1]].map(|given| given.values.wide());
        let bytes = bytes(&values[0]);
        let truth: Vec<_> = values[1].iter().map(|row| u32::from(bytes[*row as usize])).collect();
        assert_eq!(got, truth, "batch {batch}");
    }
}
