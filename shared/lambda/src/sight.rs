//! What a reader sees of values: viewers see ids of Stripe, e-mail addresses and row values masked.
//!
//! Keys see values: an owner makes a key for a system, and a system that cannot name a customer is
//! of no use.

use counterfoil_core::tenancy::{Principal, TenantCtx};

/// What stands for a row value.
const HIDDEN: &str = "•••";
/// Characters of an id that stay.
const LEFT: usize = 4;

/// How much a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Everything.
    Clear,
    /// Values masked.
    Masked,
}

impl Sight {
    /// What whoever acts may see.
    pub fn of(ctx: &TenantCtx) -> Self {
        Self::of_principal(ctx.principal())
    }

    /// The same, of a workspace or of a project.
    pub fn of_principal(principal: &Principal) -> Self {
        match principal.reader_role() {
            Some(role) if !role.sees_values() => Self::Masked,
            _ => Self::Clear,
        }
    }

    /// Whether values are hidden.
    pub const fn masks(self) -> bool {
        matches!(self, Self::Masked)
    }

    /// An id of Stripe: its prefix and its last four characters stay (`cus_…fUv1`).
    pub fn id(self, id: &str) -> String {
        match self {
            Self::Clear => id.to_owned(),
            Self::Masked => masked_id(id),
        }
    }

    /// Several of them.
    pub fn ids(self, ids: &[String]) -> Vec<String> {
        ids.iter().map(|id| self.id(id)).collect()
    }

    /// A value of a row.
    pub fn value(self, value: &str) -> String {
        match self {
            Self::Clear => value.to_owned(),
            Self::Masked => HIDDEN.to_owned(),
        }
    }

    /// A value that cannot be replaced by a text: it is left out.
    pub fn other<T>(self, value: Option<T>) -> Option<T> {
        value.filter(|_| !self.masks())
    }

    /// Words of a person, who may have written any of it.
    pub fn words(self, words: &str) -> String {
        match self {
            Self::Clear => words.to_owned(),
            Self::Masked => {
                let word = |word: &str| match word {
                    word if word.contains('@') => HIDDEN.to_owned(),
                    word if names_stripe(word) => masked_id(word),
                    word => word.to_owned(),
                };
                words.split(' ').map(word).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

/// Whether a word looks like an id of Stripe: a short lower-case prefix and at least eight letters
/// or digits. Our own ids are no secrets, and have other prefixes.
fn names_stripe(word: &str) -> bool {
    let word = word.trim_matches(|it: char| !it.is_alphanumeric());
    [
        "cus_", "sub_", "in_", "price_", "prod_", "si_", "pi_", "ch_", "evt_", "pm_", "acct_",
    ]
    .iter()
    .any(|prefix| word.starts_with(prefix))
}

fn masked_id(id: &str) -> String {
    let (prefix, rest) = id
        .rsplit_once('_')
        .map_or(("", id), |(prefix, rest)| (prefix, rest));
    let count = rest.chars().count();
    let mark = if prefix.is_empty() { "" } else { "_" };
    // What is left of a short id would be most of it.
    let skip = if count >= 2 * LEFT {
        count - LEFT
    } else {
        count
    };
    let end: String = rest.chars().skip(skip).collect();
    format!("{prefix}{mark}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_and_end_of_an_id_stay() {
        assert_eq!(Sight::Masked.id("cus_NffrFeUfNV2Hib"), "cus_…2Hib");
        assert_eq!(
            Sight::Masked.id("cus_test_NffrFeUfNV2Hib"),
            "cus_test_…2Hib"
        );
        assert_eq!(Sight::Clear.id("cus_NffrFeUfNV2Hib"), "cus_NffrFeUfNV2Hib");
    }

    #[test]
    fn a_short_id_is_hidden_whole() {
        assert_eq!(Sight::Masked.id("cus_1234567"), "cus_…");
        assert_eq!(Sight::Masked.id("42"), "…");
        assert_eq!(Sight::Masked.id(""), "…");
    }

    #[test]
    fn values_are_hidden_whatever_they_are() {
        for value in ["", "pro", "a@example.com", "•"] {
            assert_eq!(Sight::Masked.value(value), "•••");
            assert_eq!(Sight::Clear.value(value), value);
        }
        assert_eq!(Sight::Masked.other(Some(3)), None);
        assert_eq!(Sight::Clear.other(Some(3)), Some(3));
    }

    #[test]
    fn words_of_people_lose_addresses_and_ids() {
        let said = "ada@example.com asked (cus_NffrFeUfNV2Hib), see inc_01 and call her";
        let masked = Sight::Masked.words(said);
        assert!(!masked.contains("example.com"), "{masked}");
        assert!(!masked.contains("NffrFeUfNV"), "{masked}");
        assert!(masked.ends_with("see inc_01 and call her"), "{masked}");
    }
}
