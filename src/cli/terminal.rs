//! What the program says: results on stdout; progress, remarks and warnings on stderr.
//!
//! Colours and progress bars appear on a terminal only, and no colours where the environment has
//! `NO_COLOR` (<https://no-color.org>).

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::Failure;
use crate::checkpoint::atomic;
use crate::foreign::escaped;
use crate::gpu::Gpu;
use crate::report::thousands;

/// Whether `--quiet` was given. The process has one stderr, so this is the process's too.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out remarks and progress from now on, but no warning and no error.
pub(super) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints results on stdout. Whoever reads us may have had enough, as `head` does: that is no
/// failure, and no panic as `println!` would have it.
pub(super) fn print_results(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(cannot_print(&error)))
        }
        _ => Ok(()),
    }
}

/// Prints what there is to say of a file that was written: not behind its content.
pub(super) fn print_of(path: &Path, text: &str) -> Result<(), Failure> {
    match atomic::is_stdout(path) {
        true => {
            say(text);
            Ok(())
        }
        false => print_results(text),
    }
}

/// Why results are not where they were to go.
pub(super) fn cannot_print(why: &std::io::Error) -> String {
    format!("cannot write to stdout: {why}; the results are lost or cut short")
}

/// `1 step`, `20,000 steps`.
pub(super) fn steps(count: u64) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} step{ending}", thousands(count))
}

/// A path as a shell takes it, for commands to copy.
pub(super) fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    // What begins so would be a flag.
    let path = if path.starts_with('-') { format!("./{path}") } else { path };
    let plain = |c: char| c.is_alphanumeric() || "_-./\\:,+=@%".contains(c);
    match cfg!(windows) {
        _ if !path.is_empty() && path.chars().all(|c| plain(c) && (cfg!(windows) || c != '\\')) => {
            path
        }
        true => format!("\"{path}\""),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// A remark on stderr.
pub(super) fn say(line: &str) {
    if !quiet() {
        // Nobody reads stderr any more: no reason to stop.
        let _ = writeln!(std::io::stderr(), "{}", escaped(line));
    }
}

/// A remark on stderr above the progress bar, if there is one.
pub(super) fn say_above(bar: &ProgressBar, line: &str) {
    bar.suspend(|| say(line));
}

/// A warning on stderr, also when all else is quiet.
pub(super) fn warn(message: &str) {
    label("warning", AnsiColor::Yellow, message);
}

/// What went wrong, on stderr.
pub(super) fn error(message: &str) {
    label("error", AnsiColor::Red, message);
}

fn label(label: &str, colour: AnsiColor, message: &str) {
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let message = escaped(message);
    // anstream takes the colours out again where they do not belong.
    let _ = writeln!(anstream::stderr(), "{style}{label}:{style:#} {message}");
}

/// A progress bar on stderr; hidden where stderr is no terminal, and when quiet. Besides indicatif's
/// keys the template may have `{rate}`: how many a second.
pub(super) fn progress_bar(length: u64, template: &str) -> ProgressBar {
    if quiet() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.with_key("rate", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
        let _ = write!(text, "{}/s", short(state.per_sec()));
    });
    ProgressBar::new(length).with_style(style)
}

/// Moves the bar on by itself each so many milliseconds: by a thread, which nobody needs who sees no bar.
pub(super) fn keep_ticking(bar: &ProgressBar, milliseconds: u64) {
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(milliseconds));
    }
}

/// Shows what is being done, and for how long, while it is done: for work that cannot be counted.
pub(super) fn while_saying<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let bar = progress_bar(0, "{spinner} {msg} {elapsed}").with_message(what.to_string());
    keep_ticking(&bar, 100);
    let result = work();
    bar.finish_and_clear();
    result
}

/// Shows how far a network's kernels are compiled while it is prepared on the device.
pub(super) fn while_preparing<T>(gpu: Gpu, work: impl FnOnce(Gpu) -> T) -> T {
    let (compiled, begin) = (gpu.compiled.clone(), Instant::now());
    let now = move || [&compiled.done, &compiled.of].map(|count| count.load(Ordering::Relaxed));
    let before = now();
    let key = move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
        let [done, of] = now();
        let kernels = so_far(done - before[0], of - before[1], begin, thousands);
        let _ = write!(text, "{kernels}");
    };
    let template = "{spinner} preparing the network: kernels {kernels}, {elapsed}";
    let bar = progress_bar(0, template);
    bar.set_style(bar.style().with_key("kernels", key));
    keep_ticking(&bar, 100);
    let result = work(gpu);
    bar.finish_and_clear();
    result
}

/// How far work has come that another's progress bar shows: what is done of all, how fast, and the
/// seconds left.
pub(super) fn so_far(done: u64, of: u64, begin: Instant, show: fn(u64) -> String) -> String {
    let rate = done as f64 / begin.elapsed().as_secs_f64().max(1e-9);
    let (done, of) = (done.min(of), of);
    match done {
        0 => format!("0 of {}", show(of)),
        _ => format!(
            "{} of {} ({}/s, {} s left)",
            show(done),
            show(of),
            show(rate as u64),
            short((of - done) as f64 / rate)
        ),
    }
}

/// A number with a decimal where it is small.
fn short(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { thousands(number.round() as u64) }
}

/// Bytes for people: `1.7 GB`.
pub(super) fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        c if c >= 1e9 => format!("{:.2} GB", c / 1e9),
        c if c >= 1e6 => format!("{:.1} MB", c / 1e6),
        c => format!("{:.1} kB", c / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn paths_are_quoted_where_a_shell_needs_it() {
        for (path, shown) in [
            ("runs/a-1_b.2", "runs/a-1_b.2"),
            ("größer/数字", "größer/数字"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$HOME/`x`;*", "'$HOME/`x`;*'"),
            ("a\\b", "'a\\b'"),
            ("-x", "./-x"),
            ("-x y", "'./-x y'"),
            ("~/x", "'~/x'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), shown);
        }
    }

    #[test]
    fn one_step_is_no_steps() {
        assert_eq!([0, 1, 2, 20_000].map(steps), ["0 steps", "1 step", "2 steps", "20,000 steps"]);
    }
}
