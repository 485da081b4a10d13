//! Checkpoints and weight files: round trips, and what is said about damaged ones.

use std::fs;
use std::path::Path;

use inception::checkpoint::{TensorSource, optimizer_tensors, save};
use inception::config::{Config, Preset};
use serde_json::Value;

mod damage;
mod save;

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
