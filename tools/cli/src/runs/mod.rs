//! `counterfoil runs`: what was looked at and done, run by run.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;

use crate::access::{Call, help, segment};
use crate::answer::{items, text, words};
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Runs: one execution each, with its record
#[derive(Debug, ClapArgs)]
#[command(after_help = help!("runs list", "runs show run_01KARX6M000000000000000003"))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(after_help = help!("runs list --limit 20", "runs list --all --json"))]
    List(List),
    #[command(after_help = help!("runs show run_01KARX6M000000000000000003"))]
    Show(Show),
}

/// Lists runs, newest first
#[derive(Debug, ClapArgs)]
struct List {
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

/// Shows what a run recorded
#[derive(Debug, ClapArgs)]
struct Show {
    /// The run's id
    id: String,
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
    }
}

async fn list(args: &List) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let limit = args.limit.map(|limit| limit.to_string());
    let query: Vec<(&str, &str)> = limit.iter().map(|it| ("limit", it.as_str())).collect();
    let pages = api
        .pages("/v1/runs", &query, args.cursor.as_deref(), args.all)
        .await?;
    if args.call.json {
        say_json(&pages);
        return Ok(());
    }
    let mut table = Table::new(["run", "what for", "state", "opened", "closed"]);
    for it in items(&pages) {
        table.row([
            text(it, "/id"),
            &words(text(it, "/purpose")),
            &words(text(it, "/status")),
            text(it, "/opened_at"),
            text(it, "/closed_at"),
        ]);
    }
    table.print("There is no run yet.");
    let next = text(&pages, "/next_cursor");
    if !next.is_empty() {
        eprintln!("there are more: --all, or --cursor {}", shown(next));
    }
    Ok(())
}

async fn show(args: &Show) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let run = api.get(&format!("/v1/runs/{}", segment(&args.id)?)).await?;
    if args.call.json {
        say_json(&run);
        return Ok(());
    }
    let closed = run.get("closed") == Some(&Value::Bool(true));
    let entries = run.get("entries").and_then(Value::as_array);
    let entries = entries.map(Vec::as_slice).unwrap_or_default();
    say(format_args!(
        "{} is {}; it has {} entries",
        shown(text(&run, "/id")),
        if closed { "closed" } else { "open" },
        entries.len()
    ));
    let mut table = Table::new(["entry", "at", "what", "contents"]);
    for entry in entries {
        let number = |name: &str| entry.get(name).and_then(Value::as_u64);
        let seq = number("seq").map(|seq| seq.to_string()).unwrap_or_default();
        let contents = match number("erased_by") {
            Some(by) => format!("erased, see entry {by}"),
            None => "kept".to_owned(),
        };
        table.row([&seq, text(entry, "/at"), text(entry, "/kind"), &contents]);
    }
    table.print("");
    if closed {
        say(format_args!(
            "next: counterfoil export --run {} --out run.json",
            shown(text(&run, "/id"))
        ));
    }
    Ok(())
}
