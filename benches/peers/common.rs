//! What the programs in Rust share: flags, the network's sizes, random digits, timing, the JSON.
//!
//! A program makes a [`Network`] and hands it to [`measure`]. Not a package, since the frameworks have
//! nothing else in common: each program names this file as a module.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Instant;

pub const SIDE: usize = 28;
pub const CLASSES: usize = 10;
const WARM_UP: usize = 3;

pub type Done<T> = Result<T, Box<dyn Error>>;

/// A network that trains. Both return when the work is done.
pub trait Network {
    /// How many numbers are trained.
    fn parameters(&self) -> usize;
    /// The loss of a batch, before its step. Images are [count, 28, 28], from 0 to 1.
    fn train(&mut self, images: &[f32], labels: &[u8]) -> Done<f32>;
    /// Probabilities of a batch, brought to the host.
    fn classify(&mut self, images: &[f32]) -> Done<()>;
}

/// The command line: pairs of `--flag` and value.
pub struct Flags {
    given: Vec<(String, String)>,
    known: Vec<String>,
    help: bool,
}

impl Flags {
    pub fn read() -> Done<Self> {
        let mut words = std::env::args().skip(1);
        let mut flags = Self { given: Vec::new(), known: Vec::new(), help: false };
        while let Some(word) = words.next() {
            if word == "--help" {
                flags.help = true;
            } else if word.starts_with("--") {
                let value = words.next().ok_or(format!("{word} has no value"))?;
                flags.given.push((word, value));
            } else {
                return Err(format!("'{word}' is no flag; --help lists them").into());
            }
        }
        Ok(flags)
    }

    /// A flag's value, the last where it is given twice.
    pub fn take<T: FromStr<Err: Display>>(&mut self, name: &str, default: &str) -> Done<T> {
        self.known.push(format!("{name} (default: {default})"));
        let value = self.given.iter().rev().find(|(flag, _)| flag == name);
        let value = value.map_or(default, |(_, value)| value);
        let parsed = value.parse().map_err(|e| format!("{name} '{value}': {e}").into());
        self.given.retain(|(flag, _)| flag != name);
        parsed
    }

    /// To be called when all flags are taken: shows them if asked, and refuses others.
    pub fn finish(self) -> Done<()> {
        if self.help {
            println!("{}", self.known.join("\n"));
            std::process::exit(0);
        }
        match self.given.first() {
            Some((flag, _)) => Err(format!("there is no {flag}; --help lists the flags").into()),
            None => Ok(()),
        }
    }
}

pub struct Options {
    pub maps: Vec<usize>,
    pub reduce1x1: usize,
    pub num_fc1: usize,
    pub dropout: f64,
    pub learning_rate: f64,
    pub batch_size: usize,
    steps: usize,
    batch_sizes: Vec<usize>,
}

impl Options {
    pub fn take(flags: &mut Flags) -> Done<Self> {
        Ok(Self {
            maps: sizes(&flags.take::<String>("--maps", "32,64")?)?,
            reduce1x1: flags.take("--reduce1x1", "16")?,
            num_fc1: flags.take("--num-fc1", "700")?,
            dropout: flags.take("--dropout", "0.5")?,
            learning_rate: flags.take("--learning-rate", "1e-4")?,
            batch_size: flags.take("--batch-size", "50")?,
            steps: flags.take("--steps", "10")?,
            batch_sizes: sizes(&flags.take::<String>("--batch-sizes", "100")?)?,
        })
    }
}

fn sizes(list: &str) -> Done<Vec<usize>> {
    let parts = list.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| part.parse().map_err(|e| format!("'{part}' in '{list}': {e}").into()))
        .collect()
}

/// xorshift64*: enough for numbers that only have to be different.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ seed)
    }

    /// From 0 to 1.
    fn number(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 24) as f32
    }

    /// Initial weights with He's deviation, evenly spread; `inputs` is what an output adds up.
    pub fn weights(&mut self, inputs: usize, count: usize) -> Vec<f32> {
        let bound = (6.0 / inputs as f32).sqrt();
        (0..count).map(|_| bound * (2.0 * self.number() - 1.0)).collect()
    }

    /// What dropout multiplies by: 0 with that probability, else what keeps the mean.
    #[allow(dead_code)] // other frameworks have a dropout of their own
    pub fn factors(&mut self, count: usize, dropout: f64) -> Vec<f32> {
        let kept = 1.0 / (1.0 - dropout) as f32;
        (0..count).map(|_| if self.number() < dropout as f32 { 0.0 } else { kept }).collect()
    }

    fn digits(&mut self, count: usize) -> (Vec<f32>, Vec<u8>) {
        let images = (0..count * SIDE * SIDE).map(|_| self.number()).collect();
        let labels = (0..count).map(|_| (self.number() * CLASSES as f32) as u8).collect();
        (images, labels)
    }
}

/// The most memory that the process held at once, in bytes, where Linux tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Median, least and most seconds, without the first few.
fn timed(count: usize, mut work: impl FnMut(usize) -> Done<()>) -> Done<(f64, String)> {
    let mut times = Vec::new();
    for number in 0..WARM_UP + count {
        let begin = Instant::now();
        work(number)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    let mut times = times.split_off(WARM_UP);
    times.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (times.first(), times.last()) else {
        return Err("--steps must be at least 1".into());
    };
    let median = (times[(count - 1) / 2] + times[count / 2]) / 2.0;
    let json = format!("\"median\": {median}, \"min\": {min}, \"max\": {max}");
    Ok((median, json))
}

/// Prints the times of training and of inference as JSON; the losses show that it learns.
pub fn measure(options: &Options, version: &str, mut network: impl Network) -> Done<()> {
    let mut random = Random::new(1);
    let batches: Vec<_> = (0..4).map(|_| random.digits(options.batch_size)).collect();
    let mut losses = Vec::new();
    let (_, training) = timed(options.steps, |number| {
        let (images, labels) = &batches[number % 4];
        losses.push(network.train(images, labels)?);
        Ok(())
    })?;
    let memory = memory().map_or("null".to_string(), |bytes| bytes.to_string());
    let mut inference = Vec::new();
    for &size in &options.batch_sizes {
        let (images, _) = random.digits(size);
        let (median, json) = timed(options.steps, |_| network.classify(&images))?;
        let rate = size as f64 / median;
        inference
            .push(format!("{{{json}, \"batch_size\": {size}, \"images_per_second\": {rate}}}"));
    }
    println!(
        "{{\"version\": \"{version}\", \"parameters\": {}, \"training\": {{{training}, \"batch_size\": {}, \
         \"memory\": {memory}, \"first_loss\": {}, \"last_loss\": {}}}, \"inference\": [{}]}}",
        network.parameters(),
        options.batch_size,
        losses[0],
        losses[losses.len() - 1],
        inference.join(", ")
    );
    Ok(())
}
