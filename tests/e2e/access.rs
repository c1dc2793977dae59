//! Who may call what, and what strangers learn.

use serde_json::{Value, json};

use super::stage::{Answer, stage};

const NEVER_ISSUED: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// Every route that takes an id: method, path with `{}`, prefix of the id, body.
fn routes() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let vote = json!({ "vote": "approve", "reason": "looks good to me", "action_digest": "x" });
    vec![
        (
            "POST",
            "/v1/incidents/{}/repairs",
            "inc_",
            json!({ "reason": "support asked" }),
        ),
        ("GET", "/v1/actions/{}", "act_", Value::Null),
        ("POST", "/v1/actions/{}/approvals", "act_", vote),
        ("POST", "/v1/actions/{}/execute", "act_", Value::Null),
        ("POST", "/v1/actions/{}/cancel", "act_", Value::Null),
        ("GET", "/v1/exports/{}", "exp_", Value::Null),
        ("GET", "/v1/exports/{}/download", "exp_", Value::Null),
    ]
}

#[test]
fn without_a_valid_key_every_route_answers_401_whatever_the_id() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let mut forged = tenant.ada.clone();
        forged.replace_range(
            20..21,
            if forged.as_bytes()[20] == b'A' {
                "B"
            } else {
                "A"
            },
        );
        let keys = [None, Some("nonsense"), Some(forged.as_str())];
        let mut answers: Vec<Answer> = Vec::new();
        for (method, path, prefix, body) in routes() {
            for key in keys {
                let path = path.replace("{}", &format!("{prefix}{NEVER_ISSUED}"));
                let answer = stage.call(method, &path, key, Some("\"1\""), &body).await;
                assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
                answers.push(answer);
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    });
}

#[test]
fn what_belongs_to_another_project_looks_like_what_never_existed() {
    let stage = stage();
    stage.run(async {
        let (owner, stranger) = (stage.tenant().await, stage.tenant().await);
        let (customer, _) = stage.drifted("paid_no_access");
        stage.webhook(&owner, &customer).await;
        let incident = stage.incident(&owner, &customer).await;
        let action = stage.propose(&owner, &incident).await.field("/id");
        let existing = [("inc_", incident.id.to_string()), ("act_", action)];
        for (method, path, prefix, body) in routes() {
            let Some((_, foreign)) = existing.iter().find(|(kind, _)| *kind == prefix) else {
                continue;
            };
            let absent = format!("{prefix}{NEVER_ISSUED}");
            let mut answers = Vec::new();
            for id in [foreign.as_str(), absent.as_str(), "no such thing"] {
                let path = path.replace("{}", &id.replace(' ', "%20"));
                let key = Some(stranger.ada.as_str());
                let answer = stage.call(method, &path, key, Some("\"1\""), &body).await;
                assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
                answers.push(answer);
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{method} {path}: {answers:?}");
        }
    });
}

#[test]
fn a_reading_key_proposes_nothing_and_exports_only_what_its_owner_may() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("wrong_plan");
        stage.webhook(&tenant, &customer).await;
        let incident = stage.incident(&tenant, &customer).await;
        let path = format!("/v1/incidents/{}/repairs", incident.id);
        let body = json!({ "reason": "support asked for it" });
        let refused = stage
            .call("POST", &path, Some(&tenant.read_key), None, &body)
            .await;
        assert_eq!(
            (refused.status, refused.field("/code").as_str()),
            (403, "capability-missing")
        );
        let run = json!({ "run_id": incident.opened_by });
        // The reading key belongs to an approver, who may not export; the owner may.
        let refused = stage
            .call("POST", "/v1/exports", Some(&tenant.read_key), None, &run)
            .await;
        assert_eq!(
            (refused.status, refused.field("/code").as_str()),
            (403, "action-denied")
        );
        let made = stage
            .call("POST", "/v1/exports", Some(&tenant.ada), None, &run)
            .await;
        assert_eq!(made.status, 201, "{}", made.text);
        let unknown = json!({ "run_id": format!("run_{NEVER_ISSUED}") });
        let absent = stage
            .call("POST", "/v1/exports", Some(&tenant.ada), None, &unknown)
            .await;
        assert_eq!(absent.status, 404);
    });
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("paid_no_access");
        stage.webhook(&tenant, &customer).await;
        let incident = stage.incident(&tenant, &customer).await;
        let path = format!("/v1/incidents/{}/repairs", incident.id);
        for body in [
            json!({}),
            json!({ "reason": "x" }),
            json!({ "reason": "long enough", "b": 1 }),
        ] {
            let refused = stage
                .call("POST", &path, Some(&tenant.ada), None, &body)
                .await;
            assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        }
        let action = stage.propose(&tenant, &incident).await;
        let vote = format!("/v1/actions/{}/approvals", action.field("/id"));
        let ballot = json!({
            "vote": "approve", "reason": "checked the invoice",
            "action_digest": action.field("/action_digest"),
        });
        let ben = Some(tenant.ben.as_str());
        let missing = stage.call("POST", &vote, ben, None, &ballot).await;
        assert_eq!(missing.status, 428);
        let stale = stage.call("POST", &vote, ben, Some("\"9\""), &ballot).await;
        assert_eq!(stale.status, 412);
        let mut other = ballot.clone();
        other["action_digest"] = json!("sha256:00");
        let wrong = stage
            .call("POST", &vote, ben, Some(&action.etag), &other)
            .await;
        assert_eq!(wrong.status, 403, "{}", wrong.text);
        assert_eq!(stage.updates(&tenant), 0);
    });
}
