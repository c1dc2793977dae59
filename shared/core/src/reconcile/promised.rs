//! From the records of a subject's customers to one promise.

use super::finding::Doubt;
use super::ids::{LongIds, SUBSCRIPTION};
use super::store::{NO_SEATS, Record};
use crate::mapping::{Compiled, FeaturesFrom};
use crate::promise::{Deal, FeatureId, PlanId, PriceId, Rule, Shop, Standing};

/// What billing promises to one subject.
#[derive(Debug, Clone, Default)]
pub(super) struct Promised {
    /// Every subscription of the subject, in any state.
    pub(super) records: Vec<Record>,
    /// The granting subscription that sets plan, seats and trial.
    pub(super) leading: Option<Record>,
    pub(super) plan: Option<PlanId>,
    pub(super) premium: bool,
    /// Ascending.
    pub(super) features: Vec<FeatureId>,
    /// Prices of granting subscriptions that have no rule.
    pub(super) unmapped: Vec<PriceId>,
    /// A subscription of which nothing may be concluded.
    pub(super) unknown: Option<Record>,
    /// Number of granting subscriptions.
    pub(super) granting: usize,
    /// Why.
    pub(super) rule: Option<Rule>,
}

impl Promised {
    /// Seats of the leading subscription.
    pub(super) fn seats(&self) -> Option<i64> {
        self.leading
            .filter(|it| it.seats != NO_SEATS)
            .map(|it| i64::from(it.seats))
    }

    /// End of the running trial.
    pub(super) fn trial(&self) -> Option<i64> {
        self.leading
            .filter(|it| it.trial != 0)
            .map(|it| i64::from(it.trial))
    }

    /// What is promised is known to the last price and state.
    pub(super) fn is_certain(&self) -> bool {
        self.unmapped.is_empty() && self.unknown.is_none()
    }

    /// Why it is not known to the last price and state.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        let unread = |record: &Record| record.rule == Rule::ItemsIncomplete;
        if self.records.iter().any(unread) {
            Some(Doubt::UnreadItems)
        } else {
            (!self.is_certain()).then_some(Doubt::UnclearPromise)
        }
    }

    /// Granting subscriptions.
    pub(super) fn granting(&self) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(|record| record.standing == Standing::Grants)
    }

    /// The newest subscription that does not grant any more.
    pub(super) fn newest_refused(&self, long: &LongIds) -> Option<Record> {
        let refused = self
            .records
            .iter()
            .filter(|record| record.standing == Standing::Refuses);
        refused
            .max_by(|a, b| {
                let newer = a.created.cmp(&b.created);
                newer.then_with(|| a.id.order(&b.id, SUBSCRIPTION, long))
            })
            .copied()
    }
}

/// Folds records into a promise: the highest rank leads, then the newest, then the id.
pub(super) fn promised(
    mut records: Vec<Record>,
    mapping: &Compiled,
    shop: &Shop,
    long: &LongIds,
) -> Promised {
    if records.len() > 1 {
        records.sort_unstable_by(|a, b| a.id.order(&b.id, SUBSCRIPTION, long));
    }
    let mut promise = Promised {
        records,
        ..Promised::default()
    };
    let mut premium = false;
    for record in &promise.records {
        match record.standing {
            Standing::Refuses => continue,
            Standing::Unknown => {
                // A state without a rule says more than a list that was not read to its end.
                if promise
                    .unknown
                    .is_none_or(|known| known.rule != Rule::UnknownState)
                {
                    promise.unknown = Some(*record);
                }
                continue;
            }
            Standing::Grants => {}
        }
        promise.granting += 1;
        let Some(deal) = shop.get(record.deal) else {
            continue;
        };
        premium |= plan(mapping, deal.plan).is_some_and(|plan| plan.premium);
        promise.unmapped.extend(&deal.unmapped);
        if mapping.rules.features_from == FeaturesFrom::All {
            promise.features.extend(&deal.features);
        }
        if promise
            .leading
            .is_none_or(|leading| leads(record, &leading, shop, long))
        {
            promise.leading = Some(*record);
        }
    }
    let leading: Option<&Deal> = promise.leading.and_then(|record| shop.get(record.deal));
    promise.plan = leading.and_then(|deal| deal.plan);
    if let (FeaturesFrom::Highest, Some(deal)) = (mapping.rules.features_from, leading) {
        promise.features.clone_from(&deal.features);
    }
    if promise.granting > 1 {
        promise.features.sort_unstable();
        promise.features.dedup();
        promise.unmapped.sort_unstable();
        promise.unmapped.dedup();
    }
    promise.premium = if mapping.access.premium.is_some() {
        premium
    } else {
        let none = mapping
            .access
            .plan
            .as_ref()
            .map(|column| column.none.as_str());
        plan(mapping, promise.plan).is_some_and(|plan| Some(plan.name.as_str()) != none)
    };
    let why = promise
        .leading
        .or(promise.unknown)
        .or_else(|| promise.newest_refused(long));
    promise.rule = why.map(|record| record.rule);
    promise
}

/// The plan of a number.
pub(super) fn plan(mapping: &Compiled, id: Option<PlanId>) -> Option<&crate::mapping::Plan> {
    id.and_then(|id| mapping.plans.get(usize::from(id)))
}

fn leads(record: &Record, other: &Record, shop: &Shop, long: &LongIds) -> bool {
    let rank = |record: &Record| shop.rank(shop.get(record.deal).and_then(|deal| deal.plan));
    let order = rank(record)
        .cmp(&rank(other))
        .then(record.created.cmp(&other.created));
    order
        .then_with(|| record.id.order(&other.id, SUBSCRIPTION, long))
        .is_gt()
}
