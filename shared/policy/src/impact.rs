//! What other policies would have decided: recorded decisions, judged again.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::effect::Effect;
use crate::verdict::Verdict;

/// Decisions that are listed when they flip, at most; all are counted.
const MOST_FLIPS: usize = 200;

/// What a decision was, or would have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The effect.
    pub effect: Effect,
    /// How many approvals a REQUIRE needs; 0 otherwise.
    pub approvals: u8,
    /// The rules that decided, sorted.
    pub rules: Vec<String>,
}

/// A decision that would have been another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// The decision.
    pub decision: String,
    /// The action that it was about.
    pub action: String,
    /// What it was.
    pub before: Outcome,
    /// What it would have been.
    pub after: Outcome,
}

/// What other policies would have decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// Decisions that were judged again.
    pub judged: u64,
    /// Decisions by effect before, then by effect after: `deny`, `require`, `allow`.
    pub transitions: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Decisions that were a REQUIRE and would have been one with more approvals.
    pub more_approvals: u64,
    /// The same with fewer.
    pub fewer_approvals: u64,
    /// Decisions of which the candidate's policies could not be evaluated.
    pub engine_errors: u64,
    /// Decisions with another effect or another number of approvals.
    pub flipped: u64,
    /// The first of them.
    pub flips: Vec<Flip>,
}

impl Outcome {
    /// What a verdict says.
    pub fn of(verdict: &Verdict) -> Self {
        let deciding = verdict.layers.iter();
        let deciding = deciding.filter(|layer| layer.effect == verdict.effect);
        let rules = deciding.flat_map(|layer| &layer.policies);
        let mut rules: Vec<String> = rules.map(|rule| rule.id.clone()).collect();
        rules.sort();
        Self {
            effect: verdict.effect,
            approvals: verdict.approvals,
            rules,
        }
    }
}

impl Impact {
    /// Counts one decision: what it was, and what it would have been.
    pub fn add(&mut self, decision: &str, action: &str, before: Outcome, verdict: &Verdict) {
        let after = Outcome::of(verdict);
        self.count_one(before.effect, after.effect);
        if verdict.layers.iter().any(|layer| !layer.errors.is_empty()) {
            self.engine_errors = self.engine_errors.saturating_add(1);
        }
        if (before.effect, before.approvals) == (after.effect, after.approvals) {
            return;
        }
        self.flipped = self.flipped.saturating_add(1);
        if before.effect == after.effect {
            let count = match before.approvals.cmp(&after.approvals) {
                Ordering::Less => &mut self.more_approvals,
                _ => &mut self.fewer_approvals,
            };
            *count = count.saturating_add(1);
        }
        if self.flips.len() < MOST_FLIPS {
            self.flips.push(Flip {
                decision: decision.to_owned(),
                action: action.to_owned(),
                before,
                after,
            });
        }
    }

    /// Counts one decision that would have been the same.
    pub fn same(&mut self, before: &Outcome) {
        self.count_one(before.effect, before.effect);
    }

    fn count_one(&mut self, before: Effect, after: Effect) {
        self.judged = self.judged.saturating_add(1);
        let row = self.transitions.entry(name(before)).or_default();
        let cell = row.entry(name(after)).or_default();
        *cell = cell.saturating_add(1);
    }

    /// Decisions from one effect to another.
    pub fn count(&self, before: Effect, after: Effect) -> u64 {
        let row = self.transitions.get(name(before));
        row.and_then(|row| row.get(name(after)))
            .copied()
            .unwrap_or(0)
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        let denied = self
            .count(Effect::Allow, Effect::Deny)
            .saturating_add(self.count(Effect::Require, Effect::Deny));
        let held = self
            .count(Effect::Allow, Effect::Require)
            .saturating_add(self.more_approvals);
        let loosened = self
            .count(Effect::Deny, Effect::Allow)
            .saturating_add(self.count(Effect::Deny, Effect::Require))
            .saturating_add(self.count(Effect::Require, Effect::Allow))
            .saturating_add(self.fewer_approvals);
        format!(
            "of {} recorded decisions, this bundle would have denied {denied} more, asked for more approvals in {held}, \
             and been looser in {loosened}",
            self.judged
        )
    }
}

const fn name(effect: Effect) -> &'static str {
    match effect {
        Effect::Deny => "deny",
        Effect::Require => "require",
        Effect::Allow => "allow",
    }
}
