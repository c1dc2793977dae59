//! Erasure and legal holds through the real API, and a search of every table and bucket for what
//! should be gone.

use counterfoil_core::evidence::verify::{Package, Trust, verify};
use counterfoil_core::ids::UserId;
use counterfoil_core::tenancy::Role;
use serde_json::{Value, json};

use super::calls::{Answer, person};
use super::stage::{Stack, Stage, now, stage, wait};
use super::stored::everything;
use super::tenant::{Tenant, login};
use crate::people::let_in;

/// Where a word of a tenant is: by the tenant's own stream, partition or prefix.
async fn places(stage: &Stage, tenant: &Tenant, words: &[&str]) -> Vec<String> {
    let project = tenant.project.id.to_string();
    let ours = [project.as_str(), tenant.project.stream.as_str()];
    let all = everything(&stage.main).await.into_iter();
    all.filter(|it| {
        let own = ours.iter().any(|id| it.place.contains(id) || it.has(id));
        own && words.iter().any(|word| it.has(word))
    })
    .map(|it| it.place)
    .collect()
}

/// Another person of the tenant's workspace, who signs in.
pub(crate) async fn member(stack: &Stack, tenant: &Tenant, role: Role) -> String {
    let boot = &stack.boot;
    let id = UserId::new(now(), boot.random().bits128());
    let subject = id.to_string();
    let (state, name) = (boot.state().unwrap(), format!("{role:?}"));
    let (who, is) = ((id, name.as_str()), (role, now()));
    let login = login(&subject);
    let_in(state.as_ref(), tenant.project.workspace, who, is, login).await;
    person(&subject, &tenant.project.id.to_string())
}

fn erase_customer(customer: &str) -> String {
    format!("/v1/customers/{customer}/erase")
}

async fn erase(stage: &Stage, key: &str, path: &str) -> Answer {
    let body = json!({ "reason": "gdpr_art_17", "comment": "asked for it by letter" });
    stage.call("POST", path, Some(key), None, &body).await
}

/// Asks until nothing is left: copies are deleted bit by bit.
pub(crate) async fn erased(stage: &Stage, key: &str, path: &str) -> Answer {
    wait("the end of the erasure", async || {
        let answer = erase(stage, key, path).await;
        match answer.status {
            200 => Some(answer),
            // Not finished, or somebody else was at it: the same request goes on.
            202 | 503 => None,
            _ => panic!("{}", answer.text),
        }
    })
    .await
}

impl Stage {
    /// The package of a run as an auditor accepts it, as text.
    async fn package(&self, tenant: &Tenant, run: &str) -> String {
        let made = self.export(&tenant.ada, run).await;
        assert_eq!(made.field("/state"), "ready", "{}", made.text);
        let package = self.fetched(&tenant.ada, &made, "package").await;
        let stream = tenant.project.stream_id().unwrap();
        let trust = Trust::new(self.main.seal_key().await, stream);
        let verdict = verify(Package::Document(&package), &trust);
        assert!(verdict.is_accepted(), "{:?}", verdict.result);
        String::from_utf8(package).unwrap()
    }
}

async fn count(stage: &Stage, tenant: &Tenant, kind: &str) -> usize {
    let entries = stage.main.entries(tenant).await;
    entries.iter().filter(|entry| entry.kind == kind).count()
}

/// A customer whose access was repaired; with the customer and the run of the repair.
async fn repaired(stage: &Stage, tenant: &Tenant) -> (String, String) {
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(tenant, &customer).await;
    let action = stage.propose(tenant, &incident).await;
    let after = stage.vote(&action, &tenant.ben, "approve").await;
    assert_eq!(after.field("/state"), "verified", "{}", after.text);
    (customer, after.field("/follow_up_run"))
}

#[test]
fn an_erased_customer_is_in_no_table_and_no_bucket_and_the_evidence_still_verifies() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, run) = repaired(stage, &tenant).await;
        let (_, user) = stage.drifted("paid_no_access");
        let mut users = stage.sample.users.iter();
        let email = &users.find(|it| it.id == user).unwrap().email;
        let words = [customer.as_str(), &user, email, "support asked for it"];
        let before = places(stage, &tenant, &words).await;
        for output in ["StateTable", "EvidencePartsTable"] {
            let table = stage.main.deployment.output(output).unwrap();
            let table = format!("table {table} ");
            let found = before.iter().any(|place| place.starts_with(&table));
            assert!(found, "{output}: {before:?}");
        }
        let package = stage.package(&tenant, &run).await;
        assert!(package.contains("before"), "the rows are in it");
        let earlier = stage.export(&tenant.ada, &run).await;

        let path = erase_customer(&customer);
        let done = erased(stage, &tenant.ada, &path).await.json();
        assert_eq!(done["state"], "done");
        let entries = done["erased"]["entries"].as_array().unwrap();
        assert_eq!(json!(entries.len()), done["erased"]["parts"]);
        assert!(entries.len() >= 3, "proposal, vote, effect: {done}");
        let after = places(stage, &tenant, &words).await;
        assert!(after.is_empty(), "{after:?}");

        let again = erase(stage, &tenant.ada, &path).await;
        assert_eq!(
            (again.status, &again.json()["already"]),
            (200, &json!(true))
        );
        let read = format!("/v1/runs/{run}");
        let read = stage.call("GET", &read, Some(&tenant.read_key), None, &Value::Null);
        let read = read.await;
        assert_eq!(read.says(), (410, "erased".to_owned()), "{}", read.text);
        let old = format!("/v1/exports/{}/download", earlier.field("/id"));
        let old = stage.call("GET", &old, Some(&tenant.ada), None, &Value::Null);
        let old = old.await;
        assert_eq!(old.says(), (410, "erased".to_owned()), "{}", old.text);
        // Verified before it is offered: an auditor's verifier accepts it.
        let package = stage.package(&tenant, &run).await;
        assert!(
            package.contains("\"x\":"),
            "parts say which entry erased them"
        );
        assert!(!package.contains(&customer));
    });
}

#[test]
fn a_legal_hold_blocks_with_its_reason_until_two_owners_release_it() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let second = member(&stage.main, &tenant, Role::Owner).await;
        let ada = &tenant.people[&Role::Owner];
        let (customer, run) = repaired(stage, &tenant).await;
        let body = json!({ "target": { "all": true }, "reason": "litigation, case 4711" });
        let set = async |key: &str, idempotency: &str| {
            stage.post_once("/v1/holds", key, idempotency, &body).await
        };
        let refused = set(&tenant.ben, "a").await;
        assert_eq!(refused.says(), (403, "action-denied".to_owned()));
        let missing = stage.keyless("/v1/holds", ada, &body).await;
        assert_eq!(missing.says(), (400, "idempotency-key-missing".to_owned()));
        // An approver key is not enough, although it speaks as an owner.
        let refused = set(&tenant.ada, "b").await;
        assert_eq!(refused.says(), (403, "action-denied".to_owned()));
        let hold = set(ada, "a").await;
        assert_eq!(hold.says(), (201, "active".to_owned()), "{}", hold.text);
        let same = set(ada, "a").await;
        assert_eq!(same.field("/id"), hold.field("/id"), "set once");

        for path in [erase_customer(&customer), format!("/v1/runs/{run}/erase")] {
            let blocked = erase(stage, ada, &path).await;
            assert_eq!(blocked.says(), (409, "legal-hold".to_owned()));
            assert!(
                blocked.text.contains("litigation, case 4711"),
                "{}",
                blocked.text
            );
        }
        assert_eq!(count(stage, &tenant, "redact").await, 0);
        let listed = stage.call(
            "GET",
            "/v1/holds",
            Some(&tenant.read_key),
            None,
            &Value::Null,
        );
        assert_eq!(listed.await.json()["items"][0]["id"], hold.json()["id"]);

        let release = format!("/v1/holds/{}/release", hold.field("/id"));
        let release = async |key: &str| {
            stage
                .call("POST", &release, Some(key), None, &Value::Null)
                .await
        };
        assert_eq!(release(&tenant.ben).await.status, 403);
        assert_eq!(release(ada).await.says(), (202, "active".to_owned()));
        assert_eq!(release(ada).await.status, 202, "one person is not two");
        assert_eq!(release(&second).await.says(), (200, "released".to_owned()));
        let path = format!("/v1/runs/{run}/erase");
        let done = erased(stage, ada, &path).await;
        assert_eq!(done.field("/state"), "done");
        stage.package(&tenant, &run).await;
    });
}

#[test]
fn unknown_and_foreign_ids_look_alike_before_rights_and_input() {
    let stage = stage();
    stage.run(async {
        let (tenant, stranger) = (stage.tenant().await, stage.tenant().await);
        let (customer, run) = repaired(stage, &tenant).await;
        let mut answers = Vec::new();
        for (key, path) in [
            (&stranger.ada, erase_customer(&customer)),
            (&stranger.ada, format!("/v1/runs/{run}/erase")),
            (&stranger.read_key, format!("/v1/runs/{run}/erase")),
            (&tenant.ada, erase_customer("cus_nobody")),
            (&tenant.read_key, erase_customer("cus_nobody")),
            (
                &tenant.ada,
                "/v1/runs/run_01ARZ3NDEKTSV4RRFFQ69G5FAV/erase".to_owned(),
            ),
            (&tenant.ada, "/v1/runs/nothing/erase".to_owned()),
        ] {
            answers.push((path.clone(), erase(stage, key, &path).await));
            let bad = stage
                .call("POST", &path, Some(key), None, &json!({ "b": 1 }))
                .await;
            answers.push((format!("{path}, bad body"), bad));
        }
        super::calls::alike(&answers, 404);
        let path = format!("/v1/runs/{run}/erase");
        let denied = erase(stage, &tenant.read_key, &path).await;
        assert_eq!(denied.says(), (403, "action-denied".to_owned()));
        let bad = json!({ "reason": "Not A Code" });
        let bad = stage
            .call("POST", &path, Some(&tenant.ada), None, &bad)
            .await;
        assert_eq!(bad.says(), (400, "invalid-request".to_owned()));
        assert!(bad.text.contains("/reason"), "{}", bad.text);
    });
}
