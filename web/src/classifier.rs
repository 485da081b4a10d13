//! One picture at a time through a trained network, with what each tower makes of it.

use std::io::Cursor;

use inception::checkpoint::WeightFile;
use inception::config::{Config, Preset};
use inception::data::{Images, Invert, LABELS, PIXELS, SIDE, read_images};
use inception::inspect::{Probe, Recorded};
use inception::train::Recordings;
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::Device;

/// A network on the device that classifies.
#[wasm_bindgen]
pub struct Classifier {
    probe: Probe,
}

/// What the network sees in a picture.
#[wasm_bindgen]
pub struct Look {
    probabilities: Vec<f32>,
    towers: Vec<Tower>,
}

/// What a tower's ReLU made of it.
struct Tower {
    name: String,
    size: [usize; 2],
    /// Map by map.
    maps: Vec<f32>,
}

/// A PNG or JPEG picture of a digit, of any size, as the network wants it: 28x28, 0 to 255.
///
/// # Errors
/// What is wrong with the picture.
#[wasm_bindgen]
pub fn normalized(name: &str, picture: Vec<u8>) -> Result<Vec<u8>, JsError> {
    Ok(read_images(name.as_ref(), Cursor::new(picture), Invert::Auto)?.pixels)
}

/// The weights of a file, and the configuration that they are of.
pub(crate) fn read_weights(name: &str, bytes: Vec<u8>) -> Result<(WeightFile, Config), JsError> {
    let file = WeightFile::from_bytes(name.into(), bytes)?;
    let Some(config) = file.config().cloned() else {
        let why = "was not written by this program, so nothing is known of its network";
        return Err(JsError::new(&format!(
            "{name} {why}: give a model.safetensors of `inception`"
        )));
    };
    Recordings::check(&config)?;
    let network = config.network();
    let [height, width, channels] = network.image;
    if (network.image, network.classes()) != ([SIDE, SIDE, 1], LABELS) {
        return Err(JsError::new(&format!(
            "{name} is of a network of {} classes for pictures of {height}x{width}x{channels}: this \
             page has grey ones of {SIDE}x{SIDE}, of {LABELS} digits",
            network.classes()
        )));
    }
    Ok((file, config))
}

/// A network that classifies one picture, suited to the device.
fn recorded(device: &Device, config: &Config) -> Result<Recorded, JsError> {
    let mut recorded = Recorded::new(config, 1);
    recorded.fit(&device.target())?;
    Ok(recorded)
}

#[wasm_bindgen]
impl Classifier {
    /// Makes the quick network ready, which takes longer than anything that follows. Its weights are
    /// zero, so it knows nothing yet.
    #[wasm_bindgen(constructor)]
    pub fn new(device: &Device) -> Result<Classifier, JsError> {
        let recorded = recorded(device, &Config::preset(Preset::Quick))?;
        Ok(Classifier { probe: Probe::new(device.0.clone(), recorded)? })
    }

    /// Takes the weights of a `model.safetensors`, and its network if that is another; `name` stands
    /// for it in errors. What is known of the weights, as JSON.
    ///
    /// # Errors
    /// What is wrong with the file; nothing has changed then.
    pub fn load(
        &mut self,
        device: &Device,
        name: &str,
        weights: Vec<u8>,
    ) -> Result<String, JsError> {
        let (file, config) = read_weights(name, weights)?;
        let parameters = Recordings::inference(&config, 1).parameters();
        let tensors = file.tensors_matching(&parameters)?;
        let recorded = recorded(device, &config)?;
        if recorded != *self.probe.recorded() {
            self.probe = Probe::new(device.0.clone(), recorded)?;
        }
        tensors.iter().for_each(|tensor| self.probe.set(tensor.name, tensor.bytes));
        let about = json!({
            "step": file.origin().map(|origin| origin.step),
            "validation_accuracy": file.origin().and_then(|origin| origin.validation_accuracy),
            "maps": config.maps,
            "parameters": tensors.iter().map(|tensor| tensor.values().count()).sum::<usize>(),
        });
        Ok(about.to_string())
    }

    /// Classifies a picture that is [`normalized`].
    pub async fn classify(&mut self, pixels: Vec<u8>) -> Result<Look, JsError> {
        if pixels.len() != PIXELS {
            return Err(JsError::new("a picture of another size than 28x28"));
        }
        let images =
            Images { path: "a picture".into(), height: SIDE, width: SIDE, channels: 1, pixels };
        let probabilities = self.probe.infer_async(&images, 0..1).await?[0].to_vec();
        let mut towers: Vec<Tower> = Vec::new();
        let recorded = self.probe.recorded();
        // Towers of a module lie in one tensor, which is read once.
        for relus in recorded.relus.chunk_by(|a, b| a.tensor == b.tensor) {
            let &[_, height, width, channels] = recorded.shape(relus[0].tensor) else {
                continue; // a dense layer
            };
            let values = self.probe.read_async(relus[0].tensor).await?;
            for relu in relus {
                let map = |channel| (0..height * width).map(move |at| at * channels + channel);
                let maps = relu.channels.clone().flat_map(map).map(|at| values[at]).collect();
                towers.push(Tower { name: relu.name.clone(), size: [height, width], maps });
            }
        }
        Ok(Look { probabilities, towers })
    }
}

#[wasm_bindgen]
impl Look {
    /// Of the ten digits.
    pub fn probabilities(&self) -> Vec<f32> {
        self.probabilities.clone()
    }

    /// How many towers' ReLUs there are.
    pub fn towers(&self) -> usize {
        self.towers.len()
    }

    /// `inception1/3x3` and so on.
    pub fn tower_name(&self, tower: usize) -> String {
        self.towers[tower].name.clone()
    }

    /// Height and width of its maps.
    pub fn tower_size(&self, tower: usize) -> Vec<usize> {
        self.towers[tower].size.to_vec()
    }

    /// Its maps, one after the other, row by row.
    pub fn tower_maps(&self, tower: usize) -> Vec<f32> {
        self.towers[tower].maps.clone()
    }
}
