//! Policy: every action is judged ALLOW, REQUIRE or DENY before it happens.
//!
//! The rules are those of [`rules`], built into the binary. Both layers that a decision cites
//! (baseline and workspace) cite the digest of that text until workspaces bring their own bundles.
//! What the evaluator cannot judge it denies.

mod permit;
pub mod rules;

use counterfoil_evidence::hash::digest_string;
use serde::{Deserialize, Serialize};

pub use permit::Permit;
pub use rules::{
    AdminFacts, ApprovalFacts, ConfirmedFacts, EraseFacts, ExportFacts, HoldFacts, IncidentFacts,
    KeyFacts, Question, RepairFacts, Who,
};

/// The outcome of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Effect {
    /// May happen now.
    Allow,
    /// May happen after approvals.
    Require,
    /// Must not happen.
    Deny,
}

impl Effect {
    /// As evidence writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Require => "REQUIRE",
            Self::Deny => "DENY",
        }
    }
}

/// What the evaluator says about one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The effect.
    pub effect: Effect,
    /// How many approvals a REQUIRE needs; 0 otherwise.
    pub approvals: u8,
    /// The decisive rule.
    pub rule: &'static str,
    /// Its sentence for people.
    pub reason: &'static str,
}

impl Judgement {
    /// How many seconds ago a person may have proved who they are for this, where only that was too
    /// long ago: they sign in again, and may.
    pub fn fresh_within_s(&self) -> Option<u32> {
        fresh_within_s(self.rule)
    }
}

/// The same of a rule, by its id.
pub(crate) fn fresh_within_s(rule: &str) -> Option<u32> {
    match rule {
        "base.forbid.stale-login-admin" => Some(300),
        "base.forbid.stale-login-live" => Some(900),
        _ => None,
    }
}

/// The digest of the rules in force: SHA-256 of the text of [`rules`] as compiled into this binary.
pub fn bundle_digest() -> String {
    digest_string(rules::TEXT.as_bytes())
}

/// Judges a question. Pure and total: the first rule that denies wins, then the first that asks for
/// approvals, then the first that permits; without a permit the answer is DENY. That a sign-in is too
/// old counts last: whoever is told so may do it after another one.
pub fn evaluate(question: &Question) -> Judgement {
    use rules::Verdict::{Deny, Permit, Require};

    let applying = |wanted: fn(&rules::Rule) -> bool| {
        rules::RULES
            .iter()
            .find(|rule| wanted(rule) && (rule.applies)(question))
    };
    let deny = applying(|rule| rule.verdict == Deny && fresh_within_s(rule.id).is_none());
    let stale = applying(|rule| rule.verdict == Deny && fresh_within_s(rule.id).is_some());
    let permit = applying(|rule| rule.verdict == Permit);
    let (effect, rule) = match (deny, permit, stale) {
        (None, None, _) => return default_deny(),
        (Some(rule), _, _) | (None, Some(_), Some(rule)) => (Effect::Deny, rule),
        (None, Some(permit), None) => match applying(|rule| rule.verdict == Require) {
            Some(rule) => (Effect::Require, rule),
            None => (Effect::Allow, permit),
        },
    };
    let approvals = u8::from(effect == Effect::Require);
    Judgement {
        effect,
        approvals,
        rule: rule.id,
        reason: rule.why,
    }
}

const fn default_deny() -> Judgement {
    Judgement {
        effect: Effect::Deny,
        approvals: 0,
        rule: "default-deny",
        reason: "No rule permits this.",
    }
}

#[cfg(test)]
mod tests;
