//! What each layer makes, before anything is recorded: where a network is wrong, and how large it is.

use std::collections::HashSet;

use super::checks::{
    check_lrn, check_norm, convolution, joined_channels, maps, size, variables, windows,
};
use super::{Auxiliary, Concat, Layer, Network, Numbers};
use crate::foreign::start;

/// The largest window of a max-pool, whose kernel has lines for each of its places.
const MAX_POOL: usize = 64;
/// The most branches of a layer, each with kernels and a share of the copying.
const MAX_BRANCHES: usize = 64;
/// The most layers, those of branches and auxiliary classifiers included.
const MAX_LAYERS: usize = 1000;
/// Letters of a name.
const MAX_NAME: usize = 64;
/// How deep branches may stand in branches.
const MAX_DEPTH: usize = 8;

/// Layers that do not make a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", layer.map_or(String::new(), |layer| format!("layer {layer}, ")))]
pub struct Mistake {
    /// Which of the network's layers, from 1; that which a branch or an auxiliary classifier is of.
    pub layer: Option<usize>,
    /// What is wrong, with the layer's name or kind, and what would be right.
    pub what: String,
}

/// A layer with what it makes of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaped {
    /// Where in the model, as the recording has it: `conv1`, `inception3a`, `aux1/conv`.
    pub place: String,
    /// What kind of layer it is.
    pub kind: &'static str,
    /// What it makes of an image: height, width and channels, or numbers.
    pub output: Vec<usize>,
    /// Its weights and biases, and of a module the channels in front of windows: by name or place,
    /// with their shapes.
    pub variables: Vec<(String, Vec<usize>)>,
    /// What else it makes of an image: places and shapes.
    pub within: Vec<(String, Vec<usize>)>,
}

impl Network {
    /// All layers with what they make (dropout changes no shape and is left out), in the order in which they are recorded for training.
    ///
    /// # Errors
    /// [`Mistake`] for the first layer that does not fit to what it gets, or is not right by itself.
    pub fn shapes(&self) -> Result<Vec<Shaped>, Mistake> {
        let in_network = |what: String| Mistake { layer: None, what };
        for extent in self.image {
            size("image", extent).map_err(in_network)?;
        }
        if self.layers.is_empty() {
            return Err(in_network("layers is empty; the last must be softmax".into()));
        }
        let mut walk = Walk { classes: self.classes(), ..Walk::default() };
        let mut x = self.image.to_vec();
        for (index, layer) in self.layers.iter().enumerate() {
            let last = index + 1 == self.layers.len();
            x = walk.layer(layer, &x, "", last).map_err(|what| {
                let what = format!("{}: {what}", called(layer));
                Mistake { layer: Some(index + 1), what }
            })?;
        }
        Ok(walk.shaped)
    }
}

#[derive(Default)]
struct Walk {
    classes: usize,
    shaped: Vec<Shaped>,
    names: HashSet<String>,
    /// Places and variables: a layer may be called as another's part is, such as `conv3a_3x3`.
    taken: HashSet<String>,
    numbers: Numbers,
    count: usize,
    depth: usize,
}

impl Walk {
    /// What the layer makes of `x`; `last` where it ends a network or an auxiliary classifier.
    fn layer(
        &mut self,
        layer: &Layer,
        x: &[usize],
        within: &str,
        last: bool,
    ) -> Result<Vec<usize>, String> {
        self.count += 1;
        if self.count > MAX_LAYERS {
            return Err(format!("a network may have {MAX_LAYERS} layers, and this has more"));
        }
        if last != matches!(layer, Layer::Softmax(_)) {
            return Err("softmax must be the last layer, and no other".into());
        }
        if let Some(name) = layer.name() {
            self.claim(name)?;
        }
        let place = |name: &str| format!("{within}{name}");
        // What is too much to count is told where all tensors are looked at.
        let flat = || x.iter().fold(1usize, |all, &n| all.saturating_mul(n));
        let dense = |name: &str, out: usize| {
            size("out", out)?;
            Ok::<_, String>(Shaped {
                place: place(name),
                kind: layer.kind(),
                output: vec![out],
                variables: variables(name, vec![flat(), out], true),
                within: vec![],
            })
        };
        let kind = layer.kind();
        let unnamed = self.numbers.next(kind);
        let plain = |output: Vec<usize>| Shaped {
            place: place(&unnamed),
            kind,
            output,
            variables: vec![],
            within: vec![],
        };
        let shaped = match layer {
            Layer::Conv(conv) => convolution(conv, maps(x)?, within)?,
            Layer::MaxPool(pool) | Layer::AvgPool(pool) => {
                let [height, width, channels] = maps(x)?;
                if matches!(layer, Layer::MaxPool(_)) && pool.size > MAX_POOL {
                    return Err(format!("size is {}; it must be from 1 to {MAX_POOL}", pool.size));
                }
                let out = |n| windows(n, pool.size, pool.stride, pool.padding);
                plain(vec![out(height)?, out(width)?, channels])
            }
            Layer::Lrn(lrn) => {
                maps(x)?;
                check_lrn(lrn)?;
                plain(x.to_vec())
            }
            Layer::BatchNorm(norm) => {
                let [.., channels] = maps(x)?;
                check_norm(norm)?;
                let variables = ["gamma", "beta", "mean", "variance"]
                    .map(|kind| (format!("{kind}_{}", norm.name), vec![channels]));
                Shaped {
                    place: place(&norm.name),
                    variables: variables.into(),
                    ..plain(x.to_vec())
                }
            }
            Layer::Inception(module) => {
                let [height, width, channels] = maps(x)?;
                let w = module.widths;
                for n in [w.one, w.reduce_three, w.three, w.reduce_five, w.five, w.pool] {
                    size("widths", n)?;
                }
                let out: usize = w.towers(module.kind, channels).iter().sum();
                let mut shaped = plain(vec![height, width, joined_channels(out)?]);
                shaped.place = format!("{within}inception{}", module.name);
                for (name, size, channels, out) in w.convolutions(module.kind, channels) {
                    let variable = format!("conv{}_{name}", module.name);
                    let weights = vec![size, size, channels, out];
                    shaped.variables.extend(variables(&variable, weights, true));
                    let place = format!("{}/{name}", shaped.place);
                    shaped.within.push((place, vec![height, width, out]));
                }
                shaped
            }
            Layer::Concat(concat) => return self.branches(concat, x, within),
            Layer::Dense(layer) => dense(&layer.name, layer.out)?,
            Layer::Softmax(layer) => {
                if layer.classes < 2 || layer.classes != self.classes {
                    return Err(format!(
                        "classes is {}; it must be 2 or more, and the same in all classifiers",
                        layer.classes
                    ));
                }
                dense(&layer.name, layer.classes)?
            }
            Layer::Dropout(dropout) => match (0.0..1.0).contains(&dropout.rate) {
                true => return Ok(x.to_vec()),
                false => {
                    let allowed = "a number from 0 (no dropout) to just below 1";
                    return Err(format!("rate is {}; it must be {allowed}", dropout.rate));
                }
            },
            Layer::Auxiliary(auxiliary) => {
                self.auxiliary(auxiliary, x, within)?;
                return Ok(x.to_vec());
            }
        };
        let output = shaped.output.clone();
        self.push(shaped)?;
        Ok(output)
    }

    fn push(&mut self, shaped: Shaped) -> Result<(), String> {
        let variables = shaped.variables.iter().map(|(name, _)| name);
        for part in variables.chain([&shaped.place]) {
            if !self.taken.insert(part.clone()) {
                return Err(format!(
                    "its {part} is called as one of another layer; give either another name"
                ));
            }
        }
        self.shaped.push(shaped);
        Ok(())
    }

    fn branches(&mut self, all: &Concat, x: &[usize], within: &str) -> Result<Vec<usize>, String> {
        maps(x)?;
        if all.branches.is_empty() {
            return Err("branches is empty; there must be at least one".into());
        }
        let count = all.branches.len();
        if count > MAX_BRANCHES {
            return Err(format!("it has {count} branches; {MAX_BRANCHES} are the most"));
        }
        let within = format!("{within}{}/", all.name);
        let mut joined: Option<Vec<usize>> = None;
        for branch in &all.branches {
            let made = self.inner(branch, x, &within, false)?;
            let [height, width, channels] = maps(&made)?;
            joined = Some(match joined {
                None => made,
                Some(before) if before[..2] == [height, width] => {
                    vec![height, width, joined_channels(before[2] + channels)?]
                }
                Some(before) => {
                    return Err(format!(
                        "its branches make {}x{} and {height}x{width}, which cannot be joined",
                        before[0], before[1]
                    ));
                }
            });
        }
        let output = joined.unwrap_or_default();
        let place = within.trim_end_matches('/').to_string();
        let (kind, variables, within) = ("concat", vec![], vec![]);
        self.push(Shaped { place, kind, output: output.clone(), variables, within })?;
        Ok(output)
    }

    fn auxiliary(&mut self, all: &Auxiliary, x: &[usize], within: &str) -> Result<(), String> {
        if !(all.weight > 0.0 && all.weight.is_finite()) {
            return Err(format!("weight is {}; it must be a number above 0", all.weight));
        }
        if !within.is_empty() {
            return Err("it must stand among the network's own layers, not inside another".into());
        }
        if all.layers.is_empty() {
            return Err("layers is empty; the last must be softmax".into());
        }
        let numbers = std::mem::take(&mut self.numbers);
        self.inner(&all.layers, x, &format!("{}/", all.name), true)?;
        self.numbers = numbers;
        Ok(())
    }

    /// Layers inside a layer, of which the last is a softmax where `ends`.
    fn inner(
        &mut self,
        layers: &[Layer],
        x: &[usize],
        within: &str,
        ends: bool,
    ) -> Result<Vec<usize>, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!(
                "layers may stand {MAX_DEPTH} deep in others, and these are deeper"
            ));
        }
        let mut x = x.to_vec();
        for (index, layer) in layers.iter().enumerate() {
            let last = ends && index + 1 == layers.len();
            x = self
                .layer(layer, &x, within, last)
                .map_err(|what| format!("its {}: {what}", called(layer)))?;
        }
        self.depth -= 1;
        Ok(x)
    }

    /// Names are parts of variables' and files' names, and no two layers' are the same.
    fn claim(&mut self, name: &str) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
            return Err(format!("a name is 1 to {MAX_NAME} letters (a-z, A-Z), digits, _ and -"));
        }
        match self.names.insert(name.to_string()) {
            true => Ok(()),
            false => Err("another layer has the same name".into()),
        }
    }
}

impl Layer {
    /// What it is called, where it has a name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Layer::Conv(layer) => Some(&layer.name),
            Layer::BatchNorm(layer) => Some(&layer.name),
            Layer::Inception(layer) => Some(&layer.name),
            Layer::Concat(layer) => Some(&layer.name),
            Layer::Dense(layer) => Some(&layer.name),
            Layer::Softmax(layer) => Some(&layer.name),
            Layer::Auxiliary(layer) => Some(&layer.name),
            Layer::MaxPool(_) | Layer::AvgPool(_) | Layer::Lrn(_) | Layer::Dropout(_) => None,
        }
    }
}

/// A layer in a sentence; no more of its name than a name may have, lest the reason be cut off.
fn called(layer: &Layer) -> String {
    let name = layer.name().map(|name| format!(" \"{}\"", start(name, MAX_NAME)));
    format!("{}{}", layer.kind(), name.unwrap_or_default())
}
