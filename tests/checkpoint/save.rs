//! Saving, loading, and what is left after a failure.

use std::fs;
use std::path::Path;

use inception::checkpoint::{
    CONFIG_FILE, Checkpoint, CheckpointError, MODEL_FILE, OPTIMIZER_FILE, Origin, Reader,
    WeightFile, load, optimizer_tensors, save, to_bytes,
};
use inception::config::Config;
use serde_json::json;

use super::{
    bytes, craft, files_in, gives, held, numbers, origin, quick, save_as, save_to, sources, weights,
};

#[test]
fn what_is_saved_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("new").join("run");
    let saved = Origin { validation_accuracy: Some(0.1 + 0.2), ..origin(200) };
    let folder = save_as(&run, &saved);
    assert_eq!(folder, run.join("checkpoints/step-000200"));
    let all = ["best.safetensors", "checkpoints", CONFIG_FILE, MODEL_FILE];
    assert_eq!(files_in(&run), all, "nothing else lies about");
    assert_eq!(files_in(&folder), [MODEL_FILE, OPTIMIZER_FILE]);
    let (checkpoint, damaged) = load(&run).unwrap();
    assert!(damaged.is_empty());
    assert_eq!((&checkpoint.dir, &checkpoint.origin), (&folder, &saved));
    let moments = optimizer_tensors(&weights());
    assert_eq!(moments[0], ("m/W_fc1".to_string(), vec![2, 3]));
    assert_eq!(moments[5], ("v/W_fc2".to_string(), vec![3, 1]));
    for (file, named) in [(&checkpoint.model, weights()), (&checkpoint.optimizer, moments)] {
        let tensors = file.tensors_matching(&named).unwrap();
        assert_eq!(tensors.len(), named.len());
        for (index, (tensor, (name, shape))) in tensors.iter().zip(&named).enumerate() {
            assert_eq!((tensor.name, tensor.shape), (name.as_str(), &shape[..]));
            let read: Vec<f32> = tensor.values().collect();
            assert_eq!(read, numbers(index, shape), "{name}");
            assert_eq!(tensor.bytes, bytes(&read));
        }
    }
    for path in [&run, &folder, &run.join("best.safetensors")] {
        let file = WeightFile::open(path).unwrap();
        assert_eq!(file.origin(), Some(&saved));
        assert_eq!(file.config(), Some(&quick()));
    }
    let toml = fs::read_to_string(run.join(CONFIG_FILE)).unwrap();
    assert_eq!(toml, quick().to_toml().unwrap());
}

#[test]
fn bytes_in_memory_are_those_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    save_to(dir.path(), 3);
    let made = to_bytes(Path::new("memory"), &origin(3), sources(&weights())).unwrap();
    assert_eq!(made, fs::read(dir.path().join(MODEL_FILE)).unwrap());
    let read = WeightFile::from_bytes("memory".into(), made).unwrap();
    assert_eq!(read.origin(), Some(&origin(3)));
}

#[test]
fn other_programs_read_what_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    save_to(dir.path(), 3);
    let file = fs::read(dir.path().join(MODEL_FILE)).unwrap();
    let theirs = safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(theirs.len(), 3);
    for (index, (name, shape)) in weights().iter().enumerate() {
        let tensor = theirs.tensor(name).unwrap();
        assert_eq!(tensor.shape(), shape);
        assert_eq!(tensor.data(), bytes(&numbers(index, shape)));
    }
    let (length, header) = safetensors::SafeTensors::read_metadata(&file).unwrap();
    assert_eq!(length % 8, 0);
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(metadata["format"], "inception-wgpu");
    assert_eq!((&metadata["version"][..], &metadata["step"][..]), ("1", "3"));
    assert_eq!(Config::from_json(&metadata["config"]).unwrap(), quick());
    // CRC-32, as any program takes it, with zeros in its own place.
    let sum = &metadata["checksum"];
    let at = file.windows(8).position(|part| part == sum.as_bytes()).unwrap();
    let blank = [&file[..at], b"00000000", &file[at + 8..]].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&blank);
    assert_eq!(*sum, format!("{:08x}", crc.sum()));
}

#[test]
fn equal_checkpoints_are_equal_in_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = save_to(one.path(), 3);
    save_to(two.path(), 2);
    let second = save_to(two.path(), 3);
    for (name, [one, two]) in [
        (MODEL_FILE, [&first, &second]),
        (OPTIMIZER_FILE, [&first, &second]),
        (MODEL_FILE, [&one.path().into(), &two.path().into()]),
    ] {
        let same = fs::read(one.join(name)).unwrap();
        assert_eq!(same, fs::read(two.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_failing_save_leaves_the_older_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    save_to(run, 1);
    let before = fs::read(run.join(MODEL_FILE)).unwrap();
    let moments = || sources(&optimizer_tensors(&weights()));
    let at_two = bytes(&[0.0, 1.0, f32::NAN]);
    let wrong: [(Reader, &str); 5] = [
        (Box::new(|_| Err("the device was lost".into())), "the device was lost"),
        (gives(vec![0; 8]), "its shape [3] takes 12 bytes, and 8 were given"),
        (gives(vec![0; 16]), "its shape [3] takes 12 bytes, and 16 were given"),
        (gives(at_two), "it holds NaN at flat index 2; the training has diverged"),
        (gives(bytes(&[f32::NEG_INFINITY; 3])), "it holds -inf at flat index 0"),
    ];
    for (read, part) in wrong {
        let mut bad = sources(&weights());
        bad[1].read = read;
        let error = save(run, &origin(2), bad, moments(), held).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cannot save tensor b_fc1 to "), "{text}");
        assert!(text.contains(part), "{text}");
        assert_eq!(files_in(run), ["checkpoints", CONFIG_FILE, MODEL_FILE]);
        assert_eq!(files_in(&run.join("checkpoints")), ["step-000001"]);
        assert_eq!(fs::read(run.join(MODEL_FILE)).unwrap(), before);
        assert_eq!(load(run).unwrap().0.origin.step, 1);
    }
    let mut twice = sources(&weights());
    twice.extend(sources(&weights()));
    let error = save(run, &origin(2), twice, vec![], held).unwrap_err();
    assert!(error.to_string().contains("used twice"), "{error}");
    let mut large = sources(&weights());
    large[0].shape = vec![usize::MAX, 2];
    let error = save(run, &origin(2), large, vec![], held).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    let nothing = Origin { config: Config { maps: vec![], ..quick() }, ..origin(2) };
    let error = save(run, &nothing, vec![], vec![], held).unwrap_err();
    assert!(error.to_string().starts_with("maps is empty"), "{error}");
    assert_eq!(load(run).unwrap().0.origin.step, 1);
    let error = save(&run.join(CONFIG_FILE), &origin(2), vec![], vec![], held).unwrap_err();
    assert!(error.to_string().starts_with("cannot make the folder"), "{error}");
}

#[test]
fn files_of_two_checkpoints_are_no_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (save_to(dir.path(), 100), save_to(dir.path(), 200));
    fs::copy(new.join(OPTIMIZER_FILE), old.join(OPTIMIZER_FILE)).unwrap();
    let text = Checkpoint::open(&old).unwrap_err().to_string();
    let parts = "model.safetensors is of step 100 and optimizer.safetensors of step 200; use";
    assert!(text.contains(parts), "{text}");

    let config = Config { seed: 77, ..quick() };
    let other = save_as(dir.path(), &Origin { config, ..origin(300) });
    let same = save_to(&dir.path().join("same"), 300);
    fs::copy(same.join(MODEL_FILE), other.join(MODEL_FILE)).unwrap();
    let text = Checkpoint::open(&other).unwrap_err().to_string();
    assert!(text.contains("of one configuration and"), "{text}");
}

#[test]
fn missing_and_foreign_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Checkpoint::open(dir.path()).unwrap_err();
    assert!(matches!(error, CheckpointError::Io { .. }));
    assert!(error.to_string().starts_with("cannot read "), "{error}");
    assert!(error.to_string().contains(MODEL_FILE), "{error}");
    let folder = save_to(dir.path(), 5);
    fs::remove_file(folder.join(OPTIMIZER_FILE)).unwrap();
    let error = Checkpoint::open(&folder).unwrap_err().to_string();
    assert!(error.contains(OPTIMIZER_FILE), "{error}");
    save_to(dir.path(), 5);
    craft(&folder.join(MODEL_FILE), &json!({}), &[]);
    let error = Checkpoint::open(&folder).unwrap_err().to_string();
    assert!(error.contains("was not saved by this program"), "{error}");
}

#[test]
fn foreign_weights_open() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/micro/init.safetensors");
    let file = WeightFile::open(&path).unwrap();
    // Its metadata has a `config` of its own kind, which must not be taken for ours.
    assert_eq!(file.origin(), None);
    assert_eq!(file.names().len(), 28);
    let expected = vec![("b_fc2".to_string(), vec![10])];
    let tensor = file.tensor("b_fc2", &expected[0].1).unwrap();
    assert!(tensor.values().all(|v| v == 0.1));
    let text = file.tensors_matching(&expected).unwrap_err().to_string();
    assert!(text.contains("it has the tensors "), "{text}");
    assert!(text.contains(" and 19 more, which this model does not know"), "{text}");
    let text = file.tensor("b_fc3", &[10]).unwrap_err().to_string();
    assert!(text.contains("it lacks the tensor b_fc3"), "{text}");
}
