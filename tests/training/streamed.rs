//! Images that stay with the host and are brought batch by batch: the bits of those on the device.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inception::config::{Config, Order, Preset};
use inception::data::{Batches, Dataset, Images};
use inception::network::Network;
use inception::plan::Target;
use inception::reference::Random;
use inception::train::{Recordings, Trainer};

use crate::common;

/// Images of 45 bytes, so that a batch of 7 does not end with a word.
const NETWORK: &str = r#"
image = [5, 3, 3]
layers = [
  { conv = { name = "conv", size = 3, out = 4 } },
  { batch_norm = { name = "norm" } },
  { dropout = { rate = 0.3 } },
  { softmax = { name = "fc", classes = 10 } },
]
"#;

/// More than inference takes at once, 50; the last to train on is not the last.
const COUNT: usize = 124;
const TRAINED: usize = 30;

fn config(order: Order, batch_size: usize) -> Config {
    let network = Network::parse(Path::new("small.toml"), NETWORK).expect("a network");
    let quick = Config::preset(Preset::Quick);
    Config { network: Some(network), order, batch_size, ..quick }
}

fn data() -> Dataset {
    let mut random = Random::new(5);
    let pixels = (0..COUNT * 5 * 3 * 3).map(|_| random.bits() as u8).collect();
    let labels = (0..COUNT).map(|_| random.between(0, 9) as u8).collect();
    let images = Images { path: "made up".into(), height: 5, width: 3, channels: 3, pixels };
    Dataset { images, labels }
}

fn open(config: &Config, streamed: Option<Arc<Dataset>>) -> Option<Trainer> {
    let gpu = common::gpu()?;
    let mut recordings = match streamed {
        Some(_) => Recordings::streamed(config),
        None => Recordings::training(config, COUNT),
    };
    recordings.fit(&Target::of(&gpu)).expect("it fits");
    let batches = Batches::new(config.order, config.seed, config.batch_size, TRAINED).ok();
    let trainer = match streamed {
        Some(data) => Trainer::streaming(gpu, recordings, data, batches),
        None => Trainer::new(gpu, recordings, &data().images, &data().labels, batches),
    };
    let mut trainer = trainer.expect("it compiles");
    trainer.initialize();
    Some(trainer)
}

/// Steps to `last`, with what is classified in between: all losses and probabilities, as bits.
fn steps(trainer: &mut Trainer, last: u64) -> Vec<u32> {
    let mut made = Vec::new();
    while trainer.step() < last {
        made.extend(trainer.train_step().expect("a step"));
        if trainer.step().is_multiple_of(4) {
            // Over two batches, and so many that they end with the last image.
            for images in [TRAINED..COUNT, 3..4, COUNT - 50..COUNT, 1..51] {
                let probabilities = trainer.classify(images.clone(), |_| {}).expect("numbers");
                assert_eq!(probabilities.len(), images.len());
                made.extend(probabilities.into_iter().flatten().map(|p| (0, p)));
            }
        }
    }
    made.extend(trainer.remaining_losses().expect("losses"));
    made.into_iter().map(|(_, value)| value.to_bits()).collect()
}

fn variables(trainer: &Trainer) -> Vec<Vec<u8>> {
    let names = trainer.recordings().parameters().into_iter().chain(trainer.moments());
    names.map(|(name, _)| trainer.get(&name).expect("a variable")).collect()
}

#[test]
fn streamed_images_change_no_bit() {
    for (order, batch) in [(Order::Shuffle, 7), (Order::Cyclic, 7), (Order::Shuffle, TRAINED)] {
        let config = config(order, batch);
        let Some(mut whole) = open(&config, None) else { return };
        let mut streamed = open(&config, Some(Arc::new(data()))).expect("the adapter is there");
        // Jumps, as a resumed run makes: ahead, back, and to the step that was to come.
        for (first, last) in [(0, 13), (1000, 1003), (2, 3), (3, 5)] {
            whole.set_step(first);
            streamed.set_step(first);
            let truth = steps(&mut whole, last);
            assert!(truth == steps(&mut streamed, last), "{order:?} of {batch} to step {last}");
        }
        assert!(variables(&whole) == variables(&streamed), "{order:?} of {batch}: weights");
        assert_ne!(variables(&whole)[0], vec![0; variables(&whole)[0].len()]);
    }
}

/// Of the images, the device has a batch.
#[test]
fn streamed_images_are_not_on_the_device() {
    let config = config(Order::Shuffle, 7);
    let memory = |recordings: Recordings| recordings.memory();
    let [few, many] = [160, 60_000].map(|count| memory(Recordings::training(&config, count)));
    assert_eq!(many - few, (60_000 - 160) * 46); // each 45 pixels and a label
    let streamed = memory(Recordings::streamed(&config));
    assert_eq!(streamed, memory(Recordings::training(&config, 50)));
}

#[test]
fn the_loader_ends_with_the_training() {
    let data = Arc::new(data());
    let config = config(Order::Shuffle, 7);
    let Some(mut trainer) = open(&config, Some(data.clone())) else { return };
    assert_eq!(Arc::strong_count(&data), 2, "nothing is gathered before it is wanted");
    trainer.train_step().expect("a step");
    trainer.set_step(20);
    trainer.train_step().expect("a step");
    drop(trainer);
    let begin = Instant::now();
    while Arc::strong_count(&data) > 1 {
        assert!(begin.elapsed() < Duration::from_secs(60), "a thread goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
}
