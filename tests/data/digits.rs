//! Digits read a few at a time.

use std::path::Path;

use inception::data::{Dataset, Digits, Invert, load_images, load_labelled};

use super::{assert_fails, asset, file, gzip};

/// Reads all by so many at a time. What they may hold is never more.
fn by(most: usize, mut digits: Digits) -> Dataset {
    let mut all = Dataset::empty(digits.path());
    let mut held = Dataset::empty(Path::new("held"));
    loop {
        let count = digits.read(most, &mut held).unwrap();
        assert_eq!(count, held.images.len());
        if count == 0 {
            assert_eq!(digits.read(most, &mut held).unwrap(), 0, "and no more");
            return all;
        }
        let left = all.images.len() + count == 25;
        assert!(count == most || left, "{count} before the end");
        all.images.pixels.append(&mut held.images.pixels);
        all.labels.append(&mut held.labels);
    }
}

#[test]
fn parts_make_the_whole() {
    let whole = load_labelled(&asset("mnist/mnist_test.csv.gz")).unwrap();
    let (pixels, labels) = (&whole.images.pixels[..25 * 784], &whole.labels[..25]);
    let rows = pixels.chunks(784).zip(labels).map(|(pixels, label)| {
        let pixels: Vec<String> = pixels.iter().map(u8::to_string).collect();
        format!("{label},{}\n", pixels.join(","))
    });
    let csv: String = rows.collect();
    let header = |numbers: &[u32]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    };
    let images = [&header(&[0x803, 25, 28, 28]), pixels].concat();
    let (_a, plain) = file("a.csv", &csv);
    let (_b, packed) = file("a.csv.gz", gzip(&csv));
    let (folder, idx) = file("train-images-idx3-ubyte", &images);
    let beside = [&header(&[0x801, 25]), labels].concat();
    std::fs::write(folder.path().join("train-labels-idx1-ubyte"), beside).unwrap();
    for path in [plain, packed, idx] {
        for most in [1, 7, 24, 25, 26, 1000] {
            let labelled = by(most, Digits::labelled(&path).unwrap());
            assert_eq!((&labelled.images.pixels[..], &labelled.labels[..]), (pixels, labels));
            let unlabelled = by(most, Digits::unlabelled(&path, Invert::Auto).unwrap());
            assert_eq!(unlabelled.images, load_images(&path, Invert::Auto).unwrap());
            assert!(unlabelled.labels.is_empty());
        }
        let mut digits = Digits::labelled(&path).unwrap();
        digits.read(5, &mut Dataset::empty(&path)).unwrap();
        let expected = digits.expected().expect("a file has a length");
        assert!((5..=25).contains(&expected), "{expected}");
    }
}

#[test]
fn what_is_wrong_is_found_when_it_is_met() {
    let good = format!("3{}\n", ",0".repeat(784));
    let (_folder, path) = file("a.csv", format!("{}{}", good.repeat(30), good.replace('3', "x")));
    let mut digits = Digits::labelled(&path).unwrap();
    let mut held = Dataset::empty(&path);
    assert_eq!(digits.read(30, &mut held).unwrap(), 30);
    assert_fails(digits.read(30, &mut held), &path, &["row 31, column 1"]);
}
