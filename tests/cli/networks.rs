//! Networks from files: trained, saved, resumed, used; and what does not fit.

use inception::checkpoint::{TensorSource, WeightFile, to_bytes};
use inception::network::Network;
use inception::train::Recordings;

use crate::common::{Place, digits, has_adapter, repository, run_all, succeed, succeed_all};

/// Small, with layers that the tutorial's has not.
const SMALL: &str = r#"
image = [28, 28, 1]
layers = [
  { conv = { name = "conv1", size = 5, stride = 2, out = 4 } },
  { max_pool = { size = 3, stride = 2 } },
  { lrn = {} },
  { inception = { name = "3a", widths = [4, 2, 4, 2, 4, 4] } },
  { auxiliary = { name = "aux", weight = 0.3, layers = [
    { avg_pool = { size = 7, padding = "valid" } },
    { softmax = { name = "aux_fc", classes = 10 } },
  ] } },
  { dropout = { rate = 0.5 } },
  { softmax = { name = "fc", classes = 10 } },
]
"#;

fn train(place: &Place, out: &str, more: &str) -> Vec<String> {
    train_by(4, place, out, more)
}

fn train_by(batch: usize, place: &Place, out: &str, more: &str) -> Vec<String> {
    let fixed =
        format!("--preset quick --val-rows 4 --batch-size {batch} --eval-every 2 --log-every 1");
    let all: Vec<&str> = fixed.split(' ').chain(more.split(' ')).collect();
    place.train(out, &all)
}

#[test]
fn a_network_from_a_file_trains_resumes_and_classifies() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let file = place.write("small.toml", SMALL);
    succeed_all(&train(&place, "whole", &format!("--network {file} --steps 4")));
    succeed_all(&train(&place, "parts", &format!("--network {file} --steps 4 --decay none")));
    // The folder's own configuration holds the network, whatever becomes of the file.
    let config = format!("--config {} --decay cosine", place.path("parts/config.toml"));
    std::fs::remove_file(&file).expect("it is there");
    succeed_all(&train(&place, "again", &config));
    assert_eq!(place.checkpoint("again"), place.checkpoint("whole"));
    let (model, test) = (place.path("whole"), place.path("test.csv"));
    let said = succeed(&["test", "--model", &model, "--test", &test]);
    assert!(said.stdout.contains("of 4"), "{}", said.stdout);
    let said = succeed(&["predict", "--model", &model, &test]);
    assert_eq!(said.stdout.lines().count(), 5, "{}", said.stdout);
    let said = succeed(&["inspect", &model, &test]);
    for name in ["conv1", "inception3a/5x5", "W_fc"] {
        assert!(said.stdout.contains(name), "{name} in {}", said.stdout);
    }
    let said = succeed(&["cost", "--model", &model]);
    for row in
        ["conv1                         14x14x4            104", "in training only:", "aux/aux_fc"]
    {
        assert!(said.stdout.contains(row), "{row} in {}", said.stdout);
    }
}

/// A convolution without a bias, and variables that no product has.
const NORMED: &str = r#"
image = [28, 28, 1]
layers = [
  { conv = { name = "c1", size = 5, stride = 4, out = 4, bias = false } },
  { batch_norm = { name = "n1" } },
  { avg_pool = { size = 7, padding = "valid" } },
  { batch_norm = { name = "n2" } },
  { softmax = { name = "fc", classes = 10 } },
]
"#;

#[test]
fn parameters_are_counted_alike() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let file = place.write("normed.toml", NORMED);
    let said = succeed_all(&train(&place, "out", &format!("--network {file} --steps 2")));
    let count = 100 + 4 * 4 + 4 * 4 + 4 * 10 + 10;
    assert!(said.stderr.contains(&format!("network: {count} parameters")), "{said:?}");
    let said = succeed(&["inspect", &place.path("out"), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(report["parameters"], count);
    let layers = report["layers"].as_array().expect("a list");
    let rows: Vec<_> =
        layers.iter().map(|row| (row["name"].as_str(), &row["parameters"])).collect();
    assert_eq!(rows[0], (Some("W_c1"), &100.into()));
    assert_eq!(rows[1], (Some("gamma_n1"), &4.into()));
    assert_eq!(rows[rows.len() - 1], (Some("W_fc"), &50.into()));
}

#[test]
fn what_learns_nothing_is_said() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let file = place.write("normed.toml", NORMED);
    let one = train_by(1, &place, "one", &format!("--network {file} --steps 2"));
    let said = "n2 normalises each channel over a batch, and has only one number for that";
    assert!(run_all(&one).error().contains(said), "{:?}", run_all(&one));
    // Its running means serve one image as well as more.
    let two = train(&place, "two", &format!("--network {file} --steps 2 --warmup 2"));
    let said = succeed_all(&two);
    let rises =
        "warning: the learning rate rises over 2 steps (--warmup) and the run has 2 steps, so";
    assert!(said.stderr.contains(rises), "{said:?}");
    let frozen = format!(
        "--network {file} --steps 2 --warmup 1 --freeze n2 --init-weights {}",
        place.path("two")
    );
    let said = succeed_all(&train_by(1, &place, "three", &frozen));
    assert!(!said.stderr.contains("warning"), "{said:?}");
}

#[test]
fn what_does_not_fit_is_said() {
    let place = Place::new(12, 4);
    let small = place.write("small.toml", SMALL);
    let error = |more: String| {
        let said = run_all(&train(&place, "out", &more));
        (said.code, said.error().replace(&place.path(""), ""))
    };
    let (code, said) = error(format!("--network {small} --maps 3"));
    let sizes = "maps belongs to the tutorial's network, but another one is given; leave it out, or \
                 state it in the network's file";
    assert_eq!((code, said.as_str()), (Some(2), sizes));
    let (code, said) = error("--network nowhere.toml".into());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("cannot read the network nowhere.toml: No such file"), "{said}");
    place.write("small.toml", SMALL.replace("size = 3, stride = 2", "size = 3, strides = 2"));
    let (_, said) = error(format!("--network {small}"));
    let wrong = "in small.toml, line 5: unknown field `strides`, expected one of `size`, `stride`, \
                 `padding`";
    assert_eq!(said, wrong);
    let googlenet = repository("assets/networks/googlenet.toml");
    let (code, said) = error(format!("--network {}", googlenet.display()));
    let size = "the network takes images of 224x224x3 (height, width, channels), and those in \
                train.csv are 28x28x1; give it other images, or change image in the network's file";
    assert_eq!((code, said.as_str()), (Some(1), size));
    place.write("small.toml", SMALL.replace("classes = 10", "classes = 9"));
    let (_, said) = error(format!("--network {small}"));
    let classes = "the network tells 9 classes apart, and train.csv has 10; change classes in the \
                   network's file";
    assert_eq!(said, classes);
}

/// In words of the layers that the file describes, which have no flags.
#[test]
fn weights_that_do_not_fit_a_described_network() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let small = place.write("small.toml", SMALL);
    succeed_all(&train(&place, "model", &format!("--network {small} --steps 2")));
    let model = place.path("model");
    for (right, wrong, said) in [
        (
            "stride = 2, out = 4",
            "stride = 2, out = 8",
            "change layer conv1 in the network's description",
        ),
        ("[4, 2, 4, 2", "[4, 2, 8, 2", "change layer inception3a in the network's description"),
        (
            "name = \"conv1\"",
            "name = \"c\"",
            "check the names of the layers in the network's description",
        ),
    ] {
        place.write("small.toml", SMALL.replace(right, wrong));
        let more = format!("--network {small} --init-weights {model} --steps 2");
        let error = run_all(&train(&place, "out", &more));
        assert!(error.error().contains(said), "{error:?}");
        // A model with these weights and that description.
        let file = WeightFile::open(model.as_ref()).expect("a model");
        let mut origin = file.origin().expect("ours").clone();
        let parameters = Recordings::inference(&origin.config, 1).parameters();
        let tensors = file.tensors_but(|name| name.contains("aux"), &parameters).expect("all");
        let sources = tensors.iter().map(|tensor| TensorSource {
            name: tensor.name.into(),
            shape: tensor.shape.to_vec(),
            read: Box::new(|part| {
                part(tensor.bytes);
                Ok(())
            }),
        });
        let described = SMALL.replace(right, wrong);
        origin.config.network =
            Some(Network::parse("small.toml".as_ref(), &described).expect("one"));
        let bytes = to_bytes("mixed".as_ref(), &origin, sources.collect()).expect("bytes");
        let (mixed, onnx) = (place.write("mixed.safetensors", bytes), place.path("mixed.onnx"));
        let exported = run_all(&["export".into(), mixed, "--onnx".into(), onnx]);
        assert!(exported.error().contains(said), "{exported:?}");
        for flag in ["maps", "num_fc1", "modules"] {
            assert!(!error.error().contains(flag), "{error:?}");
            assert!(!exported.error().contains(flag), "{exported:?}");
        }
    }
}

/// More images than one buffer takes, of a network whose layers fit.
#[test]
fn images_to_measure_on_are_held_as_far_as_they_fit() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let small = place.write("small.toml", SMALL);
    succeed_all(&train(&place, "model", &format!("--network {small} --steps 2")));
    let model = place.path("model");
    let many = place.write("many.csv", digits("mnist_test.csv.gz", 5).repeat(200));
    let test = ["test", "--model", &model, "--test", &many];
    let limit = ["--largest-buffer", "700000"];
    assert_eq!(succeed(&[&test[..], &limit].concat()).stdout, succeed(&test).stdout);
    let predict = ["predict", "--model", &model, &many, limit[0], limit[1]];
    assert_eq!(succeed(&predict).stdout.lines().count(), 1 + 1000);
}
