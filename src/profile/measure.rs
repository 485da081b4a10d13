//! Runs a step or a batch over and over, plainly and timed in turn.

use std::time::Duration;

use web_time::Instant;

use super::{GpuTimes, HostTimes, Part, PassFacts, PassTimes, Times, Total, Wall};
use crate::engine::EngineError;
use crate::timing::{HostClock, Stamps, Timed};
use crate::train::Trainer;

/// How long plain runs go before the first sample, for a GPU's clock to rise.
const WARM_UP: Duration = Duration::from_millis(100);

/// Runs of a training step or of inference.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// The first timed one, where there was one: some drivers compile in it, so it stands apart.
    pub first: Option<Timed>,
    /// Those that only the host's clock times.
    pub plain: Vec<Timed>,
    /// Those whose passes are timed.
    pub profiled: Vec<Timed>,
}

impl Runs {
    /// So many training steps of each kind. `progress` hears of each pair.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only inference was recorded.
    pub async fn of_training_async(
        trainer: &mut Trainer,
        samples: usize,
        progress: impl FnMut(),
    ) -> Result<Runs, EngineError> {
        let (plain, timed) = (Trainer::lone_step_async, Trainer::timed_step_async);
        Self::measure(trainer, plain, timed, samples, progress).await
    }

    /// So many batches of each kind. `progress` hears of each pair.
    ///
    /// # Errors
    /// [`EngineError`] when the device fails.
    ///
    /// # Panics
    /// When only training was recorded.
    pub async fn of_inference_async(
        trainer: &mut Trainer,
        samples: usize,
        progress: impl FnMut(),
    ) -> Result<Runs, EngineError> {
        let (plain, timed) = (Trainer::lone_batch_async, Trainer::timed_batch_async);
        Self::measure(trainer, plain, timed, samples, progress).await
    }

    /// In turn, so that whatever else the machine does meets both alike.
    async fn measure(
        trainer: &mut Trainer,
        plain: impl AsyncFn(&mut Trainer) -> Result<Timed, EngineError>,
        timed: impl AsyncFn(&mut Trainer) -> Result<Timed, EngineError>,
        samples: usize,
        mut progress: impl FnMut(),
    ) -> Result<Runs, EngineError> {
        let stamped = trainer.engine().gpu().has_timestamps();
        let first = timed(trainer).await?;
        let mut runs = Runs { first: stamped.then_some(first), ..Runs::default() };
        let warm = Instant::now();
        while warm.elapsed() < WARM_UP {
            plain(trainer).await?;
            trainer.remaining_losses_async().await?;
        }
        for _ in 0..samples {
            runs.plain.push(plain(trainer).await?);
            trainer.remaining_losses_async().await?;
            if stamped {
                runs.profiled.push(timed(trainer).await?);
                trainer.remaining_losses_async().await?;
            }
            progress();
        }
        Ok(runs)
    }

    fn wall(&self) -> Wall {
        let [plain, profiled] = [middle(&self.plain), middle(&self.profiled)];
        let gpu = profiled.and_then(gpu);
        let [plain, profiled] = [plain, profiled].map(|run| run.map(host));
        let cost = |(plain, profiled): (HostTimes, HostTimes)| profiled.whole / plain.whole;
        Wall { plain, profiled, gpu, timing_cost: plain.zip(profiled).map(cost) }
    }
}

impl Part {
    /// What the runs say of these passes.
    ///
    /// # Panics
    /// When a run was of other passes.
    pub fn new(batch_size: usize, facts: &[PassFacts], runs: &Runs) -> Part {
        let lengths = runs.first.iter().chain(&runs.profiled).map(|timed| timed.passes.len());
        for length in lengths {
            assert_eq!(length, facts.len(), "runs of other passes");
        }
        let pass = |(index, facts): (usize, &PassFacts)| {
            let seconds = |timed: &Timed| timed.passes[index].as_ref().map(Stamps::seconds);
            let all = runs.profiled.len();
            let samples: Vec<f64> = runs.profiled.iter().filter_map(seconds).collect();
            let (good, times) = (samples.len(), Times::of(samples));
            let median = times.map(|times| times.median);
            PassTimes {
                facts: facts.clone(),
                samples: good,
                missing: all - good,
                first: runs.first.as_ref().and_then(seconds),
                median,
                min: times.map(|times| times.min),
                max: times.map(|times| times.max),
                speed: facts.work.speed(median),
            }
        };
        let passes: Vec<PassTimes> = facts.iter().enumerate().map(pass).collect();
        let name = format!("all {} passes", passes.len());
        Part {
            batch_size,
            samples: runs.plain.len().max(runs.profiled.len()),
            modules: Total::by(&passes, |pass| &pass.facts.module),
            directions: Total::by(&passes, |pass| &pass.facts.direction),
            all: Total::of(&name, &passes.iter().collect::<Vec<_>>()),
            wall: runs.wall(),
            passes,
        }
    }
}

/// The run of median length; of an even number the longer one.
fn middle(runs: &[Timed]) -> Option<&Timed> {
    let mut runs: Vec<&Timed> = runs.iter().collect();
    runs.sort_by_key(|run| run.host.done - run.host.begin);
    runs.get(runs.len() / 2).copied()
}

fn host(run: &Timed) -> HostTimes {
    let HostClock { begin, recorded, submitted, done } = run.host;
    HostTimes {
        recording: (recorded - begin).as_secs_f64(),
        submitting: (submitted - recorded).as_secs_f64(),
        waiting: (done - submitted).as_secs_f64(),
        whole: (done - begin).as_secs_f64(),
    }
}

fn gpu(run: &Timed) -> Option<GpuTimes> {
    let stamps = || run.passes.iter().flatten();
    let first = stamps().map(|stamps| stamps.begin).reduce(f64::min)?;
    let last = stamps().map(|stamps| stamps.end).reduce(f64::max)?;
    Some(GpuTimes { busy: last - first, passes: stamps().map(Stamps::seconds).sum() })
}
