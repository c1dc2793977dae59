//! The emergency stop over HTTP, and where the headers of an answer lead.

use counterfoil_core::tenancy::Role;
use serde_json::{Value, json};

use super::erasure::member;
use super::stage::stage;

#[test]
fn a_frozen_project_denies_a_repair_until_two_people_lift_the_stop() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let admin = member(&stage.main, &tenant, Role::Admin).await;
        let owner = member(&stage.main, &tenant, Role::Owner).await;
        let path = format!("/v1/projects/{}", tenant.project.id);
        let (customer, user) = stage.drifted("paid_no_access");
        let incident = stage.found(&tenant, &customer).await;
        let freeze = async |who: &str, frozen: bool| {
            let now = stage
                .call("GET", &path, Some(who), None, &Value::Null)
                .await;
            assert_eq!(now.status, 200, "{}", now.text);
            let body = json!({ "frozen": frozen });
            let etag = Some(now.etag());
            let sent = stage.call("PATCH", &path, Some(who), etag, &body);
            sent.await.status
        };
        // Machines stop nothing.
        let by_key = json!({ "frozen": true });
        let key = Some(tenant.repair_key.as_str());
        let refused = stage
            .call("PATCH", &path, key, Some("\"1\""), &by_key)
            .await;
        assert!((400..500).contains(&refused.status), "{}", refused.text);
        assert_eq!(freeze(&admin, true).await, 200);
        let denied = stage.propose_as(&tenant.repair_key, &incident).await;
        assert_eq!(denied.says(), (201, "denied".to_owned()), "{}", denied.text);
        assert_eq!(denied.field("/decision/rule"), "base.forbid.frozen");

        // The header names the decision, and anybody of the project can read it.
        let path = format!("/v1/decisions/{}", denied.header("counterfoil-decision"));
        let read = stage.call("GET", &path, Some(&tenant.read_key), None, &Value::Null);
        let read = read.await;
        assert_eq!(read.status, 200, "{}", read.text);
        assert_eq!(read.field("/rule"), "base.forbid.frozen");
        let stranger = stage.tenant().await;
        let foreign = stage.call("GET", &path, Some(&stranger.ada), None, &Value::Null);
        assert_eq!(foreign.await.says(), (404, "not-found".to_owned()));

        assert_eq!(freeze(&admin, false).await, 202);
        let still = stage.propose_as(&tenant.repair_key, &incident).await;
        assert_eq!(still.field("/decision/rule"), "base.forbid.frozen");
        assert_eq!(freeze(&owner, false).await, 200);
        let held = stage.propose(&tenant, &incident).await;
        let after = stage.vote(&held, &tenant.ben, "approve").await;
        assert_eq!(after.says(), (200, "verified".to_owned()), "{}", after.text);
        assert!(stage.granted(&tenant, &user));

        // What was approved before the stop is not carried out after it.
        let (customer, _) = stage.drifted("wrong_plan");
        let incident = stage.found(&tenant, &customer).await;
        let path = format!("/v1/incidents/{}/repairs", incident.id);
        let body = json!({ "reason": "support asked for it" });
        let held = stage.call("POST", &path, key, None, &body).await;
        let yes = stage.vote(&held, &tenant.ben, "approve").await;
        assert_eq!(yes.says(), (200, "approved".to_owned()), "{}", yes.text);
        assert_eq!(freeze(&admin, true).await, 200);
        let path = format!("/v1/actions/{}/execute", held.field("/id"));
        let begun = stage.call("POST", &path, key, None, &json!({})).await;
        assert_eq!(
            begun.says(),
            (409, "action-stale".to_owned()),
            "{}",
            begun.text
        );
        assert_eq!(stage.updates(&tenant), 1);

        // The package of a run: a GET makes none.
        let run = after.field("/follow_up_run");
        let path = format!("/v1/runs/{run}/evidence");
        let none = stage.call("GET", &path, Some(&tenant.ada), None, &Value::Null);
        assert_eq!(none.await.says(), (404, "not-found".to_owned()));
        let made = stage.export(&tenant.ada, &run).await;
        let there = stage.call("GET", &path, Some(&tenant.ada), None, &Value::Null);
        let there = there.await;
        assert_eq!(there.status, 303, "{}", there.text);
        let leads = format!("/v1/exports/{}", made.field("/id"));
        assert_eq!(there.header("location"), leads);
    });
}
