//! What one subscription promises and costs, read from the decision table with nothing in mind.

use counterfoil_core::billing::Subscription;
use counterfoil_core::promise::Rule;

use crate::shop::{Knobs, SOLD, Sold};
use crate::world::{AS_OF, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Grants,
    Refuses,
    Nothing,
}

/// A subscription and what was made of it.
#[derive(Debug, Clone)]
pub(crate) struct Judged<'a> {
    pub(crate) subscription: &'a Subscription,
    pub(crate) says: Says,
    pub(crate) rule: Rule,
    pub(crate) trial: Option<i64>,
    /// Minor units a month and the currency, less the coupons.
    pub(crate) cost: Option<(i64, String)>,
}

impl Judged<'_> {
    pub(crate) fn id(&self) -> &str {
        &self.subscription.id
    }

    pub(crate) fn sold(&self) -> Vec<(&'static Sold, Option<u32>)> {
        let items = self.subscription.items.data.iter();
        items
            .map(|item| (sold(&item.price.id), item.quantity))
            .collect()
    }
}

pub(crate) fn sold(id: &str) -> &'static Sold {
    SOLD.iter().find(|sold| sold.id == id).unwrap()
}

pub(crate) fn judge<'a>(it: &'a Subscription, knobs: &Knobs, world: &World) -> Judged<'a> {
    let (says, rule, trial) = state(it, knobs, world);
    let mut judged = Judged {
        subscription: it,
        says,
        rule,
        trial,
        cost: cost(it),
    };
    let own = world.livemode;
    if own.is_some() && it.livemode.is_some() && own != it.livemode {
        (judged.says, judged.rule) = (Says::Refuses, Rule::WrongMode);
    }
    judged
}

fn state(it: &Subscription, knobs: &Knobs, world: &World) -> (Says, Rule, Option<i64>) {
    let no = |rule| (Says::Refuses, rule, None);
    let mut trial = None;
    let rule = match it.status.as_str() {
        "active" => Rule::Active,
        "trialing" => {
            // An hour where no column says otherwise.
            let tolerance = if knobs.columns.contains_key("trial") {
                knobs.tolerance
            } else {
                3_600
            };
            if it.trial_end.is_some_and(|end| end + tolerance < AS_OF) {
                return no(Rule::TrialOver);
            }
            trial = it.trial_end;
            Rule::Trialing
        }
        "past_due" => Rule::PastDueGrace,
        "unpaid" if knobs.unpaid => Rule::UnpaidGrants,
        "unpaid" => return no(Rule::Unpaid),
        "paused" if knobs.paused => Rule::PausedGrants,
        "paused" => return no(Rule::Paused),
        "canceled" if it.ended_at.is_some_and(|end| end > AS_OF) => Rule::CanceledLater,
        "canceled" => return no(Rule::Canceled),
        "incomplete" => return no(Rule::Incomplete),
        "incomplete_expired" => return no(Rule::IncompleteExpired),
        _ => return (Says::Nothing, Rule::UnknownState, None),
    };
    let ends = |field: fn(&counterfoil_core::billing::Item) -> Option<i64>, old: Option<i64>| {
        it.items.data.iter().filter_map(field).max().or(old)
    };
    let period_end = ends(|item| item.current_period_end, it.current_period_end);
    if it.cancel_at.is_some_and(|at| at < AS_OF)
        || (it.cancel_at_period_end && period_end.is_some_and(|end| end < AS_OF))
    {
        return no(Rule::CancelAtPassed);
    }
    if let Some(pause) = &it.pause_collection {
        let grants = match pause.behavior.as_str() {
            "void" => knobs.pause[0],
            "keep_as_draft" => knobs.pause[1],
            "mark_uncollectible" => knobs.pause[2],
            _ => knobs.pause.iter().all(|grants| *grants),
        };
        if !grants {
            return no(Rule::CollectionPaused);
        }
    }
    if it.items.has_more {
        return (Says::Nothing, Rule::ItemsIncomplete, None);
    }
    if it.status.as_str() == "past_due" {
        let period_start = ends(|item| item.current_period_start, it.current_period_start);
        let since = unpaid_since(it, world).or(period_start);
        if let (Some(since), Some(grace)) = (since, knobs.grace)
            && since + grace <= AS_OF
        {
            return no(Rule::PastDueOver);
        }
    }
    (Says::Grants, rule, trial)
}

/// The oldest invoice that is open or was given up; a sent one from its due date on.
fn unpaid_since(it: &Subscription, world: &World) -> Option<i64> {
    let listed = world
        .invoices
        .iter()
        .filter(|invoice| invoice.subscription.as_ref() == Some(&it.id));
    let mut oldest = None;
    for invoice in listed.chain(&it.latest_invoice) {
        if !matches!(invoice.status.as_deref(), Some("open" | "uncollectible")) {
            continue;
        }
        let since = match (invoice.created, invoice.due_date) {
            (Some(created), Some(due)) => created.max(due),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => continue,
        };
        oldest = Some(oldest.map_or(since, |oldest: i64| oldest.min(since)));
    }
    oldest
}

/// Minor units a month for so many units, rounded down once.
pub(crate) fn monthly(sold: &Sold, units: i64) -> Option<i64> {
    if sold.metered || sold.currency == "zzz" {
        return None;
    }
    let packages = match sold.package {
        Some((size, true)) => (units + size - 1) / size,
        Some((size, false)) => units / size,
        None => units,
    };
    let (times, over) = sold.a_year?;
    Some(sold.unit? * packages * times / (12 * over))
}

fn cost(it: &Subscription) -> Option<(i64, String)> {
    let sold: Vec<_> = it
        .items
        .data
        .iter()
        .map(|item| (sold(&item.price.id), item.quantity))
        .collect();
    let first = sold.first().map(|(sold, _)| sold.currency.to_owned());
    let one_currency = |currency: &String| sold.iter().all(|(sold, _)| sold.currency == currency);
    let currency = match &it.currency {
        Some(billed) => Some(billed.clone()),
        None => first.filter(one_currency),
    }?;
    let mut total = None;
    if one_currency(&currency) {
        for (sold, quantity) in &sold {
            let part = monthly(sold, quantity.unwrap_or(1).into());
            total = part.map(|part| total.unwrap_or(0) + part).or(total);
        }
    }
    let cadence = sold
        .iter()
        .find(|(sold, _)| monthly(sold, 1).is_some())
        .and_then(|(sold, _)| sold.a_year);
    for discount in it.discounts.iter().chain(&it.discount) {
        if discount.end.is_some_and(|end| end <= AS_OF) {
            continue;
        }
        if discount.percent_ppm == 1_000_000 {
            total = Some(0);
        }
        let Some(before) = total else { continue };
        let mut after = before * (1_000_000 - i64::from(discount.percent_ppm)) / 1_000_000;
        if let (Some(off), Some((times, over))) = (&discount.amount_off, cadence)
            && off.currency == currency
        {
            after -= off.minor * times / (12 * over);
        }
        total = Some(after.max(0));
    }
    (currency != "zzz").then_some(())?;
    Some((total?, currency))
}
