//! Whether one mapping lets repairs do what another does not.
//!
//! Asked when a mapping takes the place of the active one: whatever loosens needs a second person.
//! Every field of the compiled form is decided on, here and in the table of `docs/mapping.md`. The
//! measure: a mapping loosens where repairs could touch a row, a column or a customer that they could
//! not, could take away access that they could not, or where a rule that forbids would not apply any
//! more. What a repair writes within that is seen by whoever approves it, and is not compared.

use std::collections::BTreeSet;

use super::artifact::Artifact;
use super::compiled::{
    Access, Compiled, Limits, MatchKey, Offer, PauseRules, PlanColumn, Rules, SeatsColumn,
    Selector, SwitchColumn, TrialColumn, Verdict,
};
use crate::money::Money;

impl Artifact {
    /// Whether repairs may do with this mapping what they may not with `before`. One that repairs
    /// write nothing by never does.
    pub fn loosens(&self, before: &Self) -> bool {
        !self.repairable_columns().is_empty() && loosens(before.compiled(), self.compiled())
    }
}

fn loosens(was: &Compiled, is: &Compiled) -> bool {
    // No `..`: a field that is new is decided on before this compiles.
    let Compiled {
        version: _,
        subject: _,
        schema,
        table,
        primary_key,
        keys,
        access,
        plans: _,
        addons: _,
        rules,
        limits,
    } = is;
    let elsewhere = (schema, table, primary_key) != (&was.schema, &was.table, &was.primary_key);
    elsewhere
        || keys_loosen(&was.keys, keys)
        || access_loosens(&was.access, access)
        || offers_loosen(was, is)
        || rules_loosen(&was.rules, rules)
        || limits_loosen(&was.limits, limits)
}

/// Keys that repairs follow decide who is whom, their order which one wins, and two that disagree keep
/// a repair from a row. A key that only reports keeps repairs from the rows that it alone finds.
fn keys_loosen(was: &[MatchKey], is: &[MatchKey]) -> bool {
    fn followed(keys: &[MatchKey]) -> impl Iterator<Item = &MatchKey> {
        keys.iter().filter(|key| !key.report_only)
    }
    let mut reporting = was.iter().filter(|key| key.report_only);
    !followed(was).eq(followed(is)) || reporting.any(|key| !is.contains(key))
}

fn access_loosens(was: &Access, is: &Access) -> bool {
    let Access {
        plan,
        premium,
        trial,
        seats,
        features,
        comp,
    } = is;
    // The plan and the flag also say whether there is access at all.
    let (plan_was, plan) = (was.plan.as_ref().map(by_plan), plan.as_ref().map(by_plan));
    let plan_wider = reads_otherwise(plan_was, plan) || writes_more(plan_was, plan);
    let flag_was = was.premium.as_ref().map(by_switch);
    let flag = premium.as_ref().map(by_switch);
    let flag_wider = reads_otherwise(flag_was, flag) || writes_more(flag_was, flag);
    let comp_off = was.comp.is_some() && *comp != was.comp;
    plan_wider
        || flag_wider
        || comp_off
        || writes_more(
            was.trial.as_ref().map(by_trial),
            trial.as_ref().map(by_trial),
        )
        || writes_more(
            was.seats.as_ref().map(by_seats),
            seats.as_ref().map(by_seats),
        )
        || writes_more(
            was.features.as_ref().map(by_switch),
            features.as_ref().map(by_switch),
        )
}

/// A column in a role: its name, what it says when nothing is paid for, whether a repair writes it.
type Column<'a> = (&'a str, Nothing<'a>, bool);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nothing<'a> {
    Natural,
    Name(&'a str),
    Number(i64),
}

fn by_plan(it: &PlanColumn) -> Column<'_> {
    let PlanColumn {
        column,
        repairable,
        none,
    } = it;
    (column, Nothing::Name(none), *repairable)
}

fn by_switch(it: &SwitchColumn) -> Column<'_> {
    let SwitchColumn { column, repairable } = it;
    (column, Nothing::Natural, *repairable)
}

fn by_trial(it: &TrialColumn) -> Column<'_> {
    let TrialColumn {
        column,
        repairable,
        tolerance_s: _,
    } = it;
    (column, Nothing::Natural, *repairable)
}

fn by_seats(it: &SeatsColumn) -> Column<'_> {
    let SeatsColumn {
        column,
        repairable,
        none,
    } = it;
    (column, Nothing::Number(*none), *repairable)
}

/// Whether the role is read from another column, or another value means "nothing".
fn reads_otherwise(was: Option<Column<'_>>, is: Option<Column<'_>>) -> bool {
    match (was, is) {
        (None, None) => false,
        (Some((was, was_none, _)), Some((is, is_none, _))) => (was, was_none) != (is, is_none),
        (None, Some(_)) | (Some(_), None) => true,
    }
}

/// Repairs write it, and did not write this column in this role, or wrote another "nothing".
fn writes_more(was: Option<Column<'_>>, is: Option<Column<'_>>) -> bool {
    is.is_some_and(|(_, _, repairable)| repairable) && was != is
}

/// Whoever pays only for an add-on, or for a plan that is no paid access, has no claim to access: what
/// moves there can be revoked. What no offer names any more is unmapped, and never repaired, unless
/// such an offer names it in another way.
fn offers_loosen(was: &Compiled, is: &Compiled) -> bool {
    let (paid_was, unpaid_was) = sold(was);
    let (paid, unpaid) = sold(is);
    !unpaid.is_empty() && (!unpaid.is_subset(&unpaid_was) || !paid_was.is_subset(&paid))
}

/// What selects paid access, and what selects an offer without it.
fn sold(of: &Compiled) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut paid = BTreeSet::new();
    let mut unpaid = BTreeSet::new();
    for plan in &of.plans {
        let into = if plan.premium { &mut paid } else { &mut unpaid };
        into.extend(selected(plan.selector()));
    }
    let addons = of.addons.iter();
    unpaid.extend(addons.flat_map(|addon| selected(addon.selector())));
    (paid, unpaid)
}

fn selected(by: &Selector) -> Vec<String> {
    let Selector {
        prices,
        lookup_keys,
        products,
        product_metadata,
    } = by;
    let named = |kind: &'static str, names: &[String]| -> Vec<String> {
        names.iter().map(|name| format!("{kind}={name}")).collect()
    };
    let mut all = named("price", prices);
    all.extend(named("lookup_key", lookup_keys));
    all.extend(named("product", products));
    if !product_metadata.is_empty() {
        // All of it must be there, so it is one selector.
        all.push(format!("metadata={product_metadata:?}"));
    }
    all
}

fn rules_loosen(was: &Rules, is: &Rules) -> bool {
    let Rules {
        past_due_grace_s,
        features_from: _,
        pause_collection,
        paused,
        unpaid,
        race_grace_s,
    } = is;
    let PauseRules {
        void,
        keep_as_draft,
        mark_uncollectible,
    } = pause_collection;
    let sooner = match (was.past_due_grace_s, past_due_grace_s) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(was), Some(is)) => *is < was,
    };
    let pauses = &was.pause_collection;
    let states = [
        (pauses.void, *void),
        (pauses.keep_as_draft, *keep_as_draft),
        (pauses.mark_uncollectible, *mark_uncollectible),
        (was.paused, *paused),
        (was.unpaid, *unpaid),
    ];
    sooner
        || states.contains(&(Verdict::Grant, Verdict::Revoke))
        || *race_grace_s < was.race_grace_s
}

fn limits_loosen(was: &Limits, is: &Limits) -> bool {
    let Limits {
        max_repairs_per_run,
        max_drift_permille,
        max_amount_at_risk,
    } = is;
    *max_repairs_per_run > was.max_repairs_per_run
        || *max_drift_permille > was.max_drift_permille
        || is_dearer(was.max_amount_at_risk.as_ref(), max_amount_at_risk.as_ref())
}

fn is_dearer(was: Option<&Money>, is: Option<&Money>) -> bool {
    match (was, is) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(was), Some(is)) => was.currency != is.currency || is.minor > was.minor,
    }
}
