//! A set that is larger than the adapter binds, whatever befalls the run.

use crate::common::{Place, has_adapter, run_all, succeed_all};
use crate::{Running, assert_equal, resume};

/// Small enough that no tensor takes more than what 50 digits do as f32, 156,800 bytes.
const NETWORK: &str = r#"
image = [28, 28, 1]
layers = [
  { conv = { name = "conv", size = 5, stride = 4, out = 2 } },
  { dropout = { rate = 0.5 } },
  { softmax = { name = "fc", classes = 10 } },
]
"#;

/// 300 digits take 235,200 bytes.
const ALL: &str = "--largest-buffer 1000000";
const SOME: &str = "--largest-buffer 160000";

const FLAGS: &str = "--batch-size 7 --val-rows 60 --order shuffle --scale unit --augment digits \
                     --log-every 1 --eval-every 20 --checkpoint-every 15 --keep 9";

fn place() -> Place {
    let place = Place::new(260, 40);
    place.write("small.toml", NETWORK);
    place
}

/// Arguments of a run over 200 digits, which 43 steps go through one and a half times.
fn train(place: &Place, out: &str, more: &str) -> Vec<String> {
    let network = place.path("small.toml");
    let flags = format!("--network {network} {FLAGS} {more}");
    place.train(out, &flags.split_whitespace().collect::<Vec<_>>())
}

const BROUGHT: &str = "the images (235.2 kB) are more than this adapter binds at once (160.0 kB)";

#[test]
fn a_set_of_any_size_gives_the_bits_of_one_that_fits() {
    if !has_adapter() {
        return;
    }
    let place = place();
    let said = succeed_all(&train(&place, "whole", &format!("--steps 43 {ALL}")));
    assert!(!said.stderr.contains("binds"), "{}", said.stderr);
    let streamed = succeed_all(&train(&place, "streamed", &format!("--steps 43 {SOME}")));
    assert!(streamed.stderr.contains(BROUGHT), "{}", streamed.stderr);
    assert_equal(&place, "whole", "streamed");
    let accuracy = |said: &str| said.split(" after ").next().map(str::to_string);
    assert_eq!(accuracy(&said.stdout), accuracy(&streamed.stdout));

    // In parts, some with all on the device.
    succeed_all(&train(&place, "parts", &format!("--steps 11 {SOME}")));
    succeed_all(&resume(&place, "parts", &format!("--steps 24 {ALL}")));
    succeed_all(&resume(&place, "parts", &format!("--steps 43 {SOME}")));
    let [whole, parts] = ["whole", "parts"].map(|out| place.checkpoint(out));
    assert!(whole == parts, "checkpoints differ");

    let lost = format!("--steps 43 {SOME} --lose-device-at 17 --lose-device-at 33");
    let said = succeed_all(&train(&place, "lost", &lost));
    assert!(said.stderr.contains("retry 2 of 3"), "{}", said.stderr);
    assert_equal(&place, "whole", "lost");

    let checked = format!("--steps 43 {SOME} --checked");
    succeed_all(&train(&place, "checked", &checked));
    assert_equal(&place, "whole", "checked");
}

#[cfg(unix)]
#[test]
fn one_that_does_not_fit_is_stopped_as_any_other() {
    if !has_adapter() {
        return;
    }
    let place = place();
    let arguments = train(&place, "out", &format!("--steps 1000000 {SOME}"));
    let mut running = Running::start(&place, &arguments);
    running.trains(&place, "out", 5);
    let id = running.child.id().to_string();
    let kill = std::process::Command::new("kill").args(["-INT", &id]).status();
    assert!(kill.expect("kill runs").success());
    let (status, said) = running.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("stopping after step "), "{said}");
}

/// A batch has to fit.
#[test]
fn a_batch_that_does_not_fit_is_refused() {
    if !has_adapter() {
        return;
    }
    let place = place();
    let said = run_all(&train(&place, "out", "--largest-buffer 39184"));
    assert_eq!(said.code, Some(1), "{said:?}");
    for part in ["39184 bytes", "--batch-size"] {
        assert!(said.error().contains(part), "{}", said.stderr);
    }
}
