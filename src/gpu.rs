//! Adapters and the device: choosing one, asking for its limits, hearing its errors.

mod adapters;
mod error;
mod made;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::adapters::list;
use self::adapters::{adapters, listing, wanted};
pub use self::error::GpuError;
pub(crate) use self::error::Heard;
use self::made::Counts;
pub use self::made::Made;

/// What carries WebGPU here, and its version.
pub const INTERFACE: &str = "wgpu 30.0.1";

/// Lets buffers that shaders use be mapped. On a GPU they would then lie in slower memory.
const HOST_MEMORY: wgpu::Features = wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;

/// Which programming interface to reach the GPU through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Backend {
    /// Linux, Windows, Android; on macOS through MoltenVK.
    Vulkan,
    /// macOS and iOS.
    Metal,
    /// Windows.
    Dx12,
    /// OpenGL ES 3.1 and newer.
    Gl,
}

/// The limits that a device shall have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limits {
    /// All that the adapter offers, with the optional features that the engine knows.
    #[default]
    Adapter,
    /// WebGPU's defaults and no optional feature, as any browser offers them.
    Default,
    /// WebGPU's defaults, but these two lower: to see what becomes of it.
    Lowered {
        /// Bytes of the largest buffer.
        buffer: u64,
        /// Workgroups along an axis.
        workgroups: u32,
    },
}

/// How to choose an adapter.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Only this backend.
    pub backend: Option<Backend>,
    /// Part of the adapter's name, or its number in the list of `inception devices`.
    pub adapter: Option<String>,
    /// Only an adapter that computes on the processor.
    pub software: bool,
    /// The limits to ask for.
    pub limits: Limits,
    /// Refuse to fill more than this share, in per cent, of the memory that the driver says is
    /// there for us. Heeded where the driver says so: Vulkan with `VK_EXT_memory_budget`, DirectX.
    pub memory_percent: Option<u8>,
    /// Do without timestamps, for adapters whose timestamps are wrong: all is timed by the host.
    pub no_timestamps: bool,
    /// Have the driver's own validation look at every call, where it is installed: Vulkan's layer
    /// `VK_LAYER_KHRONOS_validation`, DirectX's debug layer. It reports to the log.
    pub validate: bool,
}

/// What there is to know of an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterFacts {
    /// The hardware's name, or the software renderer's.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `webgpu`, the browser's.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `other`.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
    /// Largest bound storage buffer, bytes.
    pub max_binding: u64,
    /// Largest buffer, bytes.
    pub max_buffer: u64,
    /// Storage buffers of one pass.
    pub max_storage_buffers: u32,
    /// Workgroup memory, bytes.
    pub workgroup_memory: u32,
    /// Threads of a workgroup.
    pub workgroup_threads: u32,
    /// Workgroups along an axis.
    pub max_workgroups: u32,
    /// Smallest and largest subgroup; 0 where it has none.
    pub subgroup: [u32; 2],
    /// Optional features that matter here: `timestamp-query`, `subgroup`, `shader-f16`.
    pub features: Vec<String>,
}

impl AdapterFacts {
    /// Whether it computes on the processor.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// Bytes that one buffer may have and one binding may show: below 4 GiB, whatever the adapter
    /// says, so that shaders can count bytes in a u32 and elements in an i32.
    pub fn buffer_limit(&self) -> u64 {
        self.max_binding.min(self.max_buffer).min(u32::MAX.into()) / 16 * 16
    }
}

/// Shaders compiled on a device since it was opened, of those that were to be.
#[derive(Debug, Default)]
pub struct Compiled {
    /// Those that are.
    pub done: AtomicU64,
    /// Those and what is under way.
    pub of: AtomicU64,
}

/// A device with its queue. Everything else of the crate reaches the GPU through [`crate::engine`].
/// A clone is the same device.
#[derive(Clone)]
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    /// The adapter it came from.
    pub facts: AdapterFacts,
    /// How far its kernels are compiled, for a progress bar.
    pub compiled: Arc<Compiled>,
    /// Errors that no call returned: validation, out of memory, a lost device.
    errors: Arc<Mutex<Vec<Heard>>>,
    /// The driver's words when the device was lost.
    lost: Arc<OnceLock<String>>,
    /// Whether it counts as hanging: see [`Gpu::hang`].
    hangs: Arc<AtomicBool>,
    counts: Arc<Counts>,
}

impl Gpu {
    /// Opens the best adapter that fits: by number or name where asked for, else real GPUs first
    /// and the software adapter last.
    ///
    /// # Errors
    /// [`GpuError`], with what to install or which adapters there are.
    pub async fn open(options: &GpuOptions) -> Result<Gpu, GpuError> {
        let adapters = adapters(options).await;
        if adapters.is_empty() {
            return Err(GpuError::NoAdapter { backend: options.backend });
        }
        let fits = |index: usize, adapter: &wgpu::Adapter| {
            let info = adapter.get_info();
            let software = info.device_type == wgpu::DeviceType::Cpu;
            let named = options.adapter.as_ref().is_none_or(|wanted| {
                wanted.parse() == Ok(index)
                    || info.name.to_lowercase().contains(&wanted.to_lowercase())
            });
            named && (software || !options.software)
        };
        let Some(adapter) = adapters.iter().enumerate().find(|(i, a)| fits(*i, a)) else {
            return Err(GpuError::NoMatch { wanted: wanted(options), found: listing(&adapters) });
        };
        Self::request(adapter.1, options).await
    }

    async fn request(adapter: &wgpu::Adapter, options: &GpuOptions) -> Result<Gpu, GpuError> {
        let facts = facts(adapter);
        let mut optional = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP;
        optional.set(wgpu::Features::TIMESTAMP_QUERY, !options.no_timestamps);
        optional.set(HOST_MEMORY, facts.is_software());
        let (features, limits) = match options.limits {
            Limits::Adapter => (adapter.features() & optional, adapter.limits()),
            Limits::Default => (wgpu::Features::empty(), wgpu::Limits::default()),
            Limits::Lowered { buffer, workgroups } => {
                let lowered = wgpu::Limits {
                    max_buffer_size: buffer,
                    max_storage_buffer_binding_size: buffer,
                    max_compute_workgroups_per_dimension: workgroups,
                    ..wgpu::Limits::default()
                };
                (wgpu::Features::empty(), lowered)
            }
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("inception"),
            required_features: features,
            required_limits: limits,
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let opened = adapter.request_device(&descriptor).await;
        let (device, queue) = opened.map_err(|error| GpuError::NoDevice {
            adapter: facts.name.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self::with_device(device, queue, facts))
    }

    /// A device that validates everything and computes nothing, under WebGPU's default limits: for
    /// tests without a driver.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn noop() -> Gpu {
        let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
        let facts = facts_of(&device.adapter_info(), &device.limits(), device.features());
        Self::with_device(device, queue, facts)
    }

    fn with_device(device: wgpu::Device, queue: wgpu::Queue, mut facts: AdapterFacts) -> Gpu {
        let errors = Arc::new(Mutex::new(Vec::new()));
        let heard = errors.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            note(
                &heard,
                match error {
                    wgpu::Error::OutOfMemory { .. } => Heard::Memory,
                    other => Heard::Other(other.to_string()),
                },
            );
        }));
        let lost = Arc::new(OnceLock::new());
        let (heard, known) = (errors.clone(), lost.clone());
        device.set_device_lost_callback(move |reason, message| {
            // Dropping a device ends it too, and nobody is left to hear.
            let reason = format!("{reason:?} {message}").trim().to_string();
            note(&heard, Heard::Lost(known.get_or_init(|| reason).clone()));
        });
        // What counts from here on is what was granted.
        let limits = device.limits();
        facts.max_binding = limits.max_storage_buffer_binding_size;
        facts.max_buffer = limits.max_buffer_size;
        facts.max_workgroups = limits.max_compute_workgroups_per_dimension;
        let (compiled, counts) = (Arc::default(), Arc::default());
        let hangs = Arc::default();
        Gpu { device, queue, facts, compiled, errors, lost, hangs, counts }
    }

    /// Takes the errors that no call returned so far.
    pub(crate) fn take_errors(&self) -> Vec<Heard> {
        // A lost device is told of in a poll only.
        if let Err(reason) = self.poll(wgpu::PollType::Poll) {
            note(&self.errors, Heard::Lost(reason));
        }
        std::mem::take(&mut *self.errors.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Waits for a submission, or for all. False when that takes longer than `patience`. In a
    /// browser, which lets nobody wait, it returns at once.
    ///
    /// # Errors
    /// The driver's words when the device is lost.
    pub(crate) fn wait(
        &self,
        submission: Option<wgpu::SubmissionIndex>,
        patience: Duration,
    ) -> Result<bool, String> {
        let poll = wgpu::PollType::Wait { submission_index: submission, timeout: Some(patience) };
        let ended = self.poll(poll)?;
        if !ended {
            // Dropping a device waits for its end, and that wait has no timeout: so this one stays.
            std::mem::forget(self.clone());
        }
        Ok(ended)
    }

    fn poll(&self, poll: wgpu::PollType) -> Result<bool, String> {
        if self.hangs.load(Ordering::Relaxed) {
            return Ok(false);
        }
        // Asked again, wgpu frees what a lost device has mapped, and another thread may be reading
        // there.
        if let Some(reason) = self.lost.get() {
            return Err(reason.clone());
        }
        let reason = match poll_device(&self.device, poll) {
            Ok(ended) => return Ok(ended),
            Err(reason) => reason,
        };
        Err(self.lost.get_or_init(|| reason).clone())
    }

    /// Ends the device, as a driver may do at any time: for tests of what happens then.
    pub fn lose(&self) {
        self.lost.get_or_init(|| "it was destroyed".to_string());
        self.device.destroy();
    }

    /// Lets each wait from now on come to its end as if the device did nothing any more: for tests of
    /// what happens then.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }

    /// Smallest and largest subgroup of the device's shaders; zeros where it has none.
    pub fn subgroup(&self) -> [u32; 2] {
        match self.device.features().contains(wgpu::Features::SUBGROUP) {
            true => self.facts.subgroup,
            false => [0; 2],
        }
    }

    /// Whether the device can say when a pass began and ended.
    pub fn has_timestamps(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Whether the device's memory is the host's, so that any buffer may be mapped.
    pub(crate) fn has_host_memory(&self) -> bool {
        self.device.features().contains(HOST_MEMORY)
    }

    /// See [`AdapterFacts::buffer_limit`].
    pub fn buffer_limit(&self) -> u64 {
        self.facts.buffer_limit()
    }
}

fn poll_device(device: &wgpu::Device, poll: wgpu::PollType) -> Result<bool, String> {
    // wgpu panics when the driver says in a wait that the device is lost; nothing else of the device
    // is used after that.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| device.poll(poll))) {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(wgpu::PollError::Timeout)) => Ok(false),
        Ok(Err(other)) => Err(other.to_string()),
        Err(panic) => Err(match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(_) => "it was lost while it computed".to_string(),
        }),
    }
}

fn note(errors: &Mutex<Vec<Heard>>, heard: Heard) {
    log::debug!("{heard:?}");
    errors.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(heard);
}

fn facts(adapter: &wgpu::Adapter) -> AdapterFacts {
    facts_of(&adapter.get_info(), &adapter.limits(), adapter.features())
}

fn facts_of(
    info: &wgpu::AdapterInfo,
    limits: &wgpu::Limits,
    features: wgpu::Features,
) -> AdapterFacts {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let known = [
        (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query"),
        (wgpu::Features::SUBGROUP, "subgroup"),
        (wgpu::Features::SHADER_F16, "shader-f16"),
    ];
    let subgroup = features.contains(wgpu::Features::SUBGROUP);
    AdapterFacts {
        name: match info.name.is_empty() {
            true => "a GPU that the browser does not name".to_string(),
            false => info.name.clone(),
        },
        backend: info.backend.to_string(),
        kind: kind.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        max_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        workgroup_threads: limits.max_compute_invocations_per_workgroup,
        max_workgroups: limits.max_compute_workgroups_per_dimension,
        subgroup: if subgroup { [info.subgroup_min_size, info.subgroup_max_size] } else { [0; 2] },
        features: known
            .iter()
            .filter(|(feature, _)| features.contains(*feature))
            .map(|(_, name)| name.to_string())
            .collect(),
    }
}
