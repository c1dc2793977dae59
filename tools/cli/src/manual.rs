//! `counterfoil completions` and `counterfoil man`: what a shell and a reader want to know of the
//! commands, made of the commands themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args as ClapArgs, Command, ValueEnum};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::client::{Failure, exit};
use crate::output::{say, write};

/// Prints completions for a shell
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil completions bash > ~/.local/share/bash-completion/completions/counterfoil
  counterfoil completions zsh > ~/.zfunc/_counterfoil
  counterfoil completions fish > ~/.config/fish/completions/counterfoil.fish

EXIT STATUS:
  0  printed
  2  usage, or it could not be written")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Known,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Prints the manual page, or writes one for every command
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil man | man -l -
  counterfoil man --out ~/.local/share/man/man1

EXIT STATUS:
  0  written
  2  usage, or it could not be written")]
pub(crate) struct Manual {
    /// Write counterfoil.1 and a page for every command into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `completions`.
pub(crate) fn completions(args: &Completions, mut command: Command) -> ExitCode {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut command, "counterfoil", &mut script);
    write(&script);
    ExitCode::SUCCESS
}

/// Runs `man`.
pub(crate) fn man(args: &Manual, mut command: Command) -> ExitCode {
    command.build();
    exit(match &args.out {
        None => page(&command).map(|page| write(&page)),
        Some(folder) => pages(folder, &command).map(say_count),
    })
}

fn say_count(pages: usize) {
    say(format_args!("{pages} pages"));
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let rendered = Man::new(command.clone()).render(&mut page);
    rendered.context("rendering").map_err(Failure::Unknown)?;
    Ok(page)
}

/// A page for a command and for each one below it.
fn pages(folder: &Path, command: &Command) -> Result<usize, Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let file = folder.join(format!("{name}.1"));
    let content = page(command)?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, content))
        .with_context(|| format!("writing {}", file.display()))
        .map_err(Failure::Unknown)?;
    let mut count = 1_usize;
    for below in command.get_subcommands() {
        if below.get_name() != "help" {
            count = count.saturating_add(pages(folder, below)?);
        }
    }
    Ok(count)
}
