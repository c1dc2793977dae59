//! Clients that act for people, with tokens of the issuer (RFC 8707, RFC 9068, RFC 9728).

use counterfoil_core::tenancy::Role;
use counterfoil_testkit::issuer::CLIENT_ID;
use serde_json::{Map, Value, json};

use super::super::stage::{Stage, now, stage};
use super::super::tenant::Tenant;
use super::client::{Agent, Message, call, result};
use super::drifted;

/// The audience of the tools at the stage.
const RESOURCE: &str = "https://127.0.0.1/mcp";
const CLIENT: &str = "agent-client";

/// Whoever signs in with this role.
fn subject(tenant: &Tenant, role: Role) -> &str {
    let (subject, _) = tenant.people[&role].split_once('@').unwrap();
    subject.strip_prefix("person:").unwrap()
}

/// A token with which a client acts for somebody, but for what `edit` changes.
fn token(stage: &Stage, subject: &str, edit: impl FnOnce(&mut Map<String, Value>)) -> String {
    stage.issuer.mint(subject, |claims| {
        claims.insert("aud".to_owned(), json!(RESOURCE));
        claims.insert("client_id".to_owned(), json!(CLIENT));
        edit(claims);
    })
}

#[test]
fn a_client_proposes_for_its_person_and_neither_of_them_approves() {
    let stage = stage();
    stage.run(async {
        let (tenant, incident, _, user) = drifted(stage).await;
        let project = tenant.project.id.to_string();
        let token = token(stage, subject(&tenant, Role::Owner), |_| {});
        let agent = Agent::of(stage, &token);
        let propose = json!({
            "project_id": project, "incident_id": incident.id.to_string(),
            "reason": "The invoice is paid and the app does not know", "idempotency_key": "propose",
        });
        let proposed = agent.calls("repair_propose", &propose).unwrap();
        assert_eq!((&proposed["effect"], &proposed["state"]), (&json!("REQUIRE"), &json!("held")));
        assert_eq!(agent.calls("repair_propose", &propose).unwrap(), proposed);
        let action = proposed["action_id"].as_str().unwrap();

        // Whoever looks at it sees the client and the person.
        let shown = stage.action(&tenant.ben, action).await;
        let proposer = &shown.json()["proposer"];
        assert_eq!((&proposer["type"], &proposer["id"]), (&json!("agent"), &json!(CLIENT)));
        let ada = stage.call("GET", "/v1/me", Some(&tenant.people[&Role::Owner]), None, &Value::Null);
        assert_eq!(proposer["on_behalf_of"], ada.await.json()["id"]);
        // The token is none of the API, and its person is a proposer.
        let path = format!("/v1/actions/{action}/approvals");
        let voted = stage.vote(&shown, &tenant.ada, "approve").await;
        assert_eq!(voted.says(), (403, "action-denied".to_owned()), "{}", voted.text);
        assert!(voted.text.contains("base.forbid.proposer-approves"), "{}", voted.text);
        let key = ("counterfoil-project", project.as_str());
        let body = json!({ "vote": "approve", "reason": "I am who I act for", "action_digest": proposed["action_digest"] });
        let voted = stage.raw(("POST", path.as_str()), Some(&token), &[key], body.to_string()).await;
        assert_eq!(voted.says(), (401, "unauthenticated".to_owned()), "{}", voted.text);
        let execute = json!({ "project_id": project, "action_id": action, "idempotency_key": "early" });
        assert_eq!(agent.calls("repair_execute", &execute).unwrap()["state"], "held");
        assert_eq!(stage.updates(&tenant), 0);

        let voted = stage.vote(&shown, &tenant.ben, "approve").await;
        assert_eq!(voted.says(), (200, "approved".to_owned()), "{}", voted.text);
        let execute = json!({ "project_id": project, "action_id": action, "idempotency_key": "late" });
        assert_eq!(agent.calls("repair_execute", &execute).unwrap()["state"], "verified");
        assert!(stage.granted(&tenant, &user));
    });
}

#[test]
fn what_a_client_does_for_one_person_is_not_another_s() {
    let stage = stage();
    stage.run(async {
        let (tenant, incident, _, _) = drifted(stage).await;
        let project = tenant.project.id.to_string();
        let [adas, bens] =
            [Role::Owner, Role::Approver].map(|role| token(stage, subject(&tenant, role), |_| {}));
        let propose = json!({
            "project_id": project, "incident_id": incident.id.to_string(),
            "reason": "The invoice is paid and the app does not know", "idempotency_key": "same",
        });
        let own = Agent::of(stage, &adas)
            .calls("repair_propose", &propose)
            .unwrap();
        let cancel = json!({
            "project_id": project, "action_id": own["action_id"], "idempotency_key": "cancel",
        });
        let other = Agent::of(stage, &bens);
        // The same client with the same key, for somebody else: another request.
        assert_eq!(
            other.calls("action_cancel", &cancel),
            Err("capability-missing".to_owned())
        );
        let cancelled = Agent::of(stage, &adas)
            .calls("action_cancel", &cancel)
            .unwrap();
        assert_eq!(cancelled["state"], "cancelled");
        let again = other.calls("repair_propose", &propose).unwrap();
        assert_ne!(again["action_id"], own["action_id"]);
    });
}

#[test]
fn an_agent_of_a_viewer_looks_at_masked_values_and_does_nothing() {
    let stage = stage();
    stage.run(async {
        let (tenant, incident, customer, _) = drifted(stage).await;
        let project = tenant.project.id.to_string();
        let token = token(stage, subject(&tenant, Role::Viewer), |_| {});
        let agent = Agent::of(stage, &token);
        let id = incident.id.to_string();
        let said = agent.does(&[
            call(
                "incident_get",
                &json!({ "project_id": project, "incident_id": id }),
            ),
            call(
                "repair_propose",
                &json!({
                    "project_id": project, "incident_id": id, "reason": "It should be repaired",
                    "idempotency_key": "viewer",
                }),
            ),
            call(
                "check_start",
                &json!({ "project_id": project, "idempotency_key": "viewer" }),
            ),
        ]);
        let shown = result(&said[0]).unwrap().to_string();
        assert!(!shown.contains(&customer), "{shown}");
        for refused in &said[1..] {
            assert_eq!(result(refused), Err("capability-missing".to_owned()));
        }
    });
}

#[test]
fn a_token_that_is_not_meant_for_agents_here_is_refused_with_the_way_to_one_that_is() {
    type Edit = fn(&mut Map<String, Value>);
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let owner = subject(&tenant, Role::Owner);
        let list = json!({ "project_id": tenant.project.id.to_string() });
        let list = || Message::of("incidents_list", &list);
        let good = token(stage, owner, |_| {});
        let good = list().sent(stage, Some(&good)).await;
        assert_eq!(good.status, 200, "{}", good.text);
        let document = "resource_metadata=\"https://127.0.0.1/.well-known/oauth-protected-resource/mcp\", scope=\"counterfoil\"";
        let wrong: [(&str, Edit); 7] = [
            ("of the API", |it| drop(it.insert("aud".to_owned(), json!(CLIENT_ID)))),
            ("of both", |it| {
                it.insert("aud".to_owned(), json!([RESOURCE, CLIENT_ID]));
            }),
            ("of another resource", |it| {
                it.insert("aud".to_owned(), json!("https://other.example/mcp"));
            }),
            ("of nobody", |it| drop(it.remove("aud"))),
            ("without a client", |it| drop(it.remove("client_id"))),
            ("of another issuer", |it| {
                it.insert("iss".to_owned(), json!("https://other.example"));
            }),
            ("over", |it| {
                it.insert("exp".to_owned(), json!(now().as_secs() - 61));
            }),
        ];
        for (what, edit) in wrong {
            let token = token(stage, owner, edit);
            let refused = list().sent(stage, Some(&token)).await;
            assert_eq!(refused.says(), (401, "unauthenticated".to_owned()), "{what}");
            let challenge = format!("Bearer error=\"invalid_token\", {document}");
            assert_eq!(refused.header("www-authenticate"), challenge, "{what}");
        }
        let lacking = token(stage, owner, |it| drop(it.insert("scope".to_owned(), json!("openid"))));
        let lacking = list().sent(stage, Some(&lacking)).await;
        assert_eq!(lacking.says(), (403, "insufficient-scope".to_owned()), "{}", lacking.text);
        let challenge = format!("Bearer error=\"insufficient_scope\", {document}");
        assert_eq!(lacking.header("www-authenticate"), challenge);
    });
}

#[test]
fn whoever_is_no_member_finds_nothing() {
    let stage = stage();
    stage.run(async {
        let (theirs, own) = (stage.tenant().await, stage.tenant().await);
        let absent = "prj_01KARX6M00000000000000000Z".to_owned();
        let foreign = theirs.project.id.to_string();
        for subject in ["nobody-we-know", subject(&own, Role::Owner)] {
            let token = token(stage, subject, |_| {});
            let agent = Agent::of(stage, &token);
            let found =
                |project: &str| agent.calls("incidents_list", &json!({ "project_id": project }));
            assert_eq!(found(&foreign), Err("not-found".to_owned()), "{subject}");
            assert_eq!(found(&absent), Err("not-found".to_owned()), "{subject}");
        }
    });
}
