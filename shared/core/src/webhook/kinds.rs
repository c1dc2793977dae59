//! Which types of events matter, and what each leads to. One table; every other type is ignored and
//! counted.

/// Where an event's object names the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// In `customer`, as an id or expanded.
    Customer,
    /// The object is the customer.
    Itself,
}

/// What an event of a type leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Both sides of one customer are read and compared.
    Check(Named),
    /// Prices, products or features changed: every customer may be concerned.
    Catalogue,
    /// The connection itself ended.
    Connection,
    /// Matters to rules about money only. The promise does not read it, so nothing is checked.
    Policy,
}

/// What types of events lead to. A name that ends in `.` stands for every type that begins with it.
///
/// The types are those of docs.stripe.com/api/events/types that can change what a customer was
/// promised, or what a mapping refers to.
pub const KINDS: [(&str, Consequence); 31] = [
    ("customer.subscription.created", BY_CUSTOMER),
    ("customer.subscription.updated", BY_CUSTOMER),
    ("customer.subscription.deleted", BY_CUSTOMER),
    ("customer.subscription.paused", BY_CUSTOMER),
    ("customer.subscription.resumed", BY_CUSTOMER),
    ("customer.subscription.trial_will_end", BY_CUSTOMER),
    ("customer.subscription.pending_update_applied", BY_CUSTOMER),
    ("customer.subscription.pending_update_expired", BY_CUSTOMER),
    // It has `customer` and no `id`.
    (
        "entitlements.active_entitlement_summary.updated",
        BY_CUSTOMER,
    ),
    ("invoice.finalized", BY_CUSTOMER),
    ("invoice.paid", BY_CUSTOMER),
    ("invoice.payment_failed", BY_CUSTOMER),
    ("invoice.marked_uncollectible", BY_CUSTOMER),
    ("invoice.voided", BY_CUSTOMER),
    ("checkout.session.completed", BY_CUSTOMER),
    ("checkout.session.async_payment_succeeded", BY_CUSTOMER),
    ("checkout.session.async_payment_failed", BY_CUSTOMER),
    ("customer.created", Consequence::Check(Named::Itself)),
    ("customer.updated", Consequence::Check(Named::Itself)),
    ("customer.deleted", Consequence::Check(Named::Itself)),
    ("subscription_schedule.", BY_CUSTOMER),
    ("charge.refunded", Consequence::Policy),
    ("charge.dispute.created", Consequence::Policy),
    ("price.created", Consequence::Catalogue),
    ("price.updated", Consequence::Catalogue),
    ("price.deleted", Consequence::Catalogue),
    ("product.created", Consequence::Catalogue),
    ("product.updated", Consequence::Catalogue),
    ("product.deleted", Consequence::Catalogue),
    ("entitlements.feature.", Consequence::Catalogue),
    ("account.application.deauthorized", Consequence::Connection),
];

const BY_CUSTOMER: Consequence = Consequence::Check(Named::Customer);

/// What an event of this type leads to; `None` for a type that is ignored. Thin events carry the
/// same names behind `v1.`.
pub fn consequence(kind: &str) -> Option<Consequence> {
    let kind = kind.strip_prefix("v1.").unwrap_or(kind);
    let fits = |name: &str| kind == name || (name.ends_with('.') && kind.starts_with(name));
    let found = KINDS.iter().find(|(name, _)| fits(name));
    found.map(|(_, consequence)| *consequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_its_whole_name_or_its_family() {
        assert_eq!(consequence("invoice.paid"), Some(BY_CUSTOMER));
        assert_eq!(consequence("v1.invoice.paid"), Some(BY_CUSTOMER));
        assert_eq!(
            consequence("subscription_schedule.released"),
            Some(BY_CUSTOMER)
        );
        for ignored in ["invoice.paid.twice", "invoice", "", "v1.", "plan.created"] {
            assert_eq!(consequence(ignored), None, "{ignored:?}");
        }
    }

    #[test]
    fn no_row_hides_behind_another() {
        for (name, expected) in KINDS {
            assert_eq!(consequence(name), Some(expected), "{name}");
        }
    }
}
