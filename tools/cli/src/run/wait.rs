//! Waits until people have decided about an action.

use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use serde_json::Value;

use crate::access::{Call, segment};
use crate::actions::next;
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::{say_json, shown};

/// How long one request waits, at most what the API takes.
const TURN: u64 = 20;
/// How often it is said that this still waits.
const BETWEEN: Duration = Duration::from_mins(1);
/// Requests in a row that may fail: a wait of hours outlives a restart.
const LOST: u32 = 5;
/// Before another try.
const PAUSE: Duration = Duration::from_secs(5);

/// Waits until people have approved or rejected an action, or its time is over
#[derive(Debug, ClapArgs)]
pub(super) struct Wait {
    /// The action's id
    id: String,
    /// How many seconds at most; without it, as long as the action may be approved
    #[arg(long, value_name = "SECONDS")]
    at_most: Option<u64>,
    #[command(flatten)]
    call: Call,
}

/// How long somebody waits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Patience {
    at_most: Option<Duration>,
}

pub(super) async fn wait(args: &Wait) -> Result<(), Failure> {
    let id = segment(&args.id)?;
    let api = Client::of(&args.call)?.in_project().await?;
    let mut action = api.get(&format!("/v1/actions/{id}")).await?;
    let at_most = args.at_most.map(Duration::from_secs);
    action = decided(api, action, Patience { at_most }).await?;
    if args.call.json {
        say_json(&action);
    }
    let may = may(&action);
    if may.is_ok() && !args.call.json {
        say(next(&action));
    }
    may
}

/// The action when it is not held any more, or when the patience has ended.
pub(super) async fn decided(
    api: Client,
    mut action: Value,
    patience: Patience,
) -> Result<Value, Failure> {
    let api = api.quiet();
    let began = Instant::now();
    let mut told = None;
    let mut lost = 0_u32;
    while text(&action, "/state") == "held" {
        let waited = began.elapsed();
        let left = match patience.at_most {
            Some(at_most) if waited >= at_most => break,
            Some(at_most) => at_most.saturating_sub(waited).as_secs().clamp(1, TURN),
            None => TURN,
        };
        if told.is_none_or(|told: Duration| waited >= told.saturating_add(BETWEEN)) {
            eprintln!("{}", waiting(&action, waited));
            told = Some(waited);
        }
        let path = format!("/v1/actions/{}", segment(text(&action, "/id"))?);
        match api.read(&path, &[("wait", &left.to_string())]).await {
            Ok(answer) => {
                action = answer.body;
                lost = 0;
            }
            Err(Failure::Unknown(error)) => {
                lost = lost.saturating_add(1);
                if lost >= LOST {
                    let id = shown(text(&action, "/id"));
                    let next = format!("it may still wait; look again: counterfoil run wait {id}");
                    return Err(Failure::Unknown(error.context(next)));
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(action)
}

fn waiting(action: &Value, waited: Duration) -> String {
    let since = match waited.as_secs() / 60 {
        0 => String::new(),
        1 => " (for a minute now)".to_owned(),
        minutes => format!(" (for {minutes} minutes now)"),
    };
    format!(
        "waiting{since}, until {} at most: {}",
        shown(text(action, "/expires_at")),
        next(action)
    )
}

/// Whether an action may be done now, as the end of a command.
///
/// # Errors
/// When it must not be done, or waits for people.
pub(super) fn may(action: &Value) -> Result<(), Failure> {
    match text(action, "/state") {
        "allowed" | "approved" => Ok(()),
        "held" => Err(Failure::Waits(format!(
            "{}; then: counterfoil run wait {}",
            next(action),
            shown(text(action, "/id"))
        ))),
        "executing" => Err(Failure::refused(format!(
            "{} was begun already: whoever began it does it",
            shown(text(action, "/id"))
        ))),
        "executed" | "verified" => Err(Failure::refused(format!(
            "{}: not to be done again",
            next(action)
        ))),
        _ => Err(Failure::Denied(next(action))),
    }
}
