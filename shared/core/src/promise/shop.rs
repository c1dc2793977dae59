//! What is sold: from prices to plans, features and money.

use std::collections::BTreeMap;

use crate::billing::{Catalog, Cost, Price};
use crate::mapping::{Compiled, Grants, Offer, Selector};
use crate::money::{Money, is_known_currency};

/// Index of a plan in the artifact.
pub type PlanId = u16;
/// Index of a feature name.
pub type FeatureId = u16;
/// Index of a price; shops that make a price per customer have many.
pub type PriceId = u32;
/// Index of a [`Deal`].
pub type DealId = u32;

/// One price, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sold {
    price: String,
    plan: Option<PlanId>,
    features: Vec<FeatureId>,
    mapped: bool,
    cost: Option<Cost>,
    currency: String,
}

impl Sold {
    /// Sold in a currency that this version does not know.
    fn is_foreign(&self) -> bool {
        !self.currency.is_empty() && !is_known_currency(&self.currency)
    }
}

/// What a combination of prices promises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deal {
    /// The plan of the highest rank among its prices.
    pub plan: Option<PlanId>,
    /// Features of all its prices, ascending.
    pub features: Vec<FeatureId>,
    /// Prices without a rule, and prices in a currency that this version does not know.
    pub unmapped: Vec<PriceId>,
    /// Its prices, ordered by id.
    prices: Vec<PriceId>,
}

/// Prices, deals and feature names of one run. It grows by what subscriptions carry and the
/// catalogue does not.
#[derive(Debug, Clone)]
pub struct Shop {
    mapping: Compiled,
    catalog: Catalog,
    feature_names: Vec<String>,
    currency: String,
    sold: Vec<Sold>,
    by_price: BTreeMap<String, PriceId>,
    deals: Vec<Deal>,
    by_prices: BTreeMap<Vec<PriceId>, DealId>,
    single: Vec<Option<DealId>>,
}

impl Shop {
    /// The shop of a mapping and a catalogue.
    pub fn new(mapping: &Compiled, catalog: &Catalog) -> Self {
        let mut names: Vec<String> = catalog.features.values().flatten().cloned().collect();
        let grants = mapping.plans.iter().map(Offer::grants);
        for grants in grants.chain(mapping.addons.iter().map(Offer::grants)) {
            if let Grants::Listed(features) = grants {
                names.extend(features.iter().cloned());
            }
        }
        names.sort_unstable();
        names.dedup();
        let mut shop = Self {
            mapping: mapping.clone(),
            catalog: catalog.clone(),
            feature_names: names,
            currency: main_currency(catalog),
            sold: Vec::new(),
            by_price: BTreeMap::new(),
            deals: Vec::new(),
            by_prices: BTreeMap::new(),
            single: Vec::new(),
        };
        for price in catalog.prices.values() {
            shop.price(price);
        }
        shop
    }

    /// The number of a price that is known already.
    pub fn known_price(&self, id: &str) -> Option<PriceId> {
        self.by_price.get(id).copied()
    }

    /// The number of a price; `None` only when there are more than 2^32 of them.
    pub fn price(&mut self, price: &Price) -> Option<PriceId> {
        if let Some(known) = self.known_price(&price.id) {
            return Some(known);
        }
        let number = PriceId::try_from(self.sold.len()).ok()?;
        let sold = self.resolve(price);
        self.sold.push(sold);
        self.single.push(None);
        self.by_price.insert(price.id.clone(), number);
        Some(number)
    }

    fn resolve(&self, price: &Price) -> Sold {
        let mapping = &self.mapping;
        let plan = best(&mapping.plans, price, &self.catalog);
        let addon = best(&mapping.addons, price, &self.catalog);
        // The more specific selector wins; a plan before an add-on.
        let (plan, addon) = match (plan, addon) {
            (Some(plan), Some(addon)) if addon.0 < plan.0 => (None, Some(addon)),
            (Some(plan), _) => (Some(plan), None),
            (None, addon) => (None, addon),
        };
        let grants = plan
            .and_then(|(_, index)| mapping.plans.get(index))
            .map(Offer::grants)
            .or_else(|| {
                addon
                    .and_then(|(_, index)| mapping.addons.get(index))
                    .map(Offer::grants)
            });
        let features = match grants {
            None => &[][..],
            Some(Grants::Listed(features)) => features,
            Some(Grants::Stripe) => self
                .catalog
                .features
                .get(&price.product)
                .map_or(&[][..], Vec::as_slice),
        };
        Sold {
            price: price.id.clone(),
            plan: plan.and_then(|(_, index)| PlanId::try_from(index).ok()),
            features: self.feature_ids(features),
            mapped: grants.is_some(),
            cost: price.cost().filter(|_| is_known_currency(&price.currency)),
            currency: price.currency.clone(),
        }
    }

    fn feature_ids(&self, names: &[String]) -> Vec<FeatureId> {
        let number = |name: &String| self.feature_names.binary_search(name).ok();
        let mut ids: Vec<FeatureId> = names
            .iter()
            .filter_map(number)
            .filter_map(|id| FeatureId::try_from(id).ok())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The number of the deal that these prices make; `prices` is sorted by the call.
    pub fn deal(&mut self, prices: &mut Vec<PriceId>) -> Option<DealId> {
        prices.sort_unstable();
        let known = match prices.as_slice() {
            [price] => self.single.get(index(*price)).copied().flatten(),
            several => self.by_prices.get(several).copied(),
        };
        if known.is_some() {
            return known;
        }
        let number = DealId::try_from(self.deals.len()).ok()?;
        let deal = self.combine(prices);
        self.deals.push(deal);
        match prices.as_slice() {
            [price] => *self.single.get_mut(index(*price))? = Some(number),
            several => {
                self.by_prices.insert(several.to_vec(), number);
            }
        }
        Some(number)
    }

    fn combine(&self, prices: &[PriceId]) -> Deal {
        // By id, so that the order in which prices were met decides nothing.
        let mut prices = prices.to_vec();
        prices.sort_by_key(|price| self.price_id(*price));
        let mut deal = Deal::default();
        for price in &prices {
            let Some(sold) = self.sold(*price) else {
                continue;
            };
            deal.features.extend(&sold.features);
            if !sold.mapped || sold.is_foreign() {
                deal.unmapped.push(*price);
            }
            if self.rank(sold.plan) > self.rank(deal.plan) {
                deal.plan = sold.plan;
            }
        }
        deal.features.sort_unstable();
        deal.features.dedup();
        deal.unmapped.dedup();
        deal.prices = prices;
        deal
    }

    fn sold(&self, price: PriceId) -> Option<&Sold> {
        self.sold.get(index(price))
    }

    /// A deal by its number.
    pub fn get(&self, deal: DealId) -> Option<&Deal> {
        self.deals.get(index(deal))
    }

    /// Rank of a plan; no plan ranks below every plan.
    pub fn rank(&self, plan: Option<PlanId>) -> Option<u32> {
        plan.and_then(|plan| self.mapping.plans.get(usize::from(plan)))
            .map(|plan| plan.rank)
    }

    /// Whether a price sells this plan.
    pub fn sells(&self, price: PriceId, plan: PlanId) -> bool {
        self.sold(price).is_some_and(|sold| sold.plan == Some(plan))
    }

    /// Whether the mapping says what a price sells.
    pub fn is_mapped(&self, price: PriceId) -> bool {
        self.sold(price).is_some_and(|sold| sold.mapped)
    }

    /// Name of a feature.
    pub fn feature(&self, id: FeatureId) -> Option<&str> {
        self.feature_names.get(usize::from(id)).map(String::as_str)
    }

    /// Whether a name is a feature that the mapping or the catalogue knows.
    pub fn has_feature(&self, name: &String) -> bool {
        self.feature_names.binary_search(name).is_ok()
    }

    /// Stripe's id of a price.
    pub fn price_id(&self, price: PriceId) -> Option<&str> {
        self.sold(price).map(|sold| sold.price.as_str())
    }

    /// What a price costs, and in which currency (empty where unknown).
    pub fn cost(&self, price: PriceId) -> Option<(Option<Cost>, &str)> {
        let sold = self.sold(price)?;
        Some((sold.cost, sold.currency.as_str()))
    }

    /// The price of a deal that sells its plan.
    pub fn plan_price(&self, deal: &Deal) -> Option<PriceId> {
        let plan = deal.plan?;
        let mut prices = deal.prices.iter().copied();
        prices.find(|price| self.sells(*price, plan))
    }

    /// Currencies in which a list price is looked for: the customer's own, that of most prices,
    /// then by name.
    pub fn currencies<'a>(&'a self, own: Option<&'a str>) -> Vec<&'a str> {
        let mut rest: Vec<&str> = self
            .sold
            .iter()
            .map(|sold| sold.currency.as_str())
            .filter(|currency| !currency.is_empty())
            .collect();
        rest.sort_unstable();
        rest.dedup();
        own.into_iter()
            .chain([self.currency.as_str()])
            .chain(rest)
            .collect()
    }

    /// What one unit of a plan costs per month at least in a currency: the lowest price that can be
    /// bought now, else the lowest price; one of zero only where there is no other. `None` where
    /// there is no fixed one.
    pub fn list_price_in(&self, plan: PlanId, currency: &str) -> Option<Money> {
        let lowest = |buyable: bool| {
            let sold = self.sold.iter().filter(|sold| sold.plan == Some(plan));
            let sold = sold.filter(|sold| sold.currency == currency);
            let sold = sold.filter(|sold| !buyable || self.can_be_bought(&sold.price));
            // A free price beside others says nothing about what the plan is worth.
            let prices = sold.filter_map(|sold| sold.cost?.monthly(1));
            prices.min_by_key(|minor| (*minor == 0, *minor))
        };
        let minor = lowest(true).or_else(|| lowest(false))?;
        Some(Money::new(minor, currency))
    }

    /// The list price in the first of these currencies that has one.
    pub fn list_price(&self, plan: PlanId, currencies: &[&str]) -> Option<Money> {
        let mut prices = currencies
            .iter()
            .filter_map(|currency| self.list_price_in(plan, currency));
        prices.next()
    }

    fn can_be_bought(&self, price: &str) -> bool {
        let price = self.catalog.prices.get(price);
        price.is_none_or(|price| price.active != Some(false))
    }
}

/// The currency of most prices; of equals the first by name.
fn main_currency(catalog: &Catalog) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for price in catalog
        .prices
        .values()
        .filter(|price| price.recurring.is_some())
    {
        *counts.entry(&price.currency).or_default() += 1;
    }
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(currency, _)| currency.to_owned())
        .unwrap_or_default()
}

/// A place in memory: `usize` has at least 32 bits wherever this runs.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// How specifically a selector names a price: lower is more specific.
fn fit(selector: &Selector, price: &Price, catalog: &Catalog) -> Option<u8> {
    if selector.prices.contains(&price.id) {
        return Some(0);
    }
    if price
        .lookup_key
        .as_ref()
        .is_some_and(|key| selector.lookup_keys.contains(key))
    {
        return Some(1);
    }
    if selector.products.contains(&price.product) {
        return Some(2);
    }
    let wanted = &selector.product_metadata;
    let product = catalog.products.get(&price.product)?;
    let carries = wanted
        .iter()
        .all(|(key, value)| product.metadata.get(key) == Some(value));
    (!wanted.is_empty() && carries).then_some(3)
}

/// The offer that names a price most specifically; the first of equals.
fn best(offers: &[impl Offer], price: &Price, catalog: &Catalog) -> Option<(u8, usize)> {
    offers
        .iter()
        .enumerate()
        .filter_map(|(index, offer)| Some((fit(offer.selector(), price, catalog)?, index)))
        .min()
}
