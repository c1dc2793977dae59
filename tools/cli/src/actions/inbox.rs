//! `counterfoil approvals`: what waits for a person, soonest end first.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::Value;

use super::given::given;
use super::ignore::is_ignore;
use super::in_run::does;
use super::show::{next, override_of};
use super::{Seen, change};
use crate::access::{Call, help};
use crate::answer::{items, money, text, texts};
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::table::Table;

/// What waits for approval, soonest end first, what waits for a review, and changes that wait for a second
/// person; with an ACTION exactly what it would change
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    note "\nAn approval is given on what was displayed: look at an action before you approve it.",
    "approvals",
    "approvals act_01KARX6M000000000000000002",
    "approvals --review",
    "approvals --json",
))]
pub(crate) struct Inbox {
    /// One action, whatever its state
    #[arg(value_name = "ACTION")]
    id: Option<String>,
    /// Only uses of break-glass that nobody has reviewed
    #[arg(long, conflicts_with = "id")]
    review: bool,
    #[command(flatten)]
    call: Call,
}

/// Runs the command.
pub(crate) fn approvals(args: &Inbox) -> ExitCode {
    exit(block_on(run(args)))
}

async fn run(args: &Inbox) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    match &args.id {
        Some(id) => one(&api, args, id).await,
        None if args.review => {
            let uses = unreviewed(&api).await?;
            if args.call.json {
                say_json(&uses);
            } else if items(&uses).is_empty() {
                say("Every use of break-glass is reviewed.");
            } else {
                review(&uses);
            }
            Ok(())
        }
        None => all(&api, args).await,
    }
}

/// Uses of break-glass that nobody has reviewed.
async fn unreviewed(api: &Client) -> Result<Value, Failure> {
    let query = [("waits_for", "review")];
    api.pages("/v1/approvals", &query, None, true).await
}

fn review(uses: &Value) {
    for used in items(uses) {
        let broken = override_of(used).unwrap_or_default();
        say(format_args!("{}  {}", shown(text(used, "/id")), does(used)));
        say(format_args!("  the glass was broken {broken}"));
    }
}

async fn one(api: &Client, args: &Inbox, id: &str) -> Result<(), Failure> {
    let seen = match Seen::read(api, id).await {
        Err(error) => {
            let change = change::instead(api, id, error).await?;
            if args.call.json {
                say_json(&change);
            } else {
                say(change::sentence(&change));
            }
            return Ok(());
        }
        Ok(seen) => seen,
    };
    if args.call.json {
        say_json(&seen.action);
        return Ok(());
    }
    for line in seen.story() {
        say(line);
    }
    say(next(&seen.action));
    Ok(())
}

async fn all(api: &Client, args: &Inbox) -> Result<(), Failure> {
    let mut waiting = api.pages("/v1/approvals", &[], None, true).await?;
    let changes = change::waiting(api).await?;
    if args.call.json {
        if let Value::Object(fields) = &mut waiting {
            fields.insert("changes".to_owned(), items(&changes).into());
        }
        say_json(&waiting);
        return Ok(());
    }
    let mut incidents = Vec::new();
    // What a repair is about is being repaired; what an ignore is about is open.
    for (state, ignores) in [("repairing", false), ("open", true)] {
        if items(&waiting).iter().any(|it| is_ignore(it) == ignores) {
            let query = [("state", state), ("limit", "100")];
            let pages = api.pages("/v1/incidents", &query, None, true).await?;
            incidents.extend(items(&pages).to_vec());
        }
    }
    if items(&changes).is_empty() || !items(&waiting).is_empty() {
        table(&waiting, &incidents).print("Nothing waits for approval.");
    }
    review(&unreviewed(api).await?);
    if !items(&waiting).is_empty() {
        say(
            "next: counterfoil approve ACTION, or counterfoil reject ACTION; both show what would change, and ask",
        );
    }
    for it in items(&changes) {
        say(change::sentence(it));
    }
    if !items(&changes).is_empty() {
        say("To say no to one of these, or to take it back: counterfoil reject CHANGE");
    }
    Ok(())
}

fn table(waiting: &Value, incidents: &[Value]) -> Table<8> {
    let known: BTreeMap<&str, &Value> = incidents.iter().map(|it| (text(it, "/id"), it)).collect();
    let mut waiting: Vec<&Value> = items(waiting).iter().collect();
    // Times have one form, so their text has their order.
    waiting.sort_by_key(|it| (text(it, "/expires_at"), text(it, "/id")));
    let head = [
        "action",
        "until",
        "customers",
        "money",
        "what",
        "approvals",
        "proposed by",
        "why",
    ];
    let mut table = Table::new(head);
    for it in waiting {
        let incident = known.get(text(it, "/incident")).copied();
        let customers = incident.map(|it| texts(it, "/customers").join(" "));
        let amount = match incident.map(|it| money(it, "/at_risk")) {
            Some(amount) if !amount.is_empty() => format!("{amount} a month"),
            _ => money(it, "/params/amount"),
        };
        let needed = it.pointer("/decision/approvals").and_then(Value::as_u64);
        let approvals = format!("{} of {}", given(it), needed.unwrap_or_default());
        let what = [
            "/change/table",
            "/change/key",
            "/params/kind",
            "/params/target",
        ];
        let what = if is_ignore(it) {
            does(it)
        } else {
            what.map(|pointer| text(it, pointer)).join(" ")
        };
        let proposer = format!(
            "{} {}",
            text(it, "/proposer/type"),
            text(it, "/proposer/id")
        );
        let why = [text(it, "/reason"), text(it, "/decision/reason")];
        let why = why.into_iter().find(|it| !it.is_empty());
        table.row([
            text(it, "/id"),
            text(it, "/expires_at"),
            &customers.unwrap_or_default(),
            &amount,
            what.trim(),
            &approvals,
            &proposer,
            why.unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::show::tests::held;
    use super::*;

    #[test]
    fn what_ends_first_stands_first_with_its_money() {
        let (mut late, mut soon) = (held(), held());
        late["expires_at"] = json!("2026-12-01T00:00:00.000Z");
        soon["id"] = json!("act_2");
        soon["incident"] = json!("inc_2");
        soon["no_longer_counts"] = json!([{"by": "usr_1", "why": "left"}]);
        let incidents = [json!({ "id": "inc_2", "customers": ["cus_2"],
            "at_risk": {"minor": 4900, "currency": "usd"} })];
        let lines = table(&json!({ "items": [late, soon] }), &incidents).lines();
        assert!(
            lines[1].starts_with("act_2") && lines[1].contains("49.00 USD"),
            "{lines:?}"
        );
        assert!(lines[1].contains("0 of 2"), "{lines:?}");
        assert!(
            lines[2].starts_with("act_1") && lines[2].contains("1 of 2"),
            "{lines:?}"
        );
        assert!(lines[1].contains("cus_2") && lines[1].contains("api_key key_1"));
    }
}
