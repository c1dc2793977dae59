//! `counterfoil doctor`: looks at everything between this terminal and the project's last scan, and
//! says what to fix. It changes nothing.

mod caller;
mod check;
mod here;
mod project;

use std::process::ExitCode;

use clap::Args as ClapArgs;
use counterfoil_core::ports::Clock;
use counterfoil_lambda::system::SystemClock;
use serde_json::json;

use crate::access::Call;
use crate::client::{Client, Failure, block_on};
use crate::output::say;
use crate::plain::say_json;
use check::{Check, State, status};

/// Looks at everything that a project needs, and says what to fix
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil doctor
  counterfoil doctor --api https://api.example.com --project prj_01KARX6M000000000000000001
  counterfoil doctor --json

One line for each thing: ok, warn (it works, and somebody should look), fail, or unknown (nobody could look). Without a network only
this machine is looked at. Nothing is changed.

EXIT STATUS:
  0  nothing has to be fixed; there may be warnings
  1  something has to be fixed
  2  nothing is known to be wrong, but not everything could be looked at")]
pub(crate) struct Args {
    #[command(flatten)]
    call: Call,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    let checks = block_on(async { Ok::<_, Failure>(all(&args.call).await) });
    let checks = checks.unwrap_or_else(|failure| vec![Check::of("program", &failure)]);
    let status = status(&checks);
    if args.call.json {
        let list: Vec<_> = checks.iter().map(Check::json).collect();
        say_json(&json!({ "checks": list, "exit_status": status }));
    } else {
        for check in &checks {
            say(check.line());
        }
    }
    ExitCode::from(status)
}

async fn all(call: &Call) -> Vec<Check> {
    let mut checks = vec![here::sign_ins()];
    let client = match Client::of(call) {
        Ok(client) => client,
        Err(failure) => {
            let said = failure.to_string();
            let check = Check::new("deployment", State::Fail, said);
            checks.push(check.next("counterfoil login --api URL"));
            return checks;
        }
    };
    checks.push(here::address(client.base()));
    let knocked = here::knock(&client, SystemClock.now()).await;
    let reached = knocked.iter().all(|check| check.state != State::Unknown);
    checks.extend(knocked);
    if !reached {
        let said = "not looked at: sign-in, workspace, project and everything in it";
        checks.push(Check::new("the rest", State::Unknown, said));
        return checks;
    }
    let caller = caller::look(&client, SystemClock.now()).await;
    let known = caller.iter().all(|check| check.state != State::Fail);
    checks.extend(caller);
    if known {
        checks.extend(project::look(&client, SystemClock.now()).await);
    }
    checks
}
