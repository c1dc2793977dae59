//! Whether policies are good: what an author is told before anything is activated.
//!
//! Stages, each with all its findings at once: parsing; what every rule says about itself; types,
//! strictly, against the schema. Then the bundle's own tests ([`scenario`]). [`Claim`] does all of it for
//! a signed bundle that somebody brings.

mod claim;
mod finding;
mod lockout;
pub mod scenario;

use std::collections::BTreeMap;

use cedar_policy::{
    ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, ValidationMode, Validator,
    confusable_string_checker,
};
use miette::Diagnostic;

pub use claim::{Checked, Claim};
pub use finding::{Finding, Severity};
pub use lockout::locks_out;

use crate::bundle::MOST_RULES;
use crate::effect::LayerName;
use crate::judge::REVOKES;
use crate::layer::{Layer, prefix};
use crate::rule::Rule;
use crate::schema::schema;

/// A policy and where it stands.
struct Placed<'a> {
    file: &'a str,
    text: &'a str,
    policy: Policy,
    rule: Rule,
}

/// Checks the policies of a layer, `(path, text)`. What is returned beside a layer are warnings.
///
/// # Errors
/// Everything that the first stage with an error has found.
pub fn check(
    name: LayerName,
    digest: &str,
    version: u64,
    files: &[(&str, &str)],
) -> Result<(Layer, Vec<Finding>), Vec<Finding>> {
    let placed = rules(name, files)?;
    let findings = validate(name, &placed);
    let fatal = |finding: &Finding| finding.severity == Severity::Error;
    if findings.iter().any(fatal) {
        return Err(findings);
    }
    match Layer::of(name, digest, version, files) {
        Ok(layer) => Ok((layer, findings)),
        Err(error) => Err(vec![Finding::whole("", error.to_string())]),
    }
}

/// Parses every file, then reads what its policies say about themselves.
fn rules<'a>(
    name: LayerName,
    files: &[(&'a str, &'a str)],
) -> Result<Vec<Placed<'a>>, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut parsed = Vec::new();
    for (file, text) in files {
        match text.parse::<PolicySet>() {
            Ok(set) => parsed.push((*file, *text, set)),
            Err(errors) => {
                findings.extend(errors.iter().map(|error| Finding::of(file, text, error)));
            }
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let mut placed: Vec<Placed<'a>> = Vec::new();
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for (file, text, set) in &parsed {
        for template in set.templates() {
            let detail =
                "templates are not taken: write the policy without ?principal and ?resource";
            findings.push(Finding::at_text(file, text, &template.to_string(), detail));
        }
        for policy in in_order(set, text) {
            let source = policy.to_string();
            match Rule::of(&policy, prefix(name)) {
                Err(fault) => {
                    findings.push(Finding::at_text(file, text, &source, fault.to_string()));
                }
                Ok(rule) => {
                    if let Some(other) = first.insert(rule.id.clone(), file) {
                        let detail =
                            format!("`{}` is the id of a rule in `{other}` already", rule.id);
                        findings.push(Finding::at_text(file, text, &source, detail));
                    }
                    placed.push(Placed {
                        file,
                        text,
                        policy,
                        rule,
                    });
                }
            }
        }
    }
    if placed.len() > MOST_RULES {
        let detail = format!(
            "{} rules, and a bundle has at most {MOST_RULES}",
            placed.len()
        );
        findings.push(Finding::whole("", detail));
    }
    if findings.is_empty() {
        Ok(placed)
    } else {
        Err(findings)
    }
}

/// The policies of a file as they stand in it.
fn in_order(set: &PolicySet, text: &str) -> Vec<Policy> {
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| text.find(&policy.to_string()));
    policies
}

fn only_about_revoking(policy: &Policy) -> bool {
    let revokes = |action: &EntityUid| action.id().unescaped() == REVOKES;
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(action) => revokes(&action),
        ActionConstraint::In(actions) => actions.iter().all(revokes),
    }
}

/// Types, strictly; and what is legal Cedar and no good rule.
fn validate(name: LayerName, placed: &[Placed<'_>]) -> Vec<Finding> {
    let Some(schema) = schema() else {
        return vec![Finding::whole("", "the schema of this product is broken")];
    };
    let mut set = PolicySet::new();
    for Placed { policy, rule, .. } in placed {
        // Ids were found to be different.
        let _ = set.add(policy.new_id(PolicyId::new(&rule.id)));
    }
    let at = |id: &PolicyId, diagnostic: &dyn Diagnostic| {
        let id = id.to_string();
        let place = placed.iter().find(|placed| placed.rule.id == id);
        let (file, text) = place.map_or(("", ""), |place| (place.file, place.text));
        Finding::of(file, text, diagnostic)
    };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let errors = result
        .validation_errors()
        .map(|error| at(error.policy_id(), error));
    let warnings = result
        .validation_warnings()
        .map(|warning| at(warning.policy_id(), warning));
    let mut findings: Vec<Finding> = errors.chain(warnings).collect();
    let templates: Vec<_> = set.templates().collect();
    let confusable = confusable_string_checker(templates.into_iter());
    findings.extend(confusable.map(|warning| at(warning.policy_id(), &warning)));
    for Placed {
        file, text, policy, ..
    } in placed
    {
        let source = policy.to_string();
        if source.contains(".minor") && !source.contains(".currency") {
            let detail = "this rule compares an amount and does not say of which currency";
            findings.push(Finding::at_text(file, text, &source, detail).warning());
        }
        if name == LayerName::Workspace && only_about_revoking(policy) {
            let detail =
                "the rules of a workspace are not asked about policy.revoke: this changes nothing";
            findings.push(Finding::at_text(file, text, &source, detail).warning());
        }
    }
    findings.sort_by(|one, other| (&one.file, one.offset).cmp(&(&other.file, other.offset)));
    findings.dedup();
    findings
}
