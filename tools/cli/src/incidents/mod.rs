//! `counterfoil incidents`: differences with a life, listed, told, ignored for a time, opened again.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use counterfoil_core::ports::Clock;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::system::SystemClock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::access::{Call, help, segment};
use crate::actions::{end, is_ignore};
use crate::answer::{items, money, text, texts, words};
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Days that `--days` may ask for at most (docs/incidents.md).
const LONGEST_DAYS: u64 = 180;

/// Differences between what Stripe promises and what the app gives
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    "incidents list",
    "incidents list --state open --sort=-at_risk --limit 20",
    "incidents show inc_01KARX6M000000000000000001",
))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = help!(
        note "\nOne page is printed; --all prints every page, --cursor the one that the last page named.",
        "incidents list --state open --sort=-at_risk",
        "incidents list --customer cus_NffrFeUfNV2Hib",
        "incidents list --all --json > incidents.json",
    ))]
    List(List),
    #[command(after_help = help!("incidents show inc_01KARX6M000000000000000001"))]
    Show(Show),
    #[command(after_help = help!(
        "incidents ignore inc_01KARX6M000000000000000001 --days 30 --reason 'Paid by bank transfer until December'",
        "incidents ignore inc_01KARX6M000000000000000001 --until 2026-12-31T00:00:00Z --reason 'Paid by bank transfer'",
    ))]
    Ignore(Ignore),
    #[command(after_help = help!(
        "incidents reopen inc_01KARX6M000000000000000001 --reason 'The bank transfer did not come'",
    ))]
    Reopen(Reopen),
    #[command(after_help = help!(
        "incidents acknowledge inc_01KARX6M000000000000000001 --reason 'The price change of Monday'",
    ))]
    Acknowledge(Acknowledge),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Open,
    Repairing,
    Ignored,
    Resolved,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sort {
    /// Newest first
    #[value(name = "-opened_at")]
    Newest,
    /// Oldest first
    #[value(name = "opened_at")]
    Oldest,
    /// Most money first
    #[value(name = "-at_risk")]
    Dearest,
    /// Least money first
    #[value(name = "at_risk")]
    Cheapest,
}

/// Lists incidents
#[derive(Debug, ClapArgs)]
struct List {
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those of this kind, such as `paid_without_access`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those of this Stripe customer
    #[arg(long, value_name = "CUSTOMER")]
    customer: Option<String>,
    /// The order; newest first without it
    #[arg(long, value_enum, allow_hyphen_values = true)]
    sort: Option<Sort>,
    /// How many a page has, 1 to 100
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: Option<u8>,
    /// The page that another one named as the next
    #[arg(long, value_name = "CURSOR", conflicts_with = "all")]
    cursor: Option<String>,
    /// Every page
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    call: Call,
}

/// Tells one incident
#[derive(Debug, ClapArgs)]
struct Show {
    /// The incident's id
    id: String,
    #[command(flatten)]
    call: Call,
}

/// Ignores an incident for a time; after it, it is open again
#[derive(Debug, ClapArgs)]
struct Ignore {
    /// The incident's id
    id: String,
    /// Until this moment, UTC, RFC 3339, at most 180 days away
    #[arg(long, value_name = "TIME", required_unless_present = "days")]
    until: Option<String>,
    /// For this many days, 1 to 180
    #[arg(long, value_name = "DAYS", conflicts_with = "until", value_parser = clap::value_parser!(u64).range(1..=LONGEST_DAYS))]
    days: Option<u64>,
    /// Why, for whoever meets it later: 10 to 1,000 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    call: Call,
}

/// Opens an ignored incident again
#[derive(Debug, ClapArgs)]
struct Reopen {
    /// The incident's id
    id: String,
    /// Why: 10 to 1,000 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    call: Call,
}

/// Takes a mass drift for real, so that repairs of its differences may be proposed
#[derive(Debug, ClapArgs)]
struct Acknowledge {
    /// The incident's id
    id: String,
    /// Why: 10 to 1,000 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    call: Call,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    exit(block_on(run(&args.what)))
}

async fn run(what: &What) -> Result<(), Failure> {
    match what {
        What::List(args) => list(args).await,
        What::Show(args) => show(args).await,
        What::Ignore(args) => {
            let body = json!({ "until": until(args), "reason": args.reason });
            act(&args.call, &args.id, "ignore", &body).await
        }
        What::Reopen(args) => {
            let body = json!({ "reason": args.reason });
            act(&args.call, &args.id, "reopen", &body).await
        }
        What::Acknowledge(args) => {
            let body = json!({ "reason": args.reason });
            act(&args.call, &args.id, "acknowledge", &body).await
        }
    }
}

fn until(args: &Ignore) -> String {
    let day = std::time::Duration::from_hours(24);
    match (&args.until, args.days) {
        (None, Some(days)) => {
            let time = day.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX));
            // Whole seconds, and not a moment past the limit.
            let until = SystemClock.now().plus(time);
            Timestamp::from_secs(until.as_secs().saturating_sub(60)).to_string()
        }
        (given, _) => given.clone().unwrap_or_default(),
    }
}

async fn list(args: &List) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let limit = args.limit.map(|limit| limit.to_string());
    let state = args.state.map(|it| value_name(&it));
    let sort = args.sort.map(|it| value_name(&it));
    let given = [
        ("state", state.as_deref()),
        ("kind", args.kind.as_deref()),
        ("customer", args.customer.as_deref()),
        ("sort", sort.as_deref()),
        ("limit", limit.as_deref()),
    ];
    let query: Vec<(&str, &str)> = given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let pages = api
        .pages("/v1/incidents", &query, args.cursor.as_deref(), args.all)
        .await?;
    if args.call.json {
        say_json(&pages);
        return Ok(());
    }
    table(&pages);
    let next = text(&pages, "/next_cursor");
    if !next.is_empty() {
        eprintln!("there are more: --all, or --cursor {}", shown(next));
    }
    Ok(())
}

fn value_name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map(|it| it.get_name().to_owned()).unwrap_or_default()
}

fn table(pages: &Value) {
    let head = [
        "incident",
        "state",
        "what differs",
        "customers",
        "a month",
        "opened",
    ];
    let mut table = Table::new(head);
    for it in items(pages) {
        table.row([
            text(it, "/id"),
            text(it, "/state"),
            &words(text(it, "/kind")),
            &texts(it, "/customers").join(" "),
            &money(it, "/at_risk"),
            text(it, "/opened_at"),
        ]);
    }
    table.print("No incident fits.");
}

async fn show(args: &Show) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let found = api
        .get(&format!("/v1/incidents/{}", segment(&args.id)?))
        .await?;
    answer(&args.call, &found);
    Ok(())
}

async fn act(call: &Call, id: &str, act: &str, body: &Value) -> Result<(), Failure> {
    let api = Client::of(call)?.in_project().await?;
    let path = format!("/v1/incidents/{}/{act}", segment(id)?);
    let done = api.change(Method::POST, &path, Some(body), None).await?;
    // What people have to approve first comes back as the action that waits for them.
    if is_ignore(&done.body) {
        if call.json {
            say_json(&done.body);
        }
        return end(&done.body, call.json);
    }
    answer(call, &done.body);
    Ok(())
}

fn answer(call: &Call, incident: &Value) {
    if call.json {
        say_json(incident);
        return;
    }
    for line in story(incident) {
        say(line);
    }
}

/// An incident in sentences.
fn story(incident: &Value) -> Vec<String> {
    let at = |pointer| shown(text(incident, pointer));
    let customers = texts(incident, "/customers").join(", ");
    let mut lines = vec![format!(
        "{} is {}: {}",
        at("/id"),
        at("/state"),
        words(&at("/kind"))
    )];
    if !customers.is_empty() {
        lines.push(format!("  customers  {}", shown(&customers)));
    }
    lines.push(format!("  promised   {}", at("/promised")));
    lines.push(format!("  granted    {}", at("/granted")));
    lines.push(match money(incident, "/at_risk").as_str() {
        "" => "  money      no amount is known".to_owned(),
        amount => format!("  money      {} a month, at least", shown(amount)),
    });
    lines.push(format!("  rule       {}", at("/rule")));
    lines.push(format!(
        "  opened     {} by {}",
        at("/opened_at"),
        at("/opened_by")
    ));
    lines.push(format!(
        "  last seen  {} by {}",
        at("/seen_at"),
        at("/seen_by")
    ));
    let says = |name: &str, said: bool| incident.get(name) == Some(&Value::Bool(said));
    if at("/state") != "resolved" && says("confirmed", false) && says("repairable", true) {
        lines.push(
            "  confirmed  not yet: one look has seen it, and nothing repairs it before a second one has".to_owned(),
        );
    }
    if incident.get("ignored").is_some_and(Value::is_object) {
        lines.push(format!(
            "  ignored    by {} until {}: {}",
            at("/ignored/by"),
            at("/ignored/until"),
            at("/ignored/reason")
        ));
    }
    if incident.get("acknowledged").is_some_and(Value::is_object) {
        let (by, when) = (at("/acknowledged/by"), at("/acknowledged/at"));
        lines.push(format!("  taken for real by {by} at {when}"));
    }
    if !at("/resolved_at").is_empty() {
        // One that came back keeps when it was.
        let again = if at("/state") == "resolved" {
            ""
        } else {
            ", and open again since"
        };
        lines.push(format!("  resolved   {}{again}", at("/resolved_at")));
    }
    if !at("/action").is_empty() {
        lines.push(format!("  repair     {}", at("/action")));
    }
    if incident.get("repairable") == Some(&Value::Bool(false)) {
        lines.push("  no repair can be proposed for it".to_owned());
    }
    if let Some(customer) = texts(incident, "/customers").first() {
        lines.push(format!("next: counterfoil ledger {}", shown(customer)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_told_in_words_and_money() {
        let incident = json!({
            "id": "inc_1", "state": "ignored", "kind": "paid_without_access", "customers": ["cus_1"],
            "promised": "plan pro", "granted": "plan fr\u{1b}ee", "rule": "price", "repairable": false,
            "at_risk": {"minor": 2900, "currency": "usd"}, "opened_at": "2026-11-23T00:00:00Z", "opened_by": "run_1",
            "seen_at": "2026-11-24T00:00:00Z", "seen_by": "run_2", "resolved_at": null, "action": null,
            "ignored": {"by": "usr_1", "at": "2026-11-24T00:00:00Z", "until": "2026-12-01T00:00:00Z", "reason": "a\nb"},
        });
        let mut once = incident.clone();
        once["confirmed"] = json!(false);
        once["repairable"] = json!(true);
        assert!(
            story(&once)
                .join("\n")
                .contains("confirmed  not yet: one look")
        );
        let story = story(&incident).join("\n");
        assert!(!story.contains("confirmed"));
        for said in [
            "inc_1 is ignored: paid without access",
            "29.00 USD a month, at least",
            "granted    plan fr\\u{1b}ee",
            "until 2026-12-01T00:00:00Z: a\\nb",
            "no repair can be proposed",
            "next: counterfoil ledger cus_1",
        ] {
            assert!(story.contains(said), "{said}: {story}");
        }
    }
}
