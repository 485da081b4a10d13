//! `inception completions` and `inception man`: what shells and `man` want to know of the program.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::outputs::refuse_others;
use super::{Cli, Failure, print_results};
use crate::checkpoint::atomic;

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
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    render(program, &mut pages)?;
    let Some(out) = command.out else {
        let own = pages.last().map(|(_, page)| String::from_utf8_lossy(page));
        return print_results(&own.unwrap_or_default());
    };
    let files = pages.iter().map(|(name, page)| (out.join(name), page));
    for (path, page) in files.clone() {
        // Its name and section; the version follows.
        let title = page.windows(3).position(|three| three == b" 1 ").unwrap_or_default();
        refuse_others(&path, &page[..title], "manual page", "--out")?;
    }
    std::fs::create_dir_all(&out).map_err(|why| {
        Failure::new(format!("cannot make a folder {} for manual pages: {why}", out.display()))
    })?;
    for (path, page) in files {
        atomic::write_named(&path, page)?;
    }
    Ok(())
}

/// Makes the pages of a command's own commands, then its own, by their files' names.
fn render(command: Command, to: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    for own in command.get_subcommands().filter(|own| !own.is_hide_set()) {
        render(own.clone(), to)?;
    }
    let (man, mut page) = (Man::new(command), Vec::new());
    man.render(&mut page)?;
    to.push((man.get_filename(), page));
    Ok(())
}
