//! `inspect`: numbers without any adapter, and with images; pictures; what can go wrong.

use image::RgbImage;
use serde_json::{Value, json};

use crate::common::{Place, has_adapter, run, succeed};
use crate::say::{assert_failed, assert_fails, checkpoint};

/// No adapter has this name, so whoever opens one fails.
const NO_ADAPTER: [&str; 2] = ["--adapter", "none of this name"];
const TWO: &str = "assets/digits/two.png";

fn report(arguments: &[&str]) -> Value {
    let said = succeed(&[&["inspect", "--json"], arguments].concat());
    serde_json::from_str(&said.stdout).expect("JSON")
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

fn sum(list: &Value, key: &str) -> f64 {
    list.as_array().expect("a list").iter().map(|value| number(value, key)).sum()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().expect("a list").iter().find(|value| value["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

fn picture(place: &Place, name: &str) -> RgbImage {
    image::load_from_memory(&place.read(name)).expect("a PNG").to_rgb8()
}

#[test]
fn weights_need_no_adapter() {
    let place = Place::new(1, 1);
    let model = checkpoint(&place, "model");
    let report = report(&[&[model.as_str()], &NO_ADAPTER[..]].concat());
    // One module of 2 maps a tower, reduced to 2; 4 in the dense layer.
    let module = (2 + 2) + (2 + 2) + (36 + 2) + (2 + 2) + (100 + 2) + (2 + 2);
    let dense = 28 * 28 * 8 * 4 + 4 + 4 * 10 + 10;
    assert_eq!(report["parameters"], module + dense);
    assert_eq!(report["multiply_accumulates"], 784 * (2 + 2 + 36 + 2 + 100 + 2) + 784 * 8 * 4 + 40);
    for key in ["parameters", "multiply_accumulates"] {
        assert_eq!(sum(&report["layers"], key), number(&report, key));
    }
    assert_eq!(report["step"], 2);
    assert_eq!(report["images"], Value::Null);
    assert_eq!(report["pictures"], json!([]));
    let layer = named(&report["layers"], "W_conv1_5x5");
    assert_eq!((&layer["parameters"], &layer["shape"]), (&json!(102), &json!([5, 5, 2, 2])));
    assert_eq!(layer["multiply_accumulates"], 784 * 100);
    assert_eq!(sum(&report["variables"], "count"), number(&report, "parameters"));
    for variable in report["variables"].as_array().expect("a list") {
        let bias = variable["name"].as_str().is_some_and(|name| name.starts_with("b_"));
        // He's initial values: biases are zero.
        assert_eq!(variable["zeros"], if bias { variable["count"].clone() } else { json!(0) });
        let ordered = ["min", "q1", "median", "q3", "max"].map(|key| number(variable, key));
        assert!(ordered.is_sorted(), "{variable}");
    }
    let fc1 = named(&report["variables"], "W_fc1");
    let (std, he) = (number(fc1, "std"), (2.0f64 / (784.0 * 8.0)).sqrt());
    assert!((std / he - 1.0).abs() < 0.02, "{std}, by He's rule {he}");

    let said = succeed(&[&["inspect", &model], &NO_ADAPTER[..]].concat());
    for part in ["after 2 steps: 25,298 parameters", "5x5x2x2", "W_conv1_1x1_4", "b_fc2", "100.0 %"]
    {
        assert!(said.stdout.contains(part), "no {part:?} in {}", said.stdout);
    }
    // The model's file alone will do.
    let file = place.path("model/model.safetensors");
    assert_eq!(succeed(&["inspect", &file]).stdout, said.stdout);
}

#[test]
fn filters_need_no_adapter() {
    let place = Place::new(1, 1);
    let model = checkpoint(&place, "model");
    let out = place.path("pictures/of/it");
    let report = report(&[&[model.as_str(), "--out", &out], &NO_ADAPTER[..]].concat());
    let pictures = report["pictures"].as_array().expect("a list");
    assert_eq!(pictures.len(), 1);
    let file = std::path::Path::new(&out).join("filters-inception1.png");
    assert_eq!(pictures[0]["file"], file.to_str().expect("UTF-8"));
    assert!(pictures[0]["shows"].as_str().is_some_and(|shows| shows.contains("blue negative")));
    // Two blocks of two rows of tiles.
    let height = picture(&place, "pictures/of/it/filters-inception1.png").height();
    assert_eq!(height, 14 + 2 * (20 + 2 * 36 + 14));
}

#[test]
fn an_image_shows_what_the_network_does() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 1);
    let model = checkpoint(&place, "model");
    let out = place.path("pictures");
    std::fs::create_dir(&out).expect("a folder");
    place.write("pictures/maps-inception1.png", "an older picture");
    place.write("pictures/notes.txt", "not a picture");
    let arguments = ["inspect", &model, TWO, "--out", &out];
    let said = succeed(&[&arguments[..], &["--json"]].concat());
    assert!(said.stderr.contains("replaced 1 picture of an earlier look"), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).expect("JSON");
    let seen = &report["images"];
    assert_eq!((&seen["source"], &seen["count"]), (&json!(TWO), &json!(1)));
    // As `predict` has it.
    let predicted = succeed(&["predict", "--json", "--model", &model, TWO]).stdout;
    let predicted: Value = serde_json::from_str(&predicted).expect("JSON");
    let found = &seen["predictions"][0];
    assert_eq!((&found["row"], &found["prediction"]), (&json!(1), &predicted["prediction"]));
    let class = predicted["prediction"].as_u64().expect("a class") as usize;
    let probability = predicted["probabilities"][class].as_f64().expect("a number");
    assert!((number(found, "probability") - probability).abs() < 1e-5);
    let relus = seen["relus"].as_array().expect("a list");
    assert_eq!(relus.len(), 7);
    for relu in relus {
        let pixels = if relu["name"] == "fc1" { 1.0 } else { 784.0 };
        assert_eq!(number(relu, "count"), number(relu, "channels") * pixels);
        assert!(number(relu, "silent") <= number(relu, "channels"), "{relu}");
        assert!(number(relu, "silent") * pixels <= number(relu, "zeros"), "{relu}");
    }
    let names = ["filters-inception1.png", "maps-inception1.png", "saliency.png"];
    let files = report["pictures"].as_array().expect("a list").iter();
    let files: Vec<&str> = files.filter_map(|p| p["file"].as_str()).collect();
    assert!(files.iter().zip(names).all(|(file, name)| file.ends_with(name)), "{files:?}");
    assert_eq!(files.len(), 3);
    // Four towers, each a row of tiles; the image and its saliency side by side.
    let maps = picture(&place, "pictures/maps-inception1.png");
    assert_eq!(maps.height(), 14 + 4 * (20 + 90 + 14));
    let saliency = picture(&place, "pictures/saliency.png");
    assert_eq!(saliency.height(), 14 + 20 + 146 + 14);
    // Paper round the digit, and ink in it.
    assert_eq!(saliency.get_pixel(16, 36).0, [255; 3]);
    assert!(saliency.pixels().filter(|pixel| pixel.0 == [0; 3]).count() > 100);
    assert_eq!(place.read("pictures/notes.txt"), b"not a picture");
    let text = succeed(&arguments).stdout;
    for part in ["is taken for a", "inception1/3x3 reduce", "always zero", "saliency.png"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

/// More than a batch, of which the last one is not full.
#[test]
fn images_are_counted_all() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 47);
    let model = checkpoint(&place, "model");
    let digits = place.path("test.csv");
    let seen =
        |arguments: &[&str]| report(&[&[model.as_str()], arguments].concat())["images"].clone();
    let all = seen(&[&digits]);
    assert_eq!((&all["count"], &all["source"]), (&json!(47), &json!(digits)));
    let rows = all["predictions"].as_array().expect("a list").iter();
    assert!(rows.map(|p| p["row"].as_u64()).eq((1..=47).map(Some)));
    assert_eq!(number(named(&all["relus"], "inception1/pool"), "count"), 47.0 * 784.0 * 2.0);
    // The first of them alone, of the file and of the bundled test digits, which begin alike.
    let (some, bundled) = (seen(&[&digits, "--images", "23"]), seen(&["--images", "23"]));
    assert_eq!(some["count"], 23);
    for key in ["predictions", "relus"] {
        assert_eq!(some[key], bundled[key]);
    }
    assert_eq!(some["predictions"][22], all["predictions"][22]);
    let zeros = |seen: &Value| sum(&seen["relus"], "zeros");
    assert!(zeros(&some) < zeros(&all));
    let text = succeed(&["inspect", &model, &digits, "--images", "23"]).stdout;
    assert!(text.contains(&format!("23 images of {digits}")), "{text}");
}

#[test]
fn what_can_be_wrong() {
    let place = Place::new(1, 2);
    let model = checkpoint(&place, "model");
    let none = place.path("none");
    assert_fails(&["inspect", &none], 1, &[&none, "cannot read"]);
    let csv = place.path("test.csv");
    assert_fails(&["inspect", &csv], 1, &[&csv, "not a safetensors file"]);
    assert_fails(&["cost", "--model", &csv], 1, &[&csv, "not a safetensors file"]);
    assert_fails(&["inspect", &model, &none], 1, &[&none, "no such file"]);
    // What needs an adapter says so; what is wrong besides is said first.
    let wanted = [&["inspect", &model, TWO], &NO_ADAPTER[..]].concat();
    assert_eq!(run(&wanted).code, Some(1));
    let file = place.write("file", "");
    for out in [file.clone(), format!("{file}/below")] {
        let said = run(&[&wanted[..], &["--out", &out]].concat());
        assert_failed(&said, 1, &["cannot make the folder", &out]);
    }
    // A picture's place is taken by a folder.
    let taken = place.path("pictures/filters-inception1.png");
    std::fs::create_dir_all(&taken).expect("a folder");
    let said = run(&["inspect", &model, "--out", &place.path("pictures")]);
    assert_failed(&said, 1, &["cannot", &taken]);
}

#[test]
fn fewer_images_than_asked_for_are_said() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(1, 3);
    let model = checkpoint(&place, "model");
    let digits = place.path("test.csv");
    for (count, said_so) in [("3", false), ("4", true)] {
        let said = succeed(&["inspect", &model, &digits, "--images", count]);
        let words = format!("warning: {digits} holds 3 images, so not 4 are looked at");
        assert_eq!(said.stderr.contains(&words), said_so, "{said:?}");
    }
}
