//! The end of a project or of a workspace: what `project delete`, `project keep` and the same words of
//! `workspace` do.

use std::io::{BufRead, Read};

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;
use reqwest::Method;
use serde_json::{Value, json};

use crate::access::Call;
use crate::answer::text;
use crate::client::{Client, Failure};
use crate::output::say;
use crate::plain::{say_json, shown};

/// The longest line that is read when a name is typed.
const LONGEST: u64 = 1024;

/// How a deletion is asked for.
#[derive(Debug, ClapArgs)]
pub(crate) struct Delete {
    /// Why: what the second person reads (10 to 500 characters). Proposes it
    #[arg(long, value_name = "TEXT", required_unless_present = "confirm")]
    reason: Option<String>,
    /// Confirm what another admin or owner has proposed
    #[arg(long, conflicts_with = "reason")]
    confirm: bool,
    /// Do not ask for the name
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    pub(crate) call: Call,
}

/// What is to end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Of {
    /// One project.
    Project,
    /// A workspace with all that is in it.
    Workspace,
}

impl Of {
    const fn word(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Workspace => "workspace",
        }
    }

    const fn goes(self) -> &'static str {
        match self {
            Self::Project => {
                "its connections with their credentials, its API keys, mappings, incidents, repairs, \
                 runs, snapshots, findings and exports, and what its evidence says of people"
            }
            Self::Workspace => {
                "every project with its credentials and records, every API key, member and \
                 invitation, and what the evidence says of people"
            }
        }
    }

    const fn stays(self) -> &'static str {
        match self {
            Self::Project => {
                "that it happened: headers, facts and seals of its evidence, which still verify; the \
                 webhook endpoint in Stripe and the roles in your database, until you remove them"
            }
            Self::Workspace => {
                "that it happened: headers, facts and seals of all evidence, which still verify; \
                 webhook endpoints in Stripe and roles in your databases, until you remove them"
            }
        }
    }
}

/// Proposes or confirms. `path` is that of what is to end.
pub(crate) async fn delete(args: &Delete, api: &Client, path: &str, of: Of) -> Result<(), Failure> {
    let found = api.get(path).await?;
    let place = format!("{path}/deletion");
    let waiting = api.read(&place, &[]).await?;
    if args.confirm {
        if text(&waiting.body, "/state") != "proposed" {
            let what = match sentence(&waiting.body) {
                Some(sentence) => sentence,
                None => format!(
                    "no deletion of this {} waits for a second person",
                    of.word()
                ),
            };
            return Err(Failure::Unknown(anyhow!(what)));
        }
        if let Some(sentence) = sentence(&waiting.body) {
            eprintln!("{sentence}");
        }
    }
    warn(&found, of);
    if !args.yes {
        typed(text(&found, "/name"))?;
    }
    let done = if args.confirm {
        let etag = Some(waiting.etag.as_str());
        let confirm = format!("{place}/confirm");
        api.change(Method::POST, &confirm, None, etag).await?
    } else {
        let body = json!({ "reason": args.reason });
        api.change(Method::POST, &place, Some(&body), None).await?
    };
    if args.call.json {
        say_json(&done.body);
        return Ok(());
    }
    say(sentence(&done.body).unwrap_or_default());
    let word = of.word();
    say(if args.confirm {
        format!("until then everything works on; to stop it: counterfoil {word} keep")
    } else {
        format!(
            "next: another admin or owner runs `counterfoil {word} delete --confirm`; whoever is \
             alone does so a day later"
        )
    });
    Ok(())
}

/// Takes a deletion back.
pub(crate) async fn keep(call: &Call, api: &Client, path: &str, of: Of) -> Result<(), Failure> {
    let place = format!("{path}/deletion");
    api.change(Method::DELETE, &place, None, None).await?;
    if call.json {
        say_json(&api.get(&place).await?);
    } else {
        say(format_args!("the {} stays", of.word()));
    }
    Ok(())
}

/// What becomes of it, in a sentence; `None` while it stays.
pub(crate) fn sentence(deletion: &Value) -> Option<String> {
    let at = |pointer| shown(text(deletion, pointer));
    let who = format!(
        "{} proposed to delete it: {}",
        at("/proposed_by"),
        at("/reason")
    );
    match text(deletion, "/state") {
        "proposed" => Some(format!(
            "{who}; it waits for a second person until {}",
            at("/lapses_at")
        )),
        "confirmed" => Some(format!(
            "{who}; {} confirmed it, and it is deleted at {}",
            at("/confirmed_by"),
            at("/due_at")
        )),
        "put_off" => Some(format!(
            "{who}; {} confirmed it, a legal hold keeps it, and it is deleted when that is released",
            at("/confirmed_by")
        )),
        "carrying" => Some(format!(
            "{who}; {} confirmed it, and it is being deleted now: nothing stops it any more",
            at("/confirmed_by")
        )),
        _ => None,
    }
}

fn warn(found: &Value, of: Of) {
    let (id, name) = (shown(text(found, "/id")), shown(text(found, "/name")));
    eprintln!(
        "{} {name} ({id}) ends seven days after a second person has confirmed it.",
        of.word()
    );
    eprintln!("  goes:  {}", of.goes());
    eprintln!("  stays: {}", of.stays());
    eprintln!(
        "It cannot be taken back then. Sealed credentials and snapshots open from no backup any more; \
         rows stay in backups of the tables for up to 35 days."
    );
}

/// Reads the name of what is to go.
fn typed(name: &str) -> Result<(), Failure> {
    eprint!("Type its name to go on: ");
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(LONGEST);
    input
        .read_line(&mut line)
        .context("reading the name")
        .map_err(Failure::Unknown)?;
    if line.trim() == name.trim() {
        return Ok(());
    }
    let what = format!(
        "nothing was asked for: the name is `{}`; type it, or give --yes",
        shown(name)
    );
    Err(Failure::Unknown(anyhow!(what)))
}
