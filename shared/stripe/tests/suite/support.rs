//! A client of a fake, with pauses that are too short to notice.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::billing::{Customer, Invoice, Subscription};
use counterfoil_core::listing;
use counterfoil_core::ports::{CreatedRange, PortError};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;
use counterfoil_stripe::{RestrictedKey, Retries, StripeClient, StripeError};
use counterfoil_testkit::stripe::{Crowd, FakeStripe, Sample, Shop};

/// Everything that there is.
pub(crate) const ALL: CreatedRange = CreatedRange::before(4_000_000_000);

pub(crate) const QUICK: Retries = Retries {
    attempts: 4,
    pause: Duration::from_millis(2),
    longest_pause: Duration::from_millis(10),
    attempt: Duration::from_secs(5),
    page: Duration::from_secs(20),
};

pub(crate) fn now() -> Timestamp {
    "2026-11-23T00:00:00Z".parse().unwrap()
}

/// A fake that asserts at its end that nothing but GET was sent, with restricted keys only.
pub(crate) struct World {
    pub(crate) stripe: FakeStripe,
    pub(crate) client: StripeClient,
}

impl World {
    pub(crate) async fn of(shop: Shop) -> Self {
        let stripe = FakeStripe::start(shop).await.unwrap();
        let key = stripe.restricted_key();
        let client = client(&stripe, &key);
        Self { stripe, client }
    }

    pub(crate) async fn crowd(crowd: &Arc<Crowd>) -> Self {
        let stripe = FakeStripe::start_crowd(Arc::clone(crowd)).await.unwrap();
        let client = client(&stripe, &stripe.restricted_key());
        Self { stripe, client }
    }

    pub(crate) async fn sample(customers: usize) -> Self {
        Self::of(Sample::new(7, customers, now()).shop).await
    }

    pub(crate) async fn customers(&self) -> Result<Vec<Customer>, PortError> {
        let mut all = Vec::new();
        listing::customers(&self.client, ALL, &mut |it| all.push(it)).await?;
        Ok(all)
    }

    pub(crate) async fn open_invoices(&self) -> Result<Vec<Invoice>, PortError> {
        let mut all = Vec::new();
        listing::open_invoices(&self.client, ALL, &mut |it| all.push(it)).await?;
        Ok(all)
    }

    pub(crate) async fn subscriptions(&self) -> Result<Vec<Subscription>, PortError> {
        let mut all = Vec::new();
        listing::subscriptions(&self.client, ALL, &mut |it| all.push(it)).await?;
        Ok(all)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.stripe.non_get_calls(), 0);
            assert_eq!(self.stripe.secret_key_calls(), 0);
        }
    }
}

pub(crate) fn client(stripe: &FakeStripe, key: &str) -> StripeClient {
    let key = RestrictedKey::parse(&Redacted::new(key.to_owned())).unwrap();
    StripeClient::new(stripe.base_url(), &key)
        .unwrap()
        .with_pace(10_000)
        .with_retries(QUICK)
}

/// The adapter's own error behind the port's.
pub(crate) fn cause(error: &PortError) -> StripeError {
    let source = error.source.as_ref().unwrap();
    source.downcast_ref::<StripeError>().unwrap().clone()
}
