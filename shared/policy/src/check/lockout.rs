//! Rules that nobody could replace, except by revoking them, which stops everything.
//!
//! An owner who has just signed in must be able to bring other rules and to change who signs, with one
//! more owner. That is asked with the facts that the product sends about such acts, then and much later,
//! before and after many versions; revoking is asked of no workspace's rules, so nothing can refuse it.

use serde_json::{Map, json};

use super::scenario::Scenario;
use super::{Finding, of_rule};
use crate::effect::{Effect, LayerName};
use crate::layer::{Layer, Layers, baseline};

/// What must remain possible with one more owner: the action, on what, and what it is for.
const ACTS: [(&str, &str, &str); 2] = [
    ("policy.activate", "Bundle/b", "bring other rules"),
    (
        "policy_key.register",
        "Workspace/ws1",
        "change who signs rules",
    ),
];
/// Other people who can agree: the second owner.
const OTHERS: u8 = 1;
/// A time near and one far: rules must not run out.
const TIMES: [&str; 2] = ["2026-11-23T00:00:00Z", "2060-02-29T12:00:00Z"];
/// Versions count up, and never end.
const VERSIONS: [u64; 2] = [1, 1_000_000];

/// What rules, read from the files `(path, text)`, would lock an owner out of; empty where nothing.
pub fn locks_out(layer: &Layer, files: &[(&str, &str)]) -> Vec<Finding> {
    let acts = ACTS.into_iter();
    let locked = acts.filter_map(|(action, resource, what)| {
        let mut questions = asked(action, resource);
        let (rule, detail) = questions.find_map(|question| refusal(layer, &question, what))?;
        let help = if layer.rules().contains_key(&rule) {
            format!("let the rule leave out CF::Action::\"{action}\"")
        } else {
            format!("let a rule permit (principal, action == CF::Action::\"{action}\", resource)")
        };
        Some(of_rule(files, &rule, detail, help))
    });
    locked.collect()
}

/// An act as it is proposed, and as the second owner's request carries it out.
fn asked(action: &'static str, resource: &'static str) -> impl Iterator<Item = Scenario> {
    let scenario = move |now: &str, version: u64, real: bool| {
        let mut base = Map::from_iter([("now".to_owned(), json!(now))]);
        if real {
            let approvals =
                json!({ "count": OTHERS, "roles": ["owner"], "self": false, "owner": false });
            base.insert("approvals".to_owned(), approvals);
        }
        Scenario {
            principal: "User/owner".to_owned(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: json!({ "base": base }),
            entities: Map::from_iter([("b".to_owned(), json!({ "version": version }))]),
            real,
            ..Scenario::default()
        }
    };
    let facts = TIMES
        .into_iter()
        .flat_map(|now| VERSIONS.into_iter().map(move |version| (now, version)));
    facts.flat_map(move |(now, version)| [false, true].map(|real| scenario(now, version, real)))
}

/// Which rule of a workspace keeps an owner from it, and how.
fn refusal(layer: &Layer, question: &Scenario, what: &str) -> Option<(String, String)> {
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(layer),
    };
    let verdict = question.ask(layers).ok()?;
    let mut layers = verdict.layers.into_iter();
    let own = layers.find(|layer| layer.layer == LayerName::Workspace)?;
    let (action, rule, asked) = (&question.action, own.rule, own.approvals);
    let detail = match own.effect {
        Effect::Deny if question.real => format!(
            "an owner could never {what} again: with the approval of another owner {action} is denied by {rule}"
        ),
        Effect::Deny => {
            format!("an owner could never {what} again: {action} is denied by {rule}")
        }
        Effect::Require if asked > OTHERS => format!(
            "{rule} asks for {asked} approvals of {action}, and at most {OTHERS} can be given: an owner \
             could never {what} again"
        ),
        Effect::Require | Effect::Allow => return None,
    };
    Some((rule, detail))
}
