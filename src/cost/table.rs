//! A network layer by layer: what each makes, holds and costs.

use serde::Serialize;

use super::layers;
use crate::model;
use crate::network::{Mistake, Network};
use crate::tape::Tape;

/// A layer of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Where in the model: `conv1`, `inception3a`, `aux1/conv`.
    pub place: String,
    /// What kind of layer it is.
    pub kind: &'static str,
    /// What it makes of an image: height, width and channels, or numbers.
    pub output: Vec<usize>,
    /// Numbers in its variables.
    pub parameters: u64,
    /// For one image, forward.
    pub multiply_accumulates: u64,
    /// Whether it takes part in training alone.
    pub auxiliary: bool,
}

/// The layers of a network but for dropout, in order; multiply-accumulates are counted in what is
/// recorded.
///
/// # Errors
/// [`Mistake`] where it is none.
///
/// # Panics
/// When a tensor for one image has more elements than a shader can count.
pub fn table(network: &Network) -> Result<Vec<Row>, Mistake> {
    let shaped = network.shapes()?;
    let tape = Tape::new();
    let [height, width, channels] = network.image;
    let images = tape.input("images", &[1, height, width, channels]);
    model::training(images, network, Some(tape.input("dropout key", &[2])));
    let recorded = layers(&tape.finish());
    let auxiliary = network.auxiliary_places();
    let row = |layer: crate::network::Shaped| {
        let inside = format!("{}/", layer.place);
        let own = |place: &str| match layer.kind {
            "inception" => place.starts_with(&inside),
            _ => place == layer.place,
        };
        let products = recorded.iter().filter(|product| own(&product.place));
        let numbers = |shape: &Vec<usize>| shape.iter().product::<usize>() as u64;
        Row {
            multiply_accumulates: products.map(|product| product.multiply_accumulates).sum(),
            parameters: layer.variables.iter().map(|(_, shape)| numbers(shape)).sum(),
            auxiliary: auxiliary.iter().any(|place| layer.place.starts_with(place)),
            place: layer.place,
            kind: layer.kind,
            output: layer.output,
        }
    };
    Ok(shaped.into_iter().map(row).collect())
}
