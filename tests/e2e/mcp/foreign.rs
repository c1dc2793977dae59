//! What is another tenant's.

use serde_json::json;

use super::super::stage::stage;
use super::client::Message;
use super::drifted;

#[test]
fn what_is_foreign_looks_like_what_is_absent() {
    let stage = stage();
    stage.run(async {
        let (theirs, incident, customer, _) = drifted(stage).await;
        let own = stage.tenant().await;
        let proposed = stage.propose(&theirs, &incident).await;
        let key = Some(own.repair_key.as_str());
        let absent_id = |prefix: &str| format!("{prefix}_01KARX6M00000000000000000Z");
        for (tool, argument, foreign, absent) in [
            (
                "incident_get",
                "incident_id",
                incident.id.to_string(),
                absent_id("inc"),
            ),
            (
                "run_get",
                "run_id",
                incident.opened_by.to_string(),
                absent_id("run"),
            ),
            (
                "customer_ledger",
                "customer",
                customer,
                "cus_nobody".to_owned(),
            ),
            (
                "action_status",
                "action_id",
                proposed.field("/id"),
                absent_id("act"),
            ),
            (
                "repair_execute",
                "action_id",
                proposed.field("/id"),
                absent_id("act"),
            ),
            (
                "action_cancel",
                "action_id",
                proposed.field("/id"),
                absent_id("act"),
            ),
            (
                "repair_propose",
                "incident_id",
                incident.id.to_string(),
                absent_id("inc"),
            ),
            (
                "incidents_list",
                "project_id",
                theirs.project.id.to_string(),
                absent_id("prj"),
            ),
        ] {
            let mut said = Vec::new();
            for (number, id) in [foreign, absent].into_iter().enumerate() {
                let mut arguments = json!({ argument: id });
                if tool.starts_with("repair_") || tool == "action_cancel" {
                    arguments["idempotency_key"] = json!(format!("{tool}-{number}"));
                }
                if tool == "repair_propose" {
                    arguments["reason"] = json!("It is not mine to repair");
                }
                let answer = Message::of(tool, &arguments).sent(stage, key).await;
                assert!(answer.text.contains("not-found"), "{tool}: {}", answer.text);
                // How often the key has asked tells nothing about what it asked for.
                let mut headers = answer.headers.clone();
                headers.remove("ratelimit");
                said.push((answer.status, headers, without_request(&answer.text)));
            }
            assert_eq!(said[0], said[1], "{tool}");
        }
    });
}

/// A problem of another function names its own request.
fn without_request(text: &str) -> String {
    let Some((before, after)) = text.split_once("req_") else {
        return text.to_owned();
    };
    format!(
        "{before}{}",
        after.trim_start_matches(|it: char| it.is_ascii_hexdigit())
    )
}
