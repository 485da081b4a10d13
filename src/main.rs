//! The program `inception`: parse, run, print the error, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_vulkan_loader();
    inception::cli::main()
}

/// Without this variable Mesa's Vulkan layers print an error that means nothing to us, as the first
/// line a new user sees.
#[allow(unsafe_code)] // the process has one thread yet, so no one else reads the environment
fn quiet_vulkan_loader() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}
