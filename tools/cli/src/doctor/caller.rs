//! Who asks: a key or a person, until when, and in which workspace.

use std::time::Duration;

use counterfoil_core::time::Timestamp;
use serde_json::Value;

use super::check::{Check, State};
use crate::answer::{items, text};
use crate::client::Client;
use crate::login;

/// A key that expires sooner should be replaced now.
const SOON: Duration = Duration::from_hours(14 * 24);

pub(super) async fn look(client: &Client, now: Timestamp) -> Vec<Check> {
    let me = match client.get("/v1/me").await {
        Ok(me) => me,
        Err(failure) => return vec![Check::of("credential", &failure).next(renew(client))],
    };
    let mut checks = vec![if client.with_key() {
        key(&me, now)
    } else {
        person(client, &me, now)
    }];
    checks.push(workspace(client).await);
    checks
}

fn renew(client: &Client) -> String {
    if client.with_key() {
        "give another key in COUNTERFOIL_API_KEY, or leave it out and sign in".to_owned()
    } else {
        format!("counterfoil login --api {}", client.base())
    }
}

fn key(me: &Value, now: Timestamp) -> Check {
    let (id, may) = (text(me, "/id"), text(me, "/capability"));
    let until = text(me, "/expires_at");
    let said = format!("key {id} ({may}) is good until {until}");
    let soon = until
        .parse::<Timestamp>()
        .is_ok_and(|until| until.since(now) < SOON);
    if soon {
        let check = Check::new("credential", State::Warn, said);
        check.next(format!("counterfoil key rotate {id}, as an owner"))
    } else {
        Check::ok("credential", said)
    }
}

fn person(client: &Client, me: &Value, now: Timestamp) -> Check {
    let id = match text(me, "/id") {
        "" => "somebody in no workspace",
        id => id,
    };
    let since = text(me, "/signed_in_at");
    let said = format!("signed in as {id}, last proved at {since}");
    match login::standing(client.base()) {
        Some((until, false)) if until.since(now) < Duration::from_mins(10) => {
            let said = format!("{said}; it ends at {until} and cannot be renewed");
            Check::new("credential", State::Warn, said).next(renew(client))
        }
        _ => Check::ok("credential", said),
    }
}

async fn workspace(client: &Client) -> Check {
    let name = "workspace";
    let list = match client.get("/v1/workspaces").await {
        Ok(list) => list,
        Err(failure) => return Check::of(name, &failure),
    };
    // A key of one project reaches no workspace, and needs none.
    if client.with_key() && items(&list).is_empty() {
        return Check::ok(name, "the key is for one project");
    }
    match client.workspace().await {
        Err(failure) => Check::of(name, &failure),
        Ok(id) => match items(&list).iter().find(|it| text(it, "/id") == id) {
            Some(it) => {
                let role = match text(it, "/role") {
                    "" => "reached with a key".to_owned(),
                    role => format!("you are {role}"),
                };
                Check::ok(name, format!("{id} ({}), {role}", text(it, "/name")))
            }
            None => Check::new(name, State::Fail, format!("{id} is not within your reach"))
                .next("counterfoil workspace list, then --workspace"),
        },
    }
}
