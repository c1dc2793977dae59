//! Types, strictly, against the schema; and what is legal Cedar and no good rule.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationError,
    ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;

use super::Finding;
use super::finding::{cut, place};
use super::found::Found;
use super::rules::Placed;
use crate::closest::closest;
use crate::effect::LayerName;
use crate::judge::REVOKES;
use crate::schema::schema;

const TYPES: &str =
    "docs/policies.md, \"What a rule can read\", names the facts, and the schema their types";
const NEVER: &str =
    "it would never apply: change who, which action or on what, or the condition, or take it away";
/// Characters of what the engine says about a place, where it says it of several actions.
const LONGEST: usize = 400;
const LETTERS: &str =
    "write it with the letters of one alphabet: who reads it takes it for another";

/// What the engine says of a place of a rule (its number, bytes, the words but the action), in all of
/// its words. What it says of each action anew is told once.
type Said<'a> =
    BTreeMap<(usize, usize, usize, String), BTreeMap<String, (&'a dyn Diagnostic, Help)>>;

/// What to do, where the engine has no idea.
#[derive(Clone, Copy)]
enum Help {
    Words(&'static str),
    /// It names an action that the schema does not have.
    Action,
}

/// What is wrong with policies, and what is to be looked at.
pub(super) fn types(name: LayerName, placed: &[Placed<'_>], found: &mut Found) {
    let Some(schema) = schema() else {
        let detail = "the schema of this product is broken";
        found.error(|| Finding::whole("", detail, "install this version again"));
        return;
    };
    let (set, by_id) = named(placed);
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let mut wrong = BTreeSet::new();
    let mut said = Said::new();
    let mut say = |id: &PolicyId, diagnostic, help| {
        let number = by_id.get(id).copied().unwrap_or(usize::MAX);
        let policy = placed.get(number).map(|it| it.place.clone());
        let at = place(diagnostic).or(policy).unwrap_or_default();
        let words = diagnostic.to_string();
        let what = words.split(" in context for ").next().unwrap_or_default();
        let key = (number, at.start, at.len(), what.to_owned());
        said.entry(key)
            .or_default()
            .insert(words, (diagnostic, help));
    };
    for error in result.validation_errors() {
        wrong.insert(error.policy_id());
        let help = match error {
            ValidationError::UnrecognizedActionId(_) => Help::Action,
            _ => Help::Words(TYPES),
        };
        let diagnostic: &dyn Diagnostic = error;
        say(error.policy_id(), diagnostic, help);
    }
    let mut unasked = BTreeSet::new();
    for warning in result.validation_warnings() {
        if let ValidationWarning::InvalidActionApplication(_) = warning {
            unasked.insert(warning.policy_id());
        }
    }
    for warning in result.validation_warnings() {
        let help = match warning {
            // A rule with a mistake may apply once that is mended.
            ValidationWarning::ImpossiblePolicy(_)
            | ValidationWarning::InvalidActionApplication(_)
                if wrong.contains(warning.policy_id()) =>
            {
                continue;
            }
            // That it is never asked says it better.
            ValidationWarning::ImpossiblePolicy(_) if unasked.contains(warning.policy_id()) => {
                continue;
            }
            ValidationWarning::ImpossiblePolicy(_)
            | ValidationWarning::InvalidActionApplication(_) => NEVER,
            _ => LETTERS,
        };
        say(warning.policy_id(), warning, Help::Words(help));
    }
    for ((number, ..), words) in said {
        found.error(|| told(schema, placed.get(number), words));
    }
    for it in placed {
        let source = it.policy.to_string();
        if source.contains(".minor") && !source.contains(".currency") {
            let detail = "this rule compares an amount and does not say of which currency";
            let help = "compare the currency beside it, for example resource.at_risk.currency == \"eur\" && ...";
            found.warning(|| it.finding(detail, help));
        }
        if name == LayerName::Workspace && only_about_revoking(&it.policy) {
            let detail =
                "the rules of a workspace are not asked about policy.revoke: this changes nothing";
            let help = "take the rule away, or name the action that is meant";
            found.warning(|| it.finding(detail, help));
        }
    }
}

/// The policies under their own ids, where these are their own: the engine names them. With the number
/// of each.
fn named(placed: &[Placed<'_>]) -> (PolicySet, BTreeMap<PolicyId, usize>) {
    let mut set = PolicySet::new();
    let mut by_id = BTreeMap::new();
    for (number, it) in placed.iter().enumerate() {
        let own = PolicyId::new(it.id());
        let id = if by_id.contains_key(&own) || it.id().is_empty() {
            let at = it.finding("", "");
            PolicyId::new(format!("{}:{}:{}", it.file, at.line, at.column))
        } else {
            own
        };
        if set.add(it.policy.new_id(id.clone())).is_ok() {
            by_id.insert(id, number);
        }
    }
    (set, by_id)
}

/// Once, with the first words and the number of the others.
fn told(
    schema: &Schema,
    at: Option<&Placed<'_>>,
    words: BTreeMap<String, (&dyn Diagnostic, Help)>,
) -> Finding {
    let more = words.len().saturating_sub(1);
    let Some((detail, (diagnostic, help))) = words.into_iter().next() else {
        return Finding::whole("", "", TYPES);
    };
    let otherwise = match help {
        Help::Words(words) => words,
        Help::Action => TYPES,
    };
    let (file, text, policy) = at.map_or(("", "", 0..0), |it| (it.file, it.text, it.place.clone()));
    let mut finding = Finding::of(file, text, policy, diagnostic, otherwise);
    if let Help::Action = help {
        // The engine's own idea is the first of the schema that is not much longer.
        let end = finding.offset.saturating_add(finding.length);
        let said = text.get(finding.offset..end).unwrap_or_default();
        finding.help = meant(schema, said).unwrap_or(finding.help);
    }
    if more > 0 {
        finding.detail = format!("{}, and for {more} more", cut(&detail, LONGEST));
    }
    finding
}

/// The action of the schema that is nearest to one that it does not have.
fn meant(schema: &Schema, said: &str) -> Option<String> {
    let known: Vec<&str> = schema.actions().map(|it| it.id().unescaped()).collect();
    let said = said.split('"').nth(1)?;
    let near = closest(said, known.into_iter())?;
    Some(format!("did you mean `CF::Action::\"{near}\"`?"))
}

fn only_about_revoking(policy: &Policy) -> bool {
    let revokes = |action: &EntityUid| action.id().unescaped() == REVOKES;
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(action) => revokes(&action),
        ActionConstraint::In(actions) => actions.iter().all(revokes),
    }
}
