//! `counterfoil project`: the projects of a workspace, and their mappings. Credentials are
//! `counterfoil connect`.

mod mapping;

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use crate::access::{Call, help, segment};
use crate::answer::{items, text, texts};
use crate::client::{Client, Failure, block_on, exit};
use crate::deletion::{self, Of};
use crate::output::say;
use crate::place::{self, Place};
use crate::plain::{say_json, shown};
use crate::table::Table;

/// Projects: one Stripe account and one database each
#[derive(Debug, ClapArgs)]
#[command(after_help = help!(
    "project list",
    "project create 'Web app' --environment live",
    "project show",
    "project map counterfoil.toml --activate",
))]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the projects of the workspace
    #[command(after_help = help!("project list", "project list --json"))]
    List(Call),
    /// Shows a project, what it still misses, and the command that comes next
    #[command(after_help = help!("project show", "project show --project prj_01KARX6M000000000000000001"))]
    Show(Call),
    #[command(after_help = help!("project create 'Web app' --environment live"))]
    Create(Create),
    #[command(after_help = help!("project rename 'Web app (EU)'"))]
    Rename(Rename),
    #[command(after_help = help!(
        note "\nA mapping that lets repairs do more than the active one needs a second person: they run the same command.",
        "project map counterfoil.toml",
        "project map counterfoil.toml --activate",
    ))]
    Map(mapping::Map),
    /// Proposes to delete a project, or confirms it
    #[command(after_help = help!(
        note "\nTwo people are needed, and seven days pass before anything goes.",
        "project delete --reason 'We sold this shop'",
        "project delete --confirm",
    ))]
    Delete(deletion::Delete),
    /// Keeps a project that was to be deleted
    #[command(after_help = help!("project keep"))]
    Keep(Call),
    /// Stops at once all that changes something: repairs, actions of runs, ignoring, erasing
    #[command(after_help = help!(
        note "\nOne admin or owner does it. What makes less possible still works: rejecting, revoking keys, legal holds.",
        "project freeze",
    ))]
    Freeze(Call),
    /// Lifts the emergency stop: proposes it, or confirms what another person proposed
    #[command(after_help = help!(
        note "\nTwo people are needed: the second one runs the same command within 72 hours.",
        "project unfreeze",
    ))]
    Unfreeze(Call),
    /// Lists the stored mappings
    #[command(after_help = help!("project mappings", "project mappings --json"))]
    Mappings(Call),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Environment {
    Live,
    Test,
}

/// Makes a project that is connected to nothing yet
#[derive(Debug, ClapArgs)]
struct Create {
    /// Name of the project
    name: String,
    /// Whether its Stripe keys are live or test keys
    #[arg(long, value_enum)]
    environment: Environment,
    #[command(flatten)]
    call: Call,
}

/// Gives a project another name
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
            let path = path(&api).await?;
            deletion::delete(args, &api, &path, Of::Project).await
        }
        What::Keep(call) => {
            let api = Client::of(call)?;
            let path = path(&api).await?;
            deletion::keep(call, &api, &path, Of::Project).await
        }
        What::Freeze(call) => freeze(call, true).await,
        What::Unfreeze(call) => freeze(call, false).await,
        What::Map(args) => mapping::map(args).await,
        What::Mappings(call) => mapping::list(call).await,
    }
}

/// The path of the project.
pub(crate) async fn path(api: &Client) -> Result<String, Failure> {
    Ok(format!("/v1/projects/{}", api.project().await?))
}

async fn list(call: &Call) -> Result<(), Failure> {
    let api = Client::of(call)?;
    let path = format!("/v1/workspaces/{}/projects", api.workspace().await?);
    let list = api.get(&path).await?;
    if call.json {
        say_json(&list);
        return Ok(());
    }
    let mut table = Table::new(["project", "name", "environment", "complete"]);
    for it in items(&list) {
        let complete = match it.get("complete").and_then(Value::as_bool) {
            Some(true) => "yes",
            _ => "no",
        };
        table.row([
            text(it, "/id"),
            text(it, "/name"),
            text(it, "/environment"),
            complete,
        ]);
    }
    table.print("There is no project. Next: counterfoil project create NAME --environment live");
    Ok(())
}

async fn show(call: &Call) -> Result<(), Failure> {
    let api = Client::of(call)?;
    let found = api.get(&path(&api).await?).await?;
    answer(call, &found);
    Ok(())
}

async fn create(args: &Create) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let workspace = api.workspace().await?;
    let environment = match args.environment {
        Environment::Live => "live",
        Environment::Test => "test",
    };
    let body = json!({ "name": args.name, "environment": environment });
    let path = format!("/v1/workspaces/{workspace}/projects");
    let made = api.change(Method::POST, &path, Some(&body), None).await?;
    let project = segment(text(&made.body, "/id"))?.to_owned();
    if !api.with_key() {
        let place = Place {
            workspace: Some(workspace),
            project: Some(project),
        };
        place::keep(api.base(), &place);
    }
    answer(&args.call, &made.body);
    Ok(())
}

async fn rename(args: &Rename) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let path = path(&api).await?;
    let found = api.read(&path, &[]).await?;
    let body = json!({ "name": args.name });
    let etag = Some(found.etag.as_str());
    let changed = api.change(Method::PATCH, &path, Some(&body), etag).await?;
    answer(&args.call, &changed.body);
    Ok(())
}

/// Sets the emergency stop, or lifts it. Whoever stops everything is not sent away because somebody
/// renamed the project meanwhile.
async fn freeze(call: &Call, frozen: bool) -> Result<(), Failure> {
    let api = Client::of(call)?;
    let path = path(&api).await?;
    let body = json!({ "frozen": frozen });
    let mut left = if frozen { 3_u8 } else { 1 };
    let changed = loop {
        left = left.saturating_sub(1);
        let found = api.read(&path, &[]).await?;
        let etag = Some(found.etag.as_str());
        match api.change(Method::PATCH, &path, Some(&body), etag).await {
            Err(Failure::Refused(refused)) if left > 0 && refused.code == "precondition-failed" => {
            }
            changed => break changed?,
        }
    };
    answer(call, &changed.body);
    Ok(())
}

fn answer(call: &Call, project: &Value) {
    if call.json {
        say_json(project);
        return;
    }
    for line in story(project) {
        say(line);
    }
}

/// A project in sentences, with what it misses.
fn story(project: &Value) -> Vec<String> {
    let at = |pointer| shown(text(project, pointer));
    let mut lines = vec![format!(
        "{}  {}  ({})",
        at("/id"),
        at("/name"),
        at("/environment")
    )];
    for (kind, what) in [
        ("stripe", "Stripe"),
        ("database", "database"),
        ("repair", "repairs"),
    ] {
        let connection = project.pointer(&format!("/connections/{kind}"));
        let said = match connection.filter(|it| it.is_object()) {
            None => "not connected".to_owned(),
            Some(it) => match (text(it, "/standing"), text(it, "/probed_at")) {
                ("", _) => "connected, not probed yet".to_owned(),
                (standing, at) => format!("connected, {} at {}", shown(standing), shown(at)),
            },
        };
        lines.push(format!("  {what:<9} {said}"));
    }
    let secrets = project.pointer("/connections/webhook_secrets");
    let secrets = secrets.and_then(Value::as_u64).unwrap_or_default();
    lines.push(format!("  {:<9} {secrets} signing secrets", "webhooks"));
    lines.push(match at("/mapping").as_str() {
        "" => format!("  {:<9} none is active", "mapping"),
        hash => format!("  {:<9} {hash}", "mapping"),
    });
    if let Some(frozen) = frozen(project) {
        lines.push(format!("  {:<9} {frozen}", "FROZEN"));
    }
    if let Some(deletion) = project.get("deletion").and_then(deletion::sentence) {
        lines.push(format!("  {:<9} {deletion}", "deletion"));
    }
    let around = project.get("workspace_deletion");
    if let Some(deletion) = around.and_then(deletion::sentence) {
        lines.push(format!("  {:<9} its workspace: {deletion}", "deletion"));
    }
    let missing = texts(project, "/missing");
    for what in &missing {
        lines.push(format!("missing: {}", shown(what)));
    }
    lines.push(format!("next: {}", next(project)));
    lines
}

/// What an emergency stop means, and who can end it.
fn frozen(project: &Value) -> Option<String> {
    if project.get("frozen").and_then(Value::as_bool) != Some(true) {
        return None;
    }
    let at = |pointer| shown(text(project, pointer));
    let stopped = "nothing is repaired, ignored, erased or carried out";
    Some(match at("/unfreeze/by").as_str() {
        "" => format!("{stopped}; to lift it: counterfoil project unfreeze"),
        by => format!(
            "{stopped}; {by} wants to lift it: another admin or owner runs counterfoil project \
             unfreeze before {}",
            at("/unfreeze/lapses_at")
        ),
    })
}

/// The command that comes next.
pub(crate) fn next(project: &Value) -> &'static str {
    let has = |pointer| project.pointer(pointer).is_some_and(|it| !it.is_null());
    if !has("/connections/stripe") {
        "counterfoil connect stripe"
    } else if !has("/connections/database") {
        "counterfoil connect database"
    } else if !has("/mapping") {
        "counterfoil init, then counterfoil project map counterfoil.toml --activate"
    } else if project
        .pointer("/connections/webhook_secrets")
        .and_then(Value::as_u64)
        == Some(0)
    {
        "counterfoil connect webhook, so that changes are seen at once"
    } else {
        "counterfoil doctor"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_says_what_it_misses_and_the_next_command() {
        let mut project = json!({
            "id": "prj_1", "name": "Web", "environment": "live", "mapping": null,
            "connections": { "stripe": null, "database": null, "repair": null, "webhook_secrets": 0 },
            "missing": ["Stripe is not connected: store a restricted key (rk_...)"],
        });
        let lines = story(&project).join("\n");
        assert!(
            lines.contains("missing: Stripe is not connected"),
            "{lines}"
        );
        assert!(
            lines.ends_with("next: counterfoil connect stripe"),
            "{lines}"
        );
        let probed = json!({ "standing": "ok", "probed_at": "2026-11-23T00:00:00Z" });
        project["connections"]["stripe"] = probed.clone();
        assert_eq!(next(&project), "counterfoil connect database");
        project["connections"]["database"] = probed;
        assert!(next(&project).contains("project map"));
        project["mapping"] = json!("sha256:1");
        assert!(next(&project).contains("connect webhook"));
        project["connections"]["webhook_secrets"] = json!(1);
        assert_eq!(next(&project), "counterfoil doctor");
    }
}
