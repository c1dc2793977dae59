//! What the account of a crowd answers.

use std::fmt::Write as _;
use std::sync::{Arc, PoisonError};

use serde_json::Value;

use super::super::answer::Refusal;
use super::super::listing::{self, no_such_cursor, status_fits};
use super::super::objects::{self, CustomerSpec, ItemSpec, SubscriptionSpec};
use super::super::query::{CREATED, Query};
use super::super::shop::Shop;
use super::member::{Member, is_open, number_of};
use super::template::{Filling, Template};
use super::{Crowd, Place};

/// A mark in a text, and numbers that are no time, amount or quantity of the sample.
const ID: &str = "@id@";
const CUSTOMER: &str = "@customer@";
const ITEM: &str = "@item@";
const EMAIL: &str = "@email@";
const NAME: &str = "@name@";
const USER: &str = "@user@";
const CREATED_AT: i64 = 7_000_000_000_001;
const START: i64 = 7_000_000_000_002;
const END: i64 = 7_000_000_000_003;
const TRIAL: i64 = 7_000_000_000_004;
const ENDED: i64 = 7_000_000_000_005;
const QUANTITY: i64 = 7_000_000_000_006;

/// The answer, if the crowd has one: objects that were put into the shop come first.
pub(in super::super) fn answer(
    crowd: &Crowd,
    shop: &Shop,
    path: &str,
    query: &Query,
) -> Option<Result<String, Refusal>> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let asked = |name| query.get(name).filter(|id| shop.customer(id).is_none());
    match parts.as_slice() {
        ["v1", "customers", id] if shop.customer(id).is_none() => crowd.customer(id).map(Ok),
        ["v1", "customers"] => Some(crowd.customers(shop, path, query)),
        ["v1", "subscriptions"] => match (query.get("customer"), asked("customer")) {
            (None, _) => Some(crowd.subscriptions(shop, path, query)),
            (_, Some(customer)) => Some(Ok(crowd.subscriptions_of(customer, path, query))),
            _ => None,
        },
        ["v1", "invoices"] => match (query.get("customer"), asked("customer")) {
            (None, _) => Some(crowd.invoices(shop, path, query)),
            (_, Some(customer)) => Some(Ok(crowd.invoices_of(customer, path))),
            _ => None,
        },
        _ => None,
    }
}

impl Crowd {
    fn customer(&self, id: &str) -> Option<String> {
        let (member, copy) = self.member_of(id)?;
        let spec = member.customers.get(copy).filter(|it| it.id == id)?;
        Some(if member.deleted {
            objects::deleted_customer(id).to_string()
        } else {
            objects::customer(spec).to_string()
        })
    }

    fn customers(&self, shop: &Shop, path: &str, query: &Query) -> Result<String, Refusal> {
        let [gte, gt, lte, lt] = CREATED;
        query.only(&[gte, gt, lte, lt])?;
        let write = |member: &Member, copy: usize, to: &mut String| {
            let Some(spec) = member.customers.get(copy) else {
                return false;
            };
            match shop.customer(&spec.id) {
                Some(changed) if changed.get("deleted").is_some() => return false,
                Some(changed) => push(changed, to),
                None => self.write_customer(spec, to),
            }
            true
        };
        let id = |member: &Member, copy: usize| Some(member.customers.get(copy)?.id.clone());
        self.list(&self.customers, path, query, id, write)
    }

    fn subscriptions(&self, shop: &Shop, path: &str, query: &Query) -> Result<String, Refusal> {
        let [gte, gt, lte, lt] = CREATED;
        query.only(&["status", gte, gt, lte, lt])?;
        let expanded: Vec<&str> = query.all("expand[]").collect();
        let expanded = expanded.join(",");
        let write = |member: &Member, copy: usize, to: &mut String| {
            let Some(spec) = member.subscriptions.get(copy) else {
                return false;
            };
            let changed = shop.subscription(&spec.id);
            let status = changed.and_then(|it| it.get("status")?.as_str());
            if !status_fits(query.get("status"), status.unwrap_or(&spec.status)) {
                return false;
            }
            match changed {
                Some(changed) => {
                    push(
                        &listing::collapse(changed.clone(), query, shop.embedded_items),
                        to,
                    );
                }
                None => self.write_subscription(spec, query, &expanded, to),
            }
            true
        };
        let id = |member: &Member, copy: usize| Some(member.subscriptions.get(copy)?.id.clone());
        self.list(&self.subscriptions, path, query, id, write)
    }

    /// Only open invoices are listed, whatever was asked for: the product asks for no others.
    fn invoices(&self, shop: &Shop, path: &str, query: &Query) -> Result<String, Refusal> {
        let [gte, gt, lte, lt] = CREATED;
        query.only(&["status", gte, gt, lte, lt])?;
        let write = |member: &Member, copy: usize, to: &mut String| {
            let Some(spec) = member.subscriptions.get(copy) else {
                return false;
            };
            let invoice = objects::invoice(spec);
            let id = invoice
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or_default();
            match shop.invoice(id) {
                Some(changed) if changed.get("status").is_none_or(|it| it != "open") => false,
                Some(changed) => {
                    push(changed, to);
                    true
                }
                None => {
                    push(&invoice, to);
                    true
                }
            }
        };
        let id = |member: &Member, copy: usize| {
            let invoice = objects::invoice(member.subscriptions.get(copy)?);
            invoice.get("id")?.as_str().map(str::to_owned)
        };
        self.list(&self.open_invoices, path, query, id, write)
    }

    fn subscriptions_of(&self, customer: &str, path: &str, query: &Query) -> String {
        let expanded: Vec<&str> = query.all("expand[]").collect();
        let expanded = expanded.join(",");
        let mut data = String::new();
        for spec in self.specs_of(customer) {
            if status_fits(query.get("status"), &spec.status) {
                separate(&mut data);
                self.write_subscription(&spec, query, &expanded, &mut data);
            }
        }
        whole(path, &data, false)
    }

    fn invoices_of(&self, customer: &str, path: &str) -> String {
        let mut data = String::new();
        for spec in self.specs_of(customer).iter().filter(|spec| is_open(spec)) {
            separate(&mut data);
            push(&objects::invoice(spec), &mut data);
        }
        whole(path, &data, false)
    }

    /// The subscriptions of a customer; a second customer of the same user has none.
    fn specs_of(&self, customer: &str) -> Vec<SubscriptionSpec> {
        let member = self.member_of(customer).map(|(member, _)| member);
        let specs = member
            .map(|member| member.subscriptions)
            .unwrap_or_default();
        specs
            .into_iter()
            .filter(|it| it.customer == customer)
            .collect()
    }

    fn member_of(&self, id: &str) -> Option<(Member, usize)> {
        let (number, copy) = number_of(id)?;
        (number < self.size).then(|| (self.member(number), usize::from(copy)))
    }

    /// One page of a list.
    fn list(
        &self,
        places: &[Place],
        path: &str,
        query: &Query,
        id: impl Fn(&Member, usize) -> Option<String>,
        write: impl Fn(&Member, usize, &mut String) -> bool,
    ) -> Result<String, Refusal> {
        let limit = query.limit()?;
        let (from, to) = query.created_bounds();
        let mut begin = places.partition_point(|place| place.created >= to);
        if let Some(after) = query.get("starting_after") {
            let place = self
                .place_of(places, after, id)
                .ok_or_else(|| no_such_cursor(after))?;
            begin = begin.max(place + 1);
        }
        let mut rest = places.iter().skip(begin);
        let (mut data, mut count, mut more) = (String::with_capacity(300_000), 0, false);
        for place in rest.by_ref().take_while(|place| place.created >= from) {
            let member = self.member(place.member);
            let copy = usize::from(place.copy);
            if count == limit {
                // Whether one more would be sent.
                more = write(&member, copy, &mut String::new());
                if more {
                    break;
                }
                continue;
            }
            let length = data.len();
            separate(&mut data);
            if write(&member, copy, &mut data) {
                count += 1;
            } else {
                data.truncate(length);
            }
        }
        Ok(whole(path, &data, more))
    }

    fn place_of(
        &self,
        places: &[Place],
        after: &str,
        id: impl Fn(&Member, usize) -> Option<String>,
    ) -> Option<usize> {
        let (member, copy) = self.member_of(after)?;
        if id(&member, copy)? != after {
            return None;
        }
        let (number, copy) = number_of(after)?;
        let created = |place: &Place| (place.member, place.copy) == (number, copy);
        // Which list it is says when the object was created.
        let times = [
            member.customers.get(usize::from(copy)).map(|it| it.created),
            member
                .subscriptions
                .get(usize::from(copy))
                .map(|it| it.created),
            member
                .subscriptions
                .get(usize::from(copy))
                .map(|it| it.period_start),
        ];
        times.into_iter().flatten().find_map(|time| {
            let wanted = Place {
                created: time,
                member: number,
                copy,
            };
            let place = places.binary_search_by(|it| wanted.cmp(it)).ok()?;
            places.get(place).filter(|it| created(it)).map(|_| place)
        })
    }

    fn write_customer(&self, spec: &CustomerSpec, to: &mut String) {
        let user = spec.metadata.get("user_id").map_or("", String::as_str);
        let template = self.template(format!("customer {}", user.is_empty()), || {
            let mut marked = CustomerSpec {
                id: ID.to_owned(),
                created: CREATED_AT,
                name: NAME.to_owned(),
                email: EMAIL.to_owned(),
                metadata: spec.metadata.clone(),
            };
            for value in marked.metadata.values_mut() {
                USER.clone_into(value);
            }
            let marks = [ID, NAME, EMAIL, USER, &CREATED_AT.to_string()];
            Template::new(&objects::customer(&marked), &marks)
        });
        let fillings = [
            Filling::Text(&spec.id),
            Filling::Text(&spec.name),
            Filling::Text(&spec.email),
            Filling::Text(user),
            Filling::Number(spec.created),
        ];
        template.fill(&fillings, to);
    }

    fn write_subscription(
        &self,
        spec: &SubscriptionSpec,
        query: &Query,
        expanded: &str,
        to: &mut String,
    ) {
        let Some(item) = spec.items.first() else {
            return;
        };
        let kind = format!(
            "{} {} {} {:?} {} {} {} {expanded}",
            spec.status,
            item.plan.name,
            item.interval.name(),
            (spec.trial_end.is_some(), spec.ended_at.is_some()),
            spec.cancel_at_period_end,
            spec.pause_collection,
            spec.free,
        );
        let template = self.template(kind, || {
            let marked = SubscriptionSpec {
                id: format!("sub_{ID}"),
                customer: CUSTOMER.to_owned(),
                status: spec.status.clone(),
                created: CREATED_AT,
                items: vec![ItemSpec {
                    id: ITEM.to_owned(),
                    plan: item.plan,
                    interval: item.interval,
                    quantity: QUANTITY,
                }],
                period_start: START,
                period_end: END,
                trial_end: spec.trial_end.map(|_| TRIAL),
                ended_at: spec.ended_at.map(|_| ENDED),
                ..spec.clone()
            };
            let object = listing::collapse(objects::subscription(&marked), query, usize::MAX);
            let numbers = [CREATED_AT, START, END, TRIAL, ENDED, QUANTITY].map(|it| it.to_string());
            let mut marks = vec![ID, CUSTOMER, ITEM];
            marks.extend(numbers.iter().map(String::as_str));
            Template::new(&object, &marks)
        });
        let fillings = [
            Filling::Text(spec.id.trim_start_matches("sub_")),
            Filling::Text(&spec.customer),
            Filling::Text(&item.id),
            Filling::Number(spec.created),
            Filling::Number(spec.period_start),
            Filling::Number(spec.period_end),
            Filling::Number(spec.trial_end.unwrap_or(0)),
            Filling::Number(spec.ended_at.unwrap_or(0)),
            Filling::Number(item.quantity),
        ];
        template.fill(&fillings, to);
    }

    fn template(&self, kind: String, make: impl FnOnce() -> Template) -> Arc<Template> {
        let mut templates = self
            .templates
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let template = templates.entry(kind).or_insert_with(|| Arc::new(make()));
        Arc::clone(template)
    }
}

fn push(object: &Value, to: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(to, "{object}");
}

fn separate(data: &mut String) {
    if !data.is_empty() {
        data.push(',');
    }
}

fn whole(path: &str, data: &str, more: bool) -> String {
    format!(r#"{{"object":"list","url":"{path}","has_more":{more},"data":[{data}]}}"#)
}
