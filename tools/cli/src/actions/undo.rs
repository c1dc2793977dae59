//! `counterfoil undo`: proposes to take an executed repair back.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::json;

use super::ask::{confirmed, reason};
use super::{Seen, end, execute};
use crate::access::{Call, help, segment};
use crate::client::{Client, Failure, block_on, exit};
use crate::plain::say_json;

/// Takes an executed repair back: writes what was there before, if what the repair wrote is still there
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    note "\nAn undo is an action of its own, judged, approved and recorded like any other. If the promise still\n\
          stands, the difference is open again afterwards: mend the mapping first.",
    "undo act_01KARX6M000000000000000005 --reason 'The plan was mapped wrongly'",
    "undo act_01KARX6M000000000000000005 --reason 'The plan was mapped wrongly' --execute",
))]
pub(crate) struct Undo {
    /// Id of the executed action, as `counterfoil approvals` and `counterfoil repair` show it
    #[arg(value_name = "ACTION")]
    id: String,
    /// Why, for whoever approves it: 10 to 1,000 characters
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do it as soon as it may be done
    #[arg(long)]
    execute: bool,
    /// Do not ask before it is executed
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    call: Call,
}

/// Runs the command.
pub(crate) fn undo(args: &Undo) -> ExitCode {
    exit(block_on(run(args)))
}

async fn run(args: &Undo) -> Result<(), Failure> {
    let id = segment(&args.id)?;
    let reason = reason(args.reason.as_deref())?;
    let api = Client::of(&args.call)?.in_project().await?;
    let path = format!("/v1/actions/{id}/undo");
    let body = json!({ "reason": reason, "execute_on_approval": args.execute });
    let made = api.change(Method::POST, &path, Some(&body), None).await?;
    let mut seen = Seen::of(&api, made.body, made.etag).await?;
    seen.tell(args.call.json);
    if args.execute && matches!(seen.state(), "allowed" | "approved") {
        confirmed(
            &format!("Execute {} exactly as shown?", seen.id()),
            args.yes,
        )?;
        seen.action = execute(&api, &seen).await?;
    }
    if args.call.json {
        say_json(&seen.action);
    }
    end(&seen.action, args.call.json)
}
