//! Trains and runs Inception networks on whatever GPU there is, through WebGPU.
//!
//! All arithmetic (convolutions, gradients, loss, dropout, Adam) is WGSL in `shaders/`, one file an
//! operation. The host records what is to run as plain data, differentiates that record, and replays
//! it. [`wgpu`] carries it to Vulkan, Metal, DirectX 12 or OpenGL, on a real GPU or on a software
//! adapter that computes on the processor.
//!
//! The program `inception` of the same package trains, tests and predicts from the command line; see
//! the README. This is the library under it.
//!
//! # Record, compile, run
//!
//! A [`Tape`](tape::Tape) records operations without a GPU. What it yields, a
//! [`Recording`](recording::Recording), is printable data: passes over named tensors. An
//! [`Engine`](engine::Engine) gives the tensors memory, compiles the kernels and replays the passes.
//!
//! ```
//! use inception::engine::Engine;
//! use inception::gpu::{Gpu, GpuOptions};
//! use inception::ops::Padding;
//! use inception::tape::Tape;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One 4x4 image with one channel, 3x3 windows, two channels out: NHWC and HWIO.
//! let tape = Tape::new();
//! let x = tape.input("x", &[1, 4, 4, 1]);
//! let w = tape.parameter("w", &[3, 3, 1, 2]);
//! let b = tape.parameter("b", &[2]);
//! let y = x.conv2d(w, b, 1, Padding::Same).relu();
//! let recording = tape.finish();
//! print!("{recording}"); // one line a pass
//!
//! let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
//! let mut engine = Engine::new(gpu);
//! let program = engine.compile(&recording)?; // memory is zero, so b stays as it is
//! let weights = [1.0f32, -1.0].repeat(9);
//! engine.write(x.id(), recording.tensor(x.id()), bytemuck::cast_slice(&[1.0f32; 16]));
//! engine.write(w.id(), recording.tensor(w.id()), bytemuck::cast_slice(&weights));
//! engine.run(&program)?;
//!
//! let bytes = engine.read(y.id(), recording.tensor(y.id()))?;
//! let y: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
//! assert_eq!(y[..4], [4.0, 0.0, 6.0, 0.0]); // a corner sees 4 ones, an edge 6; ReLU cuts the minus
//! # Ok(())
//! # }
//! ```
//!
//! For gradients, call [`backward`](tape::Tensor::backward) on the loss before
//! [`finish`](tape::Tape::finish), and [`adam`](ops::adam()) for the update: they record further
//! passes on the same tape.
//!
//! # Train a network
//!
//! [`Recordings`](train::Recordings) records the whole training step and inference of a configured
//! network, [`Trainer`](train::Trainer) puts them on a device with the images and replays them.
//!
//! ```
//! use inception::config::{Config, Preset};
//! use inception::data::{Batches, load_labelled};
//! use inception::gpu::{Gpu, GpuOptions};
//! use inception::plan::Target;
//! use inception::train::{Recordings, Trainer, likeliest};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // One Inception module of 4 maps a tower, and a few steps: enough to see the loss fall.
//! let config = Config {
//!     maps: vec![4],
//!     num_fc1: 32,
//!     batch_size: 20,
//!     ..Config::preset(Preset::Quick)
//! };
//! let digits = load_labelled(&config.train)?;
//! let batches = Batches::new(config.order, config.seed, config.batch_size, digits.len())?;
//!
//! let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
//! let mut recordings = Recordings::training(&config, digits.len());
//! recordings.fit(&Target::of(&gpu))?; // the passes planned for this adapter
//! let (images, labels) = (&digits.images, &digits.labels);
//! let mut trainer = Trainer::new(gpu, recordings, images, labels, Some(batches))?;
//! trainer.initialize();
//!
//! let mut losses = Vec::new();
//! for _ in 0..20 {
//!     // The device runs ahead of the host, so a loss comes back some steps late.
//!     losses.extend(trainer.train_step()?);
//! }
//! losses.extend(trainer.remaining_losses()?);
//! let mean = |part: &[(u64, f32)]| part.iter().map(|(_, loss)| loss).sum::<f32>() / 5.0;
//! assert!(mean(&losses[15..]) < mean(&losses[..5]), "{losses:?}");
//!
//! let probabilities = trainer.classify(0..10, |_| {})?;
//! println!("the first digit is taken for a {}", likeliest(&probabilities[0]));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/train_digits.rs` does it to the end, with a test set.
//!
//! # The modules, in reading order
//!
//! | module | holds |
//! | --- | --- |
//! | [`kernel`] | a WGSL file as the host sees it: constants to fill in, bindings found by name |
//! | [`recording`] | passes and tensors as plain data |
//! | [`tape`] | records passes, and for each output the rule that differentiates it |
//! | [`mod@reference`] | what operations are held against: plain loops in f64 with error bounds |
//! | [`ops`] | the operations: shape rule, forward pass and backward rule side by side |
//! | [`network`] | a network as data, read from a file; what is wrong with it |
//! | [`model`] | the Inception module, the network, initial values, layers by name |
//! | [`plan`] | rewrites of recordings: fused passes, kernel variants, shards, shared memory |
//! | [`cost`] | the arithmetic and the bytes of each pass of a recording |
//! | [`gpu`] | choosing an adapter, its limits, the device |
//! | [`engine`] | device memory, pipelines, replay, results back |
//! | [`timing`] | how long each pass takes |
//! | [`tune`] | the fastest kernel for each product, measured and remembered |
//! | [`ceiling`] | what an adapter can do at most, measured |
//! | [`config`] | what a run is made of: presets, TOML file, flags |
//! | [`data`] | CSV, IDX, CIFAR-10, pictures and folders of them to images; the order of the batches |
//! | [`numbers`] | NaN, infinity and elements that no pass has written, found behind their pass |
//! | [`train`] | one training step and inference, on a device |
//! | [`profile`] | where a step's time goes, as data, as a trace, two side by side |
//! | [`selftest`] | whether an adapter computes rightly, held against [`mod@reference`] |
//! | [`checkpoint`] | weights and optimizer in safetensors files |
//! | [`onnx`] | a recorded network as a file that other programs run |
//! | [`torchvision`] | GoogLeNet's weights as torchvision saves them, made ours |
//! | [`inspect`] | weights, feature maps and saliency, as numbers and pictures |
//! | [`metrics`] | the metrics file, the confusion table |
//! | [`report`] | a run's report as one page, and several runs compared |
//! | [`tensorboard`] | event files that TensorBoard reads |
//! | [`cli`] | the program |
//!
//! Of these only [`gpu`], [`engine`] and [`timing`] touch a GPU; everything before them in the table
//! works, and is tested, without one. `ARCHITECTURE.md` says why it stands as it does.
//!
//! # In a browser
//!
//! Without the default feature `cli`, which is the program with its reports and `tune`, all of this
//! builds for `wasm32-unknown-unknown` and runs on the browser's WebGPU. There no function may wait, so
//! whatever waits is there twice: `read_async` does the work, and [`read`](engine::Engine::read),
//! which a browser has not, waits for it. The folder `web/` of the repository holds a page made of it.
//!
//! # Errors and panics
//!
//! A wrong shape is a mistake in the program: it panics while recording, at start, with the
//! operation's name and both shapes. What the world may do wrong (files, drivers, limits, command
//! lines) comes back as a `Result`, and each error says what to do about it.
//!
//! [`wgpu`]: https://docs.rs/wgpu

pub mod kernel;

pub mod recording;

pub mod tape;

pub mod reference;

pub mod ops;

pub mod network;

pub mod model;

pub mod plan;

pub mod cost;

pub mod gpu;

mod bounded;
mod dispatch;
mod foreign;
mod intact;
mod processors;

pub mod engine;

pub mod timing;

#[cfg(feature = "cli")]
pub mod tune;

pub mod ceiling;

pub mod config;

pub mod data;

pub mod numbers;
#[cfg(feature = "cli")]
pub mod onnx;

pub mod train;

pub mod profile;

pub mod selftest;

pub mod checkpoint;

#[cfg(feature = "cli")]
pub mod torchvision;

pub mod inspect;

pub mod metrics;

#[cfg(feature = "cli")]
pub mod report;

#[cfg(feature = "cli")]
pub mod tensorboard;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(not(target_arch = "wasm32"))]
mod blocking;

#[cfg(all(feature = "cli", target_arch = "wasm32"))]
compile_error!(
    "the program needs an operating system: build for the web with --no-default-features"
);

/// The README's Rust examples, compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
