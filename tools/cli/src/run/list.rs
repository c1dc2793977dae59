//! Lists runs.

use clap::Args as ClapArgs;
use serde_json::Value;

use crate::access::Call;
use crate::answer::{items, text, words};
use crate::client::{Client, Failure};
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Lists runs, newest first
#[derive(Debug, ClapArgs)]
pub(super) struct List {
    /// Only those that this caused: schedule, webhook, asked, manual, repair, governed
    #[arg(long, value_name = "CAUSE")]
    purpose: Option<String>,
    /// Only those in this state: open, complete, partial, failed, aborted, completed, expired
    #[arg(long, value_name = "STATE")]
    status: Option<String>,
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

pub(super) async fn list(args: &List) -> Result<(), Failure> {
    let api = Client::of(&args.call)?.in_project().await?;
    let limit = args.limit.map(|limit| limit.to_string());
    let asked = [
        ("purpose", &args.purpose),
        ("status", &args.status),
        ("limit", &limit),
    ];
    let asked = asked
        .iter()
        .filter_map(|(name, it)| Some((*name, it.as_deref()?)));
    let query: Vec<(&str, &str)> = asked.collect();
    let pages = api
        .pages("/v1/runs", &query, args.cursor.as_deref(), args.all)
        .await?;
    if args.call.json {
        say_json(&pages);
        return Ok(());
    }
    let mut table = Table::new(["run", "what for", "of", "state", "as of", "differences"]);
    for it in items(&pages) {
        let of = [text(it, "/flow"), text(it, "/customer"), text(it, "/scope")];
        let of = of.into_iter().find(|of| !of.is_empty());
        let found = it.pointer("/findings").and_then(Value::as_u64);
        let found = found.filter(|_| text(it, "/flow").is_empty());
        table.row([
            text(it, "/id"),
            &words(text(it, "/purpose")),
            &words(of.unwrap_or_default()),
            &words(text(it, "/status")),
            text(it, "/as_of"),
            &found.map(|found| found.to_string()).unwrap_or_default(),
        ]);
    }
    table.print("There is no run yet.");
    let next = text(&pages, "/next_cursor");
    if !next.is_empty() {
        eprintln!("there are more: --all, or --cursor {}", shown(next));
    }
    Ok(())
}
