//! Types, strictly, against the schema; and what is legal Cedar and no good rule.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationError,
    ValidationMode, ValidationWarning, Validator,
};
use miette::Diagnostic;

use super::Finding;
use super::rules::Placed;
use crate::closest::closest;
use crate::effect::LayerName;
use crate::judge::REVOKES;
use crate::schema::schema;

const TYPES: &str =
    "docs/policies.md, \"What a rule can read\", names the facts, and the schema their types";
const NEVER: &str =
    "it would never apply: change who, which action or on what, or the condition, or take it away";
const LETTERS: &str =
    "write it with the letters of one alphabet: who reads it takes it for another";

/// What is wrong with policies, and what is to be looked at.
pub(super) fn types(name: LayerName, placed: &[Placed<'_>]) -> Vec<Finding> {
    let Some(schema) = schema() else {
        let detail = "the schema of this product is broken";
        return vec![Finding::whole("", detail, "install this version again")];
    };
    let mut set = PolicySet::new();
    let mut by_id = BTreeMap::new();
    for it in placed {
        // Under its own id, where that is its own: the engine names it.
        let own = PolicyId::new(it.id());
        let id = if by_id.contains_key(&own) || it.id().is_empty() {
            PolicyId::new(format!("{}:{}", it.file, it.finding("", "").line))
        } else {
            own
        };
        let _ = set.add(it.policy.new_id(id.clone()));
        by_id.insert(id, it);
    }
    let at = |id: &PolicyId, diagnostic: &dyn Diagnostic, help| match by_id.get(id) {
        Some(it) => Finding::of(it.file, it.text, it.place.clone(), diagnostic, help),
        None => Finding::of("", "", 0..0, diagnostic, help),
    };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let mut wrong = BTreeSet::new();
    let mut findings = Vec::new();
    for error in result.validation_errors() {
        wrong.insert(error.policy_id());
        let mut finding = at(error.policy_id(), error, TYPES);
        if let (ValidationError::UnrecognizedActionId(_), Some(it)) =
            (error, by_id.get(error.policy_id()))
        {
            // The engine's own idea is the first of the schema that is not much longer.
            let end = finding.offset.saturating_add(finding.length);
            let said = it.text.get(finding.offset..end).unwrap_or_default();
            finding.help = meant(schema, said).unwrap_or(finding.help);
        }
        findings.push(finding);
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
            ValidationWarning::ImpossiblePolicy(_)
            | ValidationWarning::InvalidActionApplication(_) => NEVER,
            _ => LETTERS,
        };
        findings.push(at(warning.policy_id(), warning, help));
    }
    for it in placed {
        let source = it.policy.to_string();
        if source.contains(".minor") && !source.contains(".currency") {
            let detail = "this rule compares an amount and does not say of which currency";
            let help = "compare the currency beside it, for example resource.at_risk.currency == \"eur\" && ...";
            findings.push(it.finding(detail, help).warning());
        }
        if name == LayerName::Workspace && only_about_revoking(&it.policy) {
            let detail =
                "the rules of a workspace are not asked about policy.revoke: this changes nothing";
            let help = "take the rule away, or name the action that is meant";
            findings.push(it.finding(detail, help).warning());
        }
    }
    findings
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
