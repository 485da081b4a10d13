//! Checkpoints and weight files: round trips, and what is said about damaged ones.

use std::fs;
use std::path::Path;

use inception::checkpoint::{
    CONFIG_FILE, CheckpointError, MODEL_FILE, OPTIMIZER_FILE, TensorSource, WeightFile, load,
    optimizer_tensors, save,
};
use inception::config::{Config, Preset};
use serde_json::{Value, json};

type Named = Vec<(String, Vec<usize>)>;

fn weights() -> Named {
    let list: [(&str, &[usize]); 3] = [("W_fc1", &[2, 3]), ("b_fc1", &[3]), ("W_fc2", &[3, 1])];
    let named = list.iter().map(|(n, s)| (n.to_string(), s.to_vec()));
    named.collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Other numbers in every tensor and element.
fn numbers(index: usize, shape: &[usize]) -> Vec<f32> {
    let n = shape.iter().product();
    (0..n).map(|i: usize| index as f32 + i as f32 / 7.0).collect()
}

fn sources(named: &Named) -> Vec<TensorSource<'static>> {
    let source = |(index, (name, shape)): (usize, &(String, Vec<usize>))| {
        let data = bytes(&numbers(index, shape));
        TensorSource {
            name: name.clone(),
            shape: shape.clone(),
            read: Box::new(move || Ok(data.clone())),
        }
    };
    named.iter().enumerate().map(source).collect()
}

fn quick() -> Config {
    Config::preset(Preset::Quick)
}

fn save_to(dir: &Path, step: u64) {
    let (weights, moments) = (weights(), optimizer_tensors(&weights()));
    save(dir, step, &quick(), &sources(&weights), &sources(&moments)).expect("saves");
}

fn files_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A safetensors file put together by hand.
fn craft(path: &Path, header: &Value, data: &[u8]) {
    let header = header.to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    fs::write(path, file).unwrap();
}

fn entry(dtype: &str, shape: &[usize], from: usize, to: usize) -> Value {
    json!({"dtype": dtype, "shape": shape, "data_offsets": [from, to]})
}

/// The message for a crafted file, with its path cut to `w.safetensors`.
fn complaint(header: &Value, data: &[u8], expected: &Named) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    craft(&path, header, data);
    let message = match WeightFile::open(&path) {
        Ok(file) => match file.tensors_matching(expected) {
            Ok(_) => panic!("{header} passed"),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    message.replace(&format!("{}/", dir.path().display()), "")
}

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

#[test]
fn a_failing_save_leaves_the_older_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    save_to(dir.path(), 1);
    let before = fs::read(dir.path().join(MODEL_FILE)).unwrap();
    let moments = optimizer_tensors(&weights());
    let wrong: [(fn() -> Result<Vec<u8>, String>, &str); 4] = [
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
    let twice = [sources(&weights()), sources(&weights())].concat_sources();
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

trait ConcatSources {
    fn concat_sources(self) -> Vec<TensorSource<'static>>;
}

impl ConcatSources for [Vec<TensorSource<'static>>; 2] {
    fn concat_sources(self) -> Vec<TensorSource<'static>> {
        self.into_iter().flatten().collect()
    }
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

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    save_to(dir.path(), 1);
    let whole = fs::read(dir.path().join(MODEL_FILE)).unwrap();
    let path = dir.path().join("cut.safetensors");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let text = WeightFile::open(&path).unwrap_err().to_string();
        let part = match length {
            0..8 => format!(
                "cut.safetensors is not a safetensors file, or its header is damaged: it has just {length} bytes"
            ),
            _ => format!("cut.safetensors has {length} bytes where its header promises "),
        };
        assert!(text.contains(&part), "{length}: {text}");
        assert_eq!(text.contains("it is cut short"), length >= 8, "{text}");
    }
    fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    let text = WeightFile::open(&path).unwrap_err().to_string();
    assert!(text.contains("followed by something else"), "{text}");
    fs::write(&path, &whole).unwrap();
    assert!(WeightFile::open(&path).is_ok());
}

#[test]
fn no_changed_bit_of_the_header_passes_unseen_or_panics() {
    let dir = tempfile::tempdir().unwrap();
    save_to(dir.path(), 1);
    let path = dir.path().join(MODEL_FILE);
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let expected = weights();
    let mut unseen = Vec::new();
    for bit in 0..header * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &changed).unwrap();
        let fits = |file: &WeightFile| file.tensors_matching(&expected).is_ok();
        // Loading with the optimizer's file is what a run is resumed by.
        if load(dir.path()).is_ok_and(|c| fits(&c.model)) {
            unseen.push(changed[bit / 8] as char);
        }
    }
    // White space, one kind for another, and letters' case in an escape or exponent may change.
    assert!(unseen.iter().all(|c| c.is_ascii_whitespace()), "{unseen:?}");
}

#[test]
fn names_that_do_not_fit_are_listed_with_a_guess() {
    let two = [0; 8];
    let w = |name: &str| vec![(name.to_string(), vec![1]), ("b".to_string(), vec![1])];
    let header = json!({"W_fc_1": entry("F32", &[1], 0, 4), "b": entry("F32", &[1], 4, 8)});
    assert_eq!(
        complaint(&header, &two, &w("W_fc1")),
        "w.safetensors does not fit this model: it lacks the tensor W_fc1; it has the tensor \
         W_fc_1, which this model does not know; W_fc_1 may be meant for W_fc1; check the names \
         and the number of modules (maps)"
    );
    let text = complaint(&header, &two, &w("something_else"));
    assert!(text.contains("lacks the tensor something_else"), "{text}");
    assert!(!text.contains("may be meant"), "{text}");
    let header = json!({"b": entry("F32", &[1], 0, 4)});
    let text = complaint(&header, &two[..4], &w("W_fc1"));
    assert!(text.contains("it lacks the tensor W_fc1; check"), "{text}");
    let text = complaint(&json!({}), &[], &w("W_fc1"));
    assert!(text.contains("it lacks the tensors W_fc1, b; check"), "{text}");
    let odd = "x\u{1b}[2J\n".repeat(100);
    let header = json!({&odd: entry("F32", &[1], 0, 4)});
    let text = complaint(&header, &two[..4], &vec![]);
    assert!(!text.contains(char::is_control), "{text}");
    assert!(text.len() < 400, "{text}");
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let expected = vec![("W_fc1".to_string(), vec![2, 3])];
    let header = json!({"W_fc1": entry("F32", &[3, 2], 0, 24)});
    let text = complaint(&header, &[0; 24], &expected);
    let part = "w.safetensors: tensor W_fc1 has shape [3, 2], and this model needs [2, 3]; use";
    assert!(text.starts_with(part), "{text}");
    for (dtype, size) in [("F64", 48), ("F16", 12), ("I32", 24)] {
        let header = json!({"W_fc1": entry(dtype, &[2, 3], 0, size)});
        let text = complaint(&header, &vec![0; size], &expected);
        let part = format!("w.safetensors: tensor W_fc1 is of type {dtype}, and only F32");
        assert!(text.starts_with(&part), "{text}");
    }
    let header = json!({"W_fc1": entry("F32", &[2, 3], 0, 24)});
    for (value, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let data = bytes(&[0.0, 1.0, 2.0, 3.0, value, 5.0]);
        let text = complaint(&header, &data, &expected);
        let part =
            format!("w.safetensors: tensor W_fc1 holds {shown} at flat index 4; only finite");
        assert!(text.starts_with(&part), "{text}");
    }
    let header = json!({"v/b": entry("F32", &[2], 0, 8)});
    let expected = vec![("v/b".to_string(), vec![2])];
    let text = complaint(&header, &bytes(&[0.0, -1.0]), &expected);
    assert!(text.contains("v/b holds -1 at flat index 1; second moments"), "{text}");
}

#[test]
fn hostile_headers_are_refused() {
    let ours = |key: &str, value: &str| {
        let config = quick().to_json().unwrap();
        let mut metadata = json!({
            "format": "inception-wgpu", "version": "1", "step": "4", "config": config
        });
        match value {
            "" => metadata.as_object_mut().unwrap().remove(key).map(drop),
            _ => metadata.as_object_mut().unwrap().insert(key.into(), value.into()).map(drop),
        };
        json!({"__metadata__": metadata})
    };
    let half = 1_usize << 61;
    let vast: serde_json::Map<String, Value> = (0..8)
        .map(|i| {
            let to = if i == 7 { usize::MAX } else { (i + 1) * half };
            (format!("t{i}"), entry("U8", &[to - i * half], i * half, to))
        })
        .collect();
    let cases = [
        (json!({"a": entry("F32", &[usize::MAX, 2], 0, 8)}), "header is damaged: "),
        (json!({"a": entry("F32", &[1], 4, 8)}), "invalid offset for tensor"),
        (json!({"a": entry("F32", &[1], 8, 4)}), "invalid offset for tensor"),
        (json!({"a": entry("F32", &[1], 0, 8)}), "invalid shape, data type, or offset"),
        (json!({"a": entry("F99", &[1], 0, 4)}), "unknown variant `F99`"),
        (json!({"a": {"dtype": "F32"}}), "header is damaged: "),
        (json!({"__metadata__": {"x": 1}}), "header is damaged: "),
        (Value::Object(vast), "header "),
        (json!([1]), "no JSON object follows"),
        (ours("version", "2"), "is of format version \"2\", and this program reads version 1"),
        (ours("version", ""), "the metadata entry `version` is missing"),
        (ours("step", ""), "the metadata entry `step` is missing"),
        (ours("step", "-4"), "the metadata entry `step` is \"-4\", not a whole number"),
        (ours("config", ""), "the metadata entry `config` is missing"),
        (ours("config", "{}"), "`config` does not hold: the stored configuration"),
    ];
    for (header, part) in cases {
        let text = complaint(&header, &[], &vec![]);
        assert!(text.contains(part), "{header} gives {text}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w");
    let lengths: [u64; 3] = [u64::MAX, u64::MAX - 7, 1 << 62];
    for length in lengths {
        fs::write(&path, [&length.to_le_bytes()[..], b"{}"].concat()).unwrap();
        let text = WeightFile::open(&path).unwrap_err().to_string();
        assert!(text.contains("cut short"), "{text}");
    }
    for other in ["PK\u{3}\u{4} not this kind of file", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}"]
    {
        fs::write(&path, other).unwrap();
        let text = WeightFile::open(&path).unwrap_err().to_string();
        assert!(text.contains("is not a safetensors file"), "{text}");
    }
}
