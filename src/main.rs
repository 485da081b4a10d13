//! The program `inception`: parse, run, print the error, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    inception::cli::main()
}
