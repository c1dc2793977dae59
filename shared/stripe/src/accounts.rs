//! Opening the Stripe account of a project from its key.

use std::sync::Arc;

use async_trait::async_trait;
use counterfoil_core::ports::{Billing, Clock, PortError, PortErrorKind, RequestBudget, State};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::usecases::{BillingAccounts, SharedBudget};

use crate::client::{REQUESTS_PER_SECOND, STRIPE_URL, StripeClient};
use crate::key::RestrictedKey;

/// Stripe itself, or a fake on this machine.
#[derive(Clone)]
pub struct StripeAccounts {
    base: String,
    requests_per_second: u32,
    shared: Option<(Arc<dyn RequestBudget>, Arc<dyn Clock>)>,
}

impl std::fmt::Debug for StripeAccounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StripeAccounts")
            .field("base", &self.base)
            .field("requests_per_second", &self.requests_per_second)
            .finish_non_exhaustive()
    }
}

impl Default for StripeAccounts {
    fn default() -> Self {
        Self {
            base: STRIPE_URL.to_owned(),
            requests_per_second: REQUESTS_PER_SECOND,
            shared: None,
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
            shared: None,
        }
    }

    /// Shares the budget of each account with every other worker, through the state table.
    #[must_use]
    pub fn sharing(mut self, state: Arc<dyn State>, clock: Arc<dyn Clock>) -> Self {
        let rate = self.requests_per_second;
        let budget = SharedBudget::new(state, Arc::clone(&clock), rate);
        self.shared = Some((Arc::new(budget), clock));
        self
    }
}

impl StripeAccounts {
    /// A client of the key's account.
    ///
    /// # Errors
    /// `Refused` when the key is no restricted key, or of the other mode.
    pub(crate) fn client(
        &self,
        key: &Redacted<String>,
        livemode: bool,
    ) -> Result<StripeClient, PortError> {
        let key = RestrictedKey::parse(key).map_err(refused)?;
        if key.mode().is_live() != livemode {
            let source = "the key is of the other mode than the project: a live project takes rk_live_..., a \
                          test project rk_test_...";
            return Err(refused(source));
        }
        let client = StripeClient::new(&self.base, &key).map_err(refused)?;
        Ok(match &self.shared {
            Some((budget, clock)) => {
                client.with_budget(Arc::clone(budget), Arc::clone(clock), &key)
            }
            None => client.with_pace(self.requests_per_second),
        })
    }
}

#[async_trait]
impl BillingAccounts for StripeAccounts {
    async fn account(
        &self,
        key: &Redacted<String>,
        livemode: bool,
    ) -> Result<Box<dyn Billing>, PortError> {
        Ok(Box::new(self.client(key, livemode)?))
    }
}

fn refused(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    PortError::caused(PortErrorKind::Refused, "opening the Stripe account", source)
}
