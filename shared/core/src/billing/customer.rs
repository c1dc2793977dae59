//! A customer.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::tolerant;

/// A Stripe customer. `Debug` shows the id only: the rest is personal data.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// `cus_…`.
    pub id: String,
    /// Creation time; 0 for a deleted customer, of which Stripe sends the id only.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub created: i64,
    /// Stripe answers 200 with `deleted: true` for a customer that was deleted.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub deleted: bool,
    /// Live or test mode, where Stripe said so.
    #[serde(default)]
    pub livemode: Option<bool>,
    /// E-mail address as typed, in any case.
    #[serde(default)]
    pub email: Option<String>,
    /// The merchant's own keys.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub metadata: BTreeMap<String, String>,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The longest id that is taken for one: Stripe's are shorter than 30 characters.
const LONGEST_ID: usize = 255;

/// Whether a text can be the id of a customer: `cus_` and letters, digits or `_`.
pub fn is_customer_id(text: &str) -> bool {
    let rest = text.strip_prefix("cus_").unwrap_or_default();
    !rest.is_empty()
        && text.len() <= LONGEST_ID
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
