//! What is another tenant's.

use serde_json::{Value, json};

use super::super::stage::stage;
use super::client::{Agent, Message};
use super::drifted;
use super::listed::TOOLS;
use super::runs::{propose, start};

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
/// Tools that take no key: they only look.
const LOOKS: [&str; 6] = [
    "incidents_list",
    "incident_get",
    "customer_ledger",
    "run_get",
    "decision_get",
    "action_status",
];
/// Tools that name nothing that could be somebody else's; `export` is asked by tests of its own.
const NAMELESS: [&str; 4] = [
    "policy_explain",
    "check_start",
    "run_start",
    "evidence_export_request",
];

/// What a tool takes besides what it names.
fn whole(tool: &str, key: &str) -> Value {
    let mut arguments = match tool {
        "action_propose" => propose(&Value::Null, "mail.send", "Not mine to send", key),
        "action_result" => json!({ "status": "executed", "action_digest": DIGEST }),
        "repair_propose" => json!({ "reason": "It is not mine to repair" }),
        _ => json!({}),
    };
    if !LOOKS.contains(&tool) {
        arguments["idempotency_key"] = json!(key);
    }
    arguments
}

#[test]
fn what_is_foreign_looks_like_what_is_absent() {
    let stage = stage();
    stage.run(async {
        let (theirs, incident, customer, _) = drifted(stage).await;
        let own = stage.tenant().await;
        let proposed = stage.propose(&theirs, &incident).await;
        let agent = Agent::of(stage, &theirs.repair_key);
        let run = agent.calls("run_start", &start("foreign")).unwrap()["id"].clone();
        let act = propose(&run, "mail.send", "It is theirs", "foreign");
        let act = agent.calls("action_propose", &act).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = Some(own.repair_key.as_str());
        let absent_id = |prefix: &str| format!("{prefix}_01KARX6M00000000000000000Z");
        let table = [
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
                "decision_get",
                "decision_id",
                text(&act["decision_id"]),
                absent_id("dec"),
            ),
            (
                "decision_get",
                "decision_id",
                proposed.field("/decision/id"),
                absent_id("dec"),
            ),
            ("run_complete", "run_id", text(&run), absent_id("run")),
            ("action_propose", "run_id", text(&run), absent_id("run")),
            (
                "action_result",
                "action_id",
                text(&act["action_id"]),
                absent_id("act"),
            ),
            (
                "incidents_list",
                "project_id",
                theirs.project.id.to_string(),
                absent_id("prj"),
            ),
        ];
        let tried: Vec<&str> = table.iter().map(|row| row.0).chain(NAMELESS).collect();
        for tool in TOOLS {
            assert!(tried.contains(&tool), "{tool} is not tried");
        }
        for (tool, argument, foreign, absent) in table {
            let mut said = Vec::new();
            for (number, id) in [foreign, absent].into_iter().enumerate() {
                let mut arguments = whole(tool, &format!("{tool}-{number}"));
                arguments[argument] = json!(id);
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
