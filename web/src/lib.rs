//! What the page calls: the library's own functions, with JavaScript's types at the edges. It runs in a
//! worker, so that the page itself never waits.

mod classifier;
mod training;

use inception::gpu::{Gpu, GpuOptions};
use inception::plan::Target;
use inception::selftest;
use wasm_bindgen::prelude::*;

pub use classifier::{Classifier, Look, normalized};
pub use training::Training;

/// The browser's GPU.
#[wasm_bindgen]
pub struct Device(Gpu);

/// Opens it.
///
/// # Errors
/// When the browser has none to give.
#[wasm_bindgen]
pub async fn open() -> Result<Device, JsError> {
    std::panic::set_hook(Box::new(|panic| report(&panic.to_string())));
    Ok(Device(Gpu::open(&GpuOptions::default()).await?))
}

#[wasm_bindgen]
impl Device {
    /// What is known of it, as JSON.
    pub fn facts(&self) -> Result<String, JsError> {
        Ok(serde_json::to_string(&self.0.facts)?)
    }

    /// Whether it says when a pass began and ended.
    pub fn has_timestamps(&self) -> bool {
        self.0.has_timestamps()
    }

    /// Ends it, as a driver may at any time: for tests of what happens then.
    pub fn lose(&self) {
        self.0.lose();
    }

    /// Checks every operation by every kernel that it could get here, and a few training steps whose
    /// losses are known. `progress` is called with how many parts are done, and of how many. JSON, a
    /// list of checks.
    pub async fn selftest(&self, progress: js_sys::Function) -> Result<String, JsError> {
        let done = |done: usize, all: usize| {
            // What it throws is its own affair.
            let _ = progress.call2(&JsValue::NULL, &done.into(), &all.into());
        };
        let checks = selftest::run_async(self.0.clone(), &self.target(), done).await;
        Ok(serde_json::to_string(&checks)?)
    }
}

impl Device {
    fn target(&self) -> Target {
        Target::of(&self.0)
    }
}

#[wasm_bindgen]
extern "C" {
    /// Says it on the browser's console.
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn report(text: &str);
}
