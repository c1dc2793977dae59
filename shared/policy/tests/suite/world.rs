//! Scenarios (`scenarios.json`): a world of entities, a question's defaults, and what each changes.
//!
//! `scenarios.json` and `workspace.cedar` are those of the design of the baseline.

use std::time::Duration;

use counterfoil_evidence::json::Json;
use counterfoil_policy::{
    Effect, Layer, LayerName, Layers, Phase, Request, RequestError, Verdict, baseline, judge,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const WORKSPACE: &str = include_str!("workspace.cedar");

#[derive(Deserialize)]
pub(crate) struct World {
    entities: Vec<Value>,
    base: Value,
    context: Map<String, Value>,
    parts: Map<String, Value>,
    pub(crate) cases: Vec<Scenario>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) want: String,
    pub(crate) why: String,
    #[serde(default)]
    pub(crate) context: Value,
    #[serde(default)]
    pub(crate) entities: Map<String, Value>,
    /// The approvals in the context were really given: the action is carried out.
    #[serde(default)]
    pub(crate) real: bool,
}

pub(crate) fn world() -> World {
    serde_json::from_str(include_str!("scenarios.json")).unwrap()
}

pub(crate) fn workspace() -> Layer {
    workspace_of(WORKSPACE)
}

pub(crate) fn workspace_of(text: &str) -> Layer {
    let files = [("policies/all.cedar", text)];
    Layer::of(LayerName::Workspace, "sha256:00", 1, &files).unwrap()
}

/// The question of a scenario, in the stored form.
pub(crate) fn question(world: &World, scenario: &Scenario) -> Value {
    let mut base = world.base.clone();
    let mut context = Map::new();
    for part in world.parts[&scenario.action].as_array().unwrap() {
        let part = part.as_str().unwrap();
        context.insert(part.to_owned(), world.context[part].clone());
    }
    let mut changed = scenario.context.clone();
    if let Some(change) = changed.as_object_mut().and_then(|all| all.remove("base")) {
        merge(&mut base, &change);
    }
    context.insert("base".to_owned(), base);
    let mut context = Value::Object(context);
    merge(&mut context, &changed);
    let mut entities = world.entities.clone();
    for (id, change) in &scenario.entities {
        let entity = entities.iter_mut().find(|entity| entity["uid"]["id"] == *id);
        merge(&mut entity.unwrap()["attrs"], change);
    }
    json!({
        "principal": uid(&scenario.principal),
        "action": {"type": "CF::Action", "id": scenario.action},
        "resource": uid(&scenario.resource),
        "context": context,
        "entities": entities,
    })
}

pub(crate) fn read(question: &Value) -> Result<Request, RequestError> {
    Request::read(Json::parse_document(question.to_string().as_bytes()).unwrap())
}

pub(crate) fn phase(scenario: &Scenario) -> Phase {
    if scenario.real {
        Phase::Execute
    } else {
        Phase::Propose
    }
}

pub(crate) fn ask(baseline: &Layer, workspace: &Layer, question: &Value, phase: Phase) -> Verdict {
    let layers = Layers {
        baseline: Ok(baseline),
        workspace: Ok(workspace),
    };
    judge(layers, &read(question), phase, &|| Duration::ZERO)
}

pub(crate) fn ask_product(question: &Value, workspace: &Layer) -> Verdict {
    ask(baseline().unwrap(), workspace, question, Phase::Propose)
}

/// As scenarios write it: `ALLOW`, `REQUIRE(2)`, `DENY`.
pub(crate) fn said(verdict: &Verdict) -> String {
    match verdict.effect {
        Effect::Require => format!("REQUIRE({})", verdict.approvals),
        effect => effect.name().to_owned(),
    }
}

fn uid(text: &str) -> Value {
    let (kind, id) = text.split_once('/').unwrap();
    json!({"type": format!("CF::{kind}"), "id": id})
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                if value.is_null() {
                    into.remove(name);
                } else {
                    merge(into.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        // No change is written as an absent member.
        (_, Value::Null) => {}
        (into, value) => *into = value.clone(),
    }
}
