//! What the shop sells: four plans, each with a monthly and a yearly price.

use super::objects::{self, Interval};
use super::shop::Shop;

/// A plan of the sample shop. Prices have the lookup keys `{name}_monthly` and `{name}_yearly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// `starter`, `pro`, `team` or `enterprise`.
    pub name: &'static str,
    /// Greater means more.
    pub rank: u32,
    /// Minor units (US cents) per seat and month.
    pub monthly: i64,
    /// Lookup keys of its entitlement features, sorted.
    pub features: &'static [&'static str],
    /// Sold by the seat.
    pub by_seat: bool,
}

/// The plans by rank.
pub const PLANS: [Plan; 4] = [
    Plan {
        name: "starter",
        rank: 10,
        monthly: 900,
        features: &["api_access"],
        by_seat: false,
    },
    Plan {
        name: "pro",
        rank: 20,
        monthly: 2_900,
        features: &["api_access", "export_csv", "webhooks"],
        by_seat: false,
    },
    Plan {
        name: "team",
        rank: 30,
        monthly: 4_900,
        features: &["api_access", "export_csv", "shared_workspaces", "webhooks"],
        by_seat: true,
    },
    Plan {
        name: "enterprise",
        rank: 40,
        monthly: 19_900,
        features: &[
            "api_access",
            "audit_log",
            "export_csv",
            "shared_workspaces",
            "sso_saml",
            "webhooks",
        ],
        by_seat: true,
    },
];

impl Plan {
    /// The plan of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PLANS.iter().find(|plan| plan.name == name)
    }

    /// Stripe's product id.
    pub fn product(&self) -> String {
        format!("prod_Sample{}", capitalised(self.name))
    }

    /// Stripe's price id.
    pub fn price(&self, interval: Interval) -> String {
        format!(
            "price_1Sample{}{}",
            capitalised(self.name),
            capitalised(interval.adverb())
        )
    }

    /// Minor units per seat and interval. A year costs ten months.
    pub const fn amount(&self, interval: Interval) -> i64 {
        match interval {
            Interval::Month => self.monthly,
            Interval::Year => self.monthly * 10,
        }
    }
}

/// Fills the catalogue of a shop.
pub(super) fn stock(shop: &mut Shop, created: i64) {
    for plan in &PLANS {
        let product = plan.product();
        shop.put_product(objects::product(
            &product,
            &capitalised(plan.name),
            plan.name,
            created,
        ));
        for feature in plan.features {
            shop.add_feature(&product, objects::product_feature(&product, feature));
        }
        for interval in [Interval::Month, Interval::Year] {
            shop.put_price(objects::price(plan, interval, created));
        }
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
