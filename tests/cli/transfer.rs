//! Training that begins with the weights of another network.

use inception::config::Init;
use inception::model::initial_values;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::common::{Place, has_adapter, succeed_all};
use crate::say::{checkpoint, tiny};

type Tensors = Vec<(String, Vec<usize>, Vec<u8>)>;

fn tensors(bytes: &[u8]) -> Tensors {
    let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
    let tensors = file.tensors().into_iter();
    let mut tensors: Tensors =
        tensors.map(|(name, view)| (name, view.shape().to_vec(), view.data().to_vec())).collect();
    // A reader's order is not the file's.
    tensors.sort();
    tensors
}

fn write(place: &Place, name: &str, tensors: &Tensors) -> String {
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a view"))
    });
    let path = place.path(name);
    safetensors::serialize_to_file(views, None, path.as_ref()).expect("written");
    path
}

/// Frozen, so that what they begin with is what they end with.
#[test]
fn layers_that_are_reset_get_initial_values() {
    if !has_adapter() {
        return;
    }
    let place = Place::new(12, 4);
    let model = checkpoint(&place, "model");
    let train = |out: &str, from: &str, freeze: &str| {
        let more = format!("--seed 9 --init-weights {from} --reset fc2 --freeze {freeze}");
        succeed_all(&tiny(&place, out, &more))
    };
    let said = train("out", &model, "conv*,fc2").stderr;
    assert!(said.contains("25,298 parameters (206 of them frozen)"), "{said}");
    assert!(said.contains("layers are frozen at random values"), "{said}");
    let before = tensors(&place.read("model/model.safetensors"));
    let after = tensors(&place.checkpoint("out")[0]);
    assert_eq!(before.len(), after.len());
    for ((name, shape, old), (_, _, new)) in before.iter().zip(&after) {
        let fresh = initial_values(name, shape, Init::Tutorial, 9);
        let fresh: Vec<u8> = fresh.iter().flat_map(|value| value.to_le_bytes()).collect();
        let is = [new == old, *new == fresh];
        let [conv, fc2] = ["_conv", "_fc2"].map(|part| name.contains(part));
        assert_eq!(is, [conv, fc2], "{name} is the file's, is fresh");
    }

    // Whatever the file has for them.
    let named = |name: &str| name.contains("_fc2");
    let mut lacking = before.clone();
    lacking.retain(|(name, _, _)| !named(name));
    let mut others = before.clone();
    for (_, shape, bytes) in others.iter_mut().filter(|(name, _, _)| named(name)) {
        *shape = vec![3, 5];
        *bytes = f32::NAN.to_le_bytes().repeat(15);
    }
    for (out, tensors) in [("lacking", lacking), ("others", others)] {
        let path = write(&place, &format!("{out}.safetensors"), &tensors);
        train(out, &path, "conv*,fc2");
        assert!(place.checkpoint("out") == place.checkpoint(out), "{out}");
    }

    // What is frozen and the file's is nothing to warn of.
    let said = train("trained", &model, "conv*").stderr;
    assert!(!said.contains("random"), "{said}");
    let trained = tensors(&place.checkpoint("trained")[0]);
    let fc2 = trained.iter().zip(&after).filter(|((name, _, _), _)| named(name));
    assert!(fc2.clone().count() == 2 && { fc2 }.all(|(new, fresh)| new != fresh));
}
