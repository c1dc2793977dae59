//! The lists of a Stripe account that a scan reads.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A list that is read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanList {
    /// `GET /v1/customers`.
    Customers,
    /// `GET /v1/subscriptions`, all states.
    Subscriptions,
    /// `GET /v1/invoices`, the open ones.
    OpenInvoices,
}

impl ScanList {
    /// Every list of a full scan.
    pub const ALL: [Self; 3] = [Self::Customers, Self::Subscriptions, Self::OpenInvoices];

    /// The name used in records, file names and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Subscriptions => "subscriptions",
            Self::OpenInvoices => "open_invoices",
        }
    }
}

impl fmt::Display for ScanList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
