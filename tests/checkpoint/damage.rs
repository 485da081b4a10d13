//! Damaged, ill-fitting and hostile files.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use inception::checkpoint::{Checkpoint, MODEL_FILE, OPTIMIZER_FILE, WeightFile};
use serde_json::{Value, json};

use super::{Named, bytes, craft, quick, save_to};

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

/// Every bit of the two files, one after the other.
#[test]
fn no_changed_bit_passes_unseen_or_panics() {
    let dir = tempfile::tempdir().unwrap();
    let dir = save_to(dir.path(), 1);
    for name in [MODEL_FILE, OPTIMIZER_FILE] {
        let path = dir.join(name);
        let whole = fs::read(&path).unwrap();
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut set = |at: usize, byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        for bit in 0..whole.len() * 8 {
            set(bit / 8, whole[bit / 8] ^ (1 << (bit % 8)));
            let Err(error) = Checkpoint::open(&dir) else { panic!("{name}: bit {bit} unseen") };
            let error = error.to_string();
            assert!(error.contains(name), "{error}");
            let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
            if bit / 8 >= header {
                assert!(error.contains("is damaged: its checksum is "), "{error}");
            }
            set(bit / 8, whole[bit / 8]);
        }
        assert!(Checkpoint::open(&dir).is_ok());
    }
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
    let header = json!({"variance_n": entry("F32", &[2], 0, 8)});
    let expected = vec![("variance_n".to_string(), vec![2])];
    let text = complaint(&header, &bytes(&[0.0, -1.0]), &expected);
    assert!(text.contains("index 1; a variance of batch normalisation cannot be neg"), "{text}");
}

/// Whatever words of the file enter a sentence.
#[test]
fn hostile_words_are_shown_short_and_escaped() {
    let long = "\u{1b}[2J\n".repeat(2000);
    let metadata = |key: &str| {
        let config = quick().to_json().unwrap();
        let mut metadata = json!({
            "format": "inception-wgpu", "version": "1", "step": "4", "config": config,
            "checksum": "00000000"
        });
        metadata[key] = long.clone().into();
        json!({"__metadata__": metadata})
    };
    let keys = ["version", "step", "config", "checksum", "validation_accuracy"];
    let mut headers: Vec<Value> = keys.into_iter().map(metadata).collect();
    headers.push(json!({"a": entry(&long, &[1], 0, 4)}));
    headers.push(json!({&long: entry("F32", &[1], 0, 0)}));
    headers.push(json!({"W": entry("F32", &vec![1; 5000], 0, 4)}));
    for header in headers {
        let data: &[u8] = if header.get("W").is_some() { &[0; 4] } else { &[] };
        let text = complaint(&header, data, &vec![("W".to_string(), vec![1])]);
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(text.chars().count() < 1500, "{} characters: {text}", text.len());
    }
}

#[test]
fn hostile_headers_are_refused() {
    let ours = |key: &str, value: &str| {
        let config = quick().to_json().unwrap();
        let mut metadata = json!({
            "format": "inception-wgpu", "version": "1", "step": "4", "config": config,
            "checksum": "00000000"
        });
        match value {
            "" => metadata.as_object_mut().unwrap().remove(key).map(drop),
            _ => metadata.as_object_mut().unwrap().insert(key.into(), value.into()).map(drop),
        };
        json!({"__metadata__": metadata})
    };
    // Fits each tensor's check, but the sum is just below the largest number there is.
    let part = 1_usize << 60;
    let vast: serde_json::Map<String, Value> = (0..16)
        .map(|i| {
            let to = if i == 15 { usize::MAX } else { (i + 1) * part };
            (format!("t{i}"), entry("U8", &[to - i * part], i * part, to))
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
        (Value::Object(vast), "it is cut short"),
        (json!([1]), "no JSON object follows"),
        (ours("version", "2"), "is of format version \"2\", and this program reads version 1"),
        (ours("version", ""), "the metadata entry `version` is missing"),
        (ours("step", ""), "the metadata entry `step` is missing"),
        (ours("step", "-4"), "the metadata entry `step` is \"-4\", not a whole number"),
        (ours("config", ""), "the metadata entry `config` is missing"),
        (ours("config", "{}"), "`config` does not hold: the stored configuration"),
        (ours("checksum", ""), "the metadata entry `checksum` is missing"),
        (ours("checksum", "12"), "should be 12; use another checkpoint"),
        (ours("validation_accuracy", "much"), "`validation_accuracy` is \"much\", not a number"),
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
