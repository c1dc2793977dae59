//! The loop, played through the real endpoints: webhook, check, incident, proposal, votes, repair,
//! verification, evidence.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::reconcile::Direction;
use counterfoil_core::records::Versioned;
use counterfoil_core::run::{Run, RunStep};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::money::{amounts, sums};

use super::api::{Answer, Api};
use super::exports::export;
use super::scene::Scene;
use super::story::Story;

/// How long any one step may take before the demo says that something is wrong.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// What the play leaves for the summary.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) opened: usize,
    pub(super) resolved: usize,
    pub(super) repaired: Vec<String>,
    pub(super) rejected: String,
    pub(super) refused_votes: usize,
    pub(super) export: String,
    pub(super) exported_run: String,
    /// The run package.
    pub(super) package: Vec<u8>,
    /// Its report.
    pub(super) report: Vec<u8>,
    /// The delivery of the whole stream: its members by their names.
    pub(super) delivery: BTreeMap<String, Vec<u8>>,
}

impl Played {
    /// The member of the delivery that is evidence.
    pub(super) fn evidence(&self) -> Result<&[u8]> {
        let evidence = self.delivery.get("evidence.tar");
        evidence
            .map(Vec::as_slice)
            .context("the delivery has no evidence.tar")
    }
}

/// Plays the loop once.
pub(super) async fn play(scene: &Scene, story: &mut Story) -> Result<Played> {
    let mut played = Played::default();
    webhook(scene, story).await?;
    scan(scene, story, &mut played).await?;
    approve_held(scene, story, &mut played).await?;
    own_repair(scene, story, &mut played).await?;
    reject_held(scene, story, &mut played).await?;
    check_again(scene, story, &mut played).await?;
    export(scene, story, &mut played).await?;
    Ok(played)
}

async fn webhook(scene: &Scene, story: &mut Story) -> Result<()> {
    story.chapter("Stripe tells us that a customer changed");
    let forged = scene.deliver_webhook("whsec_somebody_else").await?;
    ensure!(
        forged == StatusCode::BAD_REQUEST,
        "a forged delivery was answered {forged}"
    );
    story.say("A delivery with a wrong signature: 400, nothing else happened.");
    let taken = scene.deliver_webhook(scene.webhook_secret.reveal()).await?;
    ensure!(
        taken == StatusCode::OK,
        "the signed delivery was answered {taken}"
    );
    let customer = &scene.webhook_customer;
    story.say(format!(
        "The signed one: 200, and a check of {customer} is queued."
    ));
    let incident = wait_for("the incident of the webhook", story, async || {
        let incidents = scene.incidents().await?;
        Ok(incidents
            .into_iter()
            .find(|found| found.value.finding.customers.contains(customer)))
    })
    .await?;
    story.say(format!(
        "Looked twice at both sides: {}.",
        sentence(&incident.value)
    ));
    Ok(())
}

async fn scan(scene: &Scene, story: &mut Story, played: &mut Played) -> Result<()> {
    story.chapter("The schedule compares everybody");
    let run = scene.invoke_scan().await?;
    let run = wait_for_run(scene, story, &run).await?;
    let incidents = open(scene.incidents().await?);
    played.opened = incidents.len();
    story.say(format!(
        "{} customers, {} subscriptions and {} rows: {} differences.",
        run.counts.customers,
        run.counts.subscriptions,
        run.counts.rows,
        incidents.len()
    ));
    for line in table(&incidents) {
        story.say(line);
    }
    story.say(money(&incidents));
    let held = held(&scene.approver).await?;
    story.say(format!(
        "The schedule proposed {} repairs. Policy says REQUIRE for each: a person must approve.",
        held.len()
    ));
    Ok(())
}

async fn approve_held(scene: &Scene, story: &mut Story, played: &mut Played) -> Result<()> {
    story.chapter("A person approves what the schedule proposed");
    let action = first_held(&scene.approver).await?;
    story.say(change_sentence(&action)?);
    let after = vote(
        &scene.approver,
        &action,
        "approve",
        "Paid in Stripe, webhook was lost",
    )
    .await?;
    let after = after.expect(StatusCode::OK)?;
    ensure!(
        after.text("/state")? == "verified",
        "the repair ended as {}",
        after.text("/state")?
    );
    let people = &scene.people;
    story.say(format!(
        "{} approved; one row changed; both sides were read again: they agree.",
        people.approver
    ));
    played.repaired.push(text(&action, "/id")?.to_owned());
    after
        .text("/follow_up_run")?
        .clone_into(&mut played.exported_run);
    Ok(())
}

async fn own_repair(scene: &Scene, story: &mut Story, played: &mut Played) -> Result<()> {
    story.chapter("A person repairs, and cannot approve themselves");
    let incidents = open(scene.incidents().await?);
    let incident = incidents
        .iter()
        .find(|found| found.state == IncidentState::Open && found.finding.not_repairable.is_none())
        .context("no open incident is left that may be repaired")?;
    story.say(format!(
        "{} proposes the repair of: {}.",
        scene.people.approver,
        sentence(incident)
    ));
    let body = json!({
        "reason": "Asked for by support, contract is on file",
    });
    let path = format!("/v1/incidents/{}/repairs", incident.id);
    let proposed = scene
        .approver
        .post(&path, &body, None)
        .await?
        .expect(StatusCode::CREATED)?;
    let id = proposed.text("/id")?.to_owned();
    let action = with_etag(proposed);
    let own = vote(
        &scene.approver,
        &action,
        "approve",
        "I would like to approve myself",
    )
    .await?;
    ensure!(
        own.status == StatusCode::FORBIDDEN,
        "a proposer's own vote was answered {}",
        own.status
    );
    played.refused_votes = played.refused_votes.saturating_add(1);
    story.say("Their own vote: 403, and the refusal is on record.");
    let path = format!("/v1/actions/{id}/execute");
    let shown = json!({ "action_digest": text(&action, "/action_digest")? });
    let after = scene.approver.post(&path, &shown, None).await?;
    let after = after.expect(StatusCode::OK)?;
    ensure!(
        after.text("/state")? == "verified",
        "the repair ended as {}",
        after.text("/state")?
    );
    story.say(format!(
        "{} executes exactly what was shown, by digest: done and verified.",
        scene.people.approver
    ));
    played.repaired.push(id);
    Ok(())
}

async fn reject_held(scene: &Scene, story: &mut Story, played: &mut Played) -> Result<()> {
    story.chapter("A person says no");
    let action = first_held(&scene.second).await?;
    story.say(change_sentence(&action)?);
    let after = vote(
        &scene.second,
        &action,
        "reject",
        "This customer has a special deal",
    )
    .await?;
    let after = after.expect(StatusCode::OK)?;
    ensure!(
        after.text("/state")? == "rejected",
        "the action ended as {}",
        after.text("/state")?
    );
    story.say(format!(
        "{} rejected it: nothing was written, the incident stays open.",
        scene.people.second
    ));
    text(&action, "/id")?.clone_into(&mut played.rejected);
    Ok(())
}

async fn check_again(scene: &Scene, story: &mut Story, played: &mut Played) -> Result<()> {
    story.chapter("Everybody is compared once more");
    let run = scene.invoke_scan().await?;
    wait_for_run(scene, story, &run).await?;
    let incidents = scene.incidents().await?;
    let resolved = |found: &&Versioned<Incident>| found.value.state == IncidentState::Resolved;
    played.resolved = incidents.iter().filter(resolved).count();
    let left = incidents.len().saturating_sub(played.resolved);
    story.say(format!(
        "{} incidents are resolved, {left} are left.",
        played.resolved
    ));
    ensure!(
        played.resolved >= played.repaired.len(),
        "repaired incidents are not resolved"
    );
    Ok(())
}

/// Held actions of the inbox.
async fn held(api: &Api) -> Result<Vec<Value>> {
    let inbox = api.get("/v1/approvals").await?.expect(StatusCode::OK)?;
    let items = inbox.body.pointer("/items").and_then(Value::as_array);
    let mut items = items.cloned().unwrap_or_default();
    items.retain(|item| item.pointer("/state").and_then(Value::as_str) == Some("held"));
    Ok(items)
}

async fn first_held(api: &Api) -> Result<Value> {
    held(api)
        .await?
        .into_iter()
        .next()
        .context("no action is held any more")
}

async fn vote(api: &Api, action: &Value, vote: &str, reason: &str) -> Result<Answer> {
    let body = json!({
        "vote": vote,
        "reason": reason,
        "action_digest": text(action, "/action_digest")?,
    });
    let path = format!("/v1/actions/{}/approvals", text(action, "/id")?);
    api.post(&path, &body, Some(text(action, "/etag")?)).await
}

fn with_etag(answer: Answer) -> Value {
    let mut action = answer.body;
    if let Some(fields) = action.as_object_mut() {
        fields.insert("etag".to_owned(), Value::String(answer.etag));
    }
    action
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no {pointer}"))
}

fn change_sentence(action: &Value) -> Result<String> {
    let columns = action.pointer("/change/columns").and_then(Value::as_array);
    let changes: Vec<String> = columns
        .into_iter()
        .flatten()
        .map(|change| {
            let side = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
            format!(
                "{} from \"{}\" to \"{}\"",
                side("column"),
                side("before"),
                side("after")
            )
        })
        .collect();
    let table = text(action, "/change/table")?;
    let key = text(action, "/change/key")?;
    Ok(format!("In {table}, row {key}: {}.", changes.join(", ")))
}

fn open(incidents: Vec<Versioned<Incident>>) -> Vec<Incident> {
    let mut open: Vec<Incident> = incidents
        .into_iter()
        .map(|found| found.value)
        .filter(|incident| incident.state != IncidentState::Resolved)
        .collect();
    open.sort_by(|a, b| {
        let key = |incident: &Incident| (incident.finding.kind, incident.finding.subject.clone());
        key(a).cmp(&key(b))
    });
    open
}

fn sentence(incident: &Incident) -> String {
    let finding = &incident.finding;
    let risk = incident
        .at_risk()
        .map_or_else(String::new, |money| format!(", {money} a month"));
    format!(
        "{} of {}: promised {}, granted {}{risk}",
        finding.kind.name(),
        finding.subject,
        finding.expected.text(),
        finding.actual.text()
    )
}

fn table(incidents: &[Incident]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<24} {:<38} {:<22} {:<22} {:>14}",
        "what", "who", "promised", "granted", "a month"
    )];
    lines.extend(incidents.iter().map(|incident| {
        let finding = &incident.finding;
        let risk = incident
            .at_risk()
            .map_or_else(|| "-".to_owned(), ToString::to_string);
        format!(
            "{:<24} {:<38} {:<22} {:<22} {risk:>14}",
            finding.kind.name(),
            finding.subject,
            clip(&finding.expected.text()),
            clip(&finding.actual.text()),
        )
    }));
    lines
}

/// What the differences come to.
fn money(incidents: &[Incident]) -> String {
    let total = |direction| {
        let findings = incidents.iter().map(|incident| &incident.finding);
        amounts(&sums(findings, direction))
    };
    format!(
        "{} a month paid and not given, {} a month given without pay.",
        total(Direction::Owed),
        total(Direction::Leak)
    )
}

fn clip(text: &str) -> String {
    const WIDTH: usize = 22;
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}

async fn wait_for_run(scene: &Scene, story: &Story, run: &str) -> Result<Run> {
    wait_for("the run", story, async || {
        let found = scene.run(run).await?;
        Ok(found.filter(|run| run.step == RunStep::Done))
    })
    .await
}

async fn wait_for<T>(
    what: &str,
    story: &Story,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut waited = Duration::ZERO;
    let pause = Duration::from_millis(250);
    while waited < PATIENCE {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(pause).await;
        waited = waited.saturating_add(pause);
        if waited.as_millis().is_multiple_of(5_000) {
            story.progress(&format!("waiting for {what}"));
        }
    }
    bail!("{what} did not come within {} s", PATIENCE.as_secs())
}
