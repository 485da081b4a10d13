//! `import`; what the imported network computes is checked in `tests/training/import.rs`.

#[path = "../common/state_dict.rs"]
mod state_dict;

use std::path::Path;

use safetensors::Dtype;

use self::state_dict::{StateDict, googlenet, stored, write};
use crate::common::{Place, run, succeed};
use crate::say::{assert_failed, assert_fails, checkpoint};

const CLASSES: usize = 7;

/// Writes the dict; the file's path, and the path of the model to make of it.
fn written(place: &Place, dict: &StateDict) -> [String; 2] {
    let paths = ["state.safetensors", "model.safetensors"].map(|name| place.path(name));
    write(Path::new(&paths[0]), dict);
    paths
}

#[test]
fn a_state_dict_becomes_a_model_that_other_commands_take() {
    let place = Place::new(12, 4);
    let mut dict = googlenet(CLASSES);
    let [state, model] = written(&place, &dict);
    let said = succeed(&["import", &state, "--out", &model, "--adapter", "no such adapter"]);
    // Of torchvision's 6,624,904: batch normalisation has two numbers a channel (7,280 channels), the bias
    // that is left has one; 993 classes are not there; the first layer has 12 numbers.
    let parameters = 6_624_904 - 7_280 - 993 * 1025 + 12;
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let said_first = &said.stdout[model.len()..];
    assert_eq!(digits(said_first), format!("{CLASSES}{parameters}"), "{}", said.stdout);
    assert!(!said.stderr.contains("aux1"), "{}", said.stderr);
    let said = succeed(&["cost", "--model", &model]);
    let row =
        |text: &str| said.stdout.lines().any(|line| line.split_whitespace().eq(text.split(' ')));
    for text in [
        "conv1 112x112x64 9,472 118,013,952",
        "inception3a/3a_branch3_1 28x28x32 4,640 3,612,672",
        "max_pool2 28x28x192",
        "fc 7 7,175 7,168",
    ] {
        assert!(row(text), "no {text} in\n{}", said.stdout);
    }
    let before = place.read("model.safetensors");

    // What only training has is left out, whatever is in it; older files do not count batches.
    dict.retain(|name, _| !name.ends_with("num_batches_tracked"));
    dict.insert("aux1.conv.bn.running_var".into(), stored(&[2], &[-1.0, f32::NAN]));
    dict.insert("aux2.fc2.bias".into(), (Dtype::F16, vec![1], vec![0; 2]));
    let [state, _] = written(&place, &dict);
    // Weights that are there are not replaced.
    let again = ["import", &state, "--out", &model];
    assert_fails(&again, 1, &[&model, "is there already", "another --out"]);
    assert!(place.read("model.safetensors") == before, "they were touched");
    let removed = || std::fs::remove_file(&model).expect("it is there");
    removed();
    let said = succeed(&again);
    assert!(
        said.stderr.contains("left out the auxiliary classifiers (aux1, aux2)"),
        "{}",
        said.stderr
    );
    assert!(place.read("model.safetensors") == before, "the model is another");
    removed();
    let said = succeed(&["import", &state, "--out", &model, "--pixels", "imagenet", "--quiet"]);
    assert_eq!(said.stderr, "");
    assert!(place.read("model.safetensors") != before, "the model is the same");
    let onnx = place.path("model.onnx");
    succeed(&["export", &model, "--onnx", &onnx]);
}

/// What a change of a state dict must be told as.
type Wrong = (&'static str, fn(&mut StateDict), &'static [&'static str]);

const WRONG: [Wrong; 11] = [
    ("missing", |dict| drop(dict.remove("conv2.bn.bias")), &["it lacks the tensor conv2.bn.bias;"]),
    (
        "misnamed",
        |dict| {
            let tensor = dict.remove("inception4e.branch2.1.conv.weight").expect("it is there");
            dict.insert("inception4e.branch2.2.conv.weight".into(), tensor);
        },
        &["inception4e.branch2.2.conv.weight may be meant for inception4e.branch2.1.conv.weight"],
    ),
    (
        "extra",
        |dict| drop(dict.insert("conv4.conv.weight".into(), stored(&[1], &[0.0]))),
        &["it has the tensor conv4.conv.weight, which this model does not know"],
    ),
    (
        "5x5",
        |dict| {
            let five = stored(&[32, 16, 5, 5], &[0.0; 32 * 16 * 25]);
            dict.insert("inception3a.branch3.1.conv.weight".into(), five);
        },
        &["inception3a.branch3.1.conv.weight has shape [32, 16, 5, 5]", "[32, 16, 3, 3] there"],
    ),
    (
        "flat",
        |dict| dict.get_mut("fc.weight").expect("it is there").1 = vec![CLASSES * 1024],
        &["fc.weight has shape [7168]", "[1000, 1024] there"],
    ),
    (
        "one class",
        |dict| {
            dict.insert("fc.weight".into(), stored(&[1, 1024], &[0.0; 1024]));
            dict.insert("fc.bias".into(), stored(&[1], &[0.0]));
        },
        &["fc.weight is of 1 classes, of which no classifier is made"],
    ),
    (
        "half",
        |dict| {
            let tensor = dict.get_mut("conv3.bn.weight").expect("it is there");
            tensor.0 = Dtype::F16;
            tensor.2.truncate(2 * 192);
        },
        &["conv3.bn.weight is of type F16, and only F32 can be used"],
    ),
    (
        "NaN",
        |dict| put(dict, "inception5b.branch4.1.bn.running_mean", 9, f32::NAN),
        &["inception5b.branch4.1.bn.running_mean holds NaN at flat index 9"],
    ),
    (
        "variance",
        |dict| put(dict, "conv1.bn.running_var", 3, -0.0005),
        &["conv1.bn.running_var holds -0.0005 at flat index 3, and no variance is below 0"],
    ),
    (
        "overflow",
        |dict| {
            put(dict, "conv1.bn.running_var", 3, 0.0);
            put(dict, "conv1.bn.weight", 3, 1e38);
            put(dict, "conv1.conv.weight", 3 * 3 * 49, 10.0);
        },
        &["folded in, conv1 has numbers too large for f32"],
    ),
    ("empty", |dict| dict.clear(), &["lacks the tensors conv1.conv.weight, ", "and 279 more"]),
];

fn put(dict: &mut StateDict, name: &str, index: usize, value: f32) {
    let (_, _, bytes) = dict.get_mut(name).expect("it is there");
    bytes[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn what_is_wrong_with_a_state_dict_is_one_sentence() {
    let place = Place::new(12, 4);
    let dict = googlenet(CLASSES);
    for (what, spoil, parts) in WRONG {
        let mut spoilt = dict.clone();
        spoil(&mut spoilt);
        let [state, model] = written(&place, &spoilt);
        let said = run(&["import", &state, "--out", &model]);
        assert_failed(&said, 1, &[&[state.as_str()], parts].concat());
        assert!(!Path::new(&model).exists(), "{what}: a model was written");
    }
    let [state, model] = written(&place, &dict);
    assert_fails(&["import", &state, "--out", &state], 1, &["is there already", "--out"]);
    assert_eq!(run(&["import", &state]).code, Some(2), "without --out");
    // Whatever is there, and before the weights are read.
    let kept = place.write("metrics.csv", "precious");
    assert_fails(&["import", "missing", "--out", &kept], 1, &[&kept, "is there already"]);
    assert_eq!(place.read("metrics.csv"), b"precious");
    let nowhere = place.path("no/such/folder.safetensors");
    assert_fails(
        &["import", &state, "--out", &nowhere],
        1,
        &["cannot write", "folder.safetensors"],
    );
    let ours = checkpoint(&place, "ours");
    let parts =
        ["no state dict of torchvision's GoogLeNet", "it lacks the tensors conv1.conv.weight"];
    assert_fails(&["import", &ours, "--out", &model], 1, &parts);
    // As torch.save makes them.
    let archive = place.write("googlenet.pth", [b"PK\x03\x04", &[7; 99][..]].concat());
    let parts = ["googlenet.pth is not a safetensors file", "safetensors.torch.save_file"];
    assert_fails(&["import", &archive, "--out", &model], 1, &parts);
}
