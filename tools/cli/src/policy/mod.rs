//! `counterfoil policy`: a workspace's rules on a laptop: written, checked, tested, explained, signed.
//!
//! Nothing here asks a deployment.

mod check;
mod explain;
mod folder;
mod new;
mod sign;
mod tests;

use std::process::ExitCode;

use anyhow::Error;
use clap::{Args as ClapArgs, Subcommand};

macro_rules! examples {
    ($($line:literal),+) => {
        concat!("EXAMPLES:", $("\n  counterfoil ", $line,)+ "\n\n",
"EXIT STATUS:
  0  done; of `check` and `test`: everything is as it should be
  1  `check`: something is wrong; `test`: a scenario gets another answer than it wants
  2  it could not be found out, for example because a file cannot be read")
    };
}
/// Rules that say what may happen: written, checked, tested and signed on your machine
#[derive(Debug, ClapArgs)]
#[command(after_help = examples!("policy new rules --template four-eyes-live", "policy check rules", "policy test rules"))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = examples!("policy new rules", "policy new rules --template revoke-two", "policy new --list"))]
    New(new::Args),
    #[command(after_help = examples!("policy check rules", "policy check rules --json"))]
    Check(check::Args),
    #[command(after_help = examples!("policy test rules", "policy test rules --json"))]
    Test(tests::Args),
    #[command(after_help = examples!("policy explain rules \"an agent revokes in live\""))]
    Explain(explain::Args),
    #[command(after_help = examples!("policy sign rules --key policy-key.pem --workspace ws_01KARX6M000000000000000003 --version 1"))]
    Sign(sign::Args),
}

/// How a command ended.
enum Ended {
    /// As wanted.
    Good,
    /// Something is wrong, and was said.
    Bad,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    let ended = match &args.what {
        What::New(args) => new::run(args),
        What::Check(args) => check::run(args),
        What::Test(args) => tests::run(args),
        What::Explain(args) => explain::run(args),
        What::Sign(args) => sign::run(args),
    };
    match ended {
        Ok(Ended::Good) => ExitCode::SUCCESS,
        Ok(Ended::Bad) => ExitCode::from(1),
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(2)
}
