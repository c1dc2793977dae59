//! The `counterfoil` command: the product on a laptop.
#![expect(clippy::print_stderr, reason = "a command speaks through its streams")]

mod access;
mod actions;
mod answer;
mod ask;
mod check;
mod client;
mod connect;
mod database;
mod deletion;
mod demo;
mod doctor;
mod export;
mod failure;
mod flow;
mod incidents;
mod init;
mod key;
mod ledger;
mod login;
mod manual;
mod mapping_file;
mod money;
mod output;
mod place;
mod plain;
mod policy;
mod project;
mod refusal;
mod replay;
mod run;
mod secret;
mod signing_key;
mod table;
mod verify;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
  counterfoil login --api https://api.example.com
  counterfoil doctor

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
    Workspace(workspace::Args),
    Project(project::Args),
    Connect(connect::Args),
    Key(key::Args),
    Flow(flow::Args),
    Incidents(incidents::Args),
    Approvals(actions::Inbox),
    Approve(actions::Approve),
    Reject(actions::Reject),
    Repair(actions::Repair),
    Undo(actions::Undo),
    Override(actions::Override),
    #[command(alias = "runs")]
    Run(run::Args),
    Policy(policy::Args),
    Doctor(doctor::Args),
    Completions(manual::Completions),
    Man(manual::Manual),
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
            Command::Workspace(args) => workspace::main(&args),
            Command::Project(args) => project::main(&args),
            Command::Connect(args) => connect::main(&args),
            Command::Key(args) => key::main(&args),
            Command::Flow(args) => flow::main(&args),
            Command::Incidents(args) => incidents::main(&args),
            Command::Approvals(args) => actions::approvals(&args),
            Command::Approve(args) => actions::approve(&args),
            Command::Reject(args) => actions::reject(&args),
            Command::Repair(args) => actions::repair(&args),
            Command::Undo(args) => actions::undo(&args),
            Command::Override(args) => actions::override_(&args),
            Command::Run(args) => run::main(&args),
            Command::Policy(args) => policy::main(&args),
            Command::Doctor(args) => doctor::main(&args),
            Command::Completions(args) => manual::completions(&args, Cli::command()),
            Command::Man(args) => manual::man(&args, Cli::command()),
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

#[cfg(test)]
mod help {
    use clap::{Command, CommandFactory};

    use super::Cli;

    /// A command and every one below it.
    fn all(command: Command) -> Vec<Command> {
        let below = command.get_subcommands().cloned().flat_map(all);
        let below = below.collect::<Vec<_>>();
        std::iter::once(command).chain(below).collect()
    }

    #[test]
    fn every_command_has_examples_and_says_what_it_does() {
        let commands = all(Cli::command());
        assert!(commands.len() > 30, "{}", commands.len());
        for mut command in commands {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            assert!(help.contains("EXAMPLES:\n  counterfoil"), "{name}: {help}");
            assert!(command.get_about().is_some(), "{name}");
            let status = help.contains("EXIT STATUS:") || name == "counterfoil";
            assert!(status, "{name}");
        }
    }
}
