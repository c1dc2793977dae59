//! Tests of policies: a scenario, and the answer that it must get.
//!
//! A scenario says what is special about a question; the rest comes from [`WORLD`], in which a person
//! with a fresh login looks at one confirmed difference of one customer in a live project.

use std::sync::OnceLock;
use std::time::Duration;

use counterfoil_evidence::json::Json;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::closest::closest;
use crate::effect::Effect;
use crate::judge::{Phase, judge};
use crate::layer::Layers;
use crate::request::{Request, RequestError};
use crate::verdict::Verdict;

/// Entities by name and the facts of an ordinary question, as JSON.
pub const WORLD: &str = include_str!("../../rules/world.json");

/// A scenario.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// Who asks, for example `User/approver`, `Agent/agent`.
    pub principal: String,
    /// What they want to do, for example `repair.execute`.
    pub action: String,
    /// On what, for example `Incident/inc`.
    pub resource: String,
    /// The answer that it must get: `ALLOW`, `REQUIRE(2)`, `DENY`.
    pub want: String,
    /// A rule that must be among those that decided; empty where any may.
    #[serde(default)]
    pub why: String,
    /// Facts that differ from the world's; `null` leaves one out.
    #[serde(default)]
    pub context: Value,
    /// Attributes that differ from the world's, by entity.
    #[serde(default)]
    pub entities: Map<String, Value>,
    /// The approvals in the context were really given, and the action is carried out.
    #[serde(default)]
    pub real: bool,
}

/// Why a scenario is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// It says what the product never says.
    #[error("`{field}` is never {value}: it is one of {known}")]
    Never {
        /// The fact.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it can be.
        known: String,
        /// What leads to it.
        path: &'static str,
    },
    /// It names something that the world does not have.
    #[error("`{field}` names {value}, which does not exist here")]
    Unknown {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What exists.
        known: Vec<String>,
    },
}

impl ScenarioError {
    /// What leads to it in the scenario.
    pub(super) fn path(&self) -> Vec<&str> {
        match self {
            Self::Never { path, .. } => path.split('/').collect(),
            Self::Unknown {
                field: "entities",
                value,
                ..
            } => vec!["entities", value],
            Self::Unknown { field, .. } => vec![field],
        }
    }

    /// What to do.
    pub(super) fn help(&self) -> String {
        match self {
            Self::Never { value, known, .. } => match closest(value, known.split(", ")) {
                Some(near) => format!("write \"{near}\""),
                None => format!("write one of {known}, or leave it out"),
            },
            Self::Unknown { value, known, .. } => {
                let known = || known.iter().map(String::as_str);
                let id = |uid: &&str| uid.split_once('/').is_some_and(|(_, id)| id == value);
                match known().find(id).or_else(|| closest(value, known())) {
                    Some(near) => format!("write \"{near}\""),
                    None => format!("write one of {}", known().collect::<Vec<_>>().join(", ")),
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct World {
    entities: Vec<Value>,
    base: Value,
    context: Map<String, Value>,
    parts: Map<String, Value>,
}

/// The scenarios of a file of a bundle's tests.
///
/// # Errors
/// When it is not a list of scenarios.
pub fn read(text: &str) -> Result<Vec<Scenario>, serde_json::Error> {
    serde_json::from_str(text)
}

impl Scenario {
    /// The question, in the stored form.
    ///
    /// # Errors
    /// Everything that it names and the world does not have, or that is never sent.
    pub fn question(&self) -> Result<Value, Vec<ScenarioError>> {
        let unknown = |field, value: &str, known: &mut dyn Iterator<Item = &str>| {
            let known = known.map(str::to_owned).collect();
            let value = value.to_owned();
            ScenarioError::Unknown {
                field,
                value,
                known,
            }
        };
        let none = &mut std::iter::empty();
        let world = world().ok_or_else(|| vec![unknown("world", "", none)])?;
        let mut faults = Vec::new();
        let parts = world.parts.get(&self.action).and_then(Value::as_array);
        if parts.is_none() {
            let known = &mut world.parts.keys().map(String::as_str);
            faults.push(unknown("action", &self.action, known));
        }
        let mut context = Map::from_iter([("base".to_owned(), self.base(world))]);
        for part in parts.into_iter().flatten().filter_map(Value::as_str) {
            let facts = world.context.get(part).cloned().unwrap_or_default();
            context.insert(part.to_owned(), facts);
        }
        let mut context = Value::Object(context);
        merge(&mut context, &self.context);
        faults.extend(never_sent(&context));
        let id = |entity: &Value| entity.pointer("/uid/id")?.as_str().map(str::to_owned);
        let mut entities = world.entities.clone();
        for (name, change) in &self.entities {
            let named = |entity: &&mut Value| id(entity).as_ref() == Some(name);
            let entity = entities.iter_mut().find(named);
            if let Some(attributes) = entity.and_then(|entity| entity.get_mut("attrs")) {
                merge(attributes, change);
            } else {
                let ids: Vec<String> = world.entities.iter().filter_map(id).collect();
                let known = &mut ids.iter().map(String::as_str);
                faults.push(unknown("entities", name, known));
            }
        }
        let uids: Vec<String> = world.entities.iter().filter_map(uid).collect();
        let mut named = |field, text: &str| {
            let uid = text.split_once('/');
            let Some((kind, id)) = uid.filter(|_| uids.iter().any(|it| it == text)) else {
                let known = &mut uids.iter().map(String::as_str);
                faults.push(unknown(field, text, known));
                return Value::Null;
            };
            json!({"type": format!("CF::{kind}"), "id": id})
        };
        let principal = named("principal", &self.principal);
        let resource = named("resource", &self.resource);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(json!({
            "principal": principal,
            "action": {"type": "CF::Action", "id": self.action},
            "resource": resource,
            "context": context,
            "entities": entities,
        }))
    }

    /// The world's facts, with those that follow from who asks about what.
    fn base(&self, world: &World) -> Value {
        let kind = |of: &'_ str| of.split_once('/').map(|(kind, _)| kind.to_owned());
        let mut base = world.base.clone();
        match kind(&self.principal).as_deref().unwrap_or_default() {
            "Agent" => merge(&mut base, &json!({ "origin": "mcp" })),
            "Scheduler" => merge(&mut base, &json!({ "origin": "schedule" })),
            _ => {}
        }
        if matches!(
            kind(&self.resource).as_deref(),
            Some("Workspace" | "Bundle")
        ) {
            let scope = json!({ "environment": "none", "repairs_enabled": false });
            merge(&mut base, &json!({ "scope": scope }));
        }
        base
    }

    /// Whether the action is proposed or carried out.
    pub const fn phase(&self) -> Phase {
        if self.real {
            Phase::Execute
        } else {
            Phase::Propose
        }
    }

    /// What the layers answer.
    ///
    /// # Errors
    /// As [`Scenario::question`].
    pub fn ask(&self, layers: Layers<'_>) -> Result<Verdict, Vec<ScenarioError>> {
        let question = self.question()?.to_string();
        let stored = Json::parse_document(question.as_bytes()).map_err(|_| RequestError);
        let request = stored.and_then(Request::read);
        Ok(judge(layers, &request, self.phase(), &|| Duration::ZERO))
    }

    /// Whether a verdict is the one wanted.
    pub fn is_met(&self, verdict: &Verdict) -> bool {
        let mut deciding = verdict.layers.iter().flat_map(|layer| &layer.policies);
        said(verdict) == self.want
            && (self.why.is_empty() || deciding.any(|policy| policy.id == self.why))
    }
}

/// A verdict as scenarios write it: `ALLOW`, `REQUIRE(2)`, `DENY`.
pub fn said(verdict: &Verdict) -> String {
    match verdict.effect {
        Effect::Require => format!("REQUIRE({})", verdict.approvals),
        effect => effect.name().to_owned(),
    }
}

/// An entity as scenarios write it, for example `User/approver`.
fn uid(entity: &Value) -> Option<String> {
    let kind = entity.pointer("/uid/type")?.as_str()?;
    let id = entity.pointer("/uid/id")?.as_str()?;
    Some(format!("{}/{id}", kind.trim_start_matches("CF::")))
}

fn world() -> Option<&'static World> {
    static PARSED: OnceLock<Option<World>> = OnceLock::new();
    PARSED
        .get_or_init(|| serde_json::from_str(WORLD).ok())
        .as_ref()
}

/// What facts can say that are words, and that rules are likely to compare. A scenario that says another
/// one would show what never happens.
const WORDS: [(&str, &str, &[&str]); 2] = [
    ("origin", "context/base/origin", &["api", "mcp", "schedule"]),
    (
        "environment",
        "context/base/scope/environment",
        &["live", "test", "none"],
    ),
];

fn never_sent(context: &Value) -> impl Iterator<Item = ScenarioError> {
    WORDS.into_iter().filter_map(|(field, path, known)| {
        let said = context.pointer(path.strip_prefix("context")?)?.as_str()?;
        let value = (!known.contains(&said)).then(|| said.to_owned())?;
        Some(ScenarioError::Never {
            field,
            value,
            known: known.join(", "),
            path,
        })
    })
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
