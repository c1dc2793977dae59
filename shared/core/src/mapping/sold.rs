//! Whether Stripe sells what the artifact names.

use std::collections::BTreeMap;

use super::artifact::Artifact;
use super::compiled::Selector;
use super::error::MappingError;
use super::names::closest;
use crate::billing::Catalog;

impl Artifact {
    /// Names of prices, lookup keys, products and product metadata that Stripe does not know, each
    /// with the nearest that it does. They are doubts: an archived price may be on its way out of
    /// the mapping, and what is really sold without a plan is found as an unmapped price.
    pub fn check_catalog(&self, catalog: &Catalog) -> Vec<MappingError> {
        let compiled = self.compiled();
        let plans = compiled.plans.iter().enumerate();
        let addons = compiled.addons.iter().enumerate();
        plans
            .map(|(index, plan)| (format!("plans[{index}].match"), &plan.selector))
            .chain(addons.map(|(index, it)| (format!("addons[{index}].match"), &it.selector)))
            .flat_map(|(field, selector)| unknown(&field, selector, catalog))
            .collect()
    }
}

fn unknown(field: &str, selector: &Selector, catalog: &Catalog) -> Vec<MappingError> {
    let prices: Vec<&str> = catalog.prices.keys().map(String::as_str).collect();
    let keys: Vec<&str> = catalog
        .prices
        .values()
        .filter_map(|price| price.lookup_key.as_deref())
        .collect();
    let products: Vec<&str> = catalog.products.keys().map(String::as_str).collect();
    let mut doubts = Vec::new();
    for (kind, words, names, known) in [
        ("price", "price", &selector.prices, &prices),
        ("lookup_key", "lookup key", &selector.lookup_keys, &keys),
        ("product", "product", &selector.products, &products),
    ] {
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let fix = closest(name, known.iter().copied()).map_or_else(
                || "correct or remove it, or look at the account and mode of the key".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            doubts.push(MappingError::new(
                format!("{field}.{kind}"),
                format!("Stripe shows no {words} `{name}`"),
                fix,
            ));
        }
    }
    let wanted = &selector.product_metadata;
    let carries = |has: &BTreeMap<String, String>| {
        wanted
            .iter()
            .all(|(key, value)| has.get(key) == Some(value))
    };
    if !wanted.is_empty() && !catalog.products.values().any(|it| carries(&it.metadata)) {
        doubts.push(MappingError::new(
            format!("{field}.product_metadata"),
            "no product in Stripe carries these values",
            "correct them, or set them on the product",
        ));
    }
    doubts
}
