//! The log, which is about the program and its parts rather than its results.

use log::Level;

use super::terminal::warn;

/// Begins to log to stderr what `RUST_LOG` says, or else as much as `--verbose` was given. When
/// `checked`, what the driver's validation has to say comes as warnings.
pub(super) fn begin(verbose: u8, checked: bool) {
    let level = match verbose {
        0 if checked => "wgpu_hal=debug",
        0 => "off",
        1 => "inception=debug,wgpu_core=warn,wgpu_hal=warn",
        _ => "debug",
    };
    let chosen = std::env::var_os("RUST_LOG").is_some();
    let mut builder =
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level));
    if checked && verbose == 0 && !chosen {
        builder.format(|_, record| {
            let message = record.args().to_string();
            if message.contains("VALIDATION requested, but unable to find layer") {
                warn(
                    "Vulkan's validation layer is not installed, so the driver's calls are not \
                     validated (Debian and Ubuntu: package vulkan-validationlayers); all else is \
                     checked",
                );
            } else if record.level() <= Level::Warn {
                warn(&format!("the driver's validation: {message}"));
            }
            Ok(())
        });
    }
    builder.init();
}
