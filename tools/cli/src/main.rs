//! The `counterfoil` command: the product on a laptop.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks through its streams"
)]

mod check;
mod demo;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks that every customer has exactly the access that Stripe says they paid for.
#[derive(Debug, Parser)]
#[command(name = "counterfoil", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Box<check::Args>),
    Verify(Box<verify::Args>),
    Demo(demo::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(args) => check::main(&args),
        Command::Verify(args) => verify::main(&args),
        Command::Demo(args) => demo::main(&args),
    }
}
