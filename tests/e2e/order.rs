//! In which order a request is refused: who asks (401), whose it is (404), what they may do (403),
//! what they sent (400), the version they saw (428, 412). And what a repeat tells whom.

use std::collections::BTreeSet;

use counterfoil_core::tenancy::Role;
use serde_json::{Value, json};

use super::calls::{Answer, ballot, person};
use super::matrix::records;
use super::stage::{Stage, stage};
use super::tenant::{SECRET_MARK, Tenant};

/// A request that is good but for the version that was seen.
struct Change {
    operation: &'static str,
    method: &'static str,
    path: String,
    who: String,
    body: Value,
}

#[test]
fn what_is_wrong_first_is_answered_first() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let changes = changes(stage, &tenant).await;
        let known: BTreeSet<&str> = changes.iter().map(|change| change.operation).collect();
        assert_eq!(known, with_versions().iter().map(String::as_str).collect());
        let viewer = &tenant.people[&Role::Viewer];
        let stranger = person("a stranger", &tenant.project.id.to_string());
        for change in &changes {
            let send = async |who: Option<&str>, etag: Option<&str>, body: &Value| {
                let Change { method, path, .. } = change;
                stage.call(method, path, who, etag, body).await
            };
            let (stale, own) = (Some("\"999999\""), Some(change.who.as_str()));
            let mut bad = change.body.clone();
            if bad.is_null() {
                bad = json!({});
            } else {
                bad["no_such_field"] = json!(1);
            }
            let is = |answer: &Answer, status: u16, when: &str| {
                let Change { operation, .. } = change;
                assert_eq!(
                    answer.status, status,
                    "{operation}, {when}: {}",
                    answer.text
                );
            };
            is(&send(None, None, &bad).await, 401, "nobody");
            is(&send(Some(&stranger), None, &bad).await, 404, "a stranger");
            is(&send(Some(viewer), stale, &bad).await, 403, "a viewer");
            if !change.body.is_null() {
                is(&send(own, stale, &bad).await, 400, "a bad body");
            }
            is(&send(own, None, &change.body).await, 428, "no version");
            is(&send(own, Some("3"), &change.body).await, 400, "no ETag");
            let late = match change.operation {
                // The mapping is active already, and stays so.
                "activateMapping" => 200,
                // A legal hold keeps both, whatever the version.
                "confirmProjectDeletion" | "confirmWorkspaceDeletion" => 409,
                _ => 412,
            };
            is(
                &send(own, stale, &change.body).await,
                late,
                "a stale version",
            );
        }
    });
}

/// Operations that demand `If-Match`.
fn with_versions() -> BTreeSet<String> {
    let document = include_str!("../../docs/openapi.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let demands = operations.filter(|operation| {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.any(|it| it["name"] == "If-Match" && it["required"] == true)
    });
    let named = demands.map(|operation| operation["operationId"].as_str().unwrap().to_owned());
    // It demands a second factor as well, with which nobody of this tenant signed in: tests/usecases.
    named.filter(|name| name != "overrideAction").collect()
}

async fn changes(stage: &Stage, tenant: &Tenant) -> Vec<Change> {
    let records = records(stage, tenant).await;
    let id = |family: &str| records.ids[family].clone();
    let (workspace, project) = (&records.workspace, &records.project);
    let action = stage.action(&tenant.ada, &id("actions")).await;
    let owner = tenant.people[&Role::Owner].clone();
    let change = |operation, method, path: String, body| Change {
        operation,
        method,
        path,
        who: owner.clone(),
        body,
    };
    let member = format!("/v1/workspaces/{workspace}/members/{}", id("members"));
    let mapping = id("mappings");
    let [of_project, of_workspace] = [
        format!("/v1/projects/{project}/deletion/confirm"),
        format!("/v1/workspaces/{workspace}/deletion/confirm"),
    ];
    vec![
        change("confirmProjectDeletion", "POST", of_project, Value::Null),
        change(
            "confirmWorkspaceDeletion",
            "POST",
            of_workspace,
            Value::Null,
        ),
        change(
            "changeProject",
            "PATCH",
            format!("/v1/projects/{project}"),
            json!({ "name": "Other" }),
        ),
        change(
            "renameWorkspace",
            "PATCH",
            format!("/v1/workspaces/{workspace}"),
            json!({ "name": "Other" }),
        ),
        change(
            "changeMember",
            "PATCH",
            member,
            json!({ "role": "auditor" }),
        ),
        change(
            "changeRetention",
            "PUT",
            "/v1/settings/retention".to_owned(),
            json!({ "snapshot_days": 60 }),
        ),
        change(
            "registerFlow",
            "PUT",
            "/v1/flows/refunds".to_owned(),
            json!({ "actions": [{ "kind": "refund.create", "destructive": true }] }),
        ),
        change(
            "changeSchedule",
            "PUT",
            "/v1/settings/schedule".to_owned(),
            json!({ "full_every_hours": 24 }),
        ),
        change(
            "activateMapping",
            "POST",
            format!("/v1/projects/{project}/mappings/{mapping}/activate"),
            Value::Null,
        ),
        change(
            "connect",
            "PUT",
            format!("/v1/projects/{project}/connections/webhook"),
            json!({ "secret": format!("whsec_{SECRET_MARK}") }),
        ),
        change(
            "disconnect",
            "DELETE",
            format!("/v1/projects/{project}/connections/webhook"),
            Value::Null,
        ),
        Change {
            operation: "voteOnAction",
            method: "POST",
            path: format!("/v1/actions/{}/approvals", id("actions")),
            who: tenant.people[&Role::Approver].clone(),
            body: ballot(&action, "approve"),
        },
    ]
}

/// What an admin did comes back to them while they are one, and to nobody who may not do it.
#[test]
fn a_repeat_is_answered_to_whoever_may_still_do_it() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (owner, admin) = (&tenant.people[&Role::Owner], &tenant.people[&Role::Admin]);
        let hold = json!({ "target": { "all": true }, "reason": "kept while somebody asks twice" });
        let set = async || stage.post_once("/v1/holds", admin, "twice", &hold).await;
        let first = set().await;
        assert_eq!(first.status, 201, "{}", first.text);
        let again = set().await;
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (201, "true")
        );
        assert_eq!(again.text, first.text);
        let workspace = tenant.project.workspace;
        let me = stage
            .call("GET", "/v1/me", Some(admin), None, &Value::Null)
            .await;
        let id = me
            .json()
            .pointer("/id")
            .or(me.json().pointer("/user_id"))
            .cloned();
        let id = id.unwrap_or_else(|| panic!("{}", me.text));
        let path = format!(
            "/v1/workspaces/{workspace}/members/{}",
            id.as_str().unwrap()
        );
        let becomes = async |role: &str| {
            let now = stage
                .call("GET", &path, Some(owner), None, &Value::Null)
                .await;
            let body = json!({ "role": role });
            let done = stage
                .call("PATCH", &path, Some(owner), Some(now.etag()), &body)
                .await;
            assert_eq!(done.status, 200, "{}", done.text);
        };
        becomes("viewer").await;
        let refused = set().await;
        assert_eq!(refused.says(), (403, "action-denied".to_owned()));
        assert_eq!(refused.header("idempotent-replayed"), "");
        let other = json!({ "target": { "all": true }, "reason": "something else altogether" });
        let other = stage.post_once("/v1/holds", admin, "twice", &other).await;
        assert_eq!(other.says(), (403, "action-denied".to_owned()));
        becomes("admin").await;
        let again = set().await;
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (201, "true")
        );
        let other = json!({ "target": { "all": true }, "reason": "something else altogether" });
        let other = stage.post_once("/v1/holds", admin, "twice", &other).await;
        assert_eq!(other.says(), (422, "idempotency-key-reused".to_owned()));
    });
}
