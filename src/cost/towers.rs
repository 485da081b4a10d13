//! Multiply-accumulates by layer and by tower, taken from what is recorded.

use serde::Serialize;

use super::costs;
use crate::config::Module;
use crate::model::{self, TOWERS, Widths};
use crate::recording::{Recording, TensorId};
use crate::tape::Tape;

/// A convolution or a dense layer, as a recording has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Where in the model, as `inception2/5x5`.
    pub place: String,
    /// Its weights.
    pub weights: TensorId,
    /// Its bias.
    pub bias: TensorId,
    /// Multiply-accumulates of its forward pass over the recorded batch.
    pub multiply_accumulates: u64,
}

/// The layers of a plain recording, one for each forward pass of a product, in order.
///
/// # Panics
/// As [`costs`].
pub fn layers(recording: &Recording) -> Vec<Layer> {
    let passes = recording.passes.iter().zip(costs(recording));
    let forward = passes.filter(|(pass, cost)| pass.entry == "forward" && cost.product_flop > 0);
    let layer = |(pass, cost): (&crate::recording::Pass, super::Cost)| {
        let bound = |names: &[&str]| {
            let found = pass.tensors.iter().find(|bound| names.contains(&bound.name));
            found.map(|bound| bound.tensor)
        };
        Some(Layer {
            place: pass.place.clone(),
            weights: bound(&["w"])?,
            bias: bound(&["bias", "b"])?,
            multiply_accumulates: cost.product_flop / 2,
        })
    };
    forward.filter_map(layer).collect()
}

/// A tower of a module, and what it takes for one image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tower {
    /// Its name in [`TOWERS`].
    pub name: &'static str,
    /// Its convolutions, in order; a naive module's max-pool has none.
    pub layers: Vec<Part>,
}

/// A convolution of a tower.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Its name in [`TOWERS`].
    pub name: &'static str,
    /// For one image.
    pub multiply_accumulates: u64,
}

impl Tower {
    /// Multiply-accumulates of all of them.
    pub fn total(&self) -> u64 {
        self.layers.iter().map(|part| part.multiply_accumulates).sum()
    }
}

/// The towers of a module on one image `[height, width, channels]`: records the module as a network
/// does, and counts what was recorded.
///
/// # Panics
/// When a size is 0 or a tensor has more elements than a shader can count.
pub fn towers(kind: Module, input: [usize; 3], widths: Widths) -> Vec<Tower> {
    let tape = Tape::new();
    let [height, width, channels] = input;
    model::inception(tape.input("x", &[1, height, width, channels]), "1", kind, widths);
    let recorded = layers(&tape.finish());
    let part = |&name: &&'static str| {
        let found = recorded.iter().find(|layer| layer.place == format!("inception1/{name}"))?;
        Some(Part { name, multiply_accumulates: found.multiply_accumulates })
    };
    let tower = |&(name, layers): &(&'static str, &[&'static str])| Tower {
        name,
        layers: layers.iter().filter_map(part).collect(),
    };
    TOWERS.iter().map(tower).collect()
}
