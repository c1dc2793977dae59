//! Lists: filter, cursor, page size, and what is left of an object where nothing is expanded.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::query::Query;
use super::shop::{Shelf, set, text};

/// A list as a request asks for it.
pub(super) struct Listing<'a> {
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    pub(super) keep: &'a dyn Fn(&Value) -> bool,
}

/// One page of a list.
pub(super) struct Page<'a> {
    path: &'a str,
    data: Vec<Value>,
    has_more: bool,
}

impl<'a> Listing<'a> {
    pub(super) fn of(&self, shelf: &Shelf) -> Result<Page<'a>, Refusal> {
        match self.query.get("starting_after") {
            None => self.page(shelf.all()),
            Some(id) => self.page(shelf.after(id).ok_or_else(|| no_such_cursor(id))?),
        }
    }

    pub(super) fn of_slice(&self, objects: &[Value]) -> Result<Page<'a>, Refusal> {
        let skip = match self.query.get("starting_after") {
            None => 0,
            Some(id) => {
                let place = objects.iter().position(|object| text(object, "id") == id);
                place.ok_or_else(|| no_such_cursor(id))?.saturating_add(1)
            }
        };
        self.page(objects.iter().skip(skip))
    }

    fn page<'v>(&self, objects: impl Iterator<Item = &'v Value>) -> Result<Page<'a>, Refusal> {
        let limit = self.query.limit()?;
        let mut kept = objects.filter(|object| (self.keep)(object));
        let data: Vec<Value> = kept.by_ref().take(limit).cloned().collect();
        Ok(Page {
            path: self.path,
            data,
            has_more: kept.next().is_some(),
        })
    }
}

impl Page<'_> {
    pub(super) fn map(mut self, change: impl Fn(Value) -> Value) -> Self {
        self.data = self.data.into_iter().map(change).collect();
        self
    }

    pub(super) fn json(self) -> Value {
        json!({"object": "list", "url": self.path, "has_more": self.has_more, "data": self.data})
    }
}

pub(super) fn no_such_cursor(id: &str) -> Refusal {
    Refusal::parameter(
        "resource_missing",
        "starting_after",
        &format!("No such object: '{id}'"),
    )
}

/// Without a status, a list leaves canceled subscriptions out.
pub(super) fn status_fits(wanted: Option<&str>, status: &str) -> bool {
    match wanted {
        None => status != "canceled",
        Some("all") => true,
        Some("ended") => matches!(status, "canceled" | "incomplete_expired"),
        Some(wanted) => wanted == status,
    }
}

/// A subscription as it is sent: references are ids unless expanded, and only the first items
/// are embedded.
pub(super) fn collapse(mut subscription: Value, query: &Query, embedded: usize) -> Value {
    let expanded = |path: &str| query.all("expand[]").any(|it| it == path);
    if !expanded("data.latest_invoice")
        && let Some(id) = subscription.pointer("/latest_invoice/id").cloned()
    {
        set(&mut subscription, "latest_invoice", id);
    }
    let coupons = expanded("data.discounts.source.coupon");
    let discounts = coupons || expanded("data.discounts");
    if let Some(Value::Array(list)) = subscription.get_mut("discounts") {
        for discount in list {
            if !discounts {
                *discount = discount.get("id").cloned().unwrap_or_default();
            } else if !coupons
                && let Some(id) = discount.pointer("/source/coupon/id").cloned()
                && let Some(source) = discount.get_mut("source")
            {
                set(source, "coupon", id);
            }
        }
    }
    if let Some(items) = subscription.get_mut("items")
        && let Some(Value::Array(data)) = items.get_mut("data")
        && data.len() > embedded
    {
        data.truncate(embedded);
        set(items, "has_more", json!(true));
    }
    subscription
}
