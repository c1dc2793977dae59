//! Scans and checks.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::State;
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::records::Records;
use counterfoil_core::run::{Run, RunResult, RunStep};

use super::world::World;

#[tokio::test]
async fn a_difference_that_stays_becomes_one_incident_after_the_second_look() {
    let world = World::new().await;
    world.first_look().await.unwrap();
    assert!(
        world.incidents().await.is_empty(),
        "an incident before the second look"
    );
    let waiting = world.mail.take_scans();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].1, Duration::from_mins(10));
    world.scans().handle(&waiting[0].0).await.unwrap();
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::PaidNoAccess);
    assert_eq!(
        incident.finding.at_risk.as_ref().unwrap().to_string(),
        "29.00 USD"
    );
    assert_eq!(incident.state, IncidentState::Open);
}

#[tokio::test]
async fn a_difference_that_goes_away_within_the_grace_is_no_incident() {
    let world = World::new().await;
    world.first_look().await.unwrap();
    world.set_row("u1", true);
    world.deliver_scans().await;
    assert!(world.incidents().await.is_empty());
    assert_eq!(world.count("run.close"), 1);
}

#[tokio::test]
async fn scanning_again_updates_the_incident_and_resolves_it_when_the_app_catches_up() {
    let world = World::new().await;
    world.scan().await;
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Open);
    world.set_row("u1", true);
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
}

#[tokio::test]
async fn a_message_that_comes_twice_changes_nothing() {
    let world = World::new().await;
    world.first_look().await.unwrap();
    let (request, _) = world.mail.take_scans().remove(0);
    world.scans().handle(&request).await.unwrap();
    let kinds = world.kinds();
    let summary = world.scans().handle(&request).await.unwrap();
    assert_eq!(summary.step, RunStep::Done);
    assert_eq!(world.kinds(), kinds);
    assert_eq!(world.incidents().await.len(), 1);
}

#[tokio::test]
async fn a_page_that_fails_half_way_makes_the_run_partial_and_opens_nothing() {
    let world = World::new().await;
    world.billing.break_after(Some(0));
    let results = world.first_look().await.unwrap();
    let summary = results[0].as_ref().unwrap();
    assert_eq!(summary.result, Some(RunResult::Partial));
    assert!(world.mail.take_scans().is_empty());
    assert!(world.incidents().await.is_empty());
}

#[tokio::test]
async fn missing_data_does_not_resolve_an_incident() {
    let world = World::new().await;
    world.scan().await;
    world.app.unreadable(true);
    world.first_look().await.unwrap();
    assert_eq!(world.incident().await.state, IncidentState::Open);
}

#[tokio::test]
async fn a_reading_role_that_can_write_is_not_used() {
    let world = World::new().await;
    world.app.grant_write("public.app_users");
    let results = world.first_look().await.unwrap();
    assert_eq!(
        results[0].as_ref().unwrap().result,
        Some(RunResult::Partial)
    );
    assert!(world.incidents().await.is_empty());
}

#[tokio::test]
async fn when_evidence_cannot_be_written_nothing_else_happens() {
    let world = World::new().await;
    world.store.appends_left(Some(0));
    let results = world.first_look().await.unwrap();
    assert!(results[0].is_err());
    assert!(world.mail.take_scans().is_empty());
    assert!(world.incidents().await.is_empty());
}

#[tokio::test]
async fn too_many_differences_open_one_incident_and_propose_nothing() {
    let world = World::new().await;
    for user in ["u3", "u4", "u5"] {
        world.add_user(user, &format!("cus_{user}"), false);
    }
    world.first_look().await.unwrap();
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::MassDrift);
    assert!(world.mail.take_proposals().is_empty());
    assert_eq!(world.count("incident.opened"), 1);
    world.first_look().await.unwrap();
    assert_eq!(world.count("incident.opened"), 1);
    assert_eq!(world.count("incident.changed"), 1, "it is known by now");
}

#[tokio::test]
async fn an_incident_cites_the_line_of_the_findings_that_says_the_same() {
    let world = World::new().await;
    world.add_user("u3", "cus_3", false);
    world.scan().await;
    let records = Records::of(world.store.as_ref(), &world.ann);
    let mut lines = Vec::new();
    for incident in world.incidents().await {
        let key = records.key::<Incident>(&incident.id.to_string());
        let row = world.store.get(&key).await.unwrap().unwrap();
        assert!(row.evidence.is_some());
        lines.push(row.line.unwrap());
    }
    lines.sort_unstable();
    assert_eq!(lines, [1, 2]);
}

#[tokio::test]
async fn a_better_scan_after_a_mass_drift_proposes_nothing_until_a_person_has_looked() {
    let world = World::new().await;
    for user in ["u3", "u4", "u5"] {
        world.add_user(user, &format!("cus_{user}"), false);
    }
    world.scan().await;
    for user in ["u3", "u4", "u5"] {
        world.set_row(user, true);
    }
    world.scan().await;
    let incidents = world.incidents().await;
    assert_eq!(incidents.len(), 2, "the real difference is shown");
    assert!(incidents.iter().any(Incident::is_breaker));
    assert!(world.mail.take_proposals().is_empty());
    let runs = Records::of(world.store.as_ref(), &world.ann)
        .list::<Run>()
        .await
        .unwrap();
    assert!(runs.iter().any(|run| run.value.held_back.breaker == 1));
    let closed = world.facts("run.close").pop().unwrap();
    let kept = closed.get("held_back").and_then(|it| it.get("breaker"));
    assert_eq!(kept.and_then(Json::as_uint), Some(1));
}
