//! From webhook to evidence, and what happens when two people or a lost reply come in between.

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::verify::{Package, Trust, verify};
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{Archive, EvidenceRead};
use counterfoil_testkit::tcp_proxy::Loss;
use serde_json::json;

use super::stage::{stage, wait};

#[test]
fn a_lost_webhook_is_repaired_by_one_approved_update_and_leaves_a_package_that_verifies() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("paid_no_access");
        stage.webhook(&tenant, &customer).await;
        let incident = stage.incident(&tenant, &customer).await;
        let action = stage.propose(&tenant, &incident).await;
        assert_eq!(action.field("/state"), "held");
        assert!(!stage.granted(&tenant, &user));
        let own = stage.vote(&action, &tenant.ada, "approve").await;
        assert_eq!(own.status, 403, "{}", own.text);
        let machine = stage.vote(&action, &tenant.repair_key, "approve").await;
        assert_eq!(machine.status, 403, "{}", machine.text);
        let done = stage.vote(&action, &tenant.ben, "approve").await;
        assert_eq!(
            (done.status, done.field("/state").as_str()),
            (200, "verified"),
            "{}",
            done.text
        );
        assert!(stage.granted(&tenant, &user));
        assert_eq!(stage.updates(&tenant), 1);
        let again = stage.vote(&action, &tenant.ben, "approve").await;
        assert!(again.status >= 400);
        assert_eq!(stage.updates(&tenant), 1);
        assert_eq!(
            stage.incident(&tenant, &customer).await.state,
            IncidentState::Resolved
        );

        let run = done.field("/follow_up_run");
        let body = json!({ "run_id": run });
        let exported = stage
            .call("POST", "/v1/exports", Some(&tenant.ada), None, &body)
            .await;
        assert_eq!(exported.status, 201, "{}", exported.text);
        let link = exported.field("/url");
        let package = reqwest::get(link).await.unwrap().bytes().await.unwrap();
        let stream: Hash = tenant.project.stream.parse().unwrap();
        let trust = Trust::new(stage.seal_key().await, stream);
        let verdict = verify(Package::Document(&package), &trust);
        let accepted = verdict.result.unwrap();
        assert_eq!(accepted.governance[&run].name(), "clean");
        let document = Json::parse_document(&package).unwrap();
        let entries = document.get("entries").and_then(Json::as_array).unwrap();
        let kinds: Vec<&str> = entries
            .iter()
            .map(|entry| {
                entry
                    .get("h")
                    .and_then(|h| h.get("kind"))
                    .and_then(Json::as_str)
                    .unwrap()
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "run.open",
                "run.resolution",
                "run.decision",
                "repair.started",
                "repair.executed",
                "repair.verified",
                "incident.resolved",
                "run.close",
            ]
        );
        for entry in entries {
            let facts = entry.get("p").and_then(|parts| parts.get("facts")).unwrap();
            let facts = facts.canonical_text();
            for personal in [customer.as_str(), user.as_str(), "cus_", "@", "sub_"] {
                assert!(!facts.contains(personal), "facts name {personal}: {facts}");
            }
        }
        assert_eq!(stage.stripe.non_get_calls(), 0);
    });
}

#[test]
fn two_people_who_approve_at_once_cause_one_update() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("wrong_plan");
        stage.webhook(&tenant, &customer).await;
        let incident = stage.incident(&tenant, &customer).await;
        let path = format!("/v1/incidents/{}/repairs", incident.id);
        let body = json!({ "reason": "proposed by a script", "execute_on_approval": true });
        let action = stage
            .call("POST", &path, Some(&tenant.repair_key), None, &body)
            .await;
        assert_eq!(action.status, 201, "{}", action.text);
        let (first, second) = tokio::join!(
            stage.vote(&action, &tenant.ada, "approve"),
            stage.vote(&action, &tenant.ben, "approve"),
        );
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200, "{first:?} {second:?}");
        assert!(statuses[1] >= 400, "{first:?} {second:?}");
        assert_eq!(stage.updates(&tenant), 1, "row {user}");
    });
}

#[test]
fn a_row_that_changed_since_the_proposal_is_left_alone() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("paid_no_access");
        stage.webhook(&tenant, &customer).await;
        let incident = stage.incident(&tenant, &customer).await;
        let action = stage.propose(&tenant, &incident).await;
        let change = format!("UPDATE app_users SET plan = 'enterprise' WHERE id = '{user}'");
        stage.postgres.sql(&tenant.database, &change).unwrap();
        let after = stage.vote(&action, &tenant.ben, "approve").await;
        assert_eq!(
            (after.status, after.field("/state").as_str()),
            (200, "stale"),
            "{}",
            after.text
        );
        assert!(!stage.granted(&tenant, &user));
    });
}

#[test]
fn a_reply_lost_at_commit_is_settled_by_reading_the_row() {
    let stage = stage();
    stage.run(async {
        for (loss, state, granted) in [
            (Loss::Answer, "verified", true),
            (Loss::Commit, "failed", false),
        ] {
            let tenant = stage.tenant_behind(Some(loss)).await;
            let (customer, user) = stage.drifted("paid_no_access");
            stage.webhook(&tenant, &customer).await;
            let incident = stage.incident(&tenant, &customer).await;
            let action = stage.propose(&tenant, &incident).await;
            let after = stage.vote(&action, &tenant.ben, "approve").await;
            assert_eq!(after.field("/state"), state, "{loss:?}: {}", after.text);
            assert_eq!(tenant.proxy.as_ref().unwrap().losses(), 1, "{loss:?}");
            assert_eq!(stage.granted(&tenant, &user), granted, "{loss:?}");
            assert_eq!(stage.updates(&tenant), 1, "{loss:?}");
        }
    });
}

#[test]
fn what_is_sealed_lies_in_locked_storage_byte_for_byte() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let stream: Hash = tenant.project.stream.parse().unwrap();
        let archive = stage.boot.archive().unwrap();
        let name = stage.cloud.deployment.output("ArchiveFunction").unwrap();
        let request = json!({ "seal": { "stream": stream.to_string() } });
        stage
            .boot
            .other_function(name)
            .invoke(&request)
            .await
            .unwrap();
        let prefix = format!("seg/{stream}/");
        let keys = archive.keys_after(&prefix, "").await.unwrap();
        let mut lines = Vec::new();
        for key in &keys {
            lines.extend(archive.get(key).await.unwrap().unwrap());
        }
        let reader = stage.boot.evidence().unwrap();
        let size = reader.head(stream).await.unwrap().unwrap().size;
        let mut headers = Vec::new();
        for entry in reader.entries(stream, 0, size).await.unwrap() {
            headers.extend(entry.header);
            headers.push(b'\n');
        }
        assert!(size > 0);
        assert_eq!(lines, headers);
        let seals = archive
            .keys_after(&format!("seal/{stream}/"), "")
            .await
            .unwrap();
        assert!(!seals.is_empty());
    });
}

#[test]
fn a_database_that_cannot_be_read_opens_no_incident() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("paid_no_access");
        let gone = "REVOKE SELECT (plan) ON app_users FROM counterfoil_read";
        stage.postgres.sql(&tenant.database, gone).unwrap();
        stage.webhook(&tenant, &customer).await;
        let run = wait("the run", async || {
            stage
                .runs(&tenant)
                .await
                .into_iter()
                .find(|run| run.result.is_some())
        })
        .await;
        assert_eq!(run.result, Some(counterfoil_core::run::RunResult::Partial));
        assert!(stage.incidents(&tenant).await.is_empty());
    });
}
