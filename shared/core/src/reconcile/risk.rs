//! Money at risk per month, in minor units of one currency.
//!
//! Amounts in another currency than the leading subscription's are not added: a sum across
//! currencies would be a guess. What costs nothing puts nothing at risk.

use std::collections::BTreeMap;

use super::finding::Direction;
use super::promised::Promised;
use super::scan::Scan;
use super::store::Record;
use crate::money::Money;
use crate::promise::PlanId;

type Risk = (Option<Money>, Option<Direction>);

/// What the granting subscriptions cost together.
pub(super) fn paid(scan: &Scan, promise: &Promised) -> Option<Money> {
    let leading = promise.leading.and_then(|record| amount(scan, &record));
    let amounts = || promise.granting().filter_map(|record| amount(scan, record));
    let currency = leading.or_else(|| amounts().next())?.currency;
    let sum = amounts()
        .filter(|amount| amount.currency == currency)
        .fold(0_i64, |sum, amount| sum.saturating_add(amount.minor));
    Some(Money::new(sum, currency))
}

/// What more than one paying customer of one row pays beyond the dearest; `None` unless several pay.
pub(super) fn paid_twice(scan: &Scan, promise: &Promised) -> Option<Money> {
    let currency = paid(scan, promise)?.currency;
    let mut by_customer: BTreeMap<u32, i64> = BTreeMap::new();
    for record in promise.granting() {
        let amount = amount(scan, record).filter(|amount| amount.currency == currency);
        let sum = by_customer.entry(record.customer).or_default();
        *sum = sum.saturating_add(amount.map_or(0, |amount| amount.minor));
    }
    let dearest = by_customer.values().copied().max()?;
    let all = by_customer
        .values()
        .fold(0_i64, |sum, amount| sum.saturating_add(*amount));
    (by_customer.len() > 1).then(|| Money::new(all.saturating_sub(dearest), currency))
}

/// What access that nobody pays for would cost: the last subscription if it was this plan, else the
/// plan's list price for one unit, else that of the cheapest paid plan.
pub(super) fn unpaid(scan: &Scan, promise: &Promised, plan: Option<&str>) -> Option<Money> {
    let last = promise.newest_refused(&scan.long);
    let last_amount = last.and_then(|record| amount(scan, &record));
    let last_plan = last.and_then(|record| scan.shop.get(record.deal)?.plan);
    let named = plan_named(scan, plan);
    if named.is_none() || named == last_plan {
        return last_amount
            .or_else(|| named.map_or_else(|| cheapest(scan), |it| scan.shop.list_price(it)));
    }
    named.and_then(|plan| scan.shop.list_price(plan))
}

/// The list price of the cheapest plan that is paid access.
fn cheapest(scan: &Scan) -> Option<Money> {
    let plans = scan.artifact.compiled().plans.iter().enumerate();
    let paid = plans.filter(|(_, plan)| plan.premium);
    paid.filter_map(|(place, _)| scan.shop.list_price(PlanId::try_from(place).ok()?))
        .min()
}

/// The difference of two plans' list prices.
pub(super) fn plans(scan: &Scan, promise: &Promised, granted: Option<PlanId>) -> Risk {
    let more = scan.shop.rank(granted) > scan.shop.rank(promise.plan);
    let direction = if more {
        Direction::Leak
    } else {
        Direction::Owed
    };
    if let Some(free) = free(scan, promise) {
        return (Some(free), Some(direction));
    }
    let price = |plan: Option<PlanId>| plan.and_then(|plan| scan.shop.list_price(plan));
    let amount = match (price(promise.plan), price(granted)) {
        (Some(a), Some(b)) if a.currency == b.currency => {
            let (lower, higher) = if more {
                (a.minor, b.minor)
            } else {
                (b.minor, a.minor)
            };
            Some(Money::new(higher.saturating_sub(lower).max(0), a.currency))
        }
        (Some(_), Some(_)) | (None, None) => None,
        (Some(only), None) | (None, Some(only)) => Some(only),
    };
    (amount, Some(direction))
}

/// A trial that runs too long is unpaid access; one that is too short takes nothing but time.
pub(super) fn trial(scan: &Scan, promise: &Promised, granted: Option<i64>) -> Risk {
    let longer = granted > promise.trial();
    let cost = paid(scan, promise);
    let nothing = || {
        cost.as_ref()
            .map(|cost| Money::new(0, cost.currency.clone()))
    };
    match (longer, promise.trial()) {
        (true, Some(_)) => (cost, Some(Direction::Leak)),
        (true, None) => (nothing(), Some(Direction::Leak)),
        (false, _) => (nothing(), Some(Direction::Owed)),
    }
}

/// Seats given beyond (or short of) the paid ones.
pub(super) fn seats(scan: &Scan, promise: &Promised, beyond: i64) -> Risk {
    let direction = if beyond > 0 {
        Direction::Leak
    } else {
        Direction::Owed
    };
    let deal = promise
        .leading
        .and_then(|record| scan.shop.get(record.deal));
    let amount = free(scan, promise).or_else(|| {
        let unit = deal.and_then(|deal| scan.shop.unit_price(deal))?;
        Some(Money::new(
            unit.minor.saturating_mul(beyond.saturating_abs()),
            unit.currency,
        ))
    });
    (amount, Some(direction))
}

/// The plan of this name.
pub(super) fn plan_named(scan: &Scan, name: Option<&str>) -> Option<PlanId> {
    let plans = &scan.artifact.compiled().plans;
    let place = plans
        .iter()
        .position(|plan| Some(plan.name.as_str()) == name)?;
    PlanId::try_from(place).ok()
}

/// Zero, where the subject's subscriptions cost nothing.
fn free(scan: &Scan, promise: &Promised) -> Option<Money> {
    paid(scan, promise).filter(|amount| amount.minor == 0)
}

fn amount(scan: &Scan, record: &Record) -> Option<Money> {
    scan.amounts.get(record.amount)
}
