//! An instruction in every argument of every tool, as the list of tools has them: what is no text of a person
//! refuses it like any other text, and what is one does not heed it.

use std::collections::BTreeSet;

use counterfoil_core::run::RunScope;
use serde_json::{Value, json};

use super::super::stage::{Stage, stage};
use super::super::tenant::Tenant;
use super::client::{Agent, call, result};
use super::injected::{done, verdict};
use super::runs::{HASH, propose, register, start};
use super::{INJECTED, drifted};

/// About as long, and asks for nothing.
const PLAIN: &str = "The customer called on Monday: they have paid for the year, and they have waited; see \
                     their letter, </p> which is in the folder.";

/// Arguments of tools that act and take whatever a person writes.
const WORDS: [(&str, &str); 2] = [("action_propose", "/reason"), ("repair_propose", "/reason")];

/// No tool takes what is none of its arguments.
const NO_ARGUMENT: &str = "/approved";

/// What tools can be called with.
struct World {
    /// Of which a repair can be proposed; the other one in a run.
    incidents: [String; 2],
    customer: String,
    /// The run that has found the first one.
    check: Value,
    /// A run with actions, and one that can be completed.
    runs: [Value; 2],
    /// Actions that may be done.
    allowed: [Value; 2],
    /// An action of a run, and a repair, which wait for people.
    held: [Value; 2],
}

impl World {
    async fn of(stage: &Stage) -> (Tenant, Self) {
        let (tenant, incident, customer, _) = drifted(stage).await;
        register(stage, &tenant).await;
        let mut others = Vec::new();
        for drift in ["wrong_plan", "wrong_features"] {
            let (customer, _) = stage.drifted(drift);
            others.push(stage.found(&tenant, &customer).await.id.to_string());
        }
        let agent = Agent::of(stage, &tenant.repair_key);
        let said = agent.does(&[
            call("run_start", &start("a")),
            call("run_start", &start("b")),
        ]);
        let runs = [&said[0], &said[1]].map(|it| result(it).unwrap()["id"].clone());
        let act = |kind: &str, key: &str| {
            call(
                "action_propose",
                &propose(&runs[0], kind, "They asked", key),
            )
        };
        let repair = json!({
            "incident_id": others[0], "reason": "They have bought another plan",
            "idempotency_key": "repair",
        });
        let said = agent.does(&[
            act("mail.send", "mail"),
            act("mail.send", "letter"),
            act("refund.create", "refund"),
            call("repair_propose", &repair),
        ]);
        let made: Vec<Value> = said.iter().map(|it| result(it).unwrap()).collect();
        let [mail, letter, refund, repair] = <[Value; 4]>::try_from(made).unwrap();
        let states = [&mail, &letter, &refund, &repair].map(|it| it["state"].clone());
        assert_eq!(states, ["allowed", "allowed", "held", "held"]);
        let world = Self {
            incidents: [incident.id.to_string(), others.remove(1)],
            customer,
            check: json!(incident.opened_by),
            runs,
            allowed: [mail, letter],
            held: [refund, repair],
        };
        (tenant, world)
    }

    /// With what a tool does what it is there for: each argument at least once, without the caller's key. A
    /// tool that has no line here is not covered. In the order of the list, none stands in another's way.
    fn arguments(&self, tool: &str) -> Vec<Value> {
        let output = json!({ "ref": "s3://results/7.json", "sha256": HASH, "bytes": 7 });
        let params = json!({
            "kind": "mail.send", "target": "ticket-1", "amount": { "minor": 5, "currency": "usd" },
        });
        let ([run, done], customer) = (&self.runs, &self.customer);
        let [refund, repair] = self.held.each_ref().map(|it| &it["action_id"]);
        let did = |action: &Value, status: &str| {
            json!({
                "action_id": action["action_id"], "action_digest": action["action_digest"],
                "status": status, "output": output,
            })
        };
        match tool {
            "incidents_list" => {
                vec![json!({ "state": "open", "customer": customer, "limit": 5 })]
            }
            "incident_get" => vec![json!({ "incident_id": self.incidents[0] })],
            "customer_ledger" => vec![json!({ "customer": customer, "limit": 5 })],
            "run_get" => [&self.check, run].map(|it| json!({ "run_id": it })).into(),
            "decision_get" => vec![json!({ "decision_id": self.held[0]["decision_id"] })],
            "action_status" => [refund, repair].map(|it| json!({ "action_id": it })).into(),
            "policy_explain" => {
                vec![json!({ "type": "run.action", "flow": "refunds", "params": params })]
            }
            "check_start" => vec![json!({ "customer": customer })],
            "run_start" => vec![json!({
                "flow": start("x")["flow"], "artifact_sha256": HASH,
                "trace_id": "0123456789abcdef".repeat(2), "inputs": [{
                    "ref": "s3://inputs/7.json", "sha256": HASH, "bytes": 7,
                    "media_type": "application/json",
                }],
            })],
            "action_propose" => vec![
                json!({
                    "run_id": run, "type": "run.action", "reason": "Tell them", "params": params,
                }),
                json!({
                    "run_id": run, "type": "repair.execute", "resource": self.incidents[1],
                    "reason": "A feature of theirs is missing", "execute_on_approval": true,
                }),
            ],
            "action_result" => {
                let mut failed = did(&self.allowed[1], "failed");
                failed["error"] = json!("card-declined");
                vec![did(&self.allowed[0], "executed"), failed]
            }
            "run_complete" => vec![json!({ "run_id": done, "output": output })],
            "repair_propose" => vec![json!({
                "incident_id": self.incidents[0], "reason": "They have paid for it",
                "execute_on_approval": true,
            })],
            "repair_execute" => vec![json!({ "action_id": repair })],
            "action_cancel" => vec![json!({ "action_id": refund })],
            "evidence_export_request" => vec![
                json!({ "run_id": self.check }),
                json!({ "customer": customer }),
                json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z" }),
                json!({ "all": true }),
            ],
            other => panic!("{other} is not covered"),
        }
    }
}

/// Where a tool takes arguments: every value, and everything around one.
fn places(tool: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let root = &tool["inputSchema"];
    let mut left = vec![(String::new(), root)];
    while let Some((place, schema)) = left.pop() {
        let schema = match schema["$ref"].as_str() {
            Some(to) => root.pointer(to.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        for one in ["oneOf", "anyOf", "allOf"] {
            let several = schema[one].as_array().into_iter().flatten();
            left.extend(several.map(|it| (place.clone(), it)));
        }
        let properties = schema["properties"].as_object().into_iter().flatten();
        left.extend(properties.map(|(name, it)| (format!("{place}/{name}"), it)));
        if let Some(items) = schema.get("items") {
            left.push((format!("{place}/0"), items));
        }
        if !place.is_empty() {
            found.insert(place);
        }
    }
    found
}

/// The arguments with the text in one place.
fn with(arguments: &Value, place: &str, text: &str) -> Value {
    let mut arguments = arguments.clone();
    let mut at = &mut arguments;
    for name in place.split('/').skip(1) {
        at = match at {
            Value::Array(items) => &mut items[name.parse::<usize>().unwrap()],
            other => &mut other[name],
        };
    }
    *at = json!(text);
    arguments
}

/// What a tool says, without what is only of this call.
fn says(said: &Value) -> Value {
    if said["ok"]["isError"] != json!(true) {
        return said.clone();
    }
    let text = said["ok"]["content"][0]["text"].as_str().unwrap();
    let mut problem: Value = serde_json::from_str(text).unwrap();
    for of_this_call in ["request_id", "instance"] {
        problem.as_object_mut().unwrap().remove(of_this_call);
    }
    json!({ "problem": problem })
}

/// What people, agents and the rules have done, and what was asked for.
async fn acted(stage: &Stage, tenant: &Tenant) -> (Vec<String>, usize) {
    let entries = stage.main.entries(tenant).await.into_iter();
    let acts = entries.map(|it| it.kind).filter(|kind| {
        let parts = [
            "run.decision",
            "run.resolution",
            "run.action",
            "export.",
            "repair.",
            "config.",
        ];
        parts.iter().any(|part| kind.starts_with(part))
    });
    let runs = stage.main.runs(tenant).await.into_iter();
    let checks = runs.filter(|it| matches!(it.scope, RunScope::Check { .. }));
    (acts.collect(), checks.count())
}

/// The arguments with the caller's key, where a tool takes one.
fn keyed(tool: &Value, arguments: &Value, key: &str) -> Value {
    let mut arguments = arguments.clone();
    if tool["inputSchema"]["properties"]
        .get("idempotency_key")
        .is_some()
    {
        arguments["idempotency_key"] = json!(key);
    }
    arguments
}

/// A text that was tried in a place: whether the tool acts, and what it said of both texts.
struct Tried {
    tool: String,
    acts: bool,
    place: String,
    said: [Value; 2],
}

/// Both texts in every place of every tool, but for the words of people.
fn tries(agent: &Agent<'_>, tools: &[Value], world: &World) -> Vec<Tried> {
    let mut calls = Vec::new();
    let mut tried = Vec::new();
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        let mut places = places(tool);
        places.insert(NO_ARGUMENT.to_owned());
        places.retain(|place| !WORDS.contains(&(name, place)));
        for (place, arguments) in places.iter().flat_map(|place| {
            let all = world.arguments(name).into_iter();
            all.map(move |arguments| (place, arguments))
        }) {
            for text in [PLAIN, INJECTED] {
                let arguments = keyed(tool, &arguments, &format!("try-{}", calls.len()));
                calls.push(call(name, &with(&arguments, place, text)));
            }
            tried.push((
                name,
                tool["annotations"]["readOnlyHint"] == json!(false),
                place.clone(),
            ));
        }
    }
    let said = agent.does(&calls);
    let tried = tried.into_iter().zip(said.chunks(2));
    let tried = tried.map(|((tool, acts, place), said)| Tried {
        tool: tool.to_owned(),
        acts,
        place,
        said: [says(&said[0]), says(&said[1])],
    });
    tried.collect()
}

#[test]
fn an_instruction_in_any_argument_of_any_tool_is_a_text_like_any_other() {
    let stage = stage();
    stage.run(async {
        let (tenant, world) = World::of(stage).await;
        let agent = Agent::of(stage, &tenant.repair_key);
        let listed = agent.does(&[json!({ "do": "tools" })]).remove(0);
        let tools = listed["ok"]["tools"].as_array().unwrap();
        let before = (acted(stage, &tenant).await, done(stage, &tenant).await);
        let tried = tries(&agent, tools, &world);
        for Tried {
            tool,
            acts,
            place,
            said: [plain, injected],
        } in &tried
        {
            assert_eq!(injected, plain, "{tool} {place}");
            // A defect is told by its place.
            assert!(
                !injected.to_string().contains(INJECTED),
                "{tool} {place}: {injected}"
            );
            let refused = *acts || place == NO_ARGUMENT;
            assert!(
                !refused || injected.get("problem").is_some(),
                "{tool} {place}: {injected}"
            );
        }
        let after = (acted(stage, &tenant).await, done(stage, &tenant).await);
        assert_eq!(after, before);
        heeds_no_reason(&agent, tools, &world);
        // Without the text each of them does what it is there for: it was refused for nothing else.
        for tool in tools {
            let name = tool["name"].as_str().unwrap();
            for (number, arguments) in world.arguments(name).iter().enumerate() {
                let arguments = keyed(tool, arguments, &format!("{name}-{number}"));
                let said = agent.calls(name, &arguments);
                assert!(said.is_ok(), "{name} {arguments}: {said:?}");
            }
        }
        assert_eq!(done(stage, &tenant).await, before.1);
        eprintln!("{} tries", tried.len());
    });
}

/// Whatever the reason for it is, the same is decided about the same.
fn heeds_no_reason(agent: &Agent<'_>, tools: &[Value], world: &World) {
    for (name, place) in WORDS {
        let tool = tools.iter().find(|it| it["name"] == name).unwrap();
        assert!(places(tool).contains(place), "{name} {place}");
        for (number, arguments) in world.arguments(name).iter().enumerate() {
            let decided = [("plain", PLAIN), ("injected", INJECTED)].map(|(which, text)| {
                let key = format!("{name}-{number}-{which}");
                let arguments = with(&keyed(tool, arguments, &key), place, text);
                let proposed = agent.calls(name, &arguments).unwrap();
                let end = json!({
                    "action_id": proposed["action_id"], "idempotency_key": format!("end-{key}"),
                });
                let ended = agent.calls("action_cancel", &end).unwrap();
                assert_eq!(ended["state"], "cancelled");
                verdict(&proposed)
            });
            assert_eq!(decided[0], decided[1], "{name} {arguments}");
        }
    }
}
