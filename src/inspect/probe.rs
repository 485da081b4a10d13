//! A network on a device whose inner tensors, and the gradient of its input, can be read.

use std::ops::Range;

use super::relus::{Relu, relus};
use crate::config::Config;
use crate::data::Images;
use crate::engine::{Engine, EngineError, Program};
use crate::gpu::Gpu;
use crate::model;
use crate::numbers::Checked;
use crate::plan::{self, Target, TooLarge};
use crate::recording::{Recording, Role, TensorId, TensorInfo};
use crate::tape::Tape;
use crate::train::refuse_nan;

/// Inference and the gradient of logits by the image, recorded for a look inside.
#[derive(Debug, PartialEq)]
pub struct Recorded {
    batch: usize,
    image: [usize; 3],
    /// What is subtracted from bytes, and what the rest is divided by.
    scale: [f32; 2],
    /// Each ReLU, or the towers' parts of it.
    pub relus: Vec<Relu>,
    gradient: Recording,
    /// Recorded last, so it knows all tensors.
    inference: Recording,
    images: TensorId,
    probabilities: TensorId,
    /// The gradient of the logits, which says what is asked for.
    dlogits: TensorId,
    dimages: TensorId,
}

impl Recorded {
    /// Records the configured network on batches of that many images. Needs no GPU.
    ///
    /// # Panics
    /// When [`model::check_sizes`] fails.
    pub fn new(config: &Config, batch: usize) -> Recorded {
        let network = config.network();
        let [height, width, channels] = network.image;
        let tape = Tape::frozen();
        let images = tape.tracked_input("images", &[batch, height, width, channels]);
        let dlogits = tape.input("dlogits", &[batch, network.classes()]);
        model::logits(images, &network).backward(dlogits);
        let dimages = images.gradient().expect("the logits depend on the images");
        let gradient = tape.finish();
        let logits = model::logits(images, &network);
        let probabilities = tape.scope("softmax", || logits.softmax());
        let inference = tape.finish();
        Recorded {
            batch,
            image: network.image,
            scale: config.scale.offset_and_divisor(),
            relus: relus(&inference),
            gradient,
            inference,
            images: images.id(),
            probabilities: probabilities.id(),
            dlogits: dlogits.id(),
            dimages: dimages.id(),
        }
    }

    /// Images of a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Extents of a tensor, such as one of [`Recorded::relus`].
    pub fn shape(&self, id: TensorId) -> &[usize] {
        &self.inference.tensor(id).shape
    }

    /// Suits it to an adapter: see [`plan::plan`]. No rewrite spares what a ReLU makes, but it might
    /// share its memory, so each gets a buffer of its own.
    ///
    /// # Errors
    /// [`TooLarge`] when a tensor is over the target's limit and cannot be split.
    pub fn fit(&mut self, target: &Target) -> Result<(), TooLarge> {
        let mut keep: Vec<TensorId> = self.relus.iter().map(|relu| relu.tensor).collect();
        keep.extend([self.probabilities, self.dimages]);
        let mut all = [std::mem::take(&mut self.gradient), std::mem::take(&mut self.inference)];
        let fits = plan::plan(&mut all, target, &keep);
        [self.gradient, self.inference] = all;
        fits
    }
}

/// A recorded network on a device.
pub struct Probe {
    engine: Engine,
    recorded: Recorded,
    inference: Program,
    /// Made when first asked for.
    gradient: Option<Program>,
    /// Inference and the gradient with their checks, if they are checked.
    checked: Option<[Checked; 2]>,
}

impl Probe {
    /// Puts the (fitted) recording on the device. The variables are zero until set.
    ///
    /// # Errors
    /// [`EngineError`] when the device cannot run the network.
    pub fn new(gpu: Gpu, recorded: Recorded) -> Result<Probe, EngineError> {
        let mut engine = Engine::new(gpu);
        let inference = engine.compile(&recorded.inference)?;
        Ok(Probe { engine, recorded, inference, gradient: None, checked: None })
    }

    /// Checks all numbers of every run, pass by pass, in memory that is
    /// [poisoned](crate::numbers::poison).
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub fn check_all(&mut self) -> Result<(), EngineError> {
        let Recorded { inference, gradient, .. } = &self.recorded;
        let longer = inference.tensors.len() > gradient.tensors.len();
        let mut tensors = if longer { &inference.tensors } else { &gradient.tensors }.clone();
        let mut ready = |passes| Checked::new(&mut self.engine, passes, &mut tensors, true);
        self.checked = Some([ready(&inference.passes)?, ready(&gradient.passes)?]);
        Ok(())
    }

    /// What was recorded.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// Sets a variable, f32 little-endian.
    ///
    /// # Panics
    /// When there is none of that name and size.
    pub fn set(&mut self, name: &str, bytes: &[u8]) {
        let tensors = &self.recorded.inference.tensors;
        let named = |info: &TensorInfo| info.role == Role::Parameter && info.name == name;
        let id = tensors.iter().position(named);
        let id = id.unwrap_or_else(|| panic!("no variable is named {name}"));
        self.engine.write(TensorId(id as u32), &tensors[id], bytes);
    }

    /// Writes the first numbers of a tensor, and zeros behind them.
    fn write(&mut self, id: TensorId, mut values: Vec<f32>) {
        let info = self.recorded.inference.tensor(id);
        values.resize(info.len(), 0.0);
        self.engine.write(id, info, bytemuck::cast_slice(&values));
    }

    /// What one of [`Recorded::relus`] made of the last batch, `[batch, .., channels]`. Other
    /// tensors' memory may serve something else by now.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When inference does not use the tensor.
    pub async fn read_async(&self, id: TensorId) -> Result<Vec<f32>, EngineError> {
        let bytes = self.engine.read_async(id, self.recorded.inference.tensor(id)).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Classifies the images of these rows, a batch at most: a probability for each class, each. What
    /// the ReLUs made of them can be read until the next batch.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails; [`EngineError::Numbers`] when a probability is NaN, or
    /// a check finds something.
    ///
    /// # Panics
    /// When there are more rows than fit into a batch or than images, or images of another size.
    pub async fn infer_async(
        &mut self,
        images: &Images,
        rows: Range<usize>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        self.write_images(images, &rows);
        match &self.checked {
            Some([inference, _]) => inference.run_images(&mut self.engine, rows.clone()).await?,
            None => self.engine.run_async(&self.inference).await?,
        }
        let values = self.read_async(self.recorded.probabilities).await?;
        let all = values.chunks_exact(self.classes()).take(rows.len());
        let probabilities: Vec<Vec<f32>> = all.map(<[f32]>::to_vec).collect();
        refuse_nan(&probabilities, rows.start)?;
        Ok(probabilities)
    }

    /// Classes that the network tells apart.
    fn classes(&self) -> usize {
        self.recorded.shape(self.recorded.probabilities)[1]
    }

    fn write_images(&mut self, images: &Images, rows: &Range<usize>) {
        assert!(rows.len() <= self.recorded.batch, "more images than a batch has");
        let image = images.shape();
        assert_eq!(image, self.recorded.image, "images of another size than was recorded");
        let size: usize = image.iter().product();
        let pixels = &images.pixels[rows.start * size..rows.end * size];
        let [offset, divisor] = self.recorded.scale;
        let values = pixels.iter().map(|&pixel| (f32::from(pixel) - offset) / divisor).collect();
        self.write(self.recorded.images, values);
    }

    /// For each of these images, a batch at most, the gradient of one logit by the pixels as the
    /// network sees them, `[image, height, width, channels]`: that of the class given
    /// for it.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When there are more rows than fit into a batch or than images or classes, or images of another
    /// size.
    pub async fn saliency_async(
        &mut self,
        images: &Images,
        rows: Range<usize>,
        classes: &[u8],
    ) -> Result<Vec<f32>, EngineError> {
        if self.checked.is_none() && self.gradient.is_none() {
            self.gradient = Some(self.engine.compile(&self.recorded.gradient)?);
        }
        self.write_images(images, &rows);
        let classes_in_all = self.classes();
        let mut dlogits = vec![0.0; rows.len() * classes_in_all];
        for (image, class) in classes[..rows.len()].iter().enumerate() {
            dlogits[image * classes_in_all + usize::from(*class)] = 1.0;
        }
        self.write(self.recorded.dlogits, dlogits);
        match (&self.checked, &self.gradient) {
            (Some([_, gradient]), _) => {
                gradient.run_images(&mut self.engine, rows.clone()).await?;
            }
            (None, gradient) => {
                self.engine.run_async(gradient.as_ref().expect("it was compiled")).await?;
            }
        }
        let mut gradient = self.read_async(self.recorded.dimages).await?;
        gradient.truncate(rows.len() * images.shape().iter().product::<usize>());
        Ok(gradient)
    }
}
