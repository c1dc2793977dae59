//! Votes on held actions: whose count, how often, and on what was displayed.

use counterfoil_core::incident::IncidentState;
use counterfoil_core::tenancy::Role;
use counterfoil_core::time::Timestamp;
use serde_json::json;

use super::calls::{Answer, ballot};
use super::stage::{Stage, now, stage};
use super::tenant::Tenant;

/// The rules by which decisions of this effect were made, in order.
async fn rules(stage: &Stage, tenant: &Tenant, effect: &str) -> Vec<String> {
    let entries = stage.main.entries(tenant).await;
    let decisions = entries
        .iter()
        .filter(|entry| entry.kind == "run.decision" && entry.facts["effect"] == effect);
    let rules = decisions.map(|entry| entry.facts["rule"].as_str().unwrap().to_owned());
    rules.collect()
}

/// A tenant with a lost webhook, the user's id, and the repair that Ada's key has proposed.
async fn proposed(stage: &Stage) -> (Tenant, String, Answer) {
    let tenant = stage.tenant().await;
    let (customer, user) = stage.drifted("paid_no_access");
    let incident = stage.found(&tenant, &customer).await;
    let action = stage.propose(&tenant, &incident).await;
    (tenant, user, action)
}

#[test]
fn a_vote_that_does_not_count_is_refused_recorded_and_changes_nothing() {
    let stage = stage();
    stage.run(async {
        let (tenant, user, action) = proposed(stage).await;
        let path = format!("/v1/actions/{}/approvals", action.field("/id"));
        let mut other_digest = ballot(&action, "approve");
        other_digest["action_digest"] = json!(format!("sha256:{}", "f".repeat(64)));
        let mut short = ballot(&action, "approve");
        short["reason"] = json!("ok");
        let (yes, no) = (ballot(&action, "approve"), ballot(&action, "reject"));
        for (key, body, rule) in [
            (&tenant.repair_key, &yes, "base.forbid.machine-approves"),
            (&tenant.read_key, &no, "base.forbid.machine-approves"),
            (&tenant.ben, &other_digest, "base.forbid.approval-form"),
            (&tenant.ben, &short, "base.forbid.approval-form"),
        ] {
            let answer = stage.call("POST", &path, Some(key), Some(action.etag()), body);
            let answer = answer.await;
            assert_eq!(answer.says(), (403, "action-denied".to_owned()), "{rule}");
            assert!(answer.text.contains(rule), "{}", answer.text);
            assert_eq!(rules(stage, &tenant, "DENY").await.pop().unwrap(), rule);
        }
        assert_eq!(rules(stage, &tenant, "DENY").await.len(), 4);
        let now = stage.action(&tenant.ada, &action.field("/id")).await;
        assert_eq!((now.says().1.as_str(), now.etag()), ("held", "\"1\""));
        assert_eq!(stage.updates(&tenant), 0);
        assert!(!stage.granted(&tenant, &user));
    });
}

#[test]
fn a_vote_is_for_the_version_that_was_displayed() {
    let stage = stage();
    stage.run(async {
        let (tenant, _, action) = proposed(stage).await;
        let path = format!("/v1/actions/{}/approvals", action.field("/id"));
        let yes = ballot(&action, "approve");
        for (etag, says) in [
            (None, (428, "precondition-required")),
            (Some("\"9\""), (412, "precondition-failed")),
            (Some("\"0\""), (412, "precondition-failed")),
            (Some("*"), (400, "invalid-request")),
        ] {
            let answer = stage.call("POST", &path, Some(&tenant.ben), etag, &yes);
            let answer = answer.await.says();
            assert_eq!((answer.0, answer.1.as_str()), says, "{etag:?}");
        }
        assert_eq!(stage.updates(&tenant), 0);
        let done = stage.vote(&action, &tenant.ben, "approve").await;
        assert_eq!(done.says(), (200, "verified".to_owned()), "{}", done.text);
    });
}

#[test]
fn whoever_signed_in_too_long_ago_is_asked_to_sign_in_again_and_then_may_vote() {
    let stage = stage();
    stage.run(async {
        let (tenant, _, action) = proposed(stage).await;
        let ben = &tenant.people[&Role::Approver];
        let (subject, _) = ben.split_once('@').unwrap();
        let subject = subject.strip_prefix("person:").unwrap();
        let stale = stage.issuer.mint(subject, |claims| {
            let long_ago = now().as_secs() - 16 * 60;
            claims.insert("auth_time".to_owned(), json!(long_ago));
        });
        let project = tenant.project.id.to_string();
        let refused = stage.vote_with(&action, &stale, &project, "once").await;
        assert_eq!(
            refused.says(),
            (401, "insufficient_user_authentication".to_owned()),
            "{}",
            refused.text
        );
        // RFC 9470 section 3.
        let challenge = refused.header("www-authenticate");
        assert!(challenge.starts_with("Bearer error="), "{challenge}");
        assert!(challenge.contains("max_age=\"900\""), "{challenge}");
        assert_eq!(stage.updates(&tenant), 0);
        let fresh = stage.issuer.mint(subject, |_| {});
        let done = stage.vote_with(&action, &fresh, &project, "once").await;
        assert_eq!(done.says(), (200, "verified".to_owned()), "{}", done.text);
    });
}

#[test]
fn a_rejected_repair_ends_and_its_incident_is_open_again() {
    let stage = stage();
    stage.run(async {
        let (tenant, _, action) = proposed(stage).await;
        let rows = stage.rows(&tenant);
        let (customer, _) = stage.drifted("paid_no_access");
        let proposed = stage.incident_now(&tenant, &customer).await.unwrap();
        assert_eq!(proposed.state, IncidentState::Repairing);
        let after = stage.vote(&action, &tenant.ben, "reject").await;
        assert_eq!(after.says(), (200, "rejected".to_owned()), "{}", after.text);
        let incident = stage.incident_now(&tenant, &customer).await.unwrap();
        assert_eq!(incident.state, IncidentState::Open);
        let late = stage.vote(&after, &tenant.ben, "approve").await;
        assert_eq!(late.says(), (403, "action-denied".to_owned()));
        let path = format!("/v1/actions/{}/execute", action.field("/id"));
        let nothing = json!({});
        let forced = stage.call("POST", &path, Some(&tenant.repair_key), None, &nothing);
        assert_eq!(forced.await.says(), (409, "wrong-state".to_owned()));
        assert_eq!(stage.updates(&tenant), 0);
        assert_eq!(stage.rows(&tenant), rows);
        // And may be proposed again.
        stage.propose(&tenant, &incident).await;
    });
}

#[test]
fn two_people_who_approve_at_once_cause_one_update() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, user) = stage.drifted("wrong_plan");
        let incident = stage.found(&tenant, &customer).await;
        let action = stage.propose_as(&tenant.repair_key, &incident).await;
        assert_eq!(action.status, 201, "{}", action.text);
        let (one, two, three, four) = tokio::join!(
            stage.vote(&action, &tenant.ada, "approve"),
            stage.vote(&action, &tenant.ben, "approve"),
            stage.vote(&action, &tenant.ada, "approve"),
            stage.vote(&action, &tenant.ben, "approve"),
        );
        let answers = [one, two, three, four];
        let won = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(won.count(), 1, "{answers:?}");
        let lost = answers.iter().filter(|answer| answer.status != 200);
        for answer in lost {
            assert!((400..500).contains(&answer.status), "{answer:?}");
        }
        let now = stage.action(&tenant.ada, &action.field("/id")).await;
        assert_eq!(now.says().1, "verified");
        assert_eq!(stage.updates(&tenant), 1, "row {user}");
        let entries = stage.main.entries(&tenant).await;
        for kind in ["repair.started", "repair.executed", "run.resolution"] {
            let count = entries.iter().filter(|entry| entry.kind == kind).count();
            assert_eq!(count, 1, "{kind}");
        }
    });
}

#[test]
fn checks_of_the_same_customer_do_not_make_a_repair_look_failed() {
    let stage = stage();
    stage.run(async {
        let (tenant, user, action) = proposed(stage).await;
        let (customer, _) = stage.drifted("paid_no_access");
        for _ in 0..8 {
            let taken = stage.webhook(&tenant, &customer).await;
            assert_eq!(taken.status, 200, "{}", taken.text);
        }
        let done = stage.vote(&action, &tenant.ben, "approve").await;
        // `executed` where a check touched the incident at that moment: the sweep verifies it.
        assert_eq!(done.status, 200, "{}", done.text);
        let state = done.field("/state");
        assert!(
            ["verified", "executed"].contains(&state.as_str()),
            "{state}"
        );
        assert!(stage.granted(&tenant, &user));
        assert_eq!(stage.updates(&tenant), 1);
    });
}

#[test]
fn a_row_that_changed_since_the_proposal_is_left_alone() {
    let stage = stage();
    stage.run(async {
        let (tenant, user, action) = proposed(stage).await;
        let change = format!("UPDATE app_users SET plan = 'enterprise' WHERE id = '{user}'");
        stage.postgres.sql(&tenant.database, &change).unwrap();
        let rows = stage.rows(&tenant);
        let after = stage.vote(&action, &tenant.ben, "approve").await;
        assert_eq!(after.says(), (200, "stale".to_owned()), "{}", after.text);
        assert_eq!(stage.rows(&tenant), rows);
        let (customer, _) = stage.drifted("paid_no_access");
        let incident = stage.incident_now(&tenant, &customer).await.unwrap();
        assert_eq!(incident.state, IncidentState::Open);
    });
}

#[test]
fn an_ignore_that_a_key_asks_for_in_live_waits_for_a_person_and_is_then_carried_out() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("paid_no_access");
        let incident = stage.found(&tenant, &customer).await;
        let path = format!("/v1/incidents/{}/ignore", incident.id);
        let until = Timestamp::from_secs(now().as_secs() + 86_400).to_string();
        let body = json!({ "until": until, "reason": "Paid by bank transfer until then" });
        let once = "ignore-once";
        let key = &tenant.repair_key;
        let held = stage.post_once(&path, key, once, &body).await;
        assert_eq!(held.says(), (202, "held".to_owned()), "{}", held.text);
        assert_eq!(held.field("/type"), "incident.ignore");
        assert_eq!(
            held.header("counterfoil-decision"),
            held.field("/decision/id")
        );
        let again = stage.post_once(&path, key, once, &body).await;
        assert_eq!((again.status, again.field("/id")), (202, held.field("/id")));
        let before = stage.incident_now(&tenant, &customer).await.unwrap();
        assert_eq!(before.state, IncidentState::Open);

        let nothing = json!(null);
        let inbox = stage.call("GET", "/v1/approvals", Some(&tenant.ben), None, &nothing);
        let inbox = inbox.await.json();
        let waiting = inbox["items"].as_array().unwrap();
        let waiting = waiting
            .iter()
            .find(|it| it["id"] == held.json()["id"])
            .unwrap();
        assert_eq!(waiting["ignore"], held.json()["ignore"]);
        assert!(waiting["ignore"]["at_risk"]["minor"].is_i64(), "{waiting}");

        let own = stage.vote(&held, key, "approve").await;
        assert_eq!(own.says(), (403, "action-denied".to_owned()));
        let done = stage.vote(&held, &tenant.ben, "approve").await;
        assert_eq!(done.says(), (200, "executed".to_owned()), "{}", done.text);
        let after = stage.incident_now(&tenant, &customer).await.unwrap();
        assert_eq!(after.state, IncidentState::Ignored);
        assert_eq!(
            after.ignored.unwrap().until.to_string(),
            held.field("/ignore/until")
        );
        let entries = stage.main.entries(&tenant).await;
        let kinds: Vec<&str> = entries.iter().map(|entry| entry.kind.as_str()).collect();
        let carried_out = [
            "run.open",
            "run.resolution",
            "run.decision",
            "incident.ignored",
            "run.close",
        ];
        assert!(kinds.ends_with(&carried_out), "{kinds:?}");
        assert_eq!(stage.updates(&tenant), 0);
    });
}
