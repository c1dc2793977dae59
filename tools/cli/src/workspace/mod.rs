//! `counterfoil workspace`: the workspaces that one reaches, and the people in one.

mod people;

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::access::{Call, help, segment};
use crate::answer::{items, text};
use crate::client::{Client, Failure, block_on, exit};
use crate::deletion::{self, Of};
use crate::output::say;
use crate::place::{self, Place};
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Workspaces, and the people in them
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    "workspace list",
    "workspace create 'Acme' --your-name 'Ada Lovelace'",
    "workspace invite bob@example.com --name 'Bob' --role approver",
))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the workspaces that you reach
    #[command(after_help = help!("workspace list", "workspace list --json"))]
    List(Call),
    /// Shows a workspace, and says what to do next in it
    #[command(after_help = help!("workspace show", "workspace show --workspace ws_01KARX6M000000000000000001"))]
    Show(Call),
    /// Founds a workspace; you are its owner
    #[command(after_help = help!("workspace create 'Acme' --your-name 'Ada Lovelace'"))]
    Create(Create),
    /// Gives a workspace another name
    #[command(after_help = help!("workspace rename 'Acme Inc.'"))]
    Rename(Rename),
    /// Proposes to delete a workspace with everything in it, or confirms it
    #[command(after_help = help!(
        note "\nTwo people are needed, and seven days pass before anything goes.",
        "workspace delete --reason 'We close this company'",
        "workspace delete --confirm",
    ))]
    Delete(deletion::Delete),
    /// Keeps a workspace that was to be deleted
    #[command(after_help = help!("workspace keep"))]
    Keep(Call),
    /// Lists the people of a workspace and the invitations that wait
    #[command(after_help = help!("workspace members", "workspace members --json"))]
    Members(Call),
    #[command(after_help = help!(
        note "\nThe token is printed on standard output, once. Whoever has it joins: send it so that only that person can read it.",
        "workspace invite bob@example.com --name 'Bob' --role approver",
        "workspace invite bob@example.com --role viewer > token.txt",
    ))]
    Invite(people::Invite),
    #[command(after_help = help!("workspace role usr_01KARX6M000000000000000001 approver"))]
    Role(people::ChangeRole),
    #[command(after_help = help!(
        note "\nAn id that begins with inv_ takes an invitation back.",
        "workspace remove usr_01KARX6M000000000000000001",
        "workspace remove inv_01KARX6M000000000000000001",
    ))]
    Remove(people::Remove),
    #[command(after_help = help!(
        note "\nThe token is read from COUNTERFOIL_INVITATION, from standard input, or typed without an echo; it is no argument.",
        "workspace accept --your-name 'Bob'",
        "workspace accept --your-name 'Bob' < token.txt",
    ))]
    Accept(people::Accept),
}

#[derive(Debug, ClapArgs)]
struct Create {
    /// Name of the workspace
    name: String,
    /// How the others in it know you
    #[arg(long, value_name = "NAME")]
    your_name: String,
    #[command(flatten)]
    call: Call,
}

#[derive(Debug, ClapArgs)]
struct Rename {
    /// The new name
    name: String,
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
        What::Show(call) => show(call).await,
        What::Create(args) => create(args).await,
        What::Rename(args) => rename(args).await,
        What::Delete(args) => {
            let api = Client::of(&args.call)?;
            let path = place(&api).await?;
            deletion::delete(args, &api, &path, Of::Workspace).await
        }
        What::Keep(call) => {
            let api = Client::of(call)?;
            let path = place(&api).await?;
            deletion::keep(call, &api, &path, Of::Workspace).await
        }
        What::Members(call) => people::list(call).await,
        What::Invite(args) => people::invite(args).await,
        What::Role(args) => people::change_role(args).await,
        What::Remove(args) => people::remove(args).await,
        What::Accept(args) => people::accept(args).await,
    }
}

/// The path of a workspace.
async fn place(api: &Client) -> Result<String, Failure> {
    Ok(format!("/v1/workspaces/{}", api.workspace().await?))
}

async fn list(call: &Call) -> Result<(), Failure> {
    let list = Client::of(call)?.get("/v1/workspaces").await?;
    if call.json {
        say_json(&list);
        return Ok(());
    }
    let mut table = Table::new(["workspace", "name", "you are"]);
    for it in items(&list) {
        table.row([text(it, "/id"), text(it, "/name"), text(it, "/role")]);
    }
    table.print("You are in no workspace. Next: counterfoil workspace create NAME --your-name YOU");
    Ok(())
}

async fn show(call: &Call) -> Result<(), Failure> {
    let api = Client::of(call)?;
    let found = api.get(&place(&api).await?).await?;
    if call.json {
        say_json(&found);
        return Ok(());
    }
    tell(&found);
    say("next: counterfoil workspace members; counterfoil project list");
    Ok(())
}

fn tell(workspace: &Value) {
    let (id, name) = (text(workspace, "/id"), text(workspace, "/name"));
    let role = text(workspace, "/role");
    let who = if role.is_empty() {
        "asked with a key".to_owned()
    } else {
        format!("you are {}", shown(role))
    };
    say(format_args!("{}  {}  ({who})", shown(id), shown(name)));
    if let Some(deletion) = workspace.get("deletion").and_then(deletion::sentence) {
        say(deletion);
    }
}

async fn create(args: &Create) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let body = json!({ "name": args.name, "your_name": args.your_name });
    let made = api
        .change(Method::POST, "/v1/workspaces", Some(&body), None)
        .await?;
    let id = segment(text(&made.body, "/id"))?;
    place::keep(
        api.base(),
        &Place {
            workspace: Some(id.to_owned()),
            project: None,
        },
    );
    if args.call.json {
        say_json(&made.body);
    } else {
        tell(&made.body);
        say("next: counterfoil project create NAME --environment live");
    }
    Ok(())
}

async fn rename(args: &Rename) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let path = place(&api).await?;
    let found = api.read(&path, &[]).await?;
    let body = json!({ "name": args.name });
    let etag = Some(found.etag.as_str());
    let changed = api.change(Method::PATCH, &path, Some(&body), etag).await?;
    if args.call.json {
        say_json(&changed.body);
    } else {
        tell(&changed.body);
    }
    Ok(())
}
