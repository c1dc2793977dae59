//! Money of findings, added up by currency.

use std::collections::BTreeMap;

use counterfoil_core::money::Money;
use counterfoil_core::reconcile::{Direction, Finding};

/// Minor units by currency.
pub(crate) type Sums = BTreeMap<String, i64>;

/// What the findings of one direction come to a month.
pub(crate) fn sums<'a>(findings: impl Iterator<Item = &'a Finding>, direction: Direction) -> Sums {
    let mut sums = Sums::new();
    for finding in findings.filter(|finding| finding.direction == Some(direction)) {
        for amount in finding.amounts() {
            let sum = sums.entry(amount.currency.clone()).or_default();
            *sum = sum.saturating_add(amount.minor);
        }
    }
    sums
}

/// `1,234.50 USD + 1,235 JPY`; `-` for nothing.
pub(crate) fn amounts(sums: &Sums) -> String {
    if sums.is_empty() {
        return "-".to_owned();
    }
    let amount = |(currency, minor): (&String, &i64)| Money::new(*minor, currency).to_string();
    sums.iter().map(amount).collect::<Vec<_>>().join(" + ")
}
