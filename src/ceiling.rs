//! What an adapter can do at most: measured, for passes to be judged by.
//!
//! Two small kernels of our own tell more than a data sheet: they go through the same compilers and
//! the same interface as all others, and a software adapter has no data sheet. [`Ceiling::seconds`]
//! then says how long a pass would take at the least.

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::engine::{Engine, EngineError};
use crate::gpu::Gpu;
use crate::kernel::{Constant, Kernel, kernel};
use crate::recording::Recording;
use crate::tape::Tape;

static KERNEL: Kernel = kernel!("ceiling");

/// The WGSL files that measure adapters.
pub static KERNELS: [&Kernel; 1] = [&KERNEL];

/// Bytes of each of the stream's three arrays: more than caches hold, less than any GPU has.
const STREAM: u64 = 64 << 20;
/// Threads that multiply and add: enough to fill the largest GPU several times.
const THREADS: usize = 1 << 20;
/// Chains of vec4s: 12 sums and the factors fit the 16 registers of a processor's vector unit, and
/// hide the latency of its multiplication and addition. A GPU hides it by its many threads.
const CHAINS: usize = 3;
/// Steps of each chain in a turn of the loop, so that its counting weighs little, and turns.
const STEPS: usize = 8;
const TURNS: usize = 64;
/// Runs of each kernel that the fastest is taken of.
const SAMPLES: usize = 7;

/// What an adapter can do in a second, at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Multiplications and additions on f32, in registers.
    pub flop_per_second: f64,
    /// Bytes read and written of arrays that no cache holds, two read for one written.
    pub bytes_per_second: f64,
}

impl Ceiling {
    /// Measures the device: below a second on a GPU, a few on a software adapter. By the device's
    /// timestamps where it has them, else by the host's clock.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    pub async fn measure_async(gpu: Gpu) -> Result<(Ceiling, Gpu), EngineError> {
        let (stream, bytes) = stream(gpu.buffer_limit());
        let (multiply_add, flop) = multiply_add(gpu.buffer_limit());
        let (seconds, gpu) = fastest_seconds(&stream, gpu).await?;
        let bytes_per_second = bytes as f64 / seconds;
        let (seconds, gpu) = fastest_seconds(&multiply_add, gpu).await?;
        Ok((Ceiling { flop_per_second: flop as f64 / seconds, bytes_per_second }, gpu))
    }

    /// The higher of each rate. What was reached once can be reached, and whatever else a machine does
    /// only slows, so of several measurements the highest is the nearest to the truth.
    pub fn highest(self, other: Ceiling) -> Ceiling {
        Ceiling {
            flop_per_second: self.flop_per_second.max(other.flop_per_second),
            bytes_per_second: self.bytes_per_second.max(other.bytes_per_second),
        }
    }

    /// The least time for this much: moving its bytes or computing, whichever takes longer. What a
    /// cache still holds comes faster than memory, so a pass may take less.
    pub fn seconds(&self, cost: &Cost) -> f64 {
        let computing = cost.flop() as f64 / self.flop_per_second;
        computing.max(cost.bytes() as f64 / self.bytes_per_second)
    }
}

/// How much the kernels do, for a cache to know when that changes.
#[cfg(feature = "cli")]
pub(crate) fn sizes() -> String {
    format!("{STREAM} {THREADS} {CHAINS} {STEPS} {TURNS}")
}

/// One pass that streams, and the bytes that it moves.
fn stream(buffer_limit: u64) -> (Recording, u64) {
    let bytes = STREAM.min(buffer_limit) / 16 * 16;
    let tape = Tape::new();
    let [a, b] = ["a", "b"].map(|name| tape.input(name, &[bytes as usize / 4]));
    let sum = tape.temporary(&a.shape());
    let factor = tape.input("factor", &[2]);
    let count = sum.len() / 4;
    let constants: [Constant; 1] = [("COUNT", count.into())];
    let tensors = [("a", a), ("b", b), ("factor", factor), ("sum", sum)];
    tape.dispatch(&KERNEL, "stream", &constants, &tensors, [count, 1, 1]);
    (tape.finish(), 3 * bytes)
}

/// One pass that multiplies and adds, and how many of both. A thread stores 16 bytes.
fn multiply_add(buffer_limit: u64) -> (Recording, u64) {
    let threads = (THREADS as u64).min(buffer_limit / 16) as usize;
    let tape = Tape::new();
    let sum = tape.temporary(&[threads * 4]);
    let factor = tape.input("factor", &[2]);
    let constants: [Constant; 4] = [
        ("COUNT", threads.into()),
        ("CHAINS", CHAINS.into()),
        ("STEPS", STEPS.into()),
        ("TURNS", TURNS.into()),
    ];
    let tensors = [("factor", factor), ("sum", sum)];
    tape.dispatch(&KERNEL, "multiply_add", &constants, &tensors, [threads, 1, 1]);
    (tape.finish(), 2 * (sum.len() * CHAINS * STEPS * TURNS) as u64)
}

/// How long the recording's one pass takes: the fastest run, since a ceiling is what can be reached
/// and whatever else the machine does only adds to a time.
async fn fastest_seconds(recording: &Recording, gpu: Gpu) -> Result<(f64, Gpu), EngineError> {
    let mut engine = Engine::new(gpu);
    let once = engine.compile(recording)?;
    // Factors for which the chains go to 1: neither large nor small numbers are slow.
    for id in recording.used() {
        if recording.tensor(id).name == "factor" {
            engine.write(id, recording.tensor(id), bytemuck::cast_slice(&[0.5f32, 0.5]));
        }
    }
    engine.warm_up_async(&once).await?;
    let times = engine.seconds_async(&once, SAMPLES).await?;
    let fastest = times.into_iter().fold(f64::INFINITY, f64::min);
    Ok((fastest, engine.into_gpu_async().await?))
}
