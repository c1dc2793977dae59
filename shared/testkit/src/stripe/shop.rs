//! The objects of one Stripe account, and how tests change them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Value, json};

use super::objects::{self, CustomerSpec, SubscriptionSpec};

/// Objects of one kind in the order of Stripe's lists: newest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf {
    objects: BTreeMap<Place, Value>,
    created: BTreeMap<String, i64>,
}

type Place = (Reverse<i64>, Reverse<String>);

impl Shelf {
    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.objects.get(&self.place(id)?)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// The objects behind `id` in the list; `None` without such an object.
    pub(super) fn after(&self, id: &str) -> Option<impl Iterator<Item = &Value>> {
        let place = self.place(id)?;
        Some(
            self.objects
                .range((Bound::Excluded(place), Bound::Unbounded))
                .map(|(_, it)| it),
        )
    }

    fn put(&mut self, object: Value) {
        let id = text(&object, "id").to_owned();
        self.remove(&id);
        let created = object.get("created").and_then(Value::as_i64).unwrap_or(0);
        self.objects
            .insert((Reverse(created), Reverse(id.clone())), object);
        self.created.insert(id, created);
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        let place = self.place(id)?;
        self.objects.get_mut(&place)
    }

    fn remove(&mut self, id: &str) -> Option<Value> {
        let place = self.place(id)?;
        self.created.remove(id);
        self.objects.remove(&place)
    }

    fn place(&self, id: &str) -> Option<Place> {
        let created = self.created.get(id)?;
        Some((Reverse(*created), Reverse(id.to_owned())))
    }
}

/// The text field of an object, or nothing.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// One Stripe account in test mode.
#[derive(Debug, Clone)]
pub struct Shop {
    pub(super) customers: Shelf,
    pub(super) deleted: BTreeMap<String, Value>,
    pub(super) subscriptions: Shelf,
    pub(super) invoices: Shelf,
    pub(super) events: Shelf,
    pub(super) prices: Shelf,
    pub(super) products: Shelf,
    pub(super) features: BTreeMap<String, Vec<Value>>,
    pub(super) embedded_items: usize,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            customers: Shelf::default(),
            deleted: BTreeMap::new(),
            subscriptions: Shelf::default(),
            invoices: Shelf::default(),
            events: Shelf::default(),
            prices: Shelf::default(),
            products: Shelf::default(),
            features: BTreeMap::new(),
            embedded_items: 10,
        }
    }
}

impl Shop {
    /// A shop that sells nothing to nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many items a subscription carries itself; the rest has to be asked for.
    pub const fn embed_items(&mut self, count: usize) {
        self.embedded_items = count;
    }

    /// Adds or replaces a customer.
    pub fn put_customer(&mut self, spec: &CustomerSpec) {
        self.customers.put(objects::customer(spec));
    }

    /// Adds or replaces a subscription with its newest invoice.
    pub fn put_subscription(&mut self, spec: &SubscriptionSpec) {
        self.invoices.put(objects::invoice(spec));
        self.subscriptions.put(objects::subscription(spec));
    }

    /// Changes fields of an invoice; `false` without such a one. Id and creation stay.
    pub fn change_invoice(&mut self, id: &str, change: impl FnOnce(&mut Value)) -> bool {
        self.invoices.get_mut(id).map(change).is_some()
    }

    /// Adds or replaces any object of the kinds that the shop knows, as JSON in Stripe's shape.
    /// Objects of other kinds are not taken.
    pub fn put(&mut self, object: Value) -> bool {
        let shelf = match text(&object, "object") {
            "customer" => &mut self.customers,
            "subscription" => &mut self.subscriptions,
            "invoice" => &mut self.invoices,
            "event" => &mut self.events,
            "price" => &mut self.prices,
            "product" => &mut self.products,
            _ => return false,
        };
        shelf.put(object);
        true
    }

    pub(super) fn put_product(&mut self, product: Value) {
        self.products.put(product);
    }

    pub(super) fn put_price(&mut self, price: Value) {
        self.prices.put(price);
    }

    /// Gives a product one more entitlement feature (a `product_feature` object).
    pub fn add_feature(&mut self, product: &str, feature: Value) {
        self.features
            .entry(product.to_owned())
            .or_default()
            .push(feature);
    }

    /// A customer as it would be sent.
    pub fn customer(&self, id: &str) -> Option<&Value> {
        self.customers.get(id).or_else(|| self.deleted.get(id))
    }

    /// A subscription with everything expanded.
    pub fn subscription(&self, id: &str) -> Option<&Value> {
        self.subscriptions.get(id)
    }

    /// A price.
    pub fn price(&self, id: &str) -> Option<&Value> {
        self.prices.get(id)
    }

    /// A product.
    pub fn product(&self, id: &str) -> Option<&Value> {
        self.products.get(id)
    }

    /// An invoice.
    pub fn invoice(&self, id: &str) -> Option<&Value> {
        self.invoices.get(id)
    }

    /// Changes fields of a customer; `false` without such a customer. Id and creation stay.
    pub fn change_customer(&mut self, id: &str, change: impl FnOnce(&mut Value)) -> bool {
        self.customers.get_mut(id).map(change).is_some()
    }

    /// Changes fields of a subscription; `false` without such a one. Id and creation stay.
    pub fn change_subscription(&mut self, id: &str, change: impl FnOnce(&mut Value)) -> bool {
        self.subscriptions.get_mut(id).map(change).is_some()
    }

    /// Ends a subscription at `at`.
    pub fn cancel_subscription(&mut self, id: &str, at: i64) -> bool {
        self.change_subscription(id, |subscription| {
            set(subscription, "status", json!("canceled"));
            set(subscription, "ended_at", json!(at));
            set(subscription, "canceled_at", json!(at));
        })
    }

    /// Deletes a customer: its subscriptions end at once, and only its id is left.
    pub fn delete_customer(&mut self, id: &str, at: i64) -> bool {
        if self.customers.remove(id).is_none() {
            return false;
        }
        self.deleted
            .insert(id.to_owned(), objects::deleted_customer(id));
        let ends = |it: &&Value| text(it, "customer") == id && text(it, "status") != "canceled";
        let live: Vec<String> = self
            .subscriptions
            .all()
            .filter(ends)
            .map(|subscription| text(subscription, "id").to_owned())
            .collect();
        for subscription in live {
            self.cancel_subscription(&subscription, at);
        }
        true
    }
}

/// Sets a field of an object.
pub(super) fn set(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(field.to_owned(), value);
    }
}
