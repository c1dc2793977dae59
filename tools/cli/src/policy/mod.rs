//! `counterfoil policy`: a workspace's rules on a laptop: written, checked, tested, explained, signed;
//! and in a deployment: pushed, tried out, activated, revoked.

mod check;
mod explain;
mod folder;
mod format;
mod impact;
mod new;
mod pull;
mod push;
mod remote;
mod remote_view;
mod sign;
mod solve;
mod solved;
mod tests;
mod votes;

use std::process::ExitCode;

use anyhow::Error;
use clap::{Args as ClapArgs, Subcommand};

use crate::access::help;
use crate::client::{Failure, block_on, exit};

macro_rules! examples {
    ($($line:literal),+) => {
        concat!("EXAMPLES:", $("\n  counterfoil ", $line,)+ "\n\n",
"EXIT STATUS:
  0  done; of `check` and `test`: everything is as it should be
  1  `check`: something is wrong; `test`: a scenario gets another answer than it wants; `sign`: nothing
     was signed, because something is wrong
  2  it could not be found out, for example because a file cannot be read")
    };
}
/// Rules that say what may happen: written, checked, tested and signed on your machine, then pushed and
/// activated by two people
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
    #[command(after_help = examples!("policy check rules", "policy check rules --fix", "policy pull active in-force", "policy check rules --against in-force", "policy check rules --json"))]
    Check(check::Args),
    #[command(after_help = examples!("policy test rules", "policy test rules --json"))]
    Test(tests::Args),
    #[command(after_help = examples!("policy explain rules \"an agent revokes in live\""))]
    Explain(explain::Args),
    #[command(after_help = examples!("policy sign rules --key policy-key.pem --workspace ws_01KARX6M000000000000000003 --version 1"))]
    Sign(sign::Args),
    #[command(after_help = help!("policy status", "policy status --json"))]
    Status(Box<remote::Status>),
    #[command(after_help = help!(
        note "\nIt prints the fingerprint: two owners compare it before the second one confirms.",
        "policy key policy-key.pub",
        "policy key new-key.pub --replaces sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ))]
    Key(Box<remote::Key>),
    #[command(after_help = help!("policy push rules", "policy push rules --json"))]
    Push(Box<push::Args>),
    #[command(after_help = help!(
        note "\nWhat came and is not what the digest names is not written: that ends with 3.\n",
        "policy pull active in-force",
        "policy pull sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 older",
    ))]
    Pull(Box<pull::Args>),
    #[command(after_help = help!(
        "policy impact sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "policy impact sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --from 2026-11-01T00:00:00Z --out impact.json",
    ))]
    Impact(Box<impact::Args>),
    #[command(after_help = help!(
        "policy shadow sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "policy shadow sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 --off",
    ))]
    Shadow(Box<remote::Shadow>),
    #[command(after_help = help!(
        "policy activate sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ))]
    Activate(Box<remote::Activate>),
    #[command(after_help = help!(
        "policy revoke sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ))]
    Revoke(Box<remote::Revoke>),
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
        What::Status(args) => return asked(remote::status(args)),
        What::Key(args) => return asked(remote::key(args)),
        What::Push(args) => return asked(push::run(args)),
        What::Pull(args) => return asked(pull::run(args)),
        What::Impact(args) => return asked(impact::run(args)),
        What::Shadow(args) => return asked(remote::shadow(args)),
        What::Activate(args) => return asked(remote::activate(args)),
        What::Revoke(args) => return asked(remote::revoke(args)),
    };
    match ended {
        Ok(Ended::Good) => ExitCode::SUCCESS,
        Ok(Ended::Bad) => ExitCode::from(1),
        Err(error) => fail(&error),
    }
}

/// A command that asks a deployment.
fn asked(done: impl Future<Output = Result<(), Failure>>) -> ExitCode {
    exit(block_on(done))
}

fn fail(error: &Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(2)
}
