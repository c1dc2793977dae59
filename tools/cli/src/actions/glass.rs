//! `counterfoil override`: an owner takes the place of approvals that are missing, and another person
//! looks at it afterwards (docs/incidents.md).

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::{Seen, advised, end, override_of};
use crate::access::{Call, help, segment};
use crate::ask::{confirmed, reason, reason_of};
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};

/// Takes the place of missing approvals, as an owner whom nobody else answers; or reviews that
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = help!(
        note "\nFor owners who signed in within 5 minutes with a second factor. What the policy denies stays denied.\n\
              The record shows it for ever, and another person reviews it within 7 days.\n",
        "override act_01KARX6M000000000000000002 --reason 'Nobody else answers, they are locked out' --ticket OPS-1042",
        "override review act_01KARX6M000000000000000002 --reason 'The customer was locked out'",
    )
)]
pub(crate) struct Override {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    glass: Glass,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = help!(
        note "\nFor another auditor, admin or owner than the one who used it. `counterfoil approvals --review` lists\n\
              what waits for it; while one is overdue, nobody breaks the glass.\n",
        "override review act_01KARX6M000000000000000002 --reason 'The customer was locked out'",
    ))]
    Review(Review),
}

#[derive(Debug, ClapArgs)]
struct Glass {
    /// The action's id, as `counterfoil approvals` shows it
    #[arg(value_name = "ACTION", required = true)]
    id: Option<String>,
    /// Why: 20 to 1,000 characters; without it, it is asked for at a terminal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Where it is written down: a reference, which stays on the record for ever
    #[arg(long, value_name = "REF", required = true)]
    ticket: Option<String>,
    /// Only if the action has this digest, which somebody looked at earlier
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    call: Call,
}

/// Says that somebody else has looked at a use of break-glass
#[derive(Debug, ClapArgs)]
struct Review {
    /// The action's id
    #[arg(value_name = "ACTION")]
    id: String,
    /// What you say of it: 10 to 1,000 characters; without it, it is asked for at a terminal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    call: Call,
}

/// Runs the command.
pub(crate) fn override_(args: &Override) -> ExitCode {
    exit(block_on(async {
        match &args.what {
            Some(What::Review(args)) => review(args).await,
            None => break_glass(&args.glass).await,
        }
    }))
}

async fn break_glass(args: &Glass) -> Result<(), Failure> {
    let id = args.id.as_deref().unwrap_or_default();
    let api = Client::of(&args.call)?.in_project().await?;
    let seen = Seen::read(&api, id).await?;
    seen.tell(args.call.json);
    seen.expect(args.digest.as_deref())?;
    if seen.state() != "held" {
        let state = shown(seen.state());
        return Err(Failure::refused(format!(
            "{} is {state}, and waits for no approval",
            shown(seen.id())
        )));
    }
    let reason = reason_of(args.reason.as_deref(), 20)?;
    let question =
        "Take the place of the approvals that are missing? It stays on the record for ever.";
    confirmed(question, args.yes)?;
    let path = format!("/v1/actions/{}/override", segment(seen.id())?);
    let body = json!({ "reason": reason, "ticket": args.ticket, "action_digest": seen.digest() });
    let sent = api.change(Method::POST, &path, Some(&body), Some(&seen.etag));
    let sent = sent.await.map_err(|error| advised(error, &seen.action))?;
    if args.call.json {
        say_json(&sent.body);
    } else {
        say(format_args!(
            "the glass is broken; another person reviews it within 7 days: counterfoil override review {}",
            shown(seen.id())
        ));
    }
    end(&sent.body, args.call.json)
}

async fn review(args: &Review) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let seen = Seen::read(&api, &args.id).await?;
    seen.tell(args.call.json);
    let reason = reason(args.reason.as_deref())?;
    let path = format!("/v1/actions/{}/override/review", segment(seen.id())?);
    let body = json!({ "reason": reason });
    let sent = api.change(Method::POST, &path, Some(&body), None).await?;
    if args.call.json {
        say_json(&sent.body);
        return Ok(());
    }
    let said = override_of(&sent.body).unwrap_or_default();
    say(format_args!(
        "{} is reviewed: the glass was broken {said}",
        shown(seen.id())
    ));
    Ok(())
}
