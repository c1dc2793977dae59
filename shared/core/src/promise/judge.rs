//! The decision table: does a subscription in this state grant?

use super::rule::Rule;
use super::terms::Terms;
use crate::billing::Status;
use crate::mapping::{Compiled, PauseRules, Rules, Verdict};

/// Stripe needs up to an hour to move a subscription on after a trial has ended.
const DEFAULT_TRIAL_TOLERANCE_S: u64 = 3_600;

/// Whether a subscription grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It does not.
    Refuses,
    /// It does.
    Grants,
    /// Nothing may be concluded.
    Unknown,
}

/// The outcome for one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it grants.
    pub standing: Standing,
    /// Why.
    pub rule: Rule,
    /// End of the running trial, if it grants as a trial.
    pub trial_end: Option<i64>,
}

impl Judgement {
    const fn new(standing: Standing, rule: Rule) -> Self {
        Self {
            standing,
            rule,
            trial_end: None,
        }
    }
}

/// Judges one subscription at `as_of` (seconds since 1970). A missing time is read in favour of the
/// customer: access is taken away for a reason, never for a gap in the data.
///
/// An unpaid renewal is judged as if it were within its grace time; [`grace_is_over`] tells whether
/// it is, once every open invoice is known.
pub fn judge(terms: &Terms<'_>, mapping: &Compiled, as_of: i64) -> Judgement {
    let rules = &mapping.rules;
    let passed = |time: Option<i64>| time.is_some_and(|time| time < as_of);
    let judgement = match terms.status {
        Status::Active => grants(Rule::Active),
        Status::Trialing => trial(terms, mapping, as_of),
        Status::PastDue => grants(Rule::PastDueGrace),
        Status::Unpaid => by(rules.unpaid, Rule::UnpaidGrants, Rule::Unpaid),
        Status::Paused => by(rules.paused, Rule::PausedGrants, Rule::Paused),
        Status::Canceled if terms.ended_at.is_some_and(|ended| ended > as_of) => {
            grants(Rule::CanceledLater)
        }
        Status::Canceled => refuses(Rule::Canceled),
        Status::Incomplete => refuses(Rule::Incomplete),
        Status::IncompleteExpired => refuses(Rule::IncompleteExpired),
        Status::Other(_) => return Judgement::new(Standing::Unknown, Rule::UnknownState),
    };
    if judgement.standing != Standing::Grants {
        return judgement;
    }
    if passed(terms.cancel_at) || (terms.cancel_at_period_end && passed(terms.period_end)) {
        return refuses(Rule::CancelAtPassed);
    }
    if terms
        .pause_behavior
        .is_some_and(|it| on_pause(&rules.pause_collection, it) == Verdict::Revoke)
    {
        return refuses(Rule::CollectionPaused);
    }
    if !terms.items_complete {
        return Judgement::new(Standing::Unknown, Rule::ItemsIncomplete);
    }
    judgement
}

const fn grants(rule: Rule) -> Judgement {
    Judgement::new(Standing::Grants, rule)
}

const fn refuses(rule: Rule) -> Judgement {
    Judgement::new(Standing::Refuses, rule)
}

const fn by(verdict: Verdict, granting: Rule, refusing: Rule) -> Judgement {
    match verdict {
        Verdict::Grant => grants(granting),
        Verdict::Revoke => refuses(refusing),
    }
}

fn trial(terms: &Terms<'_>, mapping: &Compiled, as_of: i64) -> Judgement {
    let column = mapping.access.trial.as_ref();
    let tolerance = column.map_or(DEFAULT_TRIAL_TOLERANCE_S, |column| column.tolerance_s);
    if terms
        .trial_end
        .is_some_and(|end| after(end, tolerance) < as_of)
    {
        return refuses(Rule::TrialOver);
    }
    Judgement {
        trial_end: terms.trial_end,
        ..grants(Rule::Trialing)
    }
}

/// Whether a payment that is outstanding `since` is beyond the grace time at `as_of`. A time that is
/// not known never ends the grace.
pub fn grace_is_over(since: Option<i64>, rules: &Rules, as_of: i64) -> bool {
    let over = since.zip(rules.past_due_grace_s);
    over.is_some_and(|(since, grace)| after(since, grace) <= as_of)
}

/// A behaviour that this version does not know is read in favour of the customer only if the
/// mapping lets every known one grant.
fn on_pause(rules: &PauseRules, behavior: &str) -> Verdict {
    match behavior {
        "void" => rules.void,
        "keep_as_draft" => rules.keep_as_draft,
        "mark_uncollectible" => rules.mark_uncollectible,
        _ => {
            let all = [rules.void, rules.keep_as_draft, rules.mark_uncollectible];
            if all.contains(&Verdict::Revoke) {
                Verdict::Revoke
            } else {
                Verdict::Grant
            }
        }
    }
}

fn after(time: i64, seconds: u64) -> i64 {
    time.saturating_add_unsigned(seconds)
}
