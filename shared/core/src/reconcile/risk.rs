//! Money at risk per month, in minor units by currency.
//!
//! Amounts of different currencies are never added and never compared. An amount that is not known
//! is absent, never zero; what costs nothing puts nothing at risk.

use std::collections::BTreeMap;

use super::finding::Direction;
use super::promised::Promised;
use super::scan::Scan;
use super::store::Record;
use crate::money::Money;
use crate::promise::PlanId;

/// What is at risk, and who loses it.
#[derive(Debug, Default)]
pub(super) struct Risk {
    pub(super) amounts: Amounts,
    pub(super) direction: Option<Direction>,
}

impl Risk {
    const fn of(amounts: Amounts, direction: Direction) -> Self {
        Self {
            amounts,
            direction: Some(direction),
        }
    }

    fn one(amount: Option<Money>, direction: Direction) -> Self {
        Self::of(Amounts::of(amount, None), direction)
    }
}

/// Minor units by currency, and the currency that is named first.
#[derive(Debug, Clone, Default)]
pub(super) struct Amounts {
    minor: BTreeMap<String, i64>,
    first: Option<String>,
}

impl Amounts {
    fn of(amounts: impl IntoIterator<Item = Money>, first: Option<String>) -> Self {
        let mut minor = BTreeMap::<String, i64>::new();
        for amount in amounts {
            let sum = minor.entry(amount.currency).or_default();
            *sum = sum.saturating_add(amount.minor);
        }
        Self { minor, first }
    }

    /// The amount in the first currency (else in the first by name), and the others that are more
    /// than nothing.
    pub(super) fn split(mut self) -> (Option<Money>, Vec<Money>) {
        let named = self.first.filter(|first| self.minor.contains_key(first));
        let paid = self.minor.iter().find(|(_, minor)| **minor != 0);
        let Some(first) = named
            .or_else(|| paid.map(|(currency, _)| currency.clone()))
            .or_else(|| self.minor.keys().next().cloned())
        else {
            return (None, Vec::new());
        };
        let leading = self.minor.remove(&first);
        self.minor.retain(|_, minor| *minor != 0);
        let rest = self.minor.into_iter();
        (
            leading.map(|minor| Money::new(minor, first)),
            rest.map(|(currency, minor)| Money::new(minor, currency))
                .collect(),
        )
    }

    /// Something is known, and all of it is nothing.
    fn is_free(&self) -> bool {
        !self.minor.is_empty() && self.minor.values().all(|minor| *minor == 0)
    }

    fn nothing(&self) -> Self {
        let minor = self.minor.keys().map(|currency| (currency.clone(), 0));
        Self {
            minor: minor.collect(),
            first: self.first.clone(),
        }
    }
}

/// What the granting subscriptions cost together.
fn paid(scan: &Scan, promise: &Promised) -> Amounts {
    let known = promise.granting().filter_map(|record| amount(scan, record));
    Amounts::of(known, own_currency(scan, promise))
}

/// The currency of the subscription that sets the plan.
fn own_currency(scan: &Scan, promise: &Promised) -> Option<String> {
    let leading = promise.leading.and_then(|record| amount(scan, &record));
    leading.map(|amount| amount.currency)
}

/// What is paid and not given.
pub(super) fn owed(scan: &Scan, promise: &Promised) -> Risk {
    Risk::of(paid(scan, promise), Direction::Owed)
}

/// What is paid, where nobody knows what for.
pub(super) fn unclear(scan: &Scan, promise: &Promised) -> Risk {
    Risk {
        amounts: paid(scan, promise),
        direction: None,
    }
}

/// What is paid by other customers of a row than the one whose subscription sets the plan; nothing
/// unless several pay.
pub(super) fn paid_twice(scan: &Scan, promise: &Promised) -> Risk {
    let Some(leading) = promise.leading else {
        return Risk::default();
    };
    let others = || {
        let granting = promise.granting();
        granting.filter(|record| record.customer != leading.customer)
    };
    if others().next().is_none() {
        return Risk::default();
    }
    let known = others().filter_map(|record| amount(scan, record));
    Risk::of(
        Amounts::of(known, own_currency(scan, promise)),
        Direction::Owed,
    )
}

/// What access that nobody pays for would cost: the last subscription if it was this plan, else the
/// plan's list price for one unit, else that of the cheapest paid plan.
pub(super) fn unpaid(scan: &Scan, promise: &Promised, plan: Option<&str>) -> Risk {
    let last = promise.newest_refused(&scan.long);
    let last_amount = last.and_then(|record| amount(scan, &record));
    let last_plan = last.and_then(|record| scan.shop.get(record.deal)?.plan);
    let own = last_amount.as_ref().map(|amount| amount.currency.clone());
    let currencies = scan.shop.currencies(own.as_deref());
    let named = plan_named(scan, plan);
    let amount = if named.is_none() || named == last_plan {
        last_amount.or_else(|| {
            named.map_or_else(
                || cheapest(scan, &currencies),
                |it| scan.shop.list_price(it, &currencies),
            )
        })
    } else {
        named.and_then(|plan| scan.shop.list_price(plan, &currencies))
    };
    Risk::one(amount, Direction::Leak)
}

/// The lowest list price of a plan that is paid access, in the first currency that has one.
fn cheapest(scan: &Scan, currencies: &[&str]) -> Option<Money> {
    let plans = scan.artifact.compiled().plans.iter().enumerate();
    let paid = plans.filter(|(_, plan)| plan.premium);
    let paid: Vec<PlanId> = paid
        .filter_map(|(place, _)| PlanId::try_from(place).ok())
        .collect();
    let mut lowest = currencies.iter().filter_map(|currency| {
        let prices = paid.iter();
        prices
            .filter_map(|plan| scan.shop.list_price_in(*plan, currency))
            .min()
    });
    lowest.next()
}

/// The difference of two plans' list prices, in one currency that has both. `foreign`: the row names
/// a plan of which nothing is known.
pub(super) fn plans(
    scan: &Scan,
    promise: &Promised,
    granted: Option<PlanId>,
    foreign: bool,
) -> Risk {
    let more = scan.shop.rank(granted) > scan.shop.rank(promise.plan);
    let direction = if more {
        Direction::Leak
    } else {
        Direction::Owed
    };
    let paid = paid(scan, promise);
    if paid.is_free() {
        return Risk::of(paid, direction);
    }
    let (lower, higher) = if more {
        (promise.plan, granted)
    } else {
        (granted, promise.plan)
    };
    let own = own_currency(scan, promise);
    let currencies = scan.shop.currencies(own.as_deref());
    let price = |plan: Option<PlanId>, currency: &str| match plan {
        Some(plan) => Some(scan.shop.list_price_in(plan, currency)?.minor),
        None => Some(0),
    };
    let mut differences = currencies.iter().filter_map(|currency| {
        let minor = price(higher, currency)?.saturating_sub(price(lower, currency)?);
        Some(Money::new(minor.max(0), *currency))
    });
    let known = !foreign && (lower.is_some() || higher.is_some());
    Risk::one(known.then(|| differences.next()).flatten(), direction)
}

/// A trial that runs too long is unpaid access; one that is too short takes nothing but time.
pub(super) fn trial(scan: &Scan, promise: &Promised, granted: Option<i64>) -> Risk {
    let cost = paid(scan, promise);
    match (granted > promise.trial(), promise.trial()) {
        (true, Some(_)) => Risk::of(cost, Direction::Leak),
        (true, None) => Risk::of(cost.nothing(), Direction::Leak),
        (false, _) => Risk::of(cost.nothing(), Direction::Owed),
    }
}

/// Seats given beyond (or short of) the paid ones, at the price of the plan.
pub(super) fn seats(scan: &Scan, promise: &Promised, promised: i64, granted: i64) -> Risk {
    let direction = if granted > promised {
        Direction::Leak
    } else {
        Direction::Owed
    };
    let paid = paid(scan, promise);
    if paid.is_free() {
        return Risk::of(paid, direction);
    }
    let amount = || {
        let leading = promise.leading?;
        let price = scan.shop.plan_price(scan.shop.get(leading.deal)?)?;
        let (cost, currency) = scan.shop.cost(price)?;
        let monthly = |seats: i64| cost?.monthly(u32::try_from(seats.max(0)).ok()?);
        let difference = monthly(granted)?.abs_diff(monthly(promised)?);
        let billed = amount(scan, &leading).is_some_and(|paid| paid.currency == currency);
        billed.then(|| Money::new(i64::try_from(difference).unwrap_or(i64::MAX), currency))
    };
    Risk::one(amount(), direction)
}

/// The plan of this name.
pub(super) fn plan_named(scan: &Scan, name: Option<&str>) -> Option<PlanId> {
    let plans = &scan.artifact.compiled().plans;
    let place = plans
        .iter()
        .position(|plan| Some(plan.name.as_str()) == name)?;
    PlanId::try_from(place).ok()
}

fn amount(scan: &Scan, record: &Record) -> Option<Money> {
    scan.amounts.get(record.amount)
}
