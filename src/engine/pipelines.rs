//! Pipelines by specialized text and entry point, made on all processors at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use crate::gpu::Gpu;
use crate::kernel::{self, EntryPoint};
use crate::processors::on_all;
use crate::recording::Pass;

/// A pipeline and what naga says of its entry point.
pub(super) struct Ready {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) entry: EntryPoint,
}

/// All that were made so far.
#[derive(Default)]
pub(super) struct Pipelines {
    made: HashMap<String, BTreeMap<&'static str, Ready>>,
}

/// A text to compile: the pass that wants it first, and all entry points wanted.
struct Job<'a> {
    text: String,
    pass: &'a Pass,
    entries: Vec<&'static str>,
}

impl Pipelines {
    /// Makes those that the passes want and are not there yet.
    ///
    /// # Panics
    /// When a WGSL file is wrong or has no such entry point.
    pub(super) fn make<'a>(
        &mut self,
        gpu: &Gpu,
        passes: impl Iterator<Item = (&'a Pass, &'a str)>,
    ) {
        let mut jobs: BTreeMap<&str, Job> = BTreeMap::new();
        for (pass, text) in passes {
            let known = self.made.get(text).is_some_and(|made| made.contains_key(pass.entry));
            if known {
                continue;
            }
            let job = jobs.entry(text).or_insert_with(|| Job {
                text: text.to_string(),
                pass,
                entries: Vec::new(),
            });
            if !job.entries.contains(&pass.entry) {
                job.entries.push(pass.entry);
            }
        }
        gpu.compiled.of.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        let done = on_all(jobs.into_values().collect(), |job| {
            let made = compile(gpu, job);
            gpu.compiled.done.fetch_add(1, Ordering::Relaxed);
            made
        });
        for (text, entries) in done {
            self.made.entry(text).or_default().extend(entries);
        }
    }

    /// # Panics
    /// When it was not made.
    pub(super) fn get(&self, text: &str, entry: &str) -> &Ready {
        &self.made[text][entry]
    }
}

fn compile(gpu: &Gpu, job: Job) -> (String, BTreeMap<&'static str, Ready>) {
    let Job { text, pass, entries } = job;
    let mut known = kernel::reflect(&text)
        .unwrap_or_else(|e| panic!("pass `{}`: its WGSL is wrong: {e}", pass.label()));
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(pass.kernel.name),
        source: wgpu::ShaderSource::Wgsl(text.as_str().into()),
    });
    let made = entries.into_iter().map(|name| {
        let entry = known.remove(name).unwrap_or_else(|| {
            panic!("shaders/{}.wgsl has no entry point {name}", pass.kernel.name)
        });
        let pipeline = gpu.pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&format!("{}.{name}", pass.kernel.name)),
            layout: None,
            module: &module,
            entry_point: Some(name),
            compilation_options: Default::default(),
            cache: None,
        });
        (name, Ready { pipeline, entry })
    });
    let made = made.collect();
    (text, made)
}
