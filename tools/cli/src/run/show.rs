//! What a run recorded; of a governed run each action with its decision, in sentences.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::access::{Call, segment};
use crate::actions::{approvers, decision, does, next, override_of};
use crate::answer::{text, texts, words};
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Actions that are told where nobody asks for more.
const FEW: usize = 50;
/// Requests at once.
const AT_ONCE: usize = 8;
/// How long nothing is said about reading.
const QUIET: Duration = Duration::from_secs(2);

/// Tells what a run recorded: of a governed run each action, what was decided about it, and why
#[derive(Debug, ClapArgs)]
pub(super) struct Show {
    /// The run's id
    id: String,
    /// Every action, not the latest 50
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    call: Call,
}

pub(super) async fn show(args: &Show) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let mut run = api.get(&format!("/v1/runs/{}", segment(&args.id)?)).await?;
    let entries = run.get("entries").and_then(Value::as_array).cloned();
    let entries = entries.unwrap_or_default();
    if run.get("governed").is_none_or(Value::is_null) {
        if args.call.json {
            say_json(&run);
        } else {
            recorded(&run, &entries);
        }
        return Ok(());
    }
    let few = if args.all { usize::MAX } else { FEW };
    let read = Read::of(api, &entries, few).await?;
    if args.call.json {
        let more = [
            ("actions", read.actions.into()),
            ("governance", read.standing.into()),
        ];
        if let Some(fields) = run.as_object_mut() {
            fields.extend(more.map(|(name, value): (&str, Value)| (name.to_owned(), value)));
        }
        say_json(&run);
        return Ok(());
    }
    for line in story(&run, &read) {
        say(line);
    }
    Ok(())
}

/// A run that is nobody's agent: its entries.
fn recorded(run: &Value, entries: &[Value]) {
    let closed = run.get("closed") == Some(&Value::Bool(true));
    say(format_args!(
        "{} is {}; it has {} entries",
        shown(text(run, "/id")),
        if closed { "closed" } else { "open" },
        entries.len()
    ));
    let mut table = Table::new(["entry", "at", "what", "contents"]);
    for entry in entries {
        let seq = number(entry, "/seq").to_string();
        let contents = match entry.pointer("/erased_by").and_then(Value::as_u64) {
            Some(by) => format!("erased, see entry {by}"),
            None => "kept".to_owned(),
        };
        table.row([&seq, text(entry, "/at"), text(entry, "/kind"), &contents]);
    }
    table.print("");
    if closed {
        say(package(run));
    }
}

fn package(run: &Value) -> String {
    format!(
        "next: counterfoil export --run {} --out run.json   what an auditor verifies",
        shown(text(run, "/id"))
    )
}

/// What is read besides the run.
struct Read {
    /// Oldest first.
    actions: Vec<Value>,
    /// Actions that were not read.
    more: usize,
    /// As docs/evidence-format.md section 9 names it; empty while the run is open.
    standing: &'static str,
}

impl Read {
    async fn of(api: Client, entries: &[Value], few: usize) -> Result<Self, Failure> {
        let of = |kind: &str| {
            let of = entries.iter().filter(|entry| text(entry, "/kind") == kind);
            let seqs = of.map(|entry| number(entry, "/seq"));
            seqs.collect::<Vec<u64>>()
        };
        let decisions = of("run.decision");
        let more = decisions.len().saturating_sub(few);
        let latest = decisions.get(more..).unwrap_or_default();
        let api = Arc::new(api.quiet());
        let path = |seq: &u64| format!("/v1/entries/{seq}");
        let mut asked: Vec<String> = latest.iter().map(path).collect();
        let closes = of("run.close");
        asked.extend(closes.iter().map(path));
        let mut read = all(&api, "decisions", &asked).await?;
        let close = read.split_off(latest.len()).pop();
        let (begun, done) = (of("repair.started"), of("repair.executed"));
        let no_result = if begun.len() > done.len() {
            let results: Vec<u64> = done.into_iter().chain(of("repair.failed")).collect();
            let asked: Vec<String> = begun.iter().chain(&results).map(path).collect();
            let mut read = all(&api, "repairs", &asked).await?;
            let results = read.split_off(begun.len());
            has_no_result(&read, &results)
        } else {
            false
        };
        let mut known = BTreeSet::new();
        let acts = read.iter().map(|entry| text(entry, "/facts/act"));
        let acts: Vec<&str> = acts
            .filter(|it| !it.is_empty() && known.insert(*it))
            .collect();
        let path = |act: &&str| Ok(format!("/v1/actions/{}", segment(act)?));
        let asked: Result<Vec<String>, Failure> = acts.iter().map(path).collect();
        Ok(Self {
            actions: all(&api, "actions", &asked?).await?,
            more,
            standing: close.map_or("", |close| standing(&close, no_result)),
        })
    }
}

/// Reads records side by side, in their order.
async fn all(api: &Arc<Client>, what: &str, paths: &[String]) -> Result<Vec<Value>, Failure> {
    let mut told = Instant::now();
    let mut read = Vec::with_capacity(paths.len());
    for some in paths.chunks(AT_ONCE) {
        let mut asked = JoinSet::new();
        for (number, path) in some.iter().enumerate() {
            let (api, path) = (api.clone(), path.clone());
            asked.spawn(async move { (number, api.get(&path).await) });
        }
        let mut came = Vec::with_capacity(some.len());
        while let Some(one) = asked.join_next().await {
            let (number, one) = one.map_err(|error| Failure::Unknown(error.into()))?;
            came.push((number, one?));
        }
        came.sort_by_key(|(number, _)| *number);
        read.extend(came.into_iter().map(|(_, one)| one));
        if told.elapsed() > QUIET {
            eprintln!("reading {what}: {} of {}", read.len(), paths.len());
            told = Instant::now();
        }
    }
    Ok(read)
}

/// Whether of something that was begun nobody recorded what became of it.
fn has_no_result(begun: &[Value], results: &[Value]) -> bool {
    let known = |act: &str| {
        results
            .iter()
            .any(|result| text(result, "/facts/act") == act)
    };
    begun.iter().any(|begun| !known(text(begun, "/facts/act")))
}

/// The governance result of a closed run, by the rule of the verifier.
fn standing(close: &Value, no_result: bool) -> &'static str {
    if close.get("facts").is_none_or(Value::is_null) {
        "unknown"
    } else if number(close, "/facts/overrides") > 0 {
        "overridden"
    } else if number(close, "/facts/unresolved") > 0 || no_result {
        "unresolved"
    } else {
        "clean"
    }
}

fn story(run: &Value, read: &Read) -> Vec<String> {
    let governed = run.get("governed").cloned().unwrap_or_default();
    let at = |pointer| shown(text(&governed, pointer));
    let count = |name: &str| number(&governed, &format!("/counts/{name}"));
    let mut lines = vec![format!(
        "{} of {} is {}{}",
        at("/id"),
        at("/flow/id"),
        words(&at("/state")),
        because(&governed)
    )];
    lines.push(format!("  opened     {}", at("/opened_at")));
    if !at("/closed_at").is_empty() {
        lines.push(format!("  closed     {}", at("/closed_at")));
    }
    lines.push(format!(
        "  program    {} ({})",
        at("/flow/version_sha256"),
        at("/flow/kind")
    ));
    if !at("/output/ref").is_empty() {
        let output = format!("{} {}", at("/output/ref"), at("/output/sha256"));
        lines.push(format!("  output     {output}"));
    }
    lines.push(format!(
        "  decisions  {}: {} allowed, {} held for people, {} denied",
        count("decisions"),
        count("allow"),
        count("require"),
        count("deny")
    ));
    lines.push(format!("  governance {}", governance(&governed, read)));
    if read.more > 0 {
        lines.push(format!(
            "{} earlier decisions: --all tells them too",
            read.more
        ));
    }
    for action in &read.actions {
        lines.extend(told(action));
    }
    if text(&governed, "/state") == "open" {
        lines.push(open(&governed, &read.actions));
    } else {
        lines.push(package(run));
    }
    lines
}

fn because(governed: &Value) -> String {
    match text(governed, "/failure") {
        "" => String::new(),
        code => format!(" ({})", words(&shown(code))),
    }
}

/// What the governance result means.
fn governance(governed: &Value, read: &Read) -> String {
    let count = |name: &str| number(governed, &format!("/counts/{name}"));
    match read.standing {
        "clean" => "clean: every decision is resolved, and nobody overrode one".to_owned(),
        "overridden" => "overridden: an owner took the place of missing approvals".to_owned(),
        "unresolved" => {
            "unresolved: it ended with a decision that nobody resolved, or with an effect of \
                         which nobody knows whether it happened"
                .to_owned()
        }
        "unknown" => "unknown: what says it is not kept any more".to_owned(),
        _ => format!(
            "known when the run has ended; now {} wait for people, and {} may be done and are not told",
            count("held"),
            count("in_hand")
        ),
    }
}

/// One action in two lines.
fn told(action: &Value) -> [String; 2] {
    let state = words(&shown(text(action, "/state")));
    let failure = match text(action, "/failure") {
        "" => String::new(),
        code => format!(" ({})", shown(code)),
    };
    let approved = match approvers(action).as_slice() {
        [] => String::new(),
        people => format!("; approved by {}", people.join(", ")),
    };
    let overridden = override_of(action)
        .map(|said| format!("; the glass was broken {said}"))
        .unwrap_or_default();
    [
        format!(
            "{}  {}: {state}{failure}",
            shown(text(action, "/id")),
            does(action)
        ),
        format!("  {}{approved}{overridden}", decision(action)),
    ]
}

/// The next command of an open run: what its oldest action that is not done needs, one that waits for
/// people first.
fn open(governed: &Value, actions: &[Value]) -> String {
    let id = shown(text(governed, "/id"));
    let open = texts(governed, "/open_actions");
    if open.is_empty() {
        return format!("next: counterfoil run complete {id}");
    }
    let known = |it: &&Value| open.contains(&text(it, "/id"));
    let mut of_it: Vec<&Value> = actions.iter().filter(known).collect();
    of_it.sort_by_key(|it| text(it, "/state") != "held");
    match of_it.first() {
        Some(first) => next(first),
        // It is older than those that were read.
        None => format!(
            "next: counterfoil approvals {}",
            shown(open.first().copied().unwrap_or_default())
        ),
    }
}

/// How a governed run ended, as the end of a command.
///
/// # Errors
/// When it did not end well.
pub(super) fn ended(governed: &Value, json: bool) -> Result<(), Failure> {
    let id = shown(text(governed, "/id"));
    let state = words(&shown(text(governed, "/state")));
    let said = format!("{id} is {state}{}", because(governed));
    if text(governed, "/state") != "completed" {
        return Err(Failure::refused(format!(
            "{said}; it is on the record: counterfoil run show {id}"
        )));
    }
    if !json {
        let decisions = number(governed, "/counts/decisions");
        say(format_args!(
            "{said}, with {decisions} decisions on its record"
        ));
        say(package(governed));
    }
    Ok(())
}

fn number(value: &Value, pointer: &str) -> u64 {
    let number = value.pointer(pointer).and_then(Value::as_u64);
    number.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_follows_the_rule_of_the_verifier() {
        let closed = |overrides: u64, unresolved: u64| {
            let facts = json!({ "overrides": overrides, "unresolved": unresolved });
            standing(&json!({ "facts": facts }), false)
        };
        assert_eq!(closed(0, 0), "clean");
        assert_eq!(closed(0, 1), "unresolved");
        assert_eq!(closed(1, 0), "overridden");
        assert_eq!(closed(1, 1), "overridden");
        assert_eq!(standing(&json!({ "facts": null }), false), "unknown");
        let facts = json!({ "overrides": 0, "unresolved": 0 });
        assert_eq!(standing(&json!({ "facts": facts }), true), "unresolved");
    }

    #[test]
    fn what_was_begun_and_has_no_result_is_found_by_its_action() {
        let entries = |acts: &[&str]| -> Vec<Value> {
            let entry = |act: &&str| json!({ "facts": { "act": act } });
            acts.iter().map(entry).collect()
        };
        assert!(!has_no_result(&[], &entries(&["act_1"])));
        assert!(!has_no_result(
            &entries(&["act_1"]),
            &entries(&["act_2", "act_1"])
        ));
        // What was given up before it was begun has a result, too, and is no result of another one.
        assert!(has_no_result(
            &entries(&["act_1", "act_2"]),
            &entries(&["act_3", "act_1"])
        ));
    }

    #[test]
    fn an_open_run_names_what_is_to_be_done_next() {
        let action = |id: &str, state: &str, params: Value| json!({ "id": id, "state": state, "incident": "inc_1", "params": params });
        let mail = || json!({ "kind": "mail.send", "target": "ticket-77" });
        let actions = [
            action("act_1", "allowed", mail()),
            action("act_2", "held", mail()),
            action("act_3", "approved", Value::Null),
            action("act_4", "executed", mail()),
        ];
        let next = |open_actions: &[&str]| {
            open(
                &json!({ "id": "run_1", "open_actions": open_actions }),
                &actions,
            )
        };
        assert!(next(&[]).ends_with("counterfoil run complete run_1"));
        assert!(next(&["act_1"]).contains("counterfoil run result act_1 executed"));
        // What waits for people comes first, and is what is named.
        assert!(next(&["act_1", "act_2"]).contains("counterfoil approve act_2"));
        // Nobody does a repair by hand.
        assert!(next(&["act_3"]).contains("counterfoil repair inc_1 --execute"));
        assert!(next(&["act_9"]).ends_with("counterfoil approvals act_9"));
    }
}
