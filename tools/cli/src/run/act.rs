//! Actions of a governed run: proposed, told what became of them, withdrawn.

use clap::{Args as ClapArgs, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::file::reference;
use super::governed::set;
use super::wait::{Patience, decided, may};
use super::{Made, Once, make};
use crate::access::{Call, segment};
use crate::actions::{decision, end};
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::flow::unregistered;
use crate::output::say;
use crate::plain::{say_json, shown};

/// Exit statuses of what asks whether something may be done.
macro_rules! judged {
    ($($example:literal),+ $(,)?) => {
        concat!(
            "EXAMPLES:", $("\n  counterfoil ", $example,)+
            "\n\nWhoever signed in asks, unless COUNTERFOIL_API_KEY (or --key) is set.\n",
            "\nEXIT STATUS:",
            "\n  0  it may be done now",
            "\n  1  the request was refused, or it was begun or done before: the last line says why",
            "\n  2  not known: usage, or the deployment could not be reached",
            "\n  4  it waits for people, and must not be done yet",
            "\n  5  it must not be done: denied, rejected, expired, withdrawn or stale, which is on the record"
        )
    };
}

pub(super) const PROPOSE_HELP: &str = judged!(
    "run propose run_01KARX6M000000000000000003 mail.send --target ticket-77",
    "run propose run_01KARX6M000000000000000003 refund.create --target invoice-1042 --amount 2900 --currency usd --wait",
    "run propose $RUN mail.send --target ticket-77 --seq 3 --idempotency-key ticket-77-3",
);
pub(super) const BEGIN_HELP: &str = judged!("run begin act_01KARX6M000000000000000005");
pub(super) const WAIT_HELP: &str = judged!(
    "run wait act_01KARX6M000000000000000005",
    "run wait act_01KARX6M000000000000000005 --at-most 600",
);

/// The rule that lets what destroys wait for a person, and what no flow has registered.
const DESTRUCTIVE: &str = "base.require.machine-destructive";

/// Asks whether an action may be done; standard output has its id alone
#[derive(Debug, ClapArgs)]
pub(super) struct Propose {
    /// The run's id
    run: String,
    /// What is done, as the flow's registration names it
    kind: String,
    /// What it is done to: an opaque reference, never personal data
    #[arg(long, value_name = "REF")]
    target: Option<String>,
    /// How much money, in minor units: 2900 is 29.00 usd
    #[arg(
        long,
        value_name = "MINOR",
        requires = "currency",
        allow_negative_numbers = true
    )]
    amount: Option<i64>,
    /// In which currency, as Stripe writes it
    #[arg(long, value_name = "CODE", requires = "amount")]
    currency: Option<String>,
    /// Why, for whoever approves it: at most 1,000 characters
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How many actions this run has proposed before
    #[arg(long, value_name = "COUNT")]
    seq: Option<u64>,
    /// Where people have to approve it, wait for them
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    call: Call,
}

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Became {
    Executed,
    Failed,
}

/// Tells what became of an action that was allowed or approved
#[derive(Debug, ClapArgs)]
pub(super) struct Outcome {
    /// The action's id
    id: String,
    /// What became of it
    #[arg(value_enum)]
    became: Became,
    /// What it produced, told by name and digest
    #[arg(long, value_name = "[REF=]FILE")]
    output: Option<String>,
    /// Why it failed: a stable code of your own
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// The digest of what was done, as `propose` showed it; without it, that of the action as it is now
    #[arg(long, value_name = "sha256:…")]
    digest: Option<String>,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    call: Call,
}

/// Says that you begin an action that was allowed or approved: it is judged once more, and is yours
/// alone
#[derive(Debug, ClapArgs)]
pub(super) struct Begin {
    /// The action's id
    id: String,
    /// The digest of what is done, as `propose` showed it; without it, that of the action as it is now
    #[arg(long, value_name = "sha256:…")]
    digest: Option<String>,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    call: Call,
}

/// Withdraws an action that waits, or may be done and is not needed any more; not one that was begun
#[derive(Debug, ClapArgs)]
pub(super) struct Withdraw {
    /// The action's id
    id: String,
    #[command(flatten)]
    call: Call,
}

pub(super) async fn propose(args: &Propose) -> Result<(), Failure> {
    let run = segment(&args.run)?;
    let api = Client::of(&args.call)?.in_project().await?;
    let path = format!("/v1/runs/{run}/actions");
    let made = match make(&api, &path, &proposal(args), &args.once).await? {
        Made::Answered(made) => made,
        Made::Known(id) => {
            let action = api.get(&format!("/v1/actions/{}", segment(&id)?)).await?;
            json!({ "action": action })
        }
    };
    let mut action = made.get("action").cloned().unwrap_or_default();
    eprintln!(
        "{} is {} (digest {})",
        shown(text(&action, "/id")),
        decision(&action),
        shown(text(&action, "/action_digest"))
    );
    let held = text(&action, "/state") == "held";
    let waited = args.wait && held;
    if held
        && text(&action, "/decision/rule") == DESTRUCTIVE
        && let Some(hint) = unregistered(&api, run, &args.kind).await
    {
        eprintln!("{hint}");
    }
    if !args.call.json {
        say(shown(text(&action, "/id")));
    }
    if waited {
        action = decided(api, action, Patience::default()).await?;
    }
    if args.call.json {
        say_json(if waited { &action } else { &made });
    }
    may(&action)
}

fn proposal(args: &Propose) -> Value {
    let mut params = json!({ "kind": args.kind });
    if let (Some(minor), Some(currency)) = (args.amount, &args.currency) {
        let amount = json!({ "minor": minor, "currency": currency });
        set(&mut params, "amount", amount);
    }
    if let Some(target) = &args.target {
        set(&mut params, "target", target.as_str().into());
    }
    let mut body = json!({ "type": "run.action", "params": params });
    if let Some(reason) = &args.reason {
        set(&mut body, "reason", reason.as_str().into());
    }
    if let Some(seq) = args.seq {
        set(&mut body, "seq", seq.into());
    }
    body
}

pub(super) async fn begin(args: &Begin) -> Result<(), Failure> {
    let id = segment(&args.id)?;
    let api = Client::of(&args.call)?.in_project().await?;
    let path = format!("/v1/actions/{id}");
    let digest = known_digest(&api, &path, args.digest.as_ref()).await?;
    let body = json!({ "action_digest": digest });
    let action = match make(&api, &format!("{path}/execute"), &body, &args.once).await {
        Ok(Made::Answered(action)) => action,
        Ok(Made::Known(_)) => api.get(&path).await?,
        Err(Failure::Refused(refused)) if REFUSED_AS_IT_IS.contains(&refused.code.as_str()) => {
            // What it is now says whether it waits, or must not be done.
            may(&api.get(&path).await?)?;
            return Err(Failure::Refused(refused));
        }
        Err(failure) => return Err(failure),
    };
    if args.call.json {
        say_json(&action);
    }
    match text(&action, "/state") {
        "executing" if args.call.json => Ok(()),
        "executing" => end(&action, false),
        _ => may(&action),
    }
}

/// Why an action is not begun that is there: it is in another state, or another one was meant.
const REFUSED_AS_IT_IS: [&str; 4] = ["action-held", "action-stale", "hold-expired", "wrong-state"];

/// The digest that somebody gave, or that of the action as it is now.
async fn known_digest(api: &Client, path: &str, given: Option<&String>) -> Result<String, Failure> {
    match given {
        Some(digest) => Ok(digest.clone()),
        None => Ok(text(&api.get(path).await?, "/action_digest").to_owned()),
    }
}

pub(super) async fn result(args: &Outcome) -> Result<(), Failure> {
    let id = segment(&args.id)?;
    let output = args.output.as_deref().map(reference).transpose()?;
    let api = Client::of(&args.call)?.in_project().await?;
    let action = format!("/v1/actions/{id}");
    let digest = known_digest(&api, &action, args.digest.as_ref()).await?;
    let status = match args.became {
        Became::Executed => "executed",
        Became::Failed => "failed",
    };
    let mut body = json!({ "status": status, "action_digest": digest });
    if let Some(output) = output {
        set(&mut body, "output", output);
    }
    if let Some(code) = &args.error {
        set(&mut body, "error", code.as_str().into());
    }
    let path = format!("{action}/result");
    let told = match make(&api, &path, &body, &args.once).await {
        Ok(Made::Answered(told)) => told,
        Ok(Made::Known(_)) => api.get(&action).await?,
        Err(Failure::Refused(mut refused)) => {
            refused.said.push_str(match refused.code.as_str() {
                "action-held" => "; wait for people first: counterfoil run wait ",
                "wrong-state" | "action-stale" => "; what it is: counterfoil approvals ",
                _ => return Err(Failure::Refused(refused)),
            });
            refused.said.push_str(id);
            return Err(Failure::Refused(refused));
        }
        Err(failure) => return Err(failure),
    };
    if args.call.json {
        say_json(&told);
        return Ok(());
    }
    // That it failed is what was to be told, and it was.
    say(crate::actions::next(&told));
    Ok(())
}

pub(super) async fn withdraw(args: &Withdraw) -> Result<(), Failure> {
    let path = format!("/v1/actions/{}/cancel", segment(&args.id)?);
    let api = Client::of(&args.call)?.in_project().await?;
    let action = api.change(Method::POST, &path, None, None).await?.body;
    if args.call.json {
        say_json(&action);
    }
    end(&action, args.call.json)
}
