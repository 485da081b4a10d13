use std::fs;
use std::path::PathBuf;

use inception::data::{Invert, load_images, load_labelled};
use tempfile::TempDir;

use super::{assert_fails, asset, file, gzip};

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

fn idx(header: &[u32], body: &[u8]) -> Vec<u8> {
    let header = header.iter().flat_map(|number| number.to_be_bytes());
    header.chain(body.iter().copied()).collect()
}

fn images(count: u32) -> Vec<u8> {
    idx(&[0x803, count, 28, 28], &vec![7; count as usize * 784])
}

fn labels(labels: &[u8]) -> Vec<u8> {
    idx(&[0x801, labels.len() as u32], labels)
}

/// A folder with an image file and a label file.
fn pair(images: (&str, Vec<u8>), labels: (&str, Vec<u8>)) -> (TempDir, PathBuf, PathBuf) {
    let (folder, path) = file(images.0, images.1);
    let label_path = folder.path().join(labels.0);
    fs::write(&label_path, labels.1).unwrap();
    (folder, path, label_path)
}

#[test]
fn the_original_files_say_the_same_as_the_csv() {
    let csv = load_labelled(&asset("mnist/mnist_test.csv.gz")).unwrap();
    let bytes = idx(&[0x803, 10_000, 28, 28], &csv.images.pixels);
    let (_folder, path, _) = pair(
        ("t10k-images-idx3-ubyte.gz", gzip(bytes)),
        ("t10k-labels-idx1-ubyte.gz", gzip(labels(&csv.labels))),
    );
    let original = load_labelled(&path).unwrap();
    assert_eq!(original.labels, csv.labels);
    assert_eq!(original.images.pixels, csv.images.pixels);
    assert_eq!(original.images.path, path);
    assert_eq!(load_images(&path, Invert::Auto).unwrap(), original.images);
}

#[test]
fn labels_are_found_beside_the_images() {
    for (image_name, label_name) in [
        (IMAGES, LABELS),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("t10k-images-idx3-ubyte", "t10k-labels.idx1-ubyte"),
        (IMAGES, "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", LABELS),
    ] {
        let (_folder, path, _) = pair((image_name, images(2)), (label_name, labels(&[9, 4])));
        let set = load_labelled(&path).unwrap();
        assert_eq!((set.len(), set.labels), (2, vec![9, 4]), "{image_name}");
    }
}

#[test]
fn labels_that_do_not_fit_are_refused() {
    let (_folder, path) = file(IMAGES, images(2));
    assert_fails(load_labelled(&path), &path, &["no labels beside it", LABELS]);
    let (_folder, path) = file("digits.bin", images(2));
    assert_fails(load_labelled(&path), &path, &["its name", LABELS]);
    assert_eq!(load_images(&path, Invert::Auto).unwrap().len(), 2);

    let (_folder, path, label_path) = pair((IMAGES, images(2)), (LABELS, labels(&[1, 2, 3])));
    assert_fails(load_labelled(&path), &path, &["3 labels", "2 images"]);
    assert_fails(load_labelled(&path), &label_path, &[]);

    let (_folder, path, label_path) = pair((IMAGES, images(2)), (LABELS, labels(&[1, 10])));
    assert_fails(load_labelled(&path), &label_path, &["row 2", "10 is not a label"]);
    let (_folder, path, label_path) = pair((IMAGES, images(2)), (LABELS, images(2)));
    let parts = ["holds images", "0x00000801", "0x00000803"];
    assert_fails(load_labelled(&path), &label_path, &parts);
    let (_folder, path, label_path) = pair((IMAGES, images(2)), (LABELS, vec![]));
    assert_fails(load_labelled(&path), &label_path, &["cut short"]);
}

/// As many labels as the header of these images asks for.
fn beside(images: &[u8]) -> Vec<u8> {
    let count = images.get(4..8).map_or(0, |four| u32::from_be_bytes(four.try_into().unwrap()));
    idx(&[0x801, count], &vec![1; count.min(100) as usize])
}

#[test]
fn damaged_image_files_are_refused() {
    let good = images(2);
    let long = [&good[..], &[0]].concat();
    for (content, parts) in [
        (labels(&[1, 2]), &["holds labels", "0x00000803", "0x00000801"][..]),
        (idx(&[0xd03, 1, 28, 28], &[]), &["0x00000d03", "0x00000803"]),
        (b"not an idx file".to_vec(), &["0x6e6f7420", "0x00000803"]),
        (good[..3].to_vec(), &["cut short", "header"]),
        (good[..15].to_vec(), &["cut short", "header"]),
        (good[..800].to_vec(), &["cut short", "2 images", "after 1"]),
        (long, &["goes on after the 2 images"]),
        (images(0), &["no images"]),
        (idx(&[0x803, 1, 32, 24], &[0; 768]), &["32 pixels high and 24 wide", "28 x 28"]),
        (idx(&[0x803, 1, u32::MAX, u32::MAX], &[]), &["4294967295", "28 x 28"]),
        (idx(&[0x803, u32::MAX, 28, 28], &[]), &["4294967295 images"]),
        (idx(&[0x803, 5_000_001, 28, 28], &[0; 784]), &["5000001 images", "5000000"]),
        // 5 million images would be 3.9 GB: only what is there may be read.
        (idx(&[0x803, 5_000_000, 28, 28], &[0; 784]), &["cut short", "after 1"]),
    ] {
        for bytes in [gzip(&content), content.clone()] {
            let (_folder, path, _) = pair((IMAGES, bytes), (LABELS, beside(&content)));
            assert_fails(load_labelled(&path), &path, parts);
            assert_fails(load_images(&path, Invert::Auto), &path, parts);
        }
    }
    let bytes = gzip(&good);
    let cut = bytes[..bytes.len() - 6].to_vec();
    let (_folder, path, _) = pair((IMAGES, cut), (LABELS, labels(&[1, 2])));
    assert_fails(load_labelled(&path), &path, &["cut short", "gzip"]);
}
