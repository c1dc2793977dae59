//! Prices, products and what the products entitle to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tolerant;

/// The billing rhythm of a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// Every how many intervals; 1 where Stripe left it out.
    #[serde(default = "one")]
    pub interval_count: u32,
    /// `licensed` or `metered`: what a metered price comes to is known only afterwards.
    #[serde(default)]
    pub usage_type: Option<String>,
}

/// How many units make one that is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformQuantity {
    /// Units in a package.
    pub divide_by: u32,
    /// `up` or `down`: what becomes of a package that is not full.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub round: String,
}

const fn one() -> u32 {
    1
}

/// A price, from the catalogue or embedded in a subscription item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// `price_…` (or `plan_…` of old accounts).
    pub id: String,
    /// `prod_…`; empty where unknown.
    #[serde(default, deserialize_with = "tolerant::id")]
    pub product: String,
    /// The merchant's own name of the price.
    #[serde(default)]
    pub lookup_key: Option<String>,
    /// Minor units per unit and interval; absent for tiered prices and fractions of a minor unit.
    #[serde(default)]
    pub unit_amount: Option<i64>,
    /// Lower-case ISO 4217 code; empty where unknown.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub currency: String,
    /// The rhythm; absent for one-time prices.
    #[serde(default)]
    pub recurring: Option<Recurring>,
    /// Sold in packages.
    #[serde(default)]
    pub transform_quantity: Option<TransformQuantity>,
    /// Whether it can be bought now; old prices stay valid for those who have them.
    #[serde(default)]
    pub active: Option<bool>,
    /// Live or test mode, where Stripe said so.
    #[serde(default)]
    pub livemode: Option<bool>,
}

/// A product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// `prod_…`.
    pub id: String,
    /// Its name in the shop.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub name: String,
    /// The merchant's own keys.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub metadata: BTreeMap<String, String>,
}

/// Everything that is sold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    /// By price id.
    pub prices: BTreeMap<String, Price>,
    /// By product id.
    pub products: BTreeMap<String, Product>,
    /// Lookup keys of the entitlement features, by product id.
    pub features: BTreeMap<String, Vec<String>>,
}

impl Catalog {
    /// A catalogue of these prices and products; features are added by
    /// [`Catalog::add_features`].
    pub fn new(
        prices: impl IntoIterator<Item = Price>,
        products: impl IntoIterator<Item = Product>,
    ) -> Self {
        Self {
            prices: prices
                .into_iter()
                .map(|price| (price.id.clone(), price))
                .collect(),
            products: products
                .into_iter()
                .map(|product| (product.id.clone(), product))
                .collect(),
            features: BTreeMap::new(),
        }
    }

    /// How many requests it costs at least to read it: pages of 100 prices and products, and a request
    /// for the features of each product where they were asked for.
    pub fn requests(&self) -> u64 {
        let pages = |count: usize| count.div_ceil(100).max(1);
        let lists = pages(self.prices.len()).saturating_add(pages(self.products.len()));
        u64::try_from(lists.saturating_add(self.features.len())).unwrap_or(u64::MAX)
    }

    /// Adds a page of `product_feature` objects of one product.
    ///
    /// # Errors
    /// When `page` is not such a page.
    pub fn add_features(&mut self, product: &str, page: &[u8]) -> Result<(), serde_json::Error> {
        let page: super::Page<ProductFeature> = serde_json::from_slice(page)?;
        let keys = self.features.entry(product.to_owned()).or_default();
        keys.extend(
            page.data
                .into_iter()
                .map(|feature| feature.entitlement_feature.lookup_key),
        );
        keys.sort_unstable();
        keys.dedup();
        Ok(())
    }
}

#[derive(Deserialize)]
struct ProductFeature {
    entitlement_feature: Feature,
}

#[derive(Deserialize)]
struct Feature {
    lookup_key: String,
}
