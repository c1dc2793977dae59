//! What an agent is offered.

use serde_json::json;

use super::super::stage::stage;
use super::client::Agent;

/// Every tool, in its order. Whoever adds one thinks about what an agent may do with it.
pub(super) const TOOLS: [&str; 16] = [
    "incidents_list",
    "incident_get",
    "customer_ledger",
    "run_get",
    "decision_get",
    "action_status",
    "policy_explain",
    "check_start",
    "run_start",
    "action_propose",
    "action_result",
    "action_cancel",
    "run_complete",
    "repair_propose",
    "repair_execute",
    "evidence_export_request",
];

#[test]
fn the_official_client_sees_these_tools_in_both_protocols_and_none_that_approves() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let steps = [
            json!({ "do": "about" }),
            json!({ "do": "tools" }),
            json!({ "do": "templates" }),
        ];
        let mut lists = Vec::new();
        for (agent, protocol) in [
            (Agent::of(stage, &tenant.read_key), "2026-07-28"),
            (Agent::of(stage, &tenant.read_key).legacy(), "2025-11-25"),
        ] {
            let said = agent.does(&steps);
            let about = &said[0]["ok"];
            assert_eq!(about["protocol"], protocol);
            assert_eq!(about["server"]["name"], "counterfoil");
            assert_eq!(about["server"]["version"], env!("CARGO_PKG_VERSION"));
            let tools = said[1]["ok"]["tools"].as_array().unwrap().clone();
            let names: Vec<_> = tools
                .iter()
                .map(|tool| tool["name"].as_str().unwrap())
                .collect();
            assert_eq!(names, TOOLS);
            let templates = said[2]["ok"]["resourceTemplates"].as_array().unwrap();
            assert_eq!(templates.len(), 2);
            if protocol == "2026-07-28" {
                assert_eq!(said[1]["ok"]["cacheScope"], "private");
            }
            lists.push(tools);
        }
        assert_eq!(lists[0], lists[1]);
        for tool in &lists[0] {
            let name = tool["name"].as_str().unwrap();
            for never in [
                "approve", "reject", "vote", "override", "secret", "activate", "revoke", "member",
                "hold", "delete", "erase", "connect", "key", "undo", "download",
            ] {
                assert!(!name.contains(never), "{name}");
            }
            // Of what is in force an agent asks; it changes none of it.
            let policy = name.starts_with("policy_");
            assert!(
                !policy || tool["annotations"]["readOnlyHint"] == json!(true),
                "{name}"
            );
            assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
            assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
            let hints = &tool["annotations"];
            assert_eq!(hints["openWorldHint"], false, "{name}");
            let reads = hints["readOnlyHint"].as_bool().unwrap();
            assert_eq!(
                hints["destructiveHint"] == json!(true),
                name == "repair_execute"
            );
            let key = tool["inputSchema"]["properties"].get("idempotency_key");
            assert_eq!(key.is_none(), reads, "{name}");
        }
    });
}
