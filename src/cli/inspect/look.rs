//! What a network does with images: needs an adapter.

use super::report::{Prediction, Seen};
use super::{BATCH, Pictures};
use crate::checkpoint::Tensor;
use crate::cli::{Failure, Global, network, open_gpu, progress_bar};
use crate::config::Config;
use crate::data::Images;
use crate::inspect::{Probe, Recorded, Relu, Salient, Sparsity, maps, saliency};
use crate::metrics::class_name;
use crate::recording::TensorId;
use crate::train::likeliest;

/// Images that are shown beside their saliency; a batch has more.
const SHOWN: usize = 12;

pub(super) fn look(
    config: &Config,
    tensors: &[Tensor],
    images: &Images,
    pictures: &mut Pictures,
    global: &Global,
) -> Result<Seen, Failure> {
    let mut recorded = Recorded::new(config, images.len().min(BATCH));
    let gpu = open_gpu(global)?;
    recorded.fit(&global.untuned(&gpu))?;
    let mut probe = Probe::new(gpu, recorded)?;
    for tensor in tensors {
        probe.set(tensor.name, tensor.bytes);
    }
    if global.checked {
        probe.check_all()?;
    }
    let seen = infer(&mut probe, images, config, pictures)?;
    if pictures.wanted() {
        salient(&mut probe, images, config, &seen.predictions, pictures)?;
    }
    Ok(seen)
}

/// Runs all images and counts zeros; draws what is made of the first one.
fn infer(
    probe: &mut Probe,
    images: &Images,
    config: &Config,
    pictures: &mut Pictures,
) -> Result<Seen, Failure> {
    let relus = probe.recorded().relus.clone();
    let mut sparsity: Vec<Sparsity> = relus.iter().map(Sparsity::new).collect();
    let mut predictions = Vec::new();
    let template = "looking {wide_bar} {pos}/{len} images, {rate}, {eta} left";
    let bar = progress_bar(images.len() as u64, template);
    for first in (0..images.len()).step_by(BATCH) {
        let rows = first..images.len().min(first + BATCH);
        let count = rows.len();
        for p in probe.infer(images, rows).map_err(network::failure)? {
            let (row, prediction) = (predictions.len() + 1, likeliest(&p));
            let probability = p[usize::from(prediction)];
            let name = config.classes.get(usize::from(prediction)).cloned();
            predictions.push(Prediction { row, prediction, name, probability });
        }
        // The towers of a module are parts of one tensor, one after the other.
        let mut counted = relus.iter().zip(&mut sparsity).collect::<Vec<_>>();
        for parts in counted.chunk_by_mut(|(a, _), (b, _)| a.tensor == b.tensor) {
            let values = batch(probe, parts[0].0.tensor, count)?;
            let channels = parts.iter().map(|(relu, _)| relu.channels.len()).sum();
            for (relu, sparsity) in parts.iter_mut() {
                let pixels = values.chunks_exact(channels);
                sparsity.add(pixels.map(|pixel| &pixel[relu.channels.clone()]));
            }
            if first == 0 && parts.len() > 1 {
                let relus: Vec<&Relu> = parts.iter().map(|(relu, _)| *relu).collect();
                let shape = probe.recorded().shape(parts[0].0.tensor).to_vec();
                draw_maps(&relus, &values, &shape, pictures)?;
            }
        }
        bar.set_position(predictions.len() as u64);
    }
    bar.finish_and_clear();
    let source = images.path.display().to_string();
    Ok(Seen { source, count: images.len(), predictions, relus: sparsity })
}

/// What a ReLU made of the first `count` images of the batch.
fn batch(probe: &Probe, tensor: TensorId, count: usize) -> Result<Vec<f32>, Failure> {
    let mut values = probe.read(tensor)?;
    values.truncate(values.len() / probe.recorded().batch() * count);
    Ok(values)
}

fn draw_maps(
    towers: &[&Relu],
    values: &[f32],
    shape: &[usize],
    pictures: &mut Pictures,
) -> Result<(), Failure> {
    // [batch, height, width, channels]
    let &[_, height, width, channels] = shape else { return Ok(()) };
    let module = towers[0].name.split('/').next().unwrap_or_default();
    let parts: Vec<(&Relu, &[f32])> = towers.iter().map(|relu| (*relu, values)).collect();
    let shows = "what each tower makes of the first image: black zero, light yellow the most";
    pictures.save(&format!("maps-{module}.png"), shows, || maps(&parts, [height, width], channels))
}

/// Draws the first images and the gradients of what they were taken for.
fn salient(
    probe: &mut Probe,
    images: &Images,
    config: &Config,
    predictions: &[Prediction],
    pictures: &mut Pictures,
) -> Result<(), Failure> {
    let shown = &predictions[..predictions.len().min(SHOWN)];
    let classes: Vec<u8> = shown.iter().map(|p| p.prediction).collect();
    let gradients = probe.saliency(images, 0..shown.len(), &classes);
    let gradients = gradients.map_err(network::failure)?;
    let salient = |(index, gradient)| {
        let Prediction { row, prediction, probability, .. } = &shown[index];
        let prediction = class_name(&config.classes, usize::from(*prediction));
        let row = if images.len() > 1 { format!("row {row}: ") } else { String::new() };
        Some(Salient {
            label: format!("{row}{prediction} ({:.1} %)", probability * 100.0),
            image: images.get(index)?,
            gradient,
        })
    };
    let size = images.shape().iter().product();
    let salients: Vec<Salient> = gradients.chunks(size).enumerate().filter_map(salient).collect();
    let ink = config.classes.is_empty();
    let more = if ink { "ink" } else { "light" };
    let shows = format!(
        "images and where more {more} would raise (red) or lower (blue) the logit of the class they are \
         taken for"
    );
    pictures.save("saliency.png", &shows, || saliency(&salients, images.shape(), ink))
}
