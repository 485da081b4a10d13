//! The ReLUs of a recorded network, and how many zeros they make.

use std::ops::Range;

use serde::Serialize;

use crate::model::TOWERS;
use crate::recording::{Pass, Recording, TensorId};

/// What a ReLU makes or, where it stands behind a concatenation, a tower's part of that.
#[derive(Clone, Debug, PartialEq)]
pub struct Relu {
    /// Where in the model: `inception1/3x3 reduce`, `inception1/3x3`, `fc1`.
    pub name: String,
    /// Its output, with the channels innermost.
    pub tensor: TensorId,
    /// The channels of it that are meant.
    pub channels: Range<usize>,
}

/// The ReLUs of a plain recording, those behind concatenations tower by tower, in order.
pub fn relus(recording: &Recording) -> Vec<Relu> {
    let bound = |pass: &Pass, name: &str| {
        pass.tensors.iter().find(|bound| bound.name == name).map(|bound| bound.tensor)
    };
    let channels = |id| *recording.tensor(id).shape.last().expect("a tensor has an axis");
    let passes = |kernel: &'static str| {
        let wanted = move |pass: &&Pass| pass.kernel.name == kernel && pass.entry == "forward";
        let ends = move |pass: &Pass| Some((bound(pass, "x")?, bound(pass, "y")?));
        recording.passes.iter().filter(wanted).filter_map(ends)
    };
    let mut found = Vec::new();
    for (x, tensor) in passes("relu") {
        let place = &recording.tensor(x).name;
        let parts: Vec<usize> = passes("concat")
            .filter(|(_, joined)| *joined == x)
            .map(|(part, _)| channels(part))
            .collect();
        if parts.is_empty() {
            found.push(Relu { name: reduction(place), tensor, channels: 0..channels(tensor) });
        }
        let mut first = 0;
        for ((tower, _), count) in TOWERS.iter().zip(parts) {
            let (name, channels) = (format!("{place}/{tower}"), first..first + count);
            found.push(Relu { name, tensor, channels });
            first += count;
        }
    }
    found
}

/// The name of a convolution that stands in front of a window, by its tower; any other place as it
/// is.
fn reduction(place: &str) -> String {
    let tower = place.split_once('/').and_then(|(module, name)| {
        let tower = TOWERS.iter().find(|(_, layers)| layers.len() > 1 && layers[0] == name)?;
        Some(format!("{module}/{} reduce", tower.0))
    });
    tower.unwrap_or_else(|| place.to_string())
}

/// How sparse a ReLU's output is, over all images that were counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sparsity {
    /// The ReLU's name.
    pub name: String,
    /// Its channels.
    pub channels: usize,
    /// Numbers it made.
    pub count: u64,
    /// How many of them are zero.
    pub zeros: u64,
    /// Channels that were zero all over every image.
    pub silent: usize,
    /// The largest number.
    pub max: f32,
    #[serde(skip)]
    spoke: Vec<bool>,
}

impl Sparsity {
    /// Of a ReLU that has not made anything yet.
    pub fn new(relu: &Relu) -> Sparsity {
        let channels = relu.channels.len();
        let (name, spoke) = (relu.name.clone(), vec![false; channels]);
        Sparsity { name, channels, count: 0, zeros: 0, silent: channels, max: 0.0, spoke }
    }

    /// Adds what it made: for each pixel its channels, one after the other.
    pub fn add<'a>(&mut self, pixels: impl Iterator<Item = &'a [f32]>) {
        for pixel in pixels {
            for (value, spoke) in pixel.iter().zip(&mut self.spoke) {
                let zero = *value == 0.0;
                self.count += 1;
                self.zeros += u64::from(zero);
                *spoke |= !zero;
                self.max = self.max.max(*value);
            }
        }
        self.silent = self.spoke.iter().filter(|spoke| !**spoke).count();
    }

    /// The zeros' share.
    pub fn share(&self) -> f64 {
        self.zeros as f64 / self.count as f64
    }
}
