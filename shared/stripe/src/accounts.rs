//! Opening the Stripe account of a project from its key.

use async_trait::async_trait;
use counterfoil_core::ports::{Billing, PortError, PortErrorKind};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::usecases::BillingAccounts;

use crate::client::{REQUESTS_PER_SECOND, STRIPE_URL, StripeClient};
use crate::key::RestrictedKey;

/// Stripe itself, or a fake on this machine.
#[derive(Debug, Clone)]
pub struct StripeAccounts {
    base: String,
    requests_per_second: u32,
}

impl Default for StripeAccounts {
    fn default() -> Self {
        Self {
            base: STRIPE_URL.to_owned(),
            requests_per_second: REQUESTS_PER_SECOND,
        }
    }
}

impl StripeAccounts {
    /// Accounts behind another address and with another budget, where they are given.
    pub fn new(base: Option<String>, requests_per_second: Option<u32>) -> Self {
        let usual = Self::default();
        Self {
            base: base.unwrap_or(usual.base),
            requests_per_second: requests_per_second.unwrap_or(usual.requests_per_second),
        }
    }
}

#[async_trait]
impl BillingAccounts for StripeAccounts {
    async fn account(
        &self,
        key: &Redacted<String>,
        livemode: bool,
    ) -> Result<Box<dyn Billing>, PortError> {
        let key = RestrictedKey::parse(key).map_err(refused)?;
        if key.mode().is_live() != livemode {
            let source = "the key is of the other mode than the project";
            return Err(refused(source));
        }
        let client = StripeClient::new(&self.base, &key).map_err(refused)?;
        Ok(Box::new(client.with_pace(self.requests_per_second)))
    }
}

fn refused(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    PortError::caused(PortErrorKind::Refused, "opening the Stripe account", source)
}
