//! Calls that the client gives up while it waits for them: it says so, in the way of its protocol, and what was
//! asked for happens once or not at all.

use serde_json::{Value, json};

use super::super::stage::{Stage, stage};
use super::super::tenant::Tenant;
use super::client::{Agent, result};
use super::drifted;

/// For how many seconds a client waits: for nothing, for less than an answer takes, and for an answer perhaps.
const WAITS: [f64; 5] = [0.0, 0.005, 0.02, 0.1, 0.4];

/// Asks for the same thing again and again and waits for none of it, in both protocols; then waits.
fn answered(tenant: &Tenant, stage: &Stage, tool: &str, arguments: &Value) -> Value {
    let key = &tenant.repair_key;
    let [agent, legacy] = [Agent::of(stage, key), Agent::of(stage, key).legacy()];
    let mut given_up = 0;
    for (agent, after) in WAITS
        .iter()
        .flat_map(|after| [(&agent, after), (&legacy, after)])
    {
        let step = json!({ "do": "give_up", "name": tool, "arguments": arguments, "after": after });
        let said = agent.does(&[step]).remove(0);
        if said.get("given_up").is_some() {
            given_up += 1;
            continue;
        }
        match result(&said).as_ref().map_err(String::as_str) {
            Ok(_) | Err("idempotency-in-flight" | "outcome-unknown") => {}
            other => panic!("{other:?}: {said}"),
        }
    }
    // Those that wait for nothing are; how fast the others are answered is the machine's.
    assert!(given_up >= 2, "{tool}: {given_up} calls were given up");
    agent.calls(tool, arguments).unwrap()
}

#[test]
fn a_call_that_was_given_up_happens_once_or_not_at_all() {
    let stage = stage();
    stage.run(async {
        let (tenant, incident, _, user) = drifted(stage).await;
        let counts = async |kinds: &[&str]| {
            let entries = stage.main.entries(&tenant).await;
            let kinds = kinds.iter();
            let counts = kinds.map(|kind| entries.iter().filter(|it| it.kind == *kind).count());
            counts.collect::<Vec<_>>()
        };
        let propose = json!({
            "incident_id": incident.id.to_string(), "idempotency_key": "propose",
            "reason": "The invoice is paid and the app does not know",
        });
        let proposed = answered(&tenant, stage, "repair_propose", &propose);
        assert_eq!(proposed["state"], "held", "{proposed}");
        assert_eq!(counts(&["run.decision", "repair.started"]).await, [1, 0]);

        let action = proposed["action_id"].as_str().unwrap();
        let shown = stage.action(&tenant.ben, action).await;
        let voted = stage.vote(&shown, &tenant.ben, "approve").await;
        assert_eq!(voted.says(), (200, "approved".to_owned()), "{}", voted.text);
        let execute = json!({ "action_id": action, "idempotency_key": "execute" });
        let done = answered(&tenant, stage, "repair_execute", &execute);
        assert_eq!(done["state"], "verified", "{done}");
        let once = ["repair.started", "repair.executed", "repair.verified"];
        assert_eq!(counts(&once).await, [1, 1, 1]);
        assert_eq!(counts(&["run.decision"]).await, [2]);
        assert_eq!(stage.updates(&tenant), 1);
        assert!(stage.granted(&tenant, &user));
    });
}
