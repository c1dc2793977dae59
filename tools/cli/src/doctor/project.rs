//! The project: complete, connected, told by Stripe, scanned.

use std::time::Duration;

use counterfoil_core::time::Timestamp;
use serde_json::{Value, json};

use super::check::{Check, State};
use crate::answer::{items, text, texts};
use crate::client::{Client, Failure};
use crate::connect::lines;
use crate::project::{next, path};

/// A probe older than this says little about today.
const OLD_PROBE: Duration = Duration::from_hours(7 * 24);

pub(super) async fn look(client: &Client, now: Timestamp) -> Vec<Check> {
    let path = match path(client).await {
        Ok(path) => path,
        Err(failure) => {
            let check = Check::of("project", &failure);
            return vec![check.next("counterfoil project list, then --project")];
        }
    };
    let project = match client.get(&path).await {
        Ok(project) => project,
        Err(failure) => return vec![Check::of("project", &failure)],
    };
    let mut checks = vec![complete(&project)];
    match client.get(&format!("{path}/connections")).await {
        Ok(stored) => checks.extend(items(&stored).iter().map(|it| connection(it, now))),
        // A key of one project and a viewer see at least what the project says of them.
        Err(Failure::Refused(_)) => checks.extend(brief(&project, now)),
        Err(failure) => checks.push(Check::of("connections", &failure)),
    }
    if texts(&project, "/missing").is_empty() {
        checks.push(webhooks(client).await);
        checks.push(scans(client).await);
    }
    checks
}

fn complete(project: &Value) -> Check {
    let (id, name) = (text(project, "/id"), text(project, "/name"));
    let missing = texts(project, "/missing");
    if missing.is_empty() {
        let said = format!(
            "{id} ({name}, {}) is complete",
            text(project, "/environment")
        );
        return Check::ok("project", said);
    }
    let said = format!("{id} ({name}): {}", missing.join("; "));
    Check::new("project", State::Fail, said).next(next(project))
}

fn connection(connection: &Value, now: Timestamp) -> Check {
    let kind = text(connection, "/kind");
    let name = match kind {
        "stripe" => "stripe",
        "database" => "database",
        "repair" => "repair",
        _ => "webhook",
    };
    let said = lines(connection).join("\n");
    let again = format!("counterfoil connect {name}");
    let probed = text(connection, "/probed_at").parse::<Timestamp>().ok();
    let old = probed.is_some_and(|at| now.since(at) > OLD_PROBE);
    if connection.get("added_at").is_some_and(Value::is_null) {
        return Check::new(name, State::Fail, format!("{said}\nit was revoked")).next(again);
    }
    match text(connection, "/standing") {
        "alarm" => Check::new(name, State::Fail, said).next(again),
        "warning" => Check::new(name, State::Warn, said).next(again),
        _ if old => Check::new(name, State::Warn, format!("{said}\nprobed long ago")).next(again),
        _ => Check::ok(name, said),
    }
}

/// What the project itself says of its connections.
fn brief(project: &Value, now: Timestamp) -> Vec<Check> {
    let one = |kind: &'static str| {
        let found = project.pointer(&format!("/connections/{kind}"))?;
        let (standing, at) = (found.get("standing")?, found.get("probed_at")?);
        let shown = json!({ "kind": kind, "added_at": "", "standing": standing, "probed_at": at });
        Some(connection(&shown, now))
    };
    let kinds = ["stripe", "database", "repair"].into_iter();
    kinds.filter_map(one).collect()
}

async fn webhooks(client: &Client) -> Check {
    let name = "webhooks";
    let health = match client.get_of_project("/v1/webhooks/health").await {
        Ok(health) => health,
        Err(failure) => return Check::of(name, &failure),
    };
    let last = match text(&health, "/last_delivery_at") {
        "" => "no delivery has come yet".to_owned(),
        at => format!("the last delivery came at {at}"),
    };
    if text(&health, "/connection/state") == "ended" {
        let said = format!(
            "Stripe does not take the key since {}",
            text(&health, "/connection/ended_at")
        );
        return Check::new(name, State::Fail, said).next("counterfoil connect stripe");
    }
    let again = "look at the endpoint's page in Stripe, then counterfoil connect webhook";
    match text(&health, "/result") {
        "alarm" => Check::new(name, State::Fail, last).next(again),
        "warning" => Check::new(name, State::Warn, last).next(again),
        _ => Check::ok(name, last),
    }
}

async fn scans(client: &Client) -> Check {
    let name = "scan";
    let schedule = match client.get_of_project("/v1/settings/schedule").await {
        Ok(schedule) => schedule,
        Err(failure) => return Check::of(name, &failure),
    };
    let every = schedule.get("full_every_hours").and_then(Value::as_u64);
    let every = every.unwrap_or(24);
    match schedule.get("measured").filter(|it| it.is_object()) {
        None => Check::new(name, State::Warn, "no scan has been complete yet")
            .next("wait for the first scan, and look at counterfoil run list"),
        Some(measured) => {
            let warning = text(measured, "/warning");
            let said = format!("a scan has been complete; one is due every {every} hours");
            if warning.is_empty() {
                Check::ok(name, said)
            } else {
                Check::new(name, State::Warn, format!("{said}\n{warning}"))
            }
        }
    }
}
