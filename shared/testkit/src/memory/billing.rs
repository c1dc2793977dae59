//! A Stripe account in memory, for tests that do not care about HTTP.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use counterfoil_core::billing::{Catalog, Customer, Subscription};
use counterfoil_core::ports::{Billing, PortError, PortErrorKind};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::usecases::BillingAccounts;

#[derive(Debug, Default)]
struct Inner {
    catalog: Catalog,
    customers: Vec<Customer>,
    subscriptions: Vec<Subscription>,
    breaks_after: Option<usize>,
}

/// An account.
#[derive(Debug, Clone, Default)]
pub struct MemBilling(Arc<Mutex<Inner>>);

impl MemBilling {
    /// An account that sells `catalog`.
    pub fn new(catalog: Catalog) -> Self {
        let billing = Self::default();
        billing.lock().catalog = catalog;
        billing
    }

    /// Adds a customer.
    pub fn add_customer(&self, customer: Customer) {
        self.lock().customers.push(customer);
    }

    /// Adds a subscription.
    pub fn add_subscription(&self, subscription: Subscription) {
        self.lock().subscriptions.push(subscription);
    }

    /// Removes every subscription of a customer.
    pub fn cancel_all(&self, customer: &str) {
        self.lock()
            .subscriptions
            .retain(|subscription| subscription.customer != customer);
    }

    /// Makes lists of subscriptions break off after `count`.
    pub fn break_after(&self, count: Option<usize>) {
        self.lock().breaks_after = count;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Billing for MemBilling {
    async fn catalog(&self) -> Result<Catalog, PortError> {
        Ok(self.lock().catalog.clone())
    }

    async fn customer(&self, id: &str) -> Result<Option<Customer>, PortError> {
        Ok(self
            .lock()
            .customers
            .iter()
            .find(|customer| customer.id == id)
            .cloned())
    }

    async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, PortError> {
        let inner = self.lock();
        let own = inner
            .subscriptions
            .iter()
            .filter(|found| found.customer == customer);
        Ok(own.cloned().collect())
    }

    async fn customers(&self, each: &mut (dyn FnMut(Customer) + Send)) -> Result<(), PortError> {
        self.lock().customers.iter().cloned().for_each(each);
        Ok(())
    }

    async fn subscriptions(
        &self,
        each: &mut (dyn FnMut(Subscription) + Send),
    ) -> Result<(), PortError> {
        let inner = self.lock();
        let count = inner.breaks_after.unwrap_or(usize::MAX);
        inner
            .subscriptions
            .iter()
            .take(count)
            .cloned()
            .for_each(each);
        if inner.breaks_after.is_some() {
            return Err(PortError::new(PortErrorKind::Unavailable, "reading a page"));
        }
        Ok(())
    }
}

#[async_trait]
impl BillingAccounts for MemBilling {
    async fn account(&self, _: &Redacted<String>, _: bool) -> Result<Box<dyn Billing>, PortError> {
        Ok(Box::new(self.clone()))
    }
}
