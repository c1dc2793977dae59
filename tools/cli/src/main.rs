//! The `counterfoil` command: the product on a laptop.
#![expect(clippy::print_stderr, reason = "a command speaks through its streams")]

mod check;
mod client;
mod database;
mod demo;
mod export;
mod init;
mod ledger;
mod login;
mod money;
mod output;
mod replay;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks that every customer has exactly the access that Stripe says they paid for.
#[derive(Debug, Parser)]
#[command(
    name = "counterfoil",
    version,
    arg_required_else_help = true,
    after_help = "EXAMPLES:
  counterfoil demo --once --out out
  counterfoil init --database-url postgres://reader@db.example.com/app --stripe-key rk_live_...
  counterfoil check --config counterfoil.toml --database-url postgres://reader@db.example.com/app --stripe-key rk_live_...
  counterfoil verify out/run.json --key out/key.pem --stream ID

`counterfoil COMMAND --help` has more of them, and what each exit status means."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Box<init::Args>),
    Check(Box<check::Args>),
    Verify(Box<verify::Args>),
    Export(Box<export::Args>),
    Ledger(Box<ledger::Args>),
    Demo(demo::Args),
    Login(Box<login::Login>),
    Logout(login::Logout),
    Whoami(login::Whoami),
}

fn main() -> ExitCode {
    output::end(
        match Cli::parse_from(arguments(std::env::args_os())).command {
            Command::Init(args) => init::main(&args),
            Command::Check(args) => check::main(&args),
            Command::Verify(args) => verify::main(&args),
            Command::Export(args) => export::main(&args),
            Command::Ledger(args) => ledger::main(&args),
            Command::Demo(args) => demo::main(&args),
            Command::Login(args) => login::login(&args),
            Command::Logout(args) => login::logout(&args),
            Command::Whoami(args) => login::whoami(&args),
        },
    )
}

/// `cargo demo -- --once` arrives as `demo -- --once`, because the alias ends in `-- demo`: the second
/// separator is cargo's habit, not the user's wish.
fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut given: Vec<OsString> = given.into_iter().collect();
    let is = |at: usize, text: &str| given.get(at).is_some_and(|argument| argument == text);
    if is(1, "demo") && is(2, "--") {
        given.remove(2);
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_takes_its_options_with_and_without_cargos_separator() {
        for line in [&["c", "demo", "--", "--once"][..], &["c", "demo", "--once"]] {
            let cli = Cli::try_parse_from(arguments(line.iter().map(OsString::from))).unwrap();
            assert!(matches!(cli.command, Command::Demo(_)));
        }
        assert!(Cli::try_parse_from(arguments(["c", "verify", "--"].map(OsString::from))).is_err());
    }
}
