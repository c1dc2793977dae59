//! `counterfoil flow`: which kinds of action a flow has registered, and which of them destroy
//! (docs/runs.md).

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args as ClapArgs, Subcommand};
use counterfoil_core::governed_run::check_kind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::access::{Call, help};
use crate::answer::text;
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Flows of agents: which kinds of action each has registered, and which of them destroy
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    "flow show refunds",
    "flow register refunds --kind mail.send --kind refund.create:destructive",
))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = help!("flow show refunds", "flow show refunds --json"))]
    Show(Show),
    #[command(after_help = help!(
        note "\nIn live a machine does a harmless kind without a person; what destroys, or is registered nowhere, waits\n\
              for one. So a kind that becomes harmless, and one that is not said to destroy any more, need a second\n\
              admin or owner: they run the same command within 72 hours.\n",
        "flow register refunds --kind mail.send --kind refund.create:destructive",
        "flow register refunds --remove mail.send --reason \"mails are sent by hand now\"",
    ))]
    Register(Register),
}

/// Shows what a flow has registered, and what waits for a second person
#[derive(Debug, ClapArgs)]
struct Show {
    /// The flow, as runs of it are started
    flow: String,
    #[command(flatten)]
    call: Call,
}

/// Registers kinds of action of a flow; those that are not named stay as they are
#[derive(Debug, ClapArgs)]
struct Register {
    /// The flow, as runs of it are started
    flow: String,
    /// A kind of action; with :destructive one that cannot be undone, or takes something away
    #[arg(long = "kind", value_name = "KIND[:destructive]", value_parser = kind, required_unless_present = "remove")]
    kinds: Vec<(String, bool)>,
    /// A kind that the flow has no more
    #[arg(long, value_name = "KIND")]
    remove: Vec<String>,
    /// Why, for whoever confirms it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    call: Call,
}

/// A kind as `--kind` names it, and whether it destroys.
fn kind(given: &str) -> Result<(String, bool), String> {
    let (name, destructive) = match given.split_once(':') {
        None => (given, false),
        Some((name, "destructive")) => (name, true),
        Some(_) => return Err("after the colon comes `destructive`, or nothing".to_owned()),
    };
    check_kind("", name).map_err(|invalid| invalid.rule.to_owned())?;
    Ok((name.to_owned(), destructive))
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    exit(block_on(run(&args.what)))
}

async fn run(what: &What) -> Result<(), Failure> {
    match what {
        What::Show(args) => show(args).await,
        What::Register(args) => register(args).await,
    }
}

fn path(flow: &str) -> Result<String, Failure> {
    check_kind("", flow).map_err(|invalid| {
        let what = format!(
            "`{}` is no name of a flow: it {}",
            shown(flow),
            invalid.rule
        );
        Failure::Unknown(anyhow!(what))
    })?;
    Ok(format!("/v1/flows/{flow}"))
}

async fn show(args: &Show) -> Result<(), Failure> {
    let path = path(&args.flow)?;
    let api = Client::of(&args.call)?.in_project().await?;
    let flow = api.get(&path).await?;
    if args.call.json {
        say_json(&flow);
        return Ok(());
    }
    let mut table = Table::new(["kind", "what it does", "in live, of a machine"]);
    for (kind, destructive) in kinds(&flow, "/actions") {
        let row = if destructive {
            [kind.as_str(), "destroys", "waits for a person"]
        } else {
            [
                kind.as_str(),
                "harmless",
                "goes on, unless another flow says that it destroys",
            ]
        };
        table.row(row);
    }
    let name = shown(text(&flow, "/id"));
    table.print(&format!(
        "{name} has registered nothing: in live every action of a machine in it waits for a person. Next: \
         counterfoil flow register {name} --kind KIND"
    ));
    if let Some(waits) = waiting(&flow) {
        say(waits);
    }
    Ok(())
}

async fn register(args: &Register) -> Result<(), Failure> {
    let path = path(&args.flow)?;
    let api = Client::of(&args.call)?.in_project().await?;
    let found = api.read(&path, &[]).await?;
    let wanted = wanted(args, kinds(&found.body, "/actions"))?;
    let one =
        |(kind, destructive): (&String, &bool)| json!({ "kind": kind, "destructive": destructive });
    let wanted_kinds: Vec<Value> = wanted.iter().map(one).collect();
    let mut body = json!({ "actions": wanted_kinds });
    if let (Some(reason), Some(fields)) = (&args.reason, body.as_object_mut()) {
        fields.insert("reason".to_owned(), reason.as_str().into());
    }
    let etag = Some(found.etag.as_str());
    let done = api.change(Method::PUT, &path, Some(&body), etag).await?;
    if args.call.json {
        say_json(&done.body);
        return Ok(());
    }
    let name = shown(&args.flow);
    match waiting(&done.body).filter(|_| done.waits) {
        Some(waits) => say(waits),
        None => say(format_args!(
            "{name} has {} kinds of action; next: counterfoil run start {name} --program FILE",
            wanted.len()
        )),
    }
    Ok(())
}

/// What is to be registered, of what is.
fn wanted(
    args: &Register,
    mut known: BTreeMap<String, bool>,
) -> Result<BTreeMap<String, bool>, Failure> {
    for kind in &args.remove {
        if known.remove(kind).is_none() {
            let what = format!("{} has no kind {}", shown(&args.flow), shown(kind));
            return Err(Failure::refused(what));
        }
    }
    known.extend(args.kinds.iter().cloned());
    Ok(known)
}

/// Kinds of action at a place of an answer, and whether they destroy.
fn kinds(flow: &Value, pointer: &str) -> BTreeMap<String, bool> {
    let actions = flow.pointer(pointer).and_then(Value::as_array);
    let one = |it: &Value| {
        let destructive = it.get("destructive").and_then(Value::as_bool);
        (text(it, "/kind").to_owned(), destructive.unwrap_or(true))
    };
    actions.into_iter().flatten().map(one).collect()
}

/// What waits for a second person.
fn waiting(flow: &Value) -> Option<String> {
    let by = shown(text(flow, "/proposed/proposed_by"));
    if by.is_empty() {
        return None;
    }
    let one = |(kind, destructive): (String, bool)| {
        let destroys = if destructive { ":destructive" } else { "" };
        format!("{}{destroys}", shown(&kind))
    };
    let wanted: Vec<String> = kinds(flow, "/proposed/actions")
        .into_iter()
        .map(one)
        .collect();
    let wanted = match wanted.as_slice() {
        [] => "nothing".to_owned(),
        several => several.join(", "),
    };
    Some(format!(
        "it waits for a second person: since {} {by} wants {} to have {wanted}; another admin or owner runs \
         the same command within 72 hours",
        shown(text(flow, "/proposed/proposed_at")),
        shown(text(flow, "/id")),
    ))
}

/// What to tell whoever proposed a kind that their flow has not registered.
pub(crate) async fn unregistered(api: &Client, run: &str, kind: &str) -> Option<String> {
    let run = api.get(&format!("/v1/runs/{run}")).await.ok()?;
    let flow = text(&run, "/governed/flow/id");
    let known = api.get(&path(flow).ok()?).await.ok()?;
    if kinds(&known, "/actions").contains_key(kind) {
        return None;
    }
    Some(format!(
        "{flow} has not registered {}, so it waits like what destroys; an admin or owner says once what it is: \
         counterfoil flow register {flow} --kind {}",
        shown(kind),
        shown(kind)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_harmless_unless_it_says_that_it_destroys() {
        assert_eq!(kind("mail.send"), Ok(("mail.send".to_owned(), false)));
        let destroys = Ok(("refund.create".to_owned(), true));
        assert_eq!(kind("refund.create:destructive"), destroys);
        for bad in [
            "",
            "Refund",
            "refund:harmless",
            "refund:",
            ":destructive",
            "a b",
        ] {
            assert!(kind(bad).is_err(), "{bad}");
        }
    }
}
