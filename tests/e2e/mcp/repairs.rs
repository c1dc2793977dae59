//! Repairs by agents.

use serde_json::{Value, json};

use super::super::stage::stage;
use super::client::{Agent, call, result};
use super::drifted;

#[test]
fn an_agent_looks_proposes_and_executes_what_people_approved() {
    let stage = stage();
    stage.run(async {
        let (tenant, incident, customer, user) = drifted(stage).await;
        let agent = Agent::of(stage, &tenant.repair_key);
        let listed = agent.calls("incidents_list", &json!({ "state": "open" })).unwrap();
        let id = incident.id.to_string();
        let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
        assert!(ids.contains(&&json!(id)), "{listed}");
        let said = agent.does(&[
            call("incident_get", &json!({ "incident_id": id })),
            call("customer_ledger", &json!({ "customer": customer, "limit": 5 })),
            call("run_get", &json!({ "run_id": incident.opened_by })),
            json!({ "do": "read", "uri": format!("counterfoil://incidents/{id}") }),
            json!({ "do": "read", "uri": format!("counterfoil://runs/{}/evidence", incident.opened_by) }),
        ]);
        let shown = result(&said[0]).unwrap();
        assert_eq!(shown["customers"][0], customer);
        let over_http = stage.call("GET", &format!("/v1/incidents/{id}"), Some(&tenant.repair_key), None, &Value::Null).await;
        assert_eq!(shown, over_http.json());
        assert!(!result(&said[1]).unwrap()["items"].as_array().unwrap().is_empty());
        let run = result(&said[2]).unwrap();
        assert_eq!(run["closed"], true);
        let resource = |said: &Value| -> Value {
            let text = said["ok"]["contents"][0]["text"].as_str().unwrap();
            serde_json::from_str(text).unwrap()
        };
        assert_eq!(resource(&said[3]), shown);
        assert_eq!(resource(&said[4]), run);

        let check = json!({ "customer": customer, "idempotency_key": "look-1" });
        let started = agent.calls("check_start", &check).unwrap();
        let again = agent.calls("check_start", &check).unwrap();
        assert_eq!((&again["run_id"], &again["again"]), (&started["run_id"], &json!(true)));

        let propose = json!({
            "incident_id": id, "reason": "The invoice is paid and the app does not know",
            "idempotency_key": "propose-1",
        });
        let proposed = agent.calls("repair_propose", &propose).unwrap();
        assert_eq!(agent.calls("repair_propose", &propose).unwrap(), proposed);
        let action = proposed["action_id"].as_str().unwrap();
        assert_eq!((&proposed["effect"], &proposed["state"]), (&json!("REQUIRE"), &json!("held")));
        assert_eq!(proposed["approvals"], 1);
        assert!(proposed["retry_after_s"].as_u64().unwrap() > 0);
        // The decision about a repair is found like that about an action of a run.
        let decision = json!({ "decision_id": proposed["decision_id"] });
        let decision = agent.calls("decision_get", &decision).unwrap();
        for field in ["effect", "approvals", "rule", "reason", "action_id", "run_id"] {
            assert_eq!(decision[field], proposed[field], "{field}");
        }
        assert_eq!((&decision["action"], &decision["preview"]), (&json!("repair.execute"), &json!(false)));
        // Held is a result, and executes nothing.
        let execute = json!({ "action_id": action, "idempotency_key": "execute-1" });
        let held = agent.calls("repair_execute", &execute).unwrap();
        assert_eq!((&held["effect"], &held["state"]), (&json!("REQUIRE"), &json!("held")));
        assert!(held["refused"].is_string(), "{held}");
        assert_eq!(stage.updates(&tenant), 0);
        // A person approves, elsewhere.
        let shown = stage.action(&tenant.ben, action).await;
        let voted = stage.vote(&shown, &tenant.ben, "approve").await;
        assert_eq!(voted.says(), (200, "approved".to_owned()), "{}", voted.text);
        let done = agent.calls("repair_execute", &execute).unwrap();
        assert_eq!(done["state"], "verified", "{done}");
        assert_eq!(stage.updates(&tenant), 1);
        assert!(stage.granted(&tenant, &user));
        let status = agent.calls("action_status", &json!({ "action_id": action })).unwrap();
        assert_eq!(status["state"], "verified");
        let again = agent.calls("repair_execute", &execute).unwrap();
        assert_eq!(again, done);
        assert_eq!(stage.updates(&tenant), 1);

        let export = json!({ "run_id": incident.opened_by, "idempotency_key": "export-1" });
        let asked = agent.calls("evidence_export_request", &export).unwrap();
        let export = asked["export_id"].as_str().unwrap();
        let path = format!("/v1/exports/{export}");
        let found = stage.call("GET", &path, Some(&tenant.ada), None, &Value::Null).await;
        assert_eq!(found.status, 200, "{}", found.text);
    });
}
