//! Saving, loading, and what is left after an interruption.

use std::fs;
use std::path::Path;

use inception::checkpoint::{
    CONFIG_FILE, CheckpointError, MODEL_FILE, OPTIMIZER_FILE, WeightFile, load, optimizer_tensors,
    save,
};
use inception::config::Config;
use serde_json::json;

use super::{bytes, craft, files_in, numbers, quick, save_to, sources, weights};

#[test]
fn what_is_saved_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new").join("run");
    save_to(&dir, 200);
    assert_eq!(
        files_in(&dir),
        [CONFIG_FILE, MODEL_FILE, OPTIMIZER_FILE],
        "nothing else lies about"
    );
    let checkpoint = load(&dir).unwrap();
    assert_eq!(checkpoint.step, 200);
    assert_eq!(checkpoint.config, quick());
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
    let by_folder = WeightFile::open(&dir).unwrap();
    assert_eq!(by_folder.step(), Some(200));
    assert_eq!(by_folder.config(), Some(&quick()));
    let toml = fs::read_to_string(dir.join(CONFIG_FILE)).unwrap();
    assert_eq!(toml, quick().to_toml().unwrap());
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
}

#[test]
fn equal_checkpoints_are_equal_in_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    save_to(one.path(), 3);
    save_to(two.path(), 2);
    save_to(two.path(), 3);
    for name in files_in(one.path()) {
        let same = fs::read(one.path().join(&name)).unwrap();
        assert_eq!(same, fs::read(two.path().join(&name)).unwrap(), "{name}");
    }
}

type Reader = fn() -> Result<Vec<u8>, String>;

#[test]
fn a_failing_save_leaves_the_older_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    save_to(dir.path(), 1);
    let before = fs::read(dir.path().join(MODEL_FILE)).unwrap();
    let moments = optimizer_tensors(&weights());
    let wrong: [(Reader, &str); 4] = [
        (|| Err("the device was lost".into()), "the device was lost"),
        (|| Ok(vec![0; 8]), "its shape [3] takes 12 bytes, and 8 were given"),
        (
            || Ok(bytes(&[0.0, 1.0, f32::NAN])),
            "it holds NaN at flat index 2; the training has diverged",
        ),
        (|| Ok(bytes(&[f32::NEG_INFINITY; 3])), "it holds -inf at flat index 0"),
    ];
    for (read, part) in wrong {
        let mut bad = sources(&weights());
        bad[1].read = Box::new(read);
        let error = save(dir.path(), 2, &quick(), &bad, &sources(&moments)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("cannot save tensor b_fc1 to "), "{text}");
        assert!(text.contains(part), "{text}");
        assert_eq!(files_in(dir.path()), [CONFIG_FILE, MODEL_FILE, OPTIMIZER_FILE]);
        assert_eq!(fs::read(dir.path().join(MODEL_FILE)).unwrap(), before);
        assert_eq!(load(dir.path()).unwrap().step, 1);
    }
    let mut twice = sources(&weights());
    twice.extend(sources(&weights()));
    let error = save(dir.path(), 2, &quick(), &twice, &[]).unwrap_err();
    assert!(error.to_string().contains("used twice"), "{error}");
    let mut large = sources(&weights());
    large[0].shape = vec![usize::MAX, 2];
    let error = save(dir.path(), 2, &quick(), &large, &[]).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    let config = Config { maps: vec![], ..quick() };
    let error = save(dir.path(), 2, &config, &[], &[]).unwrap_err();
    assert!(error.to_string().starts_with("maps is empty"), "{error}");
    assert_eq!(load(dir.path()).unwrap().step, 1);
    let file = dir.path().join(CONFIG_FILE);
    let error = save(&file, 2, &quick(), &[], &[]).unwrap_err();
    assert!(error.to_string().starts_with("cannot make the folder"), "{error}");
}

#[test]
fn a_torn_checkpoint_is_recognised_and_can_be_mended() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    save_to(old.path(), 100);
    save_to(new.path(), 200);
    // As when the program is killed between the two renamings.
    let model = old.path().join(MODEL_FILE);
    let staged = old.path().join(format!("{MODEL_FILE}.tmp"));
    fs::copy(new.path().join(OPTIMIZER_FILE), old.path().join(OPTIMIZER_FILE)).unwrap();
    fs::copy(new.path().join(MODEL_FILE), &staged).unwrap();
    let text = load(old.path()).unwrap_err().to_string();
    assert!(
        text.contains("model.safetensors is of step 100 and optimizer.safetensors of step 200"),
        "{text}"
    );
    assert!(text.contains("model.safetensors.tmp is there, rename it"), "{text}");
    fs::rename(staged, model).unwrap();
    assert_eq!(load(old.path()).unwrap().step, 200);

    let config = Config { seed: 77, ..quick() };
    let moments = sources(&optimizer_tensors(&weights()));
    save(new.path(), 200, &config, &sources(&weights()), &moments).unwrap();
    fs::copy(new.path().join(MODEL_FILE), old.path().join(MODEL_FILE)).unwrap();
    let text = load(old.path()).unwrap_err().to_string();
    assert!(text.contains("of one configuration and"), "{text}");
}

#[test]
fn missing_and_foreign_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(error, CheckpointError::Io { .. }));
    assert!(error.to_string().starts_with("cannot read "), "{error}");
    assert!(error.to_string().contains(MODEL_FILE), "{error}");
    save_to(dir.path(), 5);
    fs::remove_file(dir.path().join(OPTIMIZER_FILE)).unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains(OPTIMIZER_FILE), "{error}");
    save_to(dir.path(), 5);
    craft(&dir.path().join(MODEL_FILE), &json!({}), &[]);
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("was not saved by this program"), "{error}");
}

#[test]
fn foreign_weights_open() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/micro/init.safetensors");
    let file = WeightFile::open(&path).unwrap();
    // Its metadata has a `config` of its own kind, which must not be taken for ours.
    assert_eq!((file.config(), file.step()), (None, None));
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
