//! What goes wrong with adapters and devices.

use super::Backend;

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// Nothing at all was found.
    #[cfg_attr(target_arch = "wasm32", error("the browser has no GPU adapter for this page"))]
    #[cfg_attr(not(target_arch = "wasm32"), error(
        "no GPU adapter was found{}. On Linux install a Vulkan driver; the software driver needs no GPU: \
         Debian/Ubuntu `apt install mesa-vulkan-drivers libvulkan1`, Fedora `dnf install \
         mesa-vulkan-drivers vulkan-loader`, Arch `pacman -S vulkan-swrast vulkan-icd-loader`. macOS \
         (Metal) and Windows (DirectX 12) have theirs built in; in a virtual machine there update the \
         graphics driver",
        backend.map(|one| format!(" through --backend {one:?}").to_lowercase()).unwrap_or_default()
    ))]
    NoAdapter {
        /// The only interface that was to be tried.
        backend: Option<Backend>,
    },
    /// Some were found, but none as asked for.
    #[error("no adapter fits {wanted}; `inception devices` lists these:\n{found}")]
    NoMatch {
        /// The options that excluded all.
        wanted: String,
        /// One line an adapter.
        found: String,
    },
    /// The driver refused.
    #[error("adapter {adapter} gave no device: {reason}; try another --adapter or --backend")]
    NoDevice {
        /// The adapter's name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
}

/// An error that no call returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The device is gone, with all that it held.
    Lost(String),
    /// It has no memory left.
    Memory,
    /// Anything else, such as a call that is not valid.
    Other(String),
}
