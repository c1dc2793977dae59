//! The port: catalogue, customers and subscriptions of the account.

use std::collections::BTreeSet;

use async_trait::async_trait;
use counterfoil_core::billing::{
    Catalog, Customer, Invoice, Item, Page, Price, Product, Subscription,
};
use counterfoil_core::ports::{Billing, CreatedRange, ListCursor, ListPage, PortError, Urgency};
use counterfoil_core::webhook::{CUSTOMER_EVENTS, Event};
use serde::Deserialize;

use crate::client::StripeClient;
use crate::endpoint::Endpoint;
use crate::error::StripeError;
use crate::listed::ListedEvent;
use crate::paging::Cursor;

/// Without it the list leaves canceled subscriptions out.
const ALL: (&str, &str) = ("status", "all");
/// Discounts come as ids otherwise; a coupon of 100 % means that no money is at risk.
const COUPONS: (&str, &str) = ("expand[]", "data.discounts.source.coupon");
/// Invoices that are to be paid and are not.
const OPEN: (&str, &str) = ("status", "open");

/// Any object, as far as the cursor needs it.
#[derive(Deserialize)]
struct Identified {
    id: String,
}

#[async_trait]
impl Billing for StripeClient {
    async fn catalog(&self, features: bool) -> Result<Catalog, PortError> {
        self.read_catalog(features)
            .await
            .map_err(|error| error.doing("reading the catalogue from Stripe"))
    }

    async fn customer(&self, id: &str) -> Result<Option<Customer>, PortError> {
        match self.read(Endpoint::Customer(id), &[]).await {
            Ok(customer) => Ok(Some(customer)),
            Err(StripeError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error.doing("reading a customer from Stripe")),
        }
    }

    async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, PortError> {
        let reading = async {
            let list = self.list_of_customer(Endpoint::Subscriptions, customer, &[ALL, COUPONS]);
            let mut subscriptions: Vec<Subscription> = list.await?;
            for subscription in &mut subscriptions {
                self.complete_items(subscription).await?;
            }
            Ok(subscriptions)
        };
        reading.await.map_err(|error: StripeError| {
            error.doing("reading a customer's subscriptions from Stripe")
        })
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, PortError> {
        match self.read(Endpoint::Subscription(id), &[]).await {
            Ok(subscription) => Ok(Some(subscription)),
            Err(StripeError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error.doing("reading a subscription from Stripe")),
        }
    }

    async fn open_invoices_of(&self, customer: &str) -> Result<Vec<Invoice>, PortError> {
        self.list_of_customer(Endpoint::Invoices, customer, &[OPEN])
            .await
            .map_err(|error| error.doing("reading a customer's open invoices from Stripe"))
    }

    async fn customer_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Customer>, PortError> {
        self.created_in(Endpoint::Customers, &[], range, cursor)
            .await
            .map_err(|error| error.doing("reading the customers from Stripe"))
    }

    async fn subscription_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Subscription>, PortError> {
        let reading = async {
            let fixed = [ALL, COUPONS];
            let mut page: ListPage<Subscription> = self
                .created_in(Endpoint::Subscriptions, &fixed, range, cursor)
                .await?;
            for subscription in &mut page.data {
                self.complete_items(subscription).await?;
            }
            Ok(page)
        };
        reading
            .await
            .map_err(|error: StripeError| error.doing("reading the subscriptions from Stripe"))
    }

    async fn open_invoice_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Invoice>, PortError> {
        self.created_in(Endpoint::Invoices, &[OPEN], range, cursor)
            .await
            .map_err(|error| error.doing("reading the open invoices from Stripe"))
    }

    async fn event_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Event>, PortError> {
        let types = CUSTOMER_EVENTS.map(|kind| ("types[]", kind));
        let page: Result<ListPage<ListedEvent>, StripeError> = self
            .created_in(Endpoint::Events, &types, range, cursor)
            .await;
        let ListPage { data, next } =
            page.map_err(|error| error.doing("reading the events from Stripe"))?;
        let data = data.into_iter().map(|ListedEvent(event)| event).collect();
        Ok(ListPage { data, next })
    }
}

impl StripeClient {
    async fn read_catalog(&self, features: bool) -> Result<Catalog, StripeError> {
        let prices: Vec<Price> = self.list(Endpoint::Prices, &[], Cursor::default()).await?;
        let products: Vec<Product> = self
            .list(Endpoint::Products, &[], Cursor::default())
            .await?;
        let mut catalog = Catalog::new(prices, products);
        if !features {
            return Ok(catalog);
        }
        // One request per product: those that are never subscribed to promise nothing.
        let subscribed: BTreeSet<String> = catalog
            .prices
            .values()
            .filter(|price| price.recurring.is_some())
            .map(|price| price.product.clone())
            .filter(|product| catalog.products.contains_key(product))
            .collect();
        for product in &subscribed {
            self.read_features(product, &mut catalog).await?;
        }
        Ok(catalog)
    }

    async fn read_features(&self, product: &str, catalog: &mut Catalog) -> Result<(), StripeError> {
        let endpoint = Endpoint::ProductFeatures(product);
        let mut cursor = Cursor::default();
        loop {
            let query = cursor.query(&[]);
            let (page, bytes) = self
                .read_with(Urgency::Prompt, endpoint, &query, |bytes| {
                    let page: Page<Identified> = serde_json::from_slice(bytes)?;
                    Ok((page, bytes.to_vec()))
                })
                .await?;
            catalog
                .add_features(product, &bytes)
                .map_err(|error| StripeError::shape(endpoint.what(), &error))?;
            let last = page.data.last().map(|feature| feature.id.as_str());
            if !cursor.advance(page.has_more, last, endpoint.what())? {
                return Ok(());
            }
        }
    }

    /// Follows the embedded list of items to its end.
    async fn complete_items(&self, subscription: &mut Subscription) -> Result<(), StripeError> {
        if !subscription.items.has_more {
            return Ok(());
        }
        let endpoint = Endpoint::SubscriptionItems;
        let last = subscription.items.data.last().map(|item| item.id.as_str());
        let last = last.filter(|id| !id.is_empty());
        let cursor = last.map_or_else(Cursor::default, Cursor::after);
        let fixed = [("subscription", subscription.id.as_str())];
        let rest: Result<Vec<Item>, StripeError> = self.list(endpoint, &fixed, cursor).await;
        match rest {
            // The item behind which it went on was removed meanwhile.
            Err(error) if error.is_missing() && last.is_some() => {
                let whole = self.list(endpoint, &fixed, Cursor::default()).await;
                subscription.items.data = whole?;
            }
            rest => subscription.items.data.extend(rest?),
        }
        subscription.items.has_more = false;
        Ok(())
    }
}
