//! The port: catalogue, customers and subscriptions of the account.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use counterfoil_core::billing::{
    Catalog, Customer, Invoice, Item, Page, Price, Product, Subscription,
};
use counterfoil_core::ports::{Billing, PortError};
use serde::Deserialize;

use crate::client::StripeClient;
use crate::endpoint::Endpoint;
use crate::error::StripeError;
use crate::paging::{Cursor, Listed};

/// Without it the list leaves canceled subscriptions out.
const ALL: (&str, &str) = ("status", "all");
/// Discounts come as ids otherwise; a coupon of 100 % means that no money is at risk.
const COUPONS: (&str, &str) = ("expand[]", "data.discounts.source.coupon");
/// Shows since when a payment is overdue. Too large for every subscription of a scan.
const INVOICE: (&str, &str) = ("expand[]", "data.latest_invoice");

impl Listed for Customer {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Subscription {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Item {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Price {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Product {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Any object, as far as the cursor needs it.
#[derive(Deserialize)]
struct Identified {
    id: String,
}

#[async_trait]
impl Billing for StripeClient {
    async fn catalog(&self) -> Result<Catalog, PortError> {
        self.read_catalog()
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
        let fixed = [("customer", customer), ALL, COUPONS, INVOICE];
        let reading = async {
            let list = self.list(Endpoint::Subscriptions, &fixed, Cursor::default());
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

    async fn customers(&self, each: &mut (dyn FnMut(Customer) + Send)) -> Result<(), PortError> {
        let mut cursor = Cursor::default();
        loop {
            let page = self.page(Endpoint::Customers, &[], &mut cursor).await;
            let (customers, more) =
                page.map_err(|error| error.doing("reading the customers from Stripe"))?;
            customers.into_iter().for_each(&mut *each);
            if !more {
                return Ok(());
            }
        }
    }

    async fn subscriptions(
        &self,
        each: &mut (dyn FnMut(Subscription) + Send),
    ) -> Result<(), PortError> {
        self.read_subscriptions(each)
            .await
            .map_err(|error| error.doing("reading the subscriptions from Stripe"))
    }
}

impl StripeClient {
    async fn read_catalog(&self) -> Result<Catalog, StripeError> {
        let prices: Vec<Price> = self.list(Endpoint::Prices, &[], Cursor::default()).await?;
        let products: Vec<Product> = self
            .list(Endpoint::Products, &[], Cursor::default())
            .await?;
        let mut catalog = Catalog::new(prices, products);
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
                .read_with(endpoint, &query, |bytes| {
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

    async fn read_subscriptions(
        &self,
        each: &mut (dyn FnMut(Subscription) + Send),
    ) -> Result<(), StripeError> {
        let mut overdue = self.overdue_invoices().await?;
        let mut cursor = Cursor::default();
        loop {
            let (page, more) = self
                .page(Endpoint::Subscriptions, &[ALL, COUPONS], &mut cursor)
                .await?;
            for mut subscription in page {
                self.complete_items(&mut subscription).await?;
                if let Some(invoice) = overdue.remove(&subscription.id) {
                    subscription.latest_invoice = Some(invoice);
                }
                each(subscription);
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// The newest invoices of the subscriptions that are past due, by subscription.
    async fn overdue_invoices(&self) -> Result<BTreeMap<String, Invoice>, StripeError> {
        let fixed = [("status", "past_due"), INVOICE];
        let list = self.list(Endpoint::Subscriptions, &fixed, Cursor::default());
        let subscriptions: Vec<Subscription> = list.await?;
        let invoice = |it: Subscription| it.latest_invoice.map(|invoice| (it.id, invoice));
        Ok(subscriptions.into_iter().filter_map(invoice).collect())
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
        let rest: Vec<Item> = self.list(endpoint, &fixed, cursor).await?;
        subscription.items.data.extend(rest);
        subscription.items.has_more = false;
        Ok(())
    }
}
