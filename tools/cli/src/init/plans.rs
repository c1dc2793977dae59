//! What Stripe sells, as plans in the order of their price.

use std::collections::BTreeMap;

use counterfoil_core::billing::{Catalog, Price};
use counterfoil_core::mapping::{closest, words};
use counterfoil_core::money::Money;

/// What selects the prices of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Select {
    /// Every price of these products, old ones included.
    Products(Vec<String>),
    /// Single prices, where one product sells several plans.
    Prices(Vec<String>),
}

/// Something that Stripe sells and the app may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// The name that the app probably uses.
    pub(super) name: String,
    /// The app has exactly this name, apart from case.
    pub(super) known: bool,
    /// What Stripe calls it.
    pub(super) title: String,
    pub(super) select: Select,
    /// Its prices in words.
    pub(super) prices: Vec<String>,
    /// Minor units a year, the least of its prices; `None` where no price has a fixed amount.
    pub(super) yearly: Option<i64>,
    /// Stripe has entitlement features for it.
    pub(super) features: bool,
    pub(super) addon: bool,
}

/// The offers of the catalogue, plans by price and then add-ons; `known` are the app's own plans.
pub(super) fn offers(catalog: &Catalog, known: &[String]) -> Vec<Offer> {
    let mut by_product: BTreeMap<&str, Vec<&Price>> = BTreeMap::new();
    for price in catalog.prices.values().filter(|it| it.recurring.is_some()) {
        by_product.entry(&price.product).or_default().push(price);
    }
    let mut offers: Vec<Offer> = Vec::new();
    for (product, prices) in by_product {
        for offer in of_product(catalog, product, &prices, known) {
            merge(&mut offers, offer);
        }
    }
    let unpriced = |offer: &Offer| (offer.addon, offer.yearly.is_none(), offer.yearly);
    offers.sort_by(|a, b| {
        unpriced(a)
            .cmp(&unpriced(b))
            .then_with(|| a.name.cmp(&b.name))
    });
    offers
}

/// Monthly and yearly products of one plan are one plan.
fn merge(offers: &mut Vec<Offer>, offer: Offer) {
    let same = |it: &&mut Offer| it.name == offer.name && it.addon == offer.addon;
    let Some(other) = offers.iter_mut().find(same) else {
        offers.push(offer);
        return;
    };
    match (&mut other.select, &offer.select) {
        (Select::Products(ours), Select::Products(theirs))
        | (Select::Prices(ours), Select::Prices(theirs)) => ours.extend(theirs.iter().cloned()),
        // Two kinds of selectors stay apart, and one of the names needs a person.
        _ => {
            return offers.push(Offer {
                name: format!("{}_2", offer.name),
                known: false,
                ..offer
            });
        }
    }
    other.prices.extend(offer.prices);
    other.yearly = match (other.yearly, offer.yearly) {
        (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
        (ours, theirs) => ours.or(theirs),
    };
    other.features |= offer.features;
}

fn of_product(catalog: &Catalog, product: &str, prices: &[&Price], known: &[String]) -> Vec<Offer> {
    let (title, hint) = catalog.products.get(product).map_or(("", None), |it| {
        let hint = it.metadata.get("plan").or_else(|| it.metadata.get("tier"));
        (it.name.as_str(), hint)
    });
    let features = catalog
        .features
        .get(product)
        .is_some_and(|it| !it.is_empty());
    let all_metered = prices.iter().all(|price| metered(price));
    let offer = |names: &[&str], select: Select, prices: &[&Price]| {
        let (name, is_known) = name_of(names, known);
        Offer {
            name,
            known: is_known,
            title: if title.is_empty() { product } else { title }.to_owned(),
            select,
            prices: prices.iter().map(|price| in_words(price)).collect(),
            yearly: prices.iter().filter_map(|price| yearly(price)).min(),
            features,
            addon: all_metered || is_addon(title),
        }
    };
    if !sells_several(prices) {
        let stem = prices
            .iter()
            .find_map(|it| it.lookup_key.as_deref())
            .map(stem);
        let hint = hint.map(String::as_str);
        let names: Vec<&str> = [hint, Some(title), stem.as_deref(), Some(product)]
            .into_iter()
            .flatten()
            .collect();
        return vec![offer(
            &names,
            Select::Products(vec![product.to_owned()]),
            prices,
        )];
    }
    let mut by_stem: BTreeMap<String, Vec<&Price>> = BTreeMap::new();
    for &price in prices {
        let name = price
            .lookup_key
            .as_deref()
            .map_or_else(|| price.id.clone(), stem);
        by_stem.entry(name).or_default().push(price);
    }
    by_stem
        .iter()
        .map(|(stem, prices)| {
            let ids = prices.iter().map(|price| price.id.clone()).collect();
            offer(&[stem], Select::Prices(ids), prices)
        })
        .collect()
}

/// Two prices on sale that differ in nothing but the amount are two plans.
fn sells_several(prices: &[&Price]) -> bool {
    let mut amounts = BTreeMap::new();
    prices
        .iter()
        .filter(|it| it.active != Some(false) && !metered(it))
        .any(|price| {
            let rhythm = price
                .recurring
                .as_ref()
                .map(|it| (it.interval.as_str(), it.interval_count));
            let amount = *amounts
                .entry((rhythm, price.currency.as_str()))
                .or_insert(price.unit_amount);
            amount != price.unit_amount
        })
}

fn metered(price: &Price) -> bool {
    let usage = price
        .recurring
        .as_ref()
        .and_then(|it| it.usage_type.as_deref());
    usage == Some("metered")
}

fn is_addon(title: &str) -> bool {
    let title = title.to_lowercase();
    ["add-on", "addon", "add on", "extra "]
        .iter()
        .any(|word| title.contains(word))
}

/// A lookup key without its rhythm: `pro_monthly` is `pro`.
fn stem(key: &str) -> String {
    const RHYTHM: [&str; 9] = [
        "monthly",
        "yearly",
        "annual",
        "annually",
        "month",
        "year",
        "quarterly",
        "weekly",
        "v2",
    ];
    let words = words(key);
    let kept: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !RHYTHM.contains(word))
        .collect();
    if kept.is_empty() {
        key.to_owned()
    } else {
        kept.join("_")
    }
}

/// The app's own spelling of the first name that it knows, or the first name in plain letters.
fn name_of(names: &[&str], known: &[String]) -> (String, bool) {
    let plain = |name: &str| words(name).join("_");
    for name in names {
        if let Some(same) = known.iter().find(|it| plain(it) == plain(name)) {
            return (same.clone(), true);
        }
    }
    // `Acme Pro Plan` is probably the app's `pro`.
    let within = names.iter().find_map(|name| {
        let words_of_name = words(name);
        let all = |it: &&String| {
            let words = words(it);
            !words.is_empty() && words.iter().all(|word| words_of_name.contains(word))
        };
        known.iter().filter(all).max_by_key(|it| it.len())
    });
    if let Some(within) = within {
        return (within.clone(), false);
    }
    let near = names.iter().find_map(|name| {
        let near = closest(&plain(name), known.iter().map(String::as_str));
        near.filter(|_| name.chars().count() > 3)
    });
    if let Some(near) = near {
        return (near.to_owned(), false);
    }
    let name = names
        .iter()
        .map(|name| plain(name))
        .find(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "plan".to_owned());
    (name.chars().take(60).collect(), false)
}

fn yearly(price: &Price) -> Option<i64> {
    let recurring = price.recurring.as_ref()?;
    let times = match recurring.interval.as_str() {
        "day" => 365,
        "week" => 52,
        "month" => 12,
        _ => 1,
    };
    let amount = price.unit_amount?.checked_mul(times)?;
    amount.checked_div(i64::from(recurring.interval_count.max(1)))
}

fn in_words(price: &Price) -> String {
    let amount = price.unit_amount.map_or_else(
        || "no fixed amount".to_owned(),
        |minor| Money::new(minor, &price.currency).to_string(),
    );
    let rhythm = price
        .recurring
        .as_ref()
        .map_or_else(String::new, |it| match it.interval_count {
            1 => format!(" a {}", it.interval),
            count => format!(" every {count} {}s", it.interval),
        });
    let key = price
        .lookup_key
        .as_ref()
        .map_or_else(String::new, |key| format!(" (lookup key {key})"));
    let old = if price.active == Some(false) {
        ", not sold any more"
    } else {
        ""
    };
    format!("{}: {amount}{rhythm}{key}{old}", price.id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Id, product, minor units, interval, lookup key.
    type Sold<'a> = (&'a str, &'a str, Option<i64>, &'a str, Option<&'a str>);

    fn catalog(products: &[(&str, &str)], prices: &[Sold<'_>]) -> Catalog {
        let products = products
            .iter()
            .map(|(id, name)| serde_json::from_value(json!({"id": id, "name": name})).unwrap());
        let prices = prices.iter().map(|(id, product, amount, interval, key)| {
            serde_json::from_value(json!({
                "id": id, "product": product, "unit_amount": amount, "currency": "usd",
                "lookup_key": key, "recurring": {"interval": interval},
            }))
            .unwrap()
        });
        Catalog::new(prices.collect::<Vec<Price>>(), products.collect::<Vec<_>>())
    }

    fn names(offers: &[Offer]) -> Vec<&str> {
        offers.iter().map(|offer| offer.name.as_str()).collect()
    }

    #[test]
    fn plans_are_ordered_by_what_they_cost_a_year() {
        let catalog = catalog(
            &[
                ("prod_a", "Team"),
                ("prod_b", "Pro"),
                ("prod_c", "Custom"),
                ("prod_d", "SSO add-on"),
            ],
            &[
                ("price_1", "prod_a", Some(4_900), "month", None),
                ("price_2", "prod_b", Some(30_000), "year", None),
                ("price_3", "prod_c", None, "month", None),
                ("price_4", "prod_d", Some(100), "month", None),
            ],
        );
        let offers = offers(&catalog, &[]);
        assert_eq!(names(&offers), ["pro", "team", "custom", "sso_add_on"]);
        assert!(offers[3].addon && !offers[0].addon);
    }

    #[test]
    fn the_apps_own_spelling_wins() {
        let catalog = catalog(
            &[("prod_a", "Pro"), ("prod_b", "Starter")],
            &[
                ("price_1", "prod_a", Some(2), "month", None),
                ("price_2", "prod_b", Some(1), "month", None),
            ],
        );
        let offers = offers(&catalog, &["PRO".to_owned(), "starters".to_owned()]);
        assert_eq!(names(&offers), ["starters", "PRO"]);
        assert!(!offers[0].known && offers[1].known);
    }

    #[test]
    fn a_name_within_the_products_name_is_a_guess() {
        let catalog = catalog(
            &[("prod_a", "Acme Pro Plan"), ("prod_b", "Acme Pro Plus")],
            &[
                ("price_1", "prod_a", Some(1), "month", None),
                ("price_2", "prod_b", Some(2), "month", None),
            ],
        );
        let offers = offers(&catalog, &["pro".to_owned(), "pro_plus".to_owned()]);
        assert_eq!(names(&offers), ["pro", "pro_plus"]);
        assert!(offers.iter().all(|offer| !offer.known));
    }

    #[test]
    fn one_product_with_several_amounts_sells_several_plans() {
        let catalog = catalog(
            &[("prod_a", "App")],
            &[
                (
                    "price_1",
                    "prod_a",
                    Some(900),
                    "month",
                    Some("basic_monthly"),
                ),
                (
                    "price_2",
                    "prod_a",
                    Some(9_000),
                    "year",
                    Some("basic_yearly"),
                ),
                (
                    "price_3",
                    "prod_a",
                    Some(2_900),
                    "month",
                    Some("pro_monthly"),
                ),
            ],
        );
        let offers = offers(&catalog, &[]);
        assert_eq!(names(&offers), ["basic", "pro"]);
        let ids = ["price_1", "price_2"].map(str::to_owned).to_vec();
        assert_eq!(offers[0].select, Select::Prices(ids));
    }

    #[test]
    fn a_product_per_rhythm_is_one_plan() {
        let catalog = catalog(
            &[("prod_a", "Pro"), ("prod_b", "Pro")],
            &[
                ("price_1", "prod_a", Some(900), "month", None),
                ("price_2", "prod_b", Some(9_000), "year", None),
            ],
        );
        let offers = offers(&catalog, &[]);
        assert_eq!(offers.len(), 1);
        let ids = ["prod_a", "prod_b"].map(str::to_owned).to_vec();
        assert_eq!(offers[0].select, Select::Products(ids));
        assert_eq!(offers[0].yearly, Some(9_000));
    }
}
