//! `counterfoil connect`: the credentials of a project. They are read from a variable, from standard
//! input or without an echo, never from an argument, and nothing prints them again.

use std::process::ExitCode;

use clap::{ArgGroup, Args as ClapArgs, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use crate::access::{Call, help};
use crate::answer::{items, text, texts};
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::project;
use crate::secret;

/// The variable that a credential may lie in.
const VARIABLE: &str = "COUNTERFOIL_SECRET";

/// Stores a credential of the project, after it was probed; shows or takes away what is stored
#[derive(Debug, ClapArgs)]
#[command(
    group(ArgGroup::new("what").required(true).args(["kind", "show", "remove"])),
    after_help = help!(
        note "\nThe credential is read from COUNTERFOIL_SECRET, from standard input, or typed without an echo; it is no argument. It is \
              probed before it is stored, and replaces the one before it.\n",
        "connect stripe",
        "connect database < url.txt",
        "connect webhook --project prj_01KARX6M000000000000000001",
        "connect --show",
        "connect --remove repair",
    )
)]
pub(crate) struct Args {
    /// Which credential
    #[arg(value_enum)]
    kind: Option<Kind>,
    /// Show what is stored, and what the last probes said
    #[arg(long)]
    show: bool,
    /// Take a credential away: its key is destroyed, so that no copy of it opens again
    #[arg(long, value_enum, value_name = "KIND")]
    remove: Option<Kind>,
    #[command(flatten)]
    call: Call,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Restricted key of Stripe, which may only read (rk_…)
    Stripe,
    /// URL of the role that reads the app's database (postgres://…)
    Database,
    /// URL of the role that repairs; needs an active mapping
    Repair,
    /// Signing secret of the webhook endpoint (whsec_…)
    Webhook,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Database => "database",
            Self::Repair => "repair",
            Self::Webhook => "webhook",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Stripe => "restricted key of Stripe",
            Self::Database => "URL of the role that reads",
            Self::Repair => "URL of the role that repairs",
            Self::Webhook => "signing secret of the webhook endpoint",
        }
    }
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    exit(block_on(run(args)))
}

async fn run(args: &Args) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let path = format!("{}/connections", project::path(&api).await?);
    if let Some(kind) = args.kind {
        return store(args, &api, &path, kind).await;
    }
    if let Some(kind) = args.remove {
        let seen = api.read(&path, &[]).await?.etag;
        let path = format!("{path}/{}", kind.name());
        let gone = api.change(Method::DELETE, &path, None, Some(&seen));
        let gone = gone.await?;
        if args.call.json {
            say_json(&gone.body);
        } else {
            say(format_args!(
                "the {} is gone, and its key with it",
                kind.what()
            ));
            say(format_args!("next: counterfoil connect {}", kind.name()));
        }
        return Ok(());
    }
    let stored = api.get(&path).await?;
    if args.call.json {
        say_json(&stored);
        return Ok(());
    }
    if items(&stored).is_empty() {
        say("Nothing is connected. Next: counterfoil connect stripe");
    }
    for connection in items(&stored) {
        for line in lines(connection) {
            say(line);
        }
    }
    Ok(())
}

async fn store(args: &Args, api: &Client, path: &str, kind: Kind) -> Result<(), Failure> {
    let secret = secret::read(kind.what(), VARIABLE)?;
    let seen = api.read(path, &[]).await?.etag;
    let path = format!("{path}/{}", kind.name());
    let body = json!({ "secret": secret.reveal() });
    let stored = api.change(Method::PUT, &path, Some(&body), Some(&seen));
    let stored = stored.await?;
    if args.call.json {
        say_json(&stored.body);
        return Ok(());
    }
    for line in lines(&stored.body) {
        say(line);
    }
    say("next: counterfoil project show");
    Ok(())
}

/// A stored credential, as far as it may be shown, and what the last probe said.
pub(crate) fn lines(connection: &Value) -> Vec<String> {
    let at = |pointer| shown(text(connection, pointer));
    let standing = match at("/standing").as_str() {
        "" => "not probed".to_owned(),
        standing => format!("{standing} at {}", at("/probed_at")),
    };
    let retired = match at("/retire_at").as_str() {
        "" => String::new(),
        at => format!(", accepted until {at}"),
    };
    let named = format!("{}  {}", at("/kind"), at("/hint"));
    let first = format!("{}  {standing}{retired}", named.trim_end());
    let said = texts(connection, "/sentences").into_iter();
    std::iter::once(first)
        .chain(said.map(|sentence| format!("  {}", shown(sentence))))
        .collect()
}
