//! Money at risk, as the documentation of the decision table says it.

use std::collections::BTreeMap;

use counterfoil_core::money::Money;
use counterfoil_core::reconcile::Direction;

use crate::judge::{Judged, Says, monthly, sold};
use crate::shop::{PLANS, SOLD, Sold, offered};
use crate::subject::Promise;
use crate::world::World;

/// Minor units by currency, the currency to name first, and who loses.
#[derive(Debug, Default)]
pub(crate) struct Risk {
    pub(crate) sums: BTreeMap<String, i64>,
    pub(crate) first: Option<String>,
    pub(crate) direction: Option<Direction>,
}

impl Risk {
    pub(crate) fn towards(direction: Direction) -> Self {
        Self {
            direction: Some(direction),
            ..Self::default()
        }
    }

    fn of(money: Option<(i64, String)>, direction: Direction) -> Self {
        let mut risk = Self::towards(direction);
        if let Some((minor, currency)) = money {
            risk.sums.insert(currency, minor);
        }
        risk
    }

    /// The leading amount and the others.
    pub(crate) fn amounts(&self) -> (Option<Money>, Vec<Money>) {
        let first = self
            .first
            .clone()
            .filter(|first| self.sums.contains_key(first));
        let more_than_nothing = self
            .sums
            .iter()
            .find(|(_, minor)| **minor > 0)
            .map(|(name, _)| name.clone());
        let first = first
            .or(more_than_nothing)
            .or_else(|| self.sums.keys().next().cloned());
        let mut rest = Vec::new();
        for (currency, minor) in &self.sums {
            if Some(currency) != first.as_ref() && *minor != 0 {
                rest.push(Money::new(*minor, currency.clone()));
            }
        }
        (
            first.map(|first| Money::new(self.sums[&first], first)),
            rest,
        )
    }
}

/// Prices that anybody has heard of: those of the catalogue and those that a subscription carries.
fn known(world: &World) -> Vec<&'static Sold> {
    let carried = |sold: &Sold| {
        let items = world.subscriptions.iter().flat_map(|it| &it.items.data);
        items.into_iter().any(|item| item.price.id == sold.id)
    };
    SOLD.iter()
        .filter(|sold| sold.listed || carried(sold))
        .collect()
}

fn list_price(world: &World, plan: &str, currency: &str) -> Option<i64> {
    let mut prices = Vec::new();
    for sold in known(world) {
        let sells = offered(sold).is_some_and(|it| it.plan.is_some() && it.name == plan);
        if sells
            && sold.currency == currency
            && let Some(minor) = monthly(sold, 1)
        {
            // What can be bought comes first, then what costs something, then what costs less.
            prices.push((sold.active == Some(false), minor == 0, minor));
        }
    }
    prices.into_iter().min().map(|(_, _, minor)| minor)
}

fn currencies(world: &World, own: Option<&String>) -> Vec<String> {
    let mut names: Vec<String> = known(world)
        .iter()
        .map(|sold| sold.currency.to_owned())
        .collect();
    names.sort_unstable();
    // Most prices of the shop are in dollars.
    own.cloned()
        .into_iter()
        .chain(["usd".to_owned()])
        .chain(names)
        .collect()
}

/// What granting subscriptions cost, without those of `except`.
fn paid(promise: &Promise<'_>, except: Option<&str>) -> Risk {
    let mut risk = Risk {
        first: own(promise),
        ..Risk::default()
    };
    for judged in promise.granting() {
        if Some(judged.subscription.customer.as_str()) != except
            && let Some((minor, currency)) = &judged.cost
        {
            *risk.sums.entry(currency.clone()).or_default() += minor;
        }
    }
    risk
}

fn own(promise: &Promise<'_>) -> Option<String> {
    promise
        .leading
        .as_ref()
        .and_then(|judged| Some(judged.cost.as_ref()?.1.clone()))
}

fn all_free(risk: &Risk) -> bool {
    !risk.sums.is_empty() && risk.sums.values().all(|minor| *minor == 0)
}

pub(crate) fn owed(promise: &Promise<'_>) -> Risk {
    Risk {
        direction: Some(Direction::Owed),
        ..paid(promise, None)
    }
}

pub(crate) fn unclear(promise: &Promise<'_>) -> Risk {
    paid(promise, None)
}

pub(crate) fn twice(promise: &Promise<'_>) -> Risk {
    let Some(leading) = &promise.leading else {
        return Risk::default();
    };
    let kept = leading.subscription.customer.as_str();
    if promise
        .granting()
        .all(|judged| judged.subscription.customer == kept)
    {
        return Risk::default();
    }
    Risk {
        direction: Some(Direction::Owed),
        ..paid(promise, Some(kept))
    }
}

pub(crate) fn unpaid(world: &World, promise: &Promise<'_>, plan: Option<&str>) -> Risk {
    let last = promise.newest(Says::Refuses);
    let last_cost = last.and_then(|judged| judged.cost.clone());
    let last_plan = last.and_then(|judged| crate::subject::plan_of(judged));
    let currencies = currencies(world, last_cost.as_ref().map(|(_, currency)| currency));
    let listed = |plan: &str| {
        let mut found = currencies
            .iter()
            .filter_map(|name| Some((list_price(world, plan, name)?, name.clone())));
        found.next()
    };
    let amount = match plan {
        Some(plan) if last_plan != Some(plan) => listed(plan),
        Some(plan) => last_cost.or_else(|| listed(plan)),
        None => last_cost.or_else(|| {
            let paid = PLANS.iter().filter(|(.., paid)| *paid);
            let paid: Vec<&str> = paid.map(|(name, ..)| *name).collect();
            let mut found = currencies.iter().filter_map(|name| {
                let prices = paid.iter().filter_map(|plan| list_price(world, plan, name));
                Some((prices.min()?, name.clone()))
            });
            found.next()
        }),
    };
    Risk::of(amount, Direction::Leak)
}

pub(crate) fn wrong_plan(
    world: &World,
    promise: &Promise<'_>,
    granted: Option<&str>,
    foreign: bool,
    more: bool,
) -> Risk {
    let direction = if more {
        Direction::Leak
    } else {
        Direction::Owed
    };
    let paid = paid(promise, None);
    if all_free(&paid) {
        return Risk {
            direction: Some(direction),
            ..paid
        };
    }
    if foreign || (granted.is_none() && promise.plan.is_none()) {
        return Risk::towards(direction);
    }
    for currency in currencies(world, own(promise).as_ref()) {
        let price =
            |plan: Option<&str>| plan.map_or(Some(0), |plan| list_price(world, plan, &currency));
        let (Some(granted), Some(promised)) = (price(granted), price(promise.plan)) else {
            continue;
        };
        let difference = if more {
            granted - promised
        } else {
            promised - granted
        };
        return Risk::of(Some((difference.max(0), currency)), direction);
    }
    Risk::towards(direction)
}

pub(crate) fn wrong_trial(promise: &Promise<'_>, granted: Option<i64>) -> Risk {
    let promised = promise.trial();
    let longer = granted > promised;
    let mut risk = paid(promise, None);
    if !longer || promised.is_none() {
        risk.sums.values_mut().for_each(|minor| *minor = 0);
    }
    risk.direction = Some(if longer {
        Direction::Leak
    } else {
        Direction::Owed
    });
    risk
}

pub(crate) fn wrong_seats(promise: &Promise<'_>, promised: i64, granted: i64) -> Risk {
    let direction = if granted > promised {
        Direction::Leak
    } else {
        Direction::Owed
    };
    let paid = paid(promise, None);
    if all_free(&paid) {
        return Risk {
            direction: Some(direction),
            ..paid
        };
    }
    let amount = || {
        let leading: &Judged<'_> = promise.leading.as_ref()?;
        let mut ids: Vec<&str> = leading.sold().iter().map(|(sold, _)| sold.id).collect();
        ids.sort_unstable();
        let sells = |id: &&&str| {
            offered(sold(id)).is_some_and(|it| it.plan.is_some() && Some(it.name) == promise.plan)
        };
        let price = sold(ids.iter().find(sells)?);
        let difference = (monthly(price, granted.max(0))? - monthly(price, promised.max(0))?).abs();
        let billed = leading
            .cost
            .as_ref()
            .is_some_and(|(_, currency)| currency == price.currency);
        billed.then(|| (difference, price.currency.to_owned()))
    };
    Risk::of(amount(), direction)
}
