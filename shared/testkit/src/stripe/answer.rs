//! What the account answers to a read.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::crowd::{self, Crowd};
use super::keys::{Holder, Permission};
use super::listing::{self, Listing, Page};
use super::query::{CREATED, Query};
use super::shop::{Shop, text};

/// An error object with its status.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Refusal {
    fn new(status: u16, mut error: Value) -> Self {
        super::shop::set(&mut error, "type", json!("invalid_request_error"));
        Self {
            status,
            body: json!({"error": error}),
        }
    }

    /// 400 about one parameter.
    pub(super) fn parameter(code: &str, name: &str, message: &str) -> Self {
        Self::new(
            400,
            json!({"code": code, "param": name, "message": message}),
        )
    }

    fn missing(what: &str, id: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self::new(
            404,
            json!({"code": "resource_missing", "param": "id", "message": message}),
        )
    }

    fn unknown_path(path: &str) -> Self {
        let message = format!("Unrecognized request URL (GET: {path}).");
        Self::new(404, json!({"message": message}))
    }

    fn nobody() -> Self {
        Self::new(
            401,
            json!({"message": "Invalid API Key provided: rk_test_****"}),
        )
    }

    fn not_permitted(permission: Permission) -> Self {
        let message = format!(
            "The provided key 'rk_test_***' does not have the required permissions for this \
             endpoint on account 'acct_1Sample'. Having the '{}' permission would allow this \
             request to continue.",
            permission.name()
        );
        Self::new(403, json!({"message": message}))
    }
}

/// Answers `GET path?query` for the holder of a key.
pub(super) fn answer(
    shop: &Shop,
    crowd: Option<&Crowd>,
    holder: &Holder,
    path: &str,
    query: &Query,
) -> Result<String, Refusal> {
    let may = Permissions { holder };
    if *holder == Holder::Nobody {
        return Err(Refusal::nobody());
    }
    may.read_list_of(path)?;
    may.expand(query)?;
    let of_crowd = crowd.and_then(|crowd| crowd::answer(crowd, shop, path, query));
    of_crowd.unwrap_or_else(|| of_shop(shop, &may, path, query).map(|value| value.to_string()))
}

fn of_shop(
    shop: &Shop,
    may: &Permissions<'_>,
    path: &str,
    query: &Query,
) -> Result<Value, Refusal> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["v1", "customers"] => customers(shop, path, query),
        ["v1", "customers", id] => {
            query.only(&[])?;
            shop.customer(id)
                .cloned()
                .ok_or_else(|| Refusal::missing("customer", id))
        }
        ["v1", "subscriptions"] => subscriptions(shop, path, query),
        ["v1", "subscriptions", id] => {
            may.read(Permission::Subscriptions)?;
            query.only(&[])?;
            shop.subscription(id)
                .cloned()
                .ok_or_else(|| Refusal::missing("subscription", id))
        }
        ["v1", "subscription_items"] => {
            may.read(Permission::Subscriptions)?;
            subscription_items(shop, path, query)
        }
        ["v1", "prices"] => {
            may.read(Permission::Prices)?;
            prices(shop, path, query)
        }
        ["v1", "products"] => {
            may.read(Permission::Products)?;
            query.only(&["active"])?;
            let kept = |product: &Value| flag_fits(query, product);
            Listing {
                path,
                query,
                keep: &kept,
            }
            .of(&shop.products)
            .map(Page::json)
        }
        ["v1", "products", id, "features"] => {
            may.read(Permission::Products)?;
            query.only(&[])?;
            if shop.products.get(id).is_none() {
                return Err(Refusal::missing("product", id));
            }
            let features = shop
                .features
                .get(*id)
                .map(Vec::as_slice)
                .unwrap_or_default();
            Listing {
                path,
                query,
                keep: &|_| true,
            }
            .of_slice(features)
            .map(Page::json)
        }
        ["v1", "invoices"] => invoices(shop, path, query),
        ["v1", "events"] => {
            may.read(Permission::Events)?;
            events(shop, path, query)
        }
        ["v1", "balance"] => {
            may.read(Permission::Balance)?;
            Ok(json!({"object": "balance", "available": [], "livemode": false, "pending": []}))
        }
        ["v1", "charges"] => may.read(Permission::Charges).map(|()| nothing(path)),
        ["v1", "payouts"] => may.read(Permission::Payouts).map(|()| nothing(path)),
        ["v1", "refunds"] => may.read(Permission::Refunds).map(|()| nothing(path)),
        ["v1", "payment_methods"] => may.read(Permission::PaymentMethods).map(|()| nothing(path)),
        ["v1", "webhook_endpoints"] => may
            .read(Permission::WebhookEndpoints)
            .map(|()| nothing(path)),
        ["v1", "entitlements", "active_entitlements"] => {
            may.read(Permission::Entitlements)?;
            entitlements(shop, path, query)
        }
        _ => Err(Refusal::unknown_path(path)),
    }
}

/// The sample has no such objects.
fn nothing(path: &str) -> Value {
    json!({"object": "list", "data": [], "has_more": false, "url": path})
}

/// What the holder of a key may do.
struct Permissions<'a> {
    holder: &'a Holder,
}

impl Permissions<'_> {
    fn read(&self, permission: Permission) -> Result<(), Refusal> {
        match self.holder {
            Holder::Restricted(permissions) if !permissions.contains(&permission) => {
                Err(Refusal::not_permitted(permission))
            }
            _ => Ok(()),
        }
    }

    /// What a crowd answers as well as a shop.
    fn read_list_of(&self, path: &str) -> Result<(), Refusal> {
        let family = path.trim_start_matches("/v1/").split('/').next();
        match family {
            Some("customers") => self.read(Permission::Customers),
            Some("subscriptions") => self.read(Permission::Subscriptions),
            Some("invoices") => self.read(Permission::Invoices),
            _ => Ok(()),
        }
    }

    /// Expanding an object is reading it.
    fn expand(&self, query: &Query) -> Result<(), Refusal> {
        for path in query.all("expand[]") {
            match path {
                "data.latest_invoice" => self.read(Permission::Invoices)?,
                "data.discounts" => {}
                "data.discounts.source.coupon" => self.read(Permission::Coupons)?,
                other => {
                    let message = format!("This property cannot be expanded ({other}).");
                    return Err(Refusal::parameter(
                        "property_not_expandable",
                        "expand",
                        &message,
                    ));
                }
            }
        }
        Ok(())
    }
}

fn customers(shop: &Shop, path: &str, query: &Query) -> Result<Value, Refusal> {
    let [gte, gt, lte, lt] = CREATED;
    query.only(&["email", gte, gt, lte, lt])?;
    let kept = |customer: &Value| {
        query.created_fits(customer)
            && query
                .get("email")
                .is_none_or(|email| text(customer, "email") == email)
    };
    Listing {
        path,
        query,
        keep: &kept,
    }
    .of(&shop.customers)
    .map(Page::json)
}

fn subscriptions(shop: &Shop, path: &str, query: &Query) -> Result<Value, Refusal> {
    let [gte, gt, lte, lt] = CREATED;
    query.only(&["status", "customer", "price", gte, gt, lte, lt])?;
    let kept = |subscription: &Value| {
        query.created_fits(subscription)
            && listing::status_fits(query.get("status"), text(subscription, "status"))
            && query
                .get("customer")
                .is_none_or(|it| text(subscription, "customer") == it)
    };
    let page = Listing {
        path,
        query,
        keep: &kept,
    }
    .of(&shop.subscriptions)?;
    Ok(page
        .map(|subscription| listing::collapse(subscription, query, shop.embedded_items))
        .json())
}

fn subscription_items(shop: &Shop, path: &str, query: &Query) -> Result<Value, Refusal> {
    query.only(&["subscription"])?;
    let id = query.get("subscription").unwrap_or_default();
    let Some(subscription) = shop.subscriptions.get(id) else {
        return Err(Refusal::missing("subscription", id));
    };
    let items = subscription
        .pointer("/items/data")
        .and_then(Value::as_array);
    let items = items.map(Vec::as_slice).unwrap_or_default();
    Listing {
        path,
        query,
        keep: &|_| true,
    }
    .of_slice(items)
    .map(Page::json)
}

fn invoices(shop: &Shop, path: &str, query: &Query) -> Result<Value, Refusal> {
    let [gte, gt, lte, lt] = CREATED;
    query.only(&["status", "customer", "subscription", gte, gt, lte, lt])?;
    let subscription = "/parent/subscription_details/subscription";
    let kept = |invoice: &Value| {
        let fits = |name, value| query.get(name).is_none_or(|wanted| wanted == value);
        let of = invoice.pointer(subscription).and_then(Value::as_str);
        query.created_fits(invoice)
            && fits("status", text(invoice, "status"))
            && fits("customer", text(invoice, "customer"))
            && fits("subscription", of.unwrap_or_default())
    };
    Listing {
        path,
        query,
        keep: &kept,
    }
    .of(&shop.invoices)
    .map(Page::json)
}

/// The most types that one request may ask for.
const TYPES: usize = 20;

fn events(shop: &Shop, path: &str, query: &Query) -> Result<Value, Refusal> {
    let [gte, gt, lte, lt] = CREATED;
    query.only(&["types[]", gte, gt, lte, lt])?;
    let types: BTreeSet<&str> = query.all("types[]").collect();
    if types.len() > TYPES {
        let message = "Invalid array: at most 20 types";
        return Err(Refusal::parameter("array_too_long", "types", message));
    }
    let kept = |event: &Value| {
        query.created_fits(event) && (types.is_empty() || types.contains(text(event, "type")))
    };
    Listing {
        path,
        query,
        keep: &kept,
    }
    .of(&shop.events)
    .map(Page::json)
}

fn prices(shop: &Shop, path: &str, query: &Query) -> Result<Value, Refusal> {
    query.only(&["active", "product", "lookup_keys[]"])?;
    let keys: BTreeSet<&str> = query.all("lookup_keys[]").collect();
    let kept = |price: &Value| {
        flag_fits(query, price)
            && query
                .get("product")
                .is_none_or(|it| text(price, "product") == it)
            && (keys.is_empty() || keys.contains(text(price, "lookup_key")))
    };
    Listing {
        path,
        query,
        keep: &kept,
    }
    .of(&shop.prices)
    .map(Page::json)
}

fn flag_fits(query: &Query, object: &Value) -> bool {
    let active = object
        .get("active")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    query
        .get("active")
        .is_none_or(|wanted| wanted == active.to_string())
}

/// The features of the products that a customer has active or trialing subscriptions to.
fn entitlements(shop: &Shop, path: &str, query: &Query) -> Result<Value, Refusal> {
    query.only(&["customer"])?;
    let Some(customer) = query.get("customer") else {
        return Err(Refusal::parameter(
            "parameter_missing",
            "customer",
            "Missing required param: customer.",
        ));
    };
    let live = |it: &&Value| {
        text(it, "customer") == customer && matches!(text(it, "status"), "active" | "trialing")
    };
    let items = shop
        .subscriptions
        .all()
        .filter(live)
        .filter_map(|subscription| subscription.pointer("/items/data")?.as_array())
        .flatten();
    let products: BTreeSet<&str> = items
        .filter_map(|item| item.pointer("/price/product")?.as_str())
        .collect();
    let mut found: Vec<Value> = Vec::new();
    for feature in products
        .iter()
        .filter_map(|product| shop.features.get(*product))
        .flatten()
    {
        let key = feature
            .pointer("/entitlement_feature/lookup_key")
            .and_then(Value::as_str);
        let key = key.unwrap_or_default();
        let id = format!("ent_{}_{key}", customer.trim_start_matches("cus_"));
        if found.iter().all(|it| text(it, "id") != id) {
            found.push(json!({
                "id": id, "object": "entitlements.active_entitlement", "lookup_key": key,
                "feature": feature.pointer("/entitlement_feature/id"), "livemode": false,
            }));
        }
    }
    Listing {
        path,
        query,
        keep: &|_| true,
    }
    .of_slice(&found)
    .map(Page::json)
}
