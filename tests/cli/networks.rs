//! Networks from files: trained, saved, resumed, used; and what does not fit.

use crate::common::{Place, has_adapter, repository, run_all, succeed, succeed_all};

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
    let fixed = "--preset quick --val-rows 4 --batch-size 4 --eval-every 2 --log-every 1";
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
        for flag in ["maps", "num_fc1", "modules"] {
            assert!(!error.error().contains(flag), "{error:?}");
        }
    }
}
