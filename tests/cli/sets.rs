//! Colour images: trained on, saved, resumed, measured and classified, with their classes' names.

use std::path::Path;

use crate::common::{Place, has_adapter, repository, run, run_all, succeed, succeed_all};
use crate::shapes::{CLASSES, make};

/// Arguments of `train` on the shapes of that place.
fn train(place: &Place, out: &str, more: &str) -> Vec<String> {
    let network = repository("examples/shapes.toml");
    let (train, test, out) = (place.path("train"), place.path("test"), place.path(out));
    let fixed = format!(
        "train --train {train} --test {test} --out {out} --network {} --preset quick \
         --scale centered --eval-every 50 {more}",
        network.display()
    );
    fixed.split(' ').filter(|word| !word.is_empty()).map(String::from).collect()
}

fn shapes(counts: [usize; 2]) -> Place {
    let place = Place::new(1, 1);
    make(place.folder.path(), counts).expect("shapes");
    place
}

#[test]
fn a_network_learns_coloured_shapes_and_names_them() {
    if !has_adapter() {
        return;
    }
    let place = shapes([90, 10]);
    let said = succeed_all(&train(
        &place,
        "whole",
        "--steps 200 --val-rows 20 --decay none --learning-rate 6e-3",
    ));
    assert!(said.stderr.contains("340 training, 20 validation, 40 test images"), "{}", said.stderr);
    let accuracy = said.stdout.strip_prefix("test accuracy ").expect("an accuracy");
    let accuracy: f64 = accuracy.split(' ').next().unwrap().parse().expect("a number");
    assert!(accuracy > 80.0, "{}", said.stdout);
    assert!(said.stdout.contains("of 40 images) after 200 steps"), "{}", said.stdout);

    // Stopped and resumed it is the same.
    succeed_all(&train(
        &place,
        "parts",
        "--steps 150 --val-rows 20 --decay none --learning-rate 6e-3",
    ));
    let said = run(&["train", "--resume", "--out", &place.path("parts"), "--steps", "200"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(place.checkpoint("parts"), place.checkpoint("whole"));
    let config = String::from_utf8(place.read("whole/config.toml")).unwrap();
    assert!(config.contains("\"blue_disc\""), "{config}");

    let (model, test) = (place.path("whole"), place.path("test"));
    let said = succeed(&["test", "--model", &model, "--test", &test]);
    let head = "  true\\pred   blue_disc blue_square    red_disc  red_square count recall\n";
    assert!(said.stdout.starts_with(head) && said.stdout.contains("of 40)"), "{}", said.stdout);
    let said = succeed(&["test", "--model", &model, "--test", &test, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((&json["classes"][3]["name"], &json["total"]), (&"red_square".into(), &40.into()));

    let picture = place.path("test/red_disc/000.png");
    let said = succeed(&["predict", "--model", &model, &picture]);
    let header = "source,row,prediction,p_blue_disc,p_blue_square,p_red_disc,p_red_square\n";
    assert!(said.stdout.starts_with(header), "{}", said.stdout);
    let prediction = said.stdout.lines().nth(1).and_then(|row| row.split(',').nth(2));
    assert!(CLASSES.contains(&prediction.expect("a prediction")), "{}", said.stdout);
    let said = succeed(&["predict", "--model", &model, &picture, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    let sum: f64 = CLASSES.iter().filter_map(|name| json["probabilities"][name].as_f64()).sum();
    assert!((sum - 1.0).abs() < 1e-5 && json["prediction"] == prediction.unwrap(), "{json}");

    let pictures = place.path("pictures");
    let said = succeed(&["inspect", &model, &picture, "--out", &pictures]);
    assert!(said.stdout.contains(&format!("is taken for a {}", prediction.unwrap())));
    for name in ["saliency.png", "maps-inception2.png"] {
        let picture = image::open(Path::new(&pictures).join(name)).expect("a picture");
        assert!(picture.width() > 100);
    }
    let report = String::from_utf8(place.read("whole/report.html")).unwrap();
    for part in ["test images", "<th scope=\"col\">blue_disc</th>"] {
        assert!(report.contains(part), "{part}");
    }

    // Digits are none of these, nor the other way round.
    let digits = place.path("test.csv");
    let said = run(&["test", "--model", &model, "--test", &digits]);
    let classes = "the network tells 4 classes apart, and";
    assert!(said.code == Some(1) && said.error().starts_with(classes), "{}", said.stderr);
    let said = run(&["predict", "--model", &model, &digits]);
    let size = "the network takes images of 32x32x3";
    assert!(said.code == Some(1) && said.error().starts_with(size), "{}", said.stderr);
}

#[test]
fn bad_pictures_and_folders_that_do_not_fit() {
    if !has_adapter() {
        return;
    }
    let place = shapes([8, 2]);
    place.write("train/red_disc/bad.png", "a text");
    let (short, fail) = ("--steps 1 --val-rows 4 --batch-size 4", run_all);
    let said = fail(&train(&place, "out", short));
    assert_eq!(said.code, Some(1));
    assert!(said.error().contains("train/red_disc/bad.png cannot be decoded"), "{}", said.stderr);
    let said = succeed_all(&train(&place, "out", &format!("{short} --on-bad-image skip")));
    for part in
        ["red_disc/bad.png cannot", "1 picture left out", "28 training, 4 validation, 8 test"]
    {
        assert!(said.stderr.contains(part), "{part} in {}", said.stderr);
    }
    // The checkpoint remembers to skip.
    let said = run(&["train", "--resume", "--out", &place.path("out"), "--steps", "2"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    std::fs::remove_file(place.path("train/red_disc/bad.png")).unwrap();
    // Other images than those of the run are called images.
    std::fs::rename(place.path("train/red_disc/000.png"), place.path("moved.png")).unwrap();
    let said = run(&["train", "--resume", "--out", &place.path("out"), "--steps", "3"]);
    for part in [" holds other images than ", ": 31 images of CRC-32 ", " instead of 32 images of"]
    {
        assert!(said.error().contains(part), "{part:?} in {}", said.stderr);
    }
    std::fs::rename(place.path("moved.png"), place.path("train/red_disc/000.png")).unwrap();
    // Another class at the test images, and two at the training images.
    std::fs::create_dir(place.path("test/green_disc")).unwrap();
    let said = fail(&train(&place, "other", short));
    assert!(said.error().contains("green_disc is no class that the network knows"), "{said:?}");
    std::fs::rename(place.path("test/green_disc"), place.path("train/green_disc")).unwrap();
    std::fs::copy(place.path("test/red_disc/000.png"), place.path("train/green_disc/1.png"))
        .unwrap();
    let said = fail(&train(&place, "other", short));
    let classes = "the network tells 4 classes apart, and";
    assert!(said.error().starts_with(classes) && said.error().contains("has 5"), "{said:?}");
}

#[test]
fn a_made_up_cifar_is_trained_on_and_measured() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 1);
    std::fs::create_dir(place.path("cifar")).unwrap();
    // Images of one grey each: the lighter, the higher the label.
    let records = |count: u8| {
        let record = |row: u8| {
            let label = row % 10;
            std::iter::once(label).chain(std::iter::repeat_n(label * 25, 3072))
        };
        (0..count).flat_map(record).collect::<Vec<u8>>()
    };
    for (name, count) in [
        ("data_batch_1.bin", 10),
        ("data_batch_2.bin", 10),
        ("data_batch_3.bin", 6),
        ("data_batch_4.bin", 2),
        ("data_batch_5.bin", 2),
        ("test_batch.bin", 7),
    ] {
        place.write(&format!("cifar/{name}"), records(count));
    }
    let network = std::fs::read_to_string(repository("examples/shapes.toml")).unwrap();
    let network = place.write("ten.toml", network.replace("classes = 4", "classes = 10"));
    let (cifar, out) = (place.path("cifar"), place.path("out"));
    let line = format!(
        "train --train {cifar} --test {cifar} --out {out} --network {network} --preset quick --steps 2 \
         --val-rows 5 --batch-size 5 --augment photos"
    );
    let said = succeed(&line.split_whitespace().collect::<Vec<_>>());
    assert!(said.stderr.contains("25 training, 5 validation, 7 test images"), "{}", said.stderr);
    let said = succeed(&["test", "--model", &out, "--test", &cifar]);
    assert!(said.stdout.contains("automobile") && said.stdout.contains("of 7)"), "{}", said.stdout);
    let batch = place.path("cifar/test_batch.bin");
    let said = succeed(&["predict", "--model", &out, &batch]);
    assert!(said.stdout.contains(",p_airplane,") && said.stdout.lines().count() == 8);
    // Of ten classes, but others.
    for class in 0..10 {
        let folder = place.path(&format!("digits/{class}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(repository("assets/digits/two.png"), format!("{folder}/a.png")).unwrap();
    }
    let said = run(&["test", "--model", &out, "--test", &place.path("digits")]);
    assert!(said.error().contains("0 is no class that the network knows"), "{}", said.stderr);
    let said = run(&["test", "--model", &out, "--test", &place.path("test.csv")]);
    let other = "holds images of digits, and the network is for classes airplane to truck; give it \
                 images of these";
    assert!(said.error().ends_with(other), "{}", said.stderr);
}
