//! `counterfoil repair`: proposes the repair of incidents, each an action of its own, and executes what
//! may happen.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Seen, end, execute, under_way};
use crate::access::{Call, help, segment};
use crate::ask::{confirmed_or, reason};
use crate::client::{Client, Failure, block_on, exit};
use crate::plain::{say_json, shown};

/// Proposes the repair of incidents: what would change, and whether the policy allows, holds or denies it
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    note "\nEach incident is an action of its own: judged, approved and recorded alone, also where several are\n\
          proposed together. --execute does what may be done at once, after it has shown all of it; what is\n\
          held is then executed by its last approval. An action of an incident that is allowed or approved\n\
          already is executed, not proposed again.",
    "repair inc_01KARX6M000000000000000001 --reason 'Webhook lost on Monday, see support'",
    "repair inc_01KARX6M000000000000000001 --reason 'Webhook lost on Monday' --execute",
    "repair inc_01KARX6M000000000000000001 inc_01KARX6M000000000000000004 --reason 'Webhooks lost on Monday'",
))]
pub(crate) struct Repair {
    /// Ids of incidents, as `counterfoil incidents list` shows them
    #[arg(value_name = "INCIDENT", required = true, num_args = 1..=50)]
    ids: Vec<String>,
    /// Why, for whoever approves it: 10 to 1,000 characters
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do it as soon as it may be done
    #[arg(long)]
    execute: bool,
    /// Do not ask before something is executed
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    call: Call,
}

/// What came of one incident.
struct Outcome {
    incident: String,
    came: Result<Seen, Failure>,
}

/// Runs the command.
pub(crate) fn repair(args: &Repair) -> ExitCode {
    exit(block_on(run(args)))
}

async fn run(args: &Repair) -> Result<(), Failure> {
    for id in &args.ids {
        segment(id)?;
    }
    let api = Client::of(&args.call)?.in_project().await?;
    let mut found = Vec::new();
    for id in &args.ids {
        found.push((id, look(&api, id, args.execute).await));
    }
    // One reason for all of them, before anything is sent.
    let new = found.iter().any(|(_, it)| matches!(it, Ok(Found::New(_))));
    let reason = if new {
        reason(args.reason.as_deref())?
    } else {
        String::new()
    };
    let mut outcomes = Vec::new();
    for (id, found) in found {
        let came = match found {
            Ok(Found::Waits(seen)) => Ok(*seen),
            Ok(Found::New(incident)) => propose(&api, id, incident, (&reason, args.execute)).await,
            Err(failure) => Err(failure),
        };
        outcomes.push(Outcome {
            incident: id.clone(),
            came,
        });
    }
    for outcome in &outcomes {
        tell(outcome, args.call.json);
    }
    let agreed = if args.execute {
        do_it(&api, &mut outcomes, args).await
    } else {
        Ok(())
    };
    // What was proposed stands, whatever was answered.
    let answered = answer(outcomes, args.call.json);
    agreed.and(answered)
}

/// What there is of an incident.
enum Found {
    /// Its action, which waits to be executed.
    Waits(Box<Seen>),
    /// Nothing: the incident.
    New(Value),
}

async fn look(api: &Client, id: &str, execute: bool) -> Result<Found, Failure> {
    let incident = api.get(&format!("/v1/incidents/{id}")).await?;
    match under_way(api, &incident).await? {
        None => Ok(Found::New(incident)),
        Some(seen) if execute && seen.may_happen() => Ok(Found::Waits(Box::new(seen))),
        Some(seen) => Err(seen.is_already()),
    }
}

async fn propose(
    api: &Client,
    id: &str,
    incident: Value,
    (reason, execute): (&str, bool),
) -> Result<Seen, Failure> {
    let path = format!("/v1/incidents/{id}/repairs");
    let body = json!({ "reason": reason, "execute_on_approval": execute });
    let made = api.change(Method::POST, &path, Some(&body), None).await?;
    Ok(Seen {
        action: made.body,
        etag: made.etag,
        incident: Some(incident),
    })
}

fn tell(outcome: &Outcome, json: bool) {
    if let Ok(seen) = &outcome.came {
        seen.tell(json);
    }
}

/// Executes what may happen, after one yes to all that was displayed.
async fn do_it(api: &Client, outcomes: &mut [Outcome], args: &Repair) -> Result<(), Failure> {
    let may = |outcome: &Outcome| {
        let seen = outcome.came.as_ref().ok()?;
        let id = seen.id().to_owned();
        seen.may_happen().then_some(id)
    };
    let ids: Vec<String> = outcomes.iter().filter_map(may).collect();
    let (question, otherwise) = match ids.as_slice() {
        [] => return Ok(()),
        [one] => (
            format!("Execute {one} exactly as shown?"),
            format!("{one} is not executed"),
        ),
        several => (
            format!("Execute these {} exactly as shown?", several.len()),
            format!("{} are not executed", several.join(", ")),
        ),
    };
    confirmed_or(&question, args.yes, &otherwise)?;
    for outcome in outcomes {
        if may(outcome).is_none() {
            continue;
        }
        let Ok(seen) = &mut outcome.came else {
            continue;
        };
        match execute(api, seen).await {
            Ok(after) => seen.action = after,
            Err(failure) => outcome.came = Err(failure),
        }
    }
    Ok(())
}

/// The last words: an unknown outcome weighs more than a refusal, and both more than what was done.
fn answer(outcomes: Vec<Outcome>, json: bool) -> Result<(), Failure> {
    if json {
        say_json(&document(&outcomes));
    }
    let several = outcomes.len() > 1;
    let mut refused = 0_usize;
    let mut unknown = None;
    let mut last = None;
    for outcome in outcomes {
        let incident = outcome.incident;
        let ended = outcome.came.and_then(|seen| end(&seen.action, json));
        match ended {
            Ok(()) => continue,
            Err(Failure::Refused(_)) => refused = refused.saturating_add(1),
            Err(_) => unknown = Some(incident.clone()),
        }
        if let Err(failure) = ended {
            if several {
                eprintln!("{}: {failure:#}", shown(&incident));
            }
            last = Some(failure);
        }
    }
    match (last, unknown) {
        (None, _) => Ok(()),
        (Some(failure), _) if !several => Err(failure),
        (Some(_), Some(incident)) => Err(Failure::Unknown(anyhow::anyhow!(
            "what became of {} is not known: counterfoil incidents show {}",
            shown(&incident),
            shown(&incident)
        ))),
        (Some(_), None) => Err(Failure::refused(format!(
            "{refused} of the incidents above; each line says why"
        ))),
    }
}

/// The action; of several incidents, each with its action or why there is none.
fn document(outcomes: &[Outcome]) -> Value {
    let one = |outcome: &Outcome| match &outcome.came {
        Ok(seen) => seen.action.clone(),
        Err(failure) => {
            json!({ "incident": outcome.incident, "error": format!("{failure:#}") })
        }
    };
    match outcomes {
        [outcome] => one(outcome),
        several => json!({ "items": several.iter().map(one).collect::<Vec<_>>() }),
    }
}
