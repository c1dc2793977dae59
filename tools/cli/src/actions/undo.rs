//! `counterfoil undo`: proposes to take an executed repair back.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::json;

use super::{Seen, end, execute, under_way};
use crate::access::{Call, help, segment};
use crate::answer::text;
use crate::ask::{confirmed_or, reason};
use crate::client::{Client, Failure, block_on, exit};
use crate::plain::say_json;

/// Takes an executed repair back: writes what was there before, if what the repair wrote is still there
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    note "\nAn undo is an action of its own, judged, approved and recorded like any other. If the promise still\n\
          stands, the difference is open again afterwards: mend the mapping first. An undo that is approved\n\
          already is executed with --execute, not proposed again.",
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
    let api = Client::of(&args.call)?.in_project().await?;
    let mut seen = proposed(&api, args).await?;
    seen.tell(args.call.json);
    let mut agreed = Ok(());
    if args.execute && seen.may_happen() {
        let question = format!("Execute {} exactly as shown?", seen.id());
        let otherwise = format!("{} is not executed", seen.id());
        agreed = confirmed_or(&question, args.yes, &otherwise);
        if agreed.is_ok() {
            seen.action = execute(&api, &seen).await?;
        }
    }
    if args.call.json {
        say_json(&seen.action);
    }
    // What was proposed stands, whatever was answered.
    let ended = end(&seen.action, args.call.json);
    agreed.and(ended)
}

/// The undo that waits to be executed, or a new proposal.
async fn proposed(api: &Client, args: &Undo) -> Result<Seen, Failure> {
    let undone = Seen::read(api, &args.id).await?;
    if let Some(incident) = &undone.incident
        && let Some(seen) = under_way(api, incident).await?
    {
        let of_it = text(&seen.action, "/undo_of") == undone.id();
        return if args.execute && of_it && seen.may_happen() {
            Ok(seen)
        } else {
            Err(seen.is_already())
        };
    }
    let reason = reason(args.reason.as_deref())?;
    let path = format!("/v1/actions/{}/undo", segment(&args.id)?);
    let body = json!({ "reason": reason, "execute_on_approval": args.execute });
    let made = api.change(Method::POST, &path, Some(&body), None).await?;
    Seen::of(api, made.body, made.etag).await
}
