//! Asking the other side what a credential may do. No probe writes.

use async_trait::async_trait;

use super::PortError;
use crate::connection::{KeyReport, RepairScope, RoleReport};
use crate::redacted::Redacted;

/// Asks Stripe.
#[async_trait]
pub trait KeyProbe: Send + Sync {
    /// What the key may read.
    ///
    /// # Errors
    /// `Refused` when the key is no restricted key, of the other mode, or not accepted by Stripe;
    /// `Unavailable` when Stripe did not answer: nothing is known then.
    async fn probe_key(
        &self,
        key: &Redacted<String>,
        livemode: bool,
    ) -> Result<KeyReport, PortError>;
}

/// Asks the customer's database.
#[async_trait]
pub trait RoleProbe: Send + Sync {
    /// Where the reading role of a URL could write.
    ///
    /// # Errors
    /// When the database cannot be connected to, or does not answer.
    async fn probe_reading_role(&self, url: &Redacted<String>) -> Result<RoleReport, PortError>;

    /// What the repair role of a URL may do besides its purpose, and what it lacks for it.
    ///
    /// # Errors
    /// As for the reading role.
    async fn probe_repair_role(
        &self,
        url: &Redacted<String>,
        scope: RepairScope<'_>,
    ) -> Result<RoleReport, PortError>;
}
