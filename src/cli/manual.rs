//! `inception completions` and `inception man`: what shells and `man` want to know of the program.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure, print_results};

/// Print what a shell needs to complete commands and flags
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    inception completions bash > ~/.local/share/bash-completion/completions/inception\n  \
    inception completions zsh > \"${fpath[1]}/_inception\"\n  \
    inception completions fish > ~/.config/fish/completions/inception.fish\n  \
    inception completions powershell >> $PROFILE")]
pub(super) struct CompletionsCommand {
    /// The shell
    shell: Shell,
}

pub(super) fn completions(command: CompletionsCommand) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "inception", &mut script);
    print_results(&String::from_utf8_lossy(&script))
}

/// Write the manual pages, one a command, or print the program's own
#[derive(Args)]
#[command(after_help = "Examples:\n  inception man | man -l -\n  \
    inception man --out ~/.local/share/man/man1")]
pub(super) struct ManCommand {
    /// Folder for inception.1, inception-train.1 and so on; made if missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn man(command: ManCommand) -> Result<(), Failure> {
    // `inception help` needs no page.
    let program = Cli::command().disable_help_subcommand(true);
    let Some(out) = command.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(program).render(&mut page)?;
        return print_results(&String::from_utf8_lossy(&page));
    };
    let written =
        std::fs::create_dir_all(&out).and_then(|()| clap_mangen::generate_to(program, &out));
    written.map_err(|why| {
        Failure::new(format!("cannot write the manual pages to {}: {why}", out.display()))
    })
}
