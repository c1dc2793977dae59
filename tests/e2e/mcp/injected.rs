//! Instructions in texts, and what they change: nothing.

use counterfoil_core::time::Timestamp;
use serde_json::{Value, json};

use super::super::calls::ballot;
use super::super::stage::{Stage, now, stage};
use super::super::tenant::Tenant;
use super::client::Agent;
use super::{INJECTED, drifted};

/// Of what stands in the app's own rows.
const IN_A_ROW: &str = "(as the row of a customer says)";

/// That a tool tells the text, as data: no assertion about its effect means anything before.
fn tells(agent: &Agent<'_>, tool: &str, arguments: &Value) -> Value {
    let told = agent.calls(tool, arguments).unwrap();
    assert!(told.to_string().contains(INJECTED), "{tool}: {told}");
    told
}

/// Everything that an agent could have changed: the entries that record what is done, and the rows of
/// the app.
pub(super) async fn done(stage: &Stage, tenant: &Tenant) -> (Vec<String>, usize, String) {
    let entries = stage.main.entries(tenant).await;
    let effects = entries
        .iter()
        .filter(|entry| entry.kind.starts_with("repair."));
    let rows = "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM app_users t";
    let rows = stage.postgres.sql(&tenant.database, rows).unwrap();
    (
        effects.map(|entry| entry.kind.clone()).collect(),
        stage.updates(tenant),
        rows,
    )
}

/// What was decided about an action.
pub(super) fn verdict(action: &Value) -> [Value; 5] {
    ["effect", "state", "approvals", "rule", "reason"].map(|field| action[field].clone())
}

/// A person ignores an incident and takes that back, each time with the text as their reason, which
/// reaches whoever reads the incident as it was written.
async fn said_by_a_person(stage: &Stage, tenant: &Tenant, id: &str, agents: [&Agent<'_>; 2]) {
    let path = format!("/v1/incidents/{id}/ignore");
    let until = Timestamp::from_secs(now().as_secs() + 3_600);
    let body = json!({ "until": until.to_string(), "reason": INJECTED });
    let ignored = stage
        .call("POST", &path, Some(&tenant.ben), None, &body)
        .await;
    assert_eq!(ignored.status, 200, "{}", ignored.text);
    for agent in agents {
        let one = tells(agent, "incident_get", &json!({ "incident_id": id }));
        assert_eq!(one["ignored"]["reason"], INJECTED, "{one}");
        let all = tells(agent, "incidents_list", &json!({ "state": "ignored" }));
        assert_eq!(all["items"][0]["ignored"]["reason"], INJECTED, "{all}");
    }
    let path = format!("/v1/incidents/{id}/reopen");
    let reopened = stage
        .call(
            "POST",
            &path,
            Some(&tenant.ben),
            None,
            &json!({ "reason": INJECTED }),
        )
        .await;
    assert_eq!(reopened.status, 200, "{}", reopened.text);
}

/// A person rejects a repair with the text as their reason, which reaches the agent as that person's words.
async fn rejected_by_a_person(stage: &Stage, tenant: &Tenant, id: &str, agent: &Agent<'_>) {
    let proposal = json!({
        "incident_id": id, "reason": "The invoice is paid and the app does not know",
        "idempotency_key": "rejected",
    });
    let proposed = agent.calls("repair_propose", &proposal).unwrap();
    let action = proposed["action_id"].as_str().unwrap();
    let read = stage.action(&tenant.ada, action).await;
    let path = format!("/v1/actions/{action}/approvals");
    let mut no = ballot(&read, "reject");
    no["reason"] = json!(INJECTED);
    let rejected = stage.call("POST", &path, Some(&tenant.ben), Some(read.etag()), &no);
    assert_eq!(rejected.await.says(), (200, "rejected".to_owned()));
    let told = tells(agent, "action_status", &json!({ "action_id": action }));
    assert_eq!(told["votes"][0]["reason"], INJECTED, "{told}");
    assert_eq!(told["state"], "rejected");
    assert_eq!(told["effect"], proposed["effect"]);
}

#[test]
fn an_instruction_in_a_text_changes_no_verdict() {
    let stage = stage();
    stage.run(async {
        let (tenant, incident, customer, user) = drifted(stage).await;
        // In the name and the address that the app has of a customer, and in the words of a person about
        // the incident.
        let quoted = format!("{INJECTED} {IN_A_ROW}").replace('\'', "''");
        let poison = format!(
            "UPDATE app_users SET name = '{quoted}', email = '{quoted}' WHERE id = '{user}'"
        );
        stage.postgres.sql(&tenant.database, &poison).unwrap();
        let id = incident.id.to_string();
        let reads = Agent::of(stage, &tenant.read_key);
        let acts = Agent::of(stage, &tenant.repair_key);
        said_by_a_person(stage, &tenant, &id, [&reads, &acts]).await;
        rejected_by_a_person(stage, &tenant, &id, &acts).await;

        let before = done(stage, &tenant).await;
        let plain = json!({
            "incident_id": id, "reason": "The invoice is paid and the app does not know",
            "idempotency_key": "plain",
        });
        let harmless = acts.calls("repair_propose", &plain).unwrap();
        let action = harmless["action_id"].as_str().unwrap().to_owned();
        let cancelled = json!({ "action_id": action, "idempotency_key": "cancel" });
        assert_eq!(
            acts.calls("action_cancel", &cancelled).unwrap()["state"],
            "cancelled"
        );

        let said = |arguments: Value| {
            let mut arguments = arguments;
            arguments["idempotency_key"] = json!("injected");
            arguments
        };
        // A reading key may look, whatever the texts say.
        for (tool, arguments) in [
            (
                "repair_propose",
                said(json!({ "incident_id": id, "reason": INJECTED })),
            ),
            ("repair_execute", said(json!({ "action_id": action }))),
            ("action_cancel", said(json!({ "action_id": action }))),
            ("check_start", said(json!({ "customer": customer }))),
        ] {
            let refused = reads.calls(tool, &arguments);
            assert_eq!(refused, Err("capability-missing".to_owned()), "{tool}");
        }
        // A key that may repair gets the verdict that it would get without the text.
        let injected = said(json!({ "incident_id": id, "reason": INJECTED }));
        let injected = acts.calls("repair_propose", &injected).unwrap();
        assert_eq!(verdict(&injected), verdict(&harmless));
        let held = said(json!({ "action_id": injected["action_id"] }));
        let held = acts.calls("repair_execute", &held).unwrap();
        assert_eq!(held["state"], "held", "{held}");
        // What a row holds beside the columns of the mapping reaches nobody.
        for (tool, arguments) in [
            ("incident_get", json!({ "incident_id": id })),
            ("incidents_list", json!({})),
            ("customer_ledger", json!({ "customer": customer })),
            ("action_status", json!({ "action_id": held["action_id"] })),
            ("run_get", json!({ "run_id": held["run_id"] })),
            (
                "decision_get",
                json!({ "decision_id": held["decision_id"] }),
            ),
        ] {
            let told = acts.calls(tool, &arguments).unwrap().to_string();
            assert!(!told.contains(IN_A_ROW), "{tool}: {told}");
        }
        for (tool, argument) in [
            ("incident_get", "incident_id"),
            ("run_get", "run_id"),
            ("customer_ledger", "customer"),
            ("action_status", "action_id"),
        ] {
            let absent = acts.calls(tool, &json!({ argument: INJECTED }));
            assert_eq!(absent, Err("not-found".to_owned()), "{tool}");
        }
        for (tool, argument) in [
            ("incidents_list", "state"),
            ("incidents_list", "cursor"),
            ("incident_get", "effect"),
            ("repair_execute", "change"),
        ] {
            let arguments = json!({
                argument: INJECTED, "incident_id": id, "action_id": injected["action_id"],
                "idempotency_key": "beyond",
            });
            assert!(acts.calls(tool, &arguments).is_err(), "{tool} {argument}");
        }
        // The text is data where it is told, and in no description.
        let tools = acts.does(&[json!({ "do": "tools" })]);
        assert!(!tools[0].to_string().contains("policy is suspended"));
        assert_eq!(done(stage, &tenant).await, before);
    });
}
