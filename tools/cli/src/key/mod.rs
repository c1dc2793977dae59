//! `counterfoil key`: API keys of a workspace. A secret goes to standard output, once, and nothing
//! else goes there with it.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use crate::access::{Call, help, segment};
use crate::answer::{items, text};
use crate::client::{Client, Failure, block_on, exit};
use crate::output::say;
use crate::plain::{say_json, shown};
use crate::table::Table;

/// API keys
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    "key list",
    "key create ci --environment live --capability read",
    "key rotate key_01KARX6M000000000000000001 --grace-hours 24",
))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the keys of the workspace, without their secrets
    #[command(after_help = help!("key list", "key list --json"))]
    List(Call),
    #[command(after_help = help!(
        note "\nThe secret is printed alone on standard output, once: KEY=$(counterfoil key create ci --environment live)",
        "key create ci --environment live",
        "key create worker --environment live --capability repair --only-project --expires-in-days 30",
    ))]
    Create(Create),
    #[command(after_help = help!("key revoke key_01KARX6M000000000000000001"))]
    Revoke(Revoke),
    #[command(after_help = help!(
        note "\nThe new secret is printed alone on standard output, once.",
        "key rotate key_01KARX6M000000000000000001",
        "key rotate key_01KARX6M000000000000000001 --grace-hours 0",
    ))]
    Rotate(Rotate),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Environment {
    Live,
    Test,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Capability {
    /// Reads
    Read,
    /// Proposes repairs, and executes what is allowed or was approved
    Repair,
}

/// Makes a key and prints its secret, once
#[derive(Debug, ClapArgs)]
struct Create {
    /// What it is for
    name: String,
    /// Whether it is for a live or a test project
    #[arg(long, value_enum)]
    environment: Environment,
    /// What it may do
    #[arg(long, value_enum, default_value = "read")]
    capability: Capability,
    /// For this project alone (see --project), not for the whole workspace
    #[arg(long)]
    only_project: bool,
    /// It speaks as you and approves: give your own id
    #[arg(long, value_name = "USER")]
    approver: Option<String>,
    /// For an agent: it is judged as one, over MCP and over the API
    #[arg(long, conflicts_with = "approver")]
    agent: bool,
    /// Days until it expires, 1 to 365; 90 without it
    #[arg(long, value_name = "DAYS")]
    expires_in_days: Option<u64>,
    #[command(flatten)]
    call: Call,
}

/// Revokes a key: it is refused from now on
#[derive(Debug, ClapArgs)]
struct Revoke {
    /// The key's id, as `counterfoil key list` shows it
    id: String,
    #[command(flatten)]
    call: Call,
}

/// Replaces a key, and prints the secret of the new one, once
#[derive(Debug, ClapArgs)]
struct Rotate {
    /// The key's id, as `counterfoil key list` shows it
    id: String,
    /// How long the old key still counts, 0 to 72
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    grace_hours: u64,
    #[command(flatten)]
    call: Call,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    exit(block_on(run(&args.what)))
}

async fn run(what: &What) -> Result<(), Failure> {
    match what {
        What::List(call) => list(call).await,
        What::Create(args) => create(args).await,
        What::Revoke(args) => revoke(args).await,
        What::Rotate(args) => rotate(args).await,
    }
}

async fn place(api: &Client) -> Result<String, Failure> {
    Ok(format!("/v1/workspaces/{}/keys", api.workspace().await?))
}

async fn list(call: &Call) -> Result<(), Failure> {
    let api = Client::of(call)?;
    let list = api.pages(&place(&api).await?, &[], None, true).await?;
    if call.json {
        say_json(&list);
        return Ok(());
    }
    let mut table = Table::new(["key", "name", "for", "may", "last used", "until"]);
    for it in items(&list) {
        let project = match text(it, "/project_id") {
            "" => "every project",
            id => id,
        };
        let until = match text(it, "/revoked_at") {
            "" => text(it, "/expires_at").to_owned(),
            at => format!("revoked at {at}"),
        };
        let may = match text(it, "/approver") {
            "" if it["agent"] == true => format!("{}, as an agent", text(it, "/capability")),
            "" => text(it, "/capability").to_owned(),
            person => format!("{}, approves as {person}", text(it, "/capability")),
        };
        let reach = format!("{project}, {}", text(it, "/environment"));
        let used = match text(it, "/last_used_at") {
            "" => "never",
            at => at,
        };
        table.row([
            text(it, "/id"),
            text(it, "/name"),
            &reach,
            &may,
            used,
            &until,
        ]);
    }
    table.print("There is no key. Next: counterfoil key create NAME --environment live");
    Ok(())
}

async fn create(args: &Create) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let environment = match args.environment {
        Environment::Live => "live",
        Environment::Test => "test",
    };
    let capability = match args.capability {
        Capability::Read => "read",
        Capability::Repair => "repair",
    };
    let mut body =
        json!({ "name": args.name, "environment": environment, "capability": capability });
    if let Some(fields) = body.as_object_mut() {
        if args.only_project {
            fields.insert("project_id".to_owned(), json!(api.project().await?));
        }
        if let Some(person) = &args.approver {
            fields.insert("approver".to_owned(), json!(person));
        }
        if args.agent {
            fields.insert("agent".to_owned(), json!(true));
        }
        if let Some(days) = args.expires_in_days {
            fields.insert("expires_in_days".to_owned(), json!(days));
        }
    }
    let path = place(&api).await?;
    let made = api.change(Method::POST, &path, Some(&body), None).await?;
    tell_secret(&made.body, args.call.json);
    Ok(())
}

async fn revoke(args: &Revoke) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let path = format!("{}/{}/revoke", place(&api).await?, segment(&args.id)?);
    let gone = api.change(Method::POST, &path, None, None).await?;
    if args.call.json {
        say_json(&gone.body);
    } else {
        let (name, at) = (text(&gone.body, "/name"), text(&gone.body, "/revoked_at"));
        say(format_args!(
            "{} ({}) was revoked at {}",
            args.id,
            shown(name),
            shown(at)
        ));
    }
    Ok(())
}

async fn rotate(args: &Rotate) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let path = format!("{}/{}/rotate", place(&api).await?, segment(&args.id)?);
    let body = json!({ "grace_hours": args.grace_hours });
    let made = api.change(Method::POST, &path, Some(&body), None).await?;
    tell_secret(&made.body, args.call.json);
    if !args.call.json {
        eprintln!(
            "{} still counts for at most {} hours",
            args.id, args.grace_hours
        );
    }
    Ok(())
}

/// The secret alone on standard output; what people want to know besides on standard error.
fn tell_secret(key: &Value, as_json: bool) {
    if as_json {
        say_json(key);
        return;
    }
    eprintln!(
        "{} ({}), until {}; this is its secret, shown once:",
        shown(text(key, "/id")),
        shown(text(key, "/name")),
        shown(text(key, "/expires_at")),
    );
    say(shown(text(key, "/secret")));
}
