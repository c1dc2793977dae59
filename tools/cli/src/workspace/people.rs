//! People: invited, given a role, taken out.

use clap::{Args as ClapArgs, ValueEnum};
use reqwest::Method;
use serde_json::json;

use super::place;
use crate::access::{Call, segment};
use crate::answer::{items, text};
use crate::client::{Client, Failure};
use crate::output::say;
use crate::place::{self as places, Place};
use crate::plain::{say_json, shown};
use crate::secret;
use crate::table::Table;

/// What somebody may do
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Role {
    /// Everything, people and keys too
    Owner,
    /// Settings, credentials, erasure, export; approves and repairs
    Admin,
    /// Approves, rejects, proposes and executes repairs
    Approver,
    /// Reads everything, exports, verifies, places legal holds
    Auditor,
    /// Reads, with values masked
    Viewer,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
        }
    }
}

/// Invites somebody; prints the token that they accept with
#[derive(Debug, ClapArgs)]
pub(super) struct Invite {
    /// Their address, as a note: nothing is sent to it
    email: String,
    /// What they may do
    #[arg(long, value_enum)]
    role: Role,
    /// How the others know them; without it, their address
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    call: Call,
}

/// Gives somebody another role
#[derive(Debug, ClapArgs)]
pub(super) struct ChangeRole {
    /// Their id, as `counterfoil workspace members` shows it
    user: String,
    /// What they may do from now on
    #[arg(value_enum)]
    role: Role,
    #[command(flatten)]
    call: Call,
}

/// Takes somebody out of the workspace, or an invitation back
#[derive(Debug, ClapArgs)]
pub(super) struct Remove {
    /// Their id, as `counterfoil workspace members` shows it
    id: String,
    #[command(flatten)]
    call: Call,
}

/// Joins a workspace with the token of an invitation
#[derive(Debug, ClapArgs)]
pub(super) struct Accept {
    /// How the others in it know you
    #[arg(long, value_name = "NAME")]
    your_name: String,
    #[command(flatten)]
    call: Call,
}

pub(super) async fn list(call: &Call) -> Result<(), Failure> {
    let api = Client::of(call)?;
    let path = place(&api).await?;
    let members = api
        .pages(&format!("{path}/members"), &[], None, true)
        .await?;
    if call.json {
        say_json(&members);
        return Ok(());
    }
    let mut table = Table::new(["person", "name", "role", "since", "signs in"]);
    for it in items(&members) {
        let signs_in = it.get("signs_in").and_then(serde_json::Value::as_bool);
        let signs_in = if signs_in == Some(false) {
            "no, has keys only"
        } else {
            "yes"
        };
        let row = ["/id", "/name", "/role", "/since"].map(|field| text(it, field));
        let [id, name, role, since] = row;
        table.row([id, name, role, since, signs_in]);
    }
    table.print("Nobody is in this workspace.");
    let path = format!("{path}/invitations");
    let waiting = match api.pages(&path, &[], None, true).await {
        // Owners and admins see them.
        Err(Failure::Refused(refused)) => {
            say(format!("\nInvitations: {}", refused.said));
            return Ok(());
        }
        waiting => waiting?,
    };
    if !items(&waiting).is_empty() {
        say("");
        let mut table = Table::new(["invitation", "name", "address", "role", "until"]);
        for it in items(&waiting) {
            table.row(["/id", "/name", "/email", "/role", "/expires_at"].map(|at| text(it, at)));
        }
        table.print("");
    }
    Ok(())
}

pub(super) async fn invite(args: &Invite) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let path = format!("{}/invitations", place(&api).await?);
    let name = args.name.as_deref().unwrap_or(&args.email);
    let body = json!({ "name": name, "email": args.email, "role": args.role.name() });
    let made = api.change(Method::POST, &path, Some(&body), None).await?;
    if args.call.json {
        say_json(&made.body);
        return Ok(());
    }
    eprintln!(
        "invited {} as {}, until {}; they run: counterfoil login --api {}, then counterfoil workspace accept \
         --your-name NAME, and give this token, which is shown once and counts once:",
        shown(text(&made.body, "/name")),
        shown(text(&made.body, "/role")),
        shown(text(&made.body, "/expires_at")),
        api.base(),
    );
    say(shown(text(&made.body, "/token")));
    Ok(())
}

pub(super) async fn change_role(args: &ChangeRole) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let path = format!("{}/members/{}", place(&api).await?, segment(&args.user)?);
    let found = api.read(&path, &[]).await?;
    let body = json!({ "role": args.role.name() });
    let etag = Some(found.etag.as_str());
    let changed = api.change(Method::PATCH, &path, Some(&body), etag).await?;
    if args.call.json {
        say_json(&changed.body);
    } else {
        say(format_args!(
            "{} was {}, and is {} with their next request",
            shown(text(&changed.body, "/name")),
            shown(text(&found.body, "/role")),
            shown(text(&changed.body, "/role")),
        ));
    }
    Ok(())
}

pub(super) async fn remove(args: &Remove) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let id = segment(&args.id)?;
    let family = if id.starts_with("inv_") {
        "invitations"
    } else {
        "members"
    };
    let path = format!("{}/{family}/{id}", place(&api).await?);
    let gone = api.change(Method::DELETE, &path, None, None).await?;
    if args.call.json {
        say_json(&gone.body);
    } else if family == "members" {
        say(format_args!(
            "{id} is out of the workspace, and their keys that approve are revoked; keys that they made stay: see \
             counterfoil key list"
        ));
    } else {
        say(format_args!("{id} counts no more"));
    }
    Ok(())
}

pub(super) async fn accept(args: &Accept) -> Result<(), Failure> {
    let api = Client::of(&args.call)?;
    let token = secret::read("token of the invitation", "COUNTERFOIL_INVITATION")?;
    let body = json!({ "token": token.reveal(), "your_name": args.your_name });
    let joined = api
        .change(Method::POST, "/v1/invitations/accept", Some(&body), None)
        .await?;
    let id = segment(text(&joined.body, "/workspace_id"))?;
    let place = Place {
        workspace: Some(id.to_owned()),
        project: None,
    };
    places::keep(api.base(), &place);
    if args.call.json {
        say_json(&joined.body);
    } else {
        say(format_args!(
            "You are {} in {} ({id}).",
            shown(text(&joined.body, "/role")),
            shown(text(&joined.body, "/workspace_name")),
        ));
        say("next: counterfoil project list");
    }
    Ok(())
}
