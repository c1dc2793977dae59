//! A Stripe account in memory, for tests that do not care about HTTP.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use counterfoil_core::billing::{Catalog, Customer, Invoice, Subscription};
use counterfoil_core::ports::{
    Billing, CreatedRange, ListCursor, ListPage, PortError, PortErrorKind,
};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::BillingAccounts;
use counterfoil_core::webhook::Event;

/// Objects of a page, unless a test wants fewer.
const PAGE: usize = 100;

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    customers: Vec<Customer>,
    subscriptions: Vec<Subscription>,
    invoices: Vec<Invoice>,
    events: Vec<Event>,
    page: usize,
    breaks_after: Option<usize>,
    no_events: Option<PortErrorKind>,
    no_catalog: Option<PortErrorKind>,
    pages: u64,
    refused: Option<String>,
    refuses: bool,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            catalog: Catalog::default(),
            customers: Vec::new(),
            subscriptions: Vec::new(),
            invoices: Vec::new(),
            events: Vec::new(),
            page: PAGE,
            breaks_after: None,
            no_events: None,
            no_catalog: None,
            pages: 0,
            refused: None,
            refuses: false,
        }
    }
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

    /// Adds a customer, or changes the one with its id.
    pub fn add_customer(&self, customer: Customer) {
        put(&mut self.lock().customers, customer, |it| &it.id);
    }

    /// Adds a subscription, or changes the one with its id.
    pub fn add_subscription(&self, subscription: Subscription) {
        put(&mut self.lock().subscriptions, subscription, |it| &it.id);
    }

    /// Adds an invoice.
    pub fn add_invoice(&self, invoice: Invoice) {
        self.lock().invoices.push(invoice);
    }

    /// Adds an event.
    pub fn add_event(&self, event: Event) {
        self.lock().events.push(event);
    }

    /// Makes pages smaller than Stripe's.
    pub fn page_of(&self, objects: usize) {
        self.lock().page = objects.max(1);
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

    /// Pages of customers, subscriptions and invoices that were asked for so far.
    pub fn pages_read(&self) -> u64 {
        self.lock().pages
    }

    /// Makes reading this customer fail, or nobody's.
    pub fn break_customer(&self, id: Option<&str>) {
        self.lock().refused = id.map(str::to_owned);
    }

    /// Makes reading prices fail, or not any more.
    pub fn break_catalog(&self, how: Option<PortErrorKind>) {
        self.lock().no_catalog = how;
    }

    /// Makes lists of events fail, or not any more.
    pub fn break_events(&self, how: Option<PortErrorKind>) {
        self.lock().no_events = how;
    }

    /// Makes the account refuse the key, or not any more.
    pub fn refuse(&self, refuses: bool) {
        self.lock().refuses = refuses;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Billing for MemBilling {
    async fn catalog(&self, _: bool) -> Result<Catalog, PortError> {
        let inner = self.lock();
        match inner.no_catalog {
            Some(kind) => Err(PortError::new(kind, "reading prices")),
            None => Ok(inner.catalog.clone()),
        }
    }

    async fn customer(&self, id: &str) -> Result<Option<Customer>, PortError> {
        let inner = self.lock();
        if inner.refused.as_deref() == Some(id) {
            let doing = "reading a customer";
            return Err(PortError::new(PortErrorKind::Unavailable, doing));
        }
        Ok(inner
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

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, PortError> {
        let inner = self.lock();
        let found = inner.subscriptions.iter().find(|it| it.id == id);
        Ok(found.cloned())
    }

    async fn open_invoices_of(&self, customer: &str) -> Result<Vec<Invoice>, PortError> {
        let inner = self.lock();
        let own = inner.invoices.iter().filter(|it| it.customer == customer);
        Ok(own.filter(|it| open(it)).cloned().collect())
    }

    async fn customer_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Customer>, PortError> {
        let mut inner = self.lock();
        inner.pages = inner.pages.saturating_add(1);
        let place = |it: &Customer| (it.created, it.id.clone());
        let kept = inner.customers.iter().filter(|it| !it.deleted);
        Ok(page(kept, place, range, cursor, inner.page))
    }

    async fn subscription_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Subscription>, PortError> {
        let mut inner = self.lock();
        inner.pages = inner.pages.saturating_add(1);
        let place = |it: &Subscription| (it.created, it.id.clone());
        let whole = |limit| page(inner.subscriptions.iter(), place, range, cursor, limit);
        let Some(count) = inner.breaks_after else {
            return Ok(whole(inner.page));
        };
        // As if everything before the cursor were one page, and the next one cannot be had.
        if count == 0 || cursor.is_some() {
            return Err(PortError::new(PortErrorKind::Unavailable, "reading a page"));
        }
        let ListPage { data, next } = whole(count);
        let last = data.last().map(place);
        let next = next.or(last.map(|(created, after)| ListCursor { after, created }));
        Ok(ListPage { data, next })
    }

    async fn open_invoice_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Invoice>, PortError> {
        let mut inner = self.lock();
        inner.pages = inner.pages.saturating_add(1);
        let place = |it: &Invoice| (it.created.unwrap_or(0), it.id.clone());
        let kept = inner.invoices.iter().filter(|it| open(it));
        Ok(page(kept, place, range, cursor, inner.page))
    }

    async fn event_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Event>, PortError> {
        let inner = self.lock();
        if let Some(kind) = inner.no_events {
            return Err(PortError::new(kind, "reading the events"));
        }
        let place = |it: &Event| (it.created.map_or(0, Timestamp::as_secs), it.id.clone());
        let kept = inner.events.iter();
        Ok(page(kept, place, range, cursor, inner.page))
    }
}

fn put<T>(all: &mut Vec<T>, object: T, id: impl Fn(&T) -> &str) {
    let place = all.iter().position(|it| id(it) == id(&object));
    match place.and_then(|place| all.get_mut(place)) {
        Some(old) => *old = object,
        None => all.push(object),
    }
}

fn open(invoice: &Invoice) -> bool {
    invoice.status.as_deref() == Some("open")
}

/// A page of what was created in the range, newest first.
fn page<'a, T: Clone + 'a>(
    objects: impl Iterator<Item = &'a T>,
    place: impl Fn(&T) -> (i64, String),
    range: CreatedRange,
    cursor: Option<&ListCursor>,
    limit: usize,
) -> ListPage<T> {
    let behind = |(created, id): &(i64, String)| {
        cursor.is_none_or(|it| (*created, id) < (it.created, &it.after))
    };
    let mut kept: Vec<((i64, String), &T)> = objects
        .map(|object| (place(object), object))
        .filter(|(place, _)| (range.from..range.to).contains(&place.0) && behind(place))
        .collect();
    kept.sort_by(|a, b| b.0.cmp(&a.0));
    let more = kept.len() > limit;
    kept.truncate(limit);
    let last = kept.last().filter(|_| more);
    let next = last.map(|((created, after), _)| ListCursor {
        after: after.clone(),
        created: *created,
    });
    let data = kept.into_iter().map(|(_, object)| object.clone()).collect();
    ListPage { data, next }
}

#[async_trait]
impl BillingAccounts for MemBilling {
    async fn account(&self, _: &Redacted<String>, _: bool) -> Result<Box<dyn Billing>, PortError> {
        if self.lock().refuses {
            return Err(PortError::new(PortErrorKind::Refused, "asking Stripe"));
        }
        Ok(Box::new(self.clone()))
    }
}
