//! `counterfoil approve` and `counterfoil reject`: a person's word on exactly what was displayed.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Seen, advised, change, end};
use crate::access::{Call, help, segment};
use crate::answer::text;
use crate::ask::{confirmed, reason};
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};

/// Approves an action, after it has shown what it would change
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    note "\nThe vote binds to what was displayed: where it has changed in the meantime, nothing is approved.\n\
          Whoever proposed an action cannot approve it, and a sign-in must be at most 15 minutes old.",
    "approve act_01KARX6M000000000000000002 --reason 'Checked against the invoice'",
    "approve act_01KARX6M000000000000000002 --reason 'Checked against the invoice' --digest sha256:… --yes",
))]
pub(crate) struct Approve {
    #[command(flatten)]
    vote: Vote,
}

/// Rejects an action, or a change that waits, after it has shown what it would change; one rejection
/// ends it
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    "reject act_01KARX6M000000000000000002 --reason 'The customer has cancelled by mail'",
))]
pub(crate) struct Reject {
    #[command(flatten)]
    vote: Vote,
}

#[derive(Debug, ClapArgs)]
struct Vote {
    /// The action's id, as `counterfoil approvals` shows it
    #[arg(value_name = "ACTION")]
    id: String,
    /// Why: 10 to 1,000 characters; without it, it is asked for at a terminal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only if the action has this digest, which somebody looked at earlier
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    call: Call,
}

/// Runs `approve`.
pub(crate) fn approve(args: &Approve) -> ExitCode {
    exit(block_on(cast(&args.vote, "approve")))
}

/// Runs `reject`.
pub(crate) fn reject(args: &Reject) -> ExitCode {
    exit(block_on(cast(&args.vote, "reject")))
}

async fn cast(args: &Vote, vote: &str) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let seen = match Seen::read(&api, &args.id).await {
        Ok(seen) => seen,
        Err(error) => {
            let found = change::instead(&api, &args.id, error).await?;
            return answer(&api, args, vote, &found).await;
        }
    };
    seen.tell(args.call.json);
    seen.expect(args.digest.as_deref())?;
    if seen.state() != "held" {
        return Err(Failure::refused(format!(
            "{} is {}, and waits for no vote",
            shown(seen.id()),
            shown(seen.state())
        )));
    }
    let reason = reason(args.reason.as_deref())?;
    confirmed(question(vote), args.yes)?;
    let after = send(&api, &seen, vote, &reason).await?;
    if args.call.json {
        say_json(&after);
    }
    end(&after, args.call.json)
}

/// A no to a change that waits; agreeing takes the request that proposed it.
async fn answer(api: &Client, args: &Vote, vote: &str, found: &Value) -> Result<(), Failure> {
    let sentence = change::sentence(found);
    if vote == "approve" {
        return Err(Failure::refused(format!("nothing was sent: {sentence}")));
    }
    if args.call.json {
        eprintln!("{sentence}");
    } else {
        say(sentence);
    }
    let digest = args.digest.as_deref();
    if digest.is_some_and(|digest| digest != text(found, "/digest")) {
        let what = "it has another digest than --digest: look at it, and give its digest";
        return Err(Failure::refused(what));
    }
    let reason = reason(args.reason.as_deref())?;
    confirmed("Reject it?", args.yes)?;
    let ended = change::reject(api, text(found, "/id"), &reason).await?;
    if args.call.json {
        say_json(&ended);
    } else {
        say(format!(
            "{} does not wait any more",
            shown(text(&ended, "/id"))
        ));
    }
    Ok(())
}

fn question(vote: &str) -> &'static str {
    if vote == "approve" {
        "Approve exactly this?"
    } else {
        "Reject it?"
    }
}

async fn send(api: &Client, seen: &Seen, vote: &str, reason: &str) -> Result<Value, Failure> {
    let path = format!("/v1/actions/{}/approvals", segment(seen.id())?);
    let body = json!({ "vote": vote, "reason": reason, "action_digest": seen.digest() });
    let sent = api.change(Method::POST, &path, Some(&body), Some(&seen.etag));
    let sent = sent.await;
    Ok(sent.map_err(|error| advised(error, &seen.action))?.body)
}
