//! What the checks of numbers add to a training step: unchecked, checked and checked over poisoned
//! memory in turn, four steps each, for so many rounds. `cargo bench --bench checks -- quick 20`, or
//! `large` for the tutorial's network with a quarter of its maps, 20 million parameters.

use std::time::Instant;

use inception::config::{Config, Preset};
use inception::data::{Batches, Images};
use inception::gpu::{Gpu, GpuOptions};
use inception::plan::Target;
use inception::train::{Recordings, Trainer};

const DIGITS: usize = 200;
const STEPS: u32 = 4;

fn trainer(config: &Config) -> Trainer {
    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default())).expect("an adapter");
    let mut recordings = Recordings::training_alone(config, DIGITS);
    recordings.fit(&Target::of(&gpu)).expect("the network fits");
    let pixels = (0..DIGITS * 28 * 28).map(|i| (i * 7 % 251) as u8).collect();
    let images = Images { path: "made up".into(), height: 28, width: 28, channels: 1, pixels };
    let labels: Vec<u8> = (0..DIGITS).map(|i| (i % 10) as u8).collect();
    let batches = Batches::new(config.order, 1, config.batch_size, DIGITS).expect("rows");
    let trainer = Trainer::new(gpu, recordings, &images, &labels, Some(batches));
    let mut trainer = trainer.expect("the network compiles");
    trainer.initialize();
    trainer
}

/// Milliseconds a step.
fn steps(trainer: &mut Trainer) -> f64 {
    let begin = Instant::now();
    for _ in 0..STEPS {
        trainer.train_step().expect("a step");
    }
    trainer.remaining_losses().expect("the losses");
    begin.elapsed().as_secs_f64() * 1e3 / f64::from(STEPS)
}

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|word| !word.starts_with("--")).collect();
    let large = arguments.get(1).is_some_and(|size| size == "large");
    let rounds = arguments.get(2).map_or(3, |rounds| rounds.parse().expect("rounds"));
    let config = match large {
        true => Config { maps: vec![8, 16], num_fc1: 400, ..Config::preset(Preset::Tutorial) },
        false => Config::preset(Preset::Quick),
    };
    let mut trainers = [(); 3].map(|()| trainer(&config));
    trainers[1].check_numbers(1).expect("the checks compile");
    trainers[2].check_all().expect("the checks compile");
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        for (trainer, times) in trainers.iter_mut().zip(&mut times) {
            let time = steps(trainer);
            if round > 0 {
                times.push(time);
            }
        }
    }
    println!(
        "{} parameters, ms a step, least and median",
        trainers[0].recordings().parameter_count()
    );
    for (what, times) in ["unchecked", "every", "checked"].iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("{what:10} {:8.2} {:8.2}", times[0], times[times.len() / 2]);
    }
}
