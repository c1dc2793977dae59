//! Stripe's side of a run.

use std::collections::BTreeMap;

use super::amounts::{Amounts, NO_AMOUNT};
use super::arrivals::{Arrivals, Object};
use super::compact::Compact;
use super::directory::Directory;
use super::ids::{CUSTOMER, CustomerId, LongIds, SUBSCRIPTION, SubscriptionId};
use super::join::Join;
use super::key::{KeyIndex, key_hash};
use super::store::{
    DELETED, NO_CUSTOMER, NO_KEY, NO_SEATS, READ, Record, Slot, WRONG_MODE, bit, index,
};
use crate::billing::line::{self, CustomerLine, SubscriptionLine};
use crate::billing::{Cadence, Catalog, Customer, Discount, Invoice, Status, Subscription};
use crate::mapping::{Artifact, MatchSource};
use crate::money::is_known_currency;
use crate::promise::{DealId, PriceId, Rule, Shop, Standing, Terms, grace_is_over, judge};
use crate::time::Timestamp;

/// Collects Stripe's side.
#[derive(Debug)]
pub struct Scan {
    pub(super) artifact: Artifact,
    pub(super) shop: Shop,
    pub(super) as_of: i64,
    pub(super) livemode: Option<bool>,
    pub(super) slots: Vec<Slot>,
    pub(super) directory: Directory,
    pub(super) long: LongIds,
    pub(super) keys: Vec<KeyIndex>,
    pub(super) records: Compact,
    pub(super) amounts: Amounts,
    pub(super) states: BTreeMap<SubscriptionId, String>,
    /// Some subscription's items were not read to their end.
    pub(super) has_unread_items: bool,
    /// Since when money is outstanding, by subscription; few at any time.
    unpaid: BTreeMap<SubscriptionId, i64>,
    pub(super) arrivals: Arrivals,
    items: Vec<Bought>,
    prices: Vec<PriceId>,
}

/// One item: its price and how many.
type Bought = (PriceId, Option<u32>);

/// What identifies a subscription.
struct Named<'a> {
    id: &'a str,
    customer: &'a str,
    created: i64,
    livemode: Option<bool>,
    currency: Option<&'a str>,
}

impl Scan {
    /// Begins a run that evaluates every promise at `as_of`. `livemode` tells the mode of the
    /// account, so that objects of the other one back nothing; `None` where it is not known.
    pub fn new(
        artifact: &Artifact,
        catalog: &Catalog,
        as_of: Timestamp,
        livemode: impl Into<Option<bool>>,
    ) -> Self {
        Self {
            artifact: artifact.clone(),
            shop: Shop::new(artifact.compiled(), catalog),
            as_of: as_of.as_secs(),
            livemode: livemode.into(),
            slots: Vec::new(),
            directory: Directory::default(),
            long: LongIds::default(),
            keys: vec![KeyIndex::default(); artifact.compiled().keys.len()],
            records: Compact::default(),
            amounts: Amounts::default(),
            states: BTreeMap::new(),
            has_unread_items: false,
            unpaid: BTreeMap::new(),
            arrivals: Arrivals::default(),
            items: Vec::new(),
            prices: Vec::new(),
        }
    }

    /// Takes a customer.
    pub fn customer(&mut self, customer: &Customer) {
        let metadata = |key: &str| customer.metadata.get(key).map(String::as_str);
        self.take_customer(
            &customer.id,
            self.flags(customer.deleted, customer.livemode),
            customer.email.as_deref(),
            metadata,
        );
    }

    /// Takes a customer as Stripe's JSON, without copying it.
    ///
    /// # Errors
    /// When the text is no customer; nothing was taken then.
    pub fn customer_json(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let line: CustomerLine<'_> = line::read(text)?;
        let metadata = |key: &str| line.metadata.get(key);
        let flags = self.flags(line.deleted, line.livemode);
        self.take_customer(&line.id, flags, line.email.0.as_deref(), metadata);
        Ok(())
    }

    fn flags(&self, deleted: bool, livemode: Option<bool>) -> u8 {
        let deleted = if deleted { DELETED } else { 0 };
        let foreign = if self.is_foreign(livemode) {
            WRONG_MODE
        } else {
            0
        };
        READ | deleted | foreign
    }

    /// An object of the other mode than the account.
    fn is_foreign(&self, livemode: Option<bool>) -> bool {
        let modes = self.livemode.zip(livemode);
        modes.is_some_and(|(own, its)| own != its)
    }

    fn take_customer<'a>(
        &mut self,
        id: &str,
        flags: u8,
        email: Option<&'a str>,
        metadata: impl Fn(&str) -> Option<&'a str>,
    ) {
        let customer = self.long.short(CUSTOMER, id);
        let (mut present, mut values) = (0, 0);
        for (place, key) in self.artifact.match_keys().iter().enumerate() {
            let value = match &key.source {
                MatchSource::Metadata(name) => metadata(name),
                MatchSource::Email => email,
                MatchSource::CustomerId => continue,
            };
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                present |= bit(place);
                let hash = key_hash(&key.source, value);
                self.arrivals.value(place, hash);
                values += 1;
            }
        }
        let object = Object::Customer {
            flags,
            present,
            values,
        };
        self.arrive(customer, object);
    }

    /// Takes a subscription in any state; all its items must have been read.
    pub fn subscription(&mut self, subscription: &Subscription) {
        self.items.clear();
        for item in &subscription.items.data {
            let price = self.shop.price(&item.price);
            self.items.extend(price.map(|price| (price, item.quantity)));
        }
        let named = Named {
            id: &subscription.id,
            customer: &subscription.customer,
            created: subscription.created,
            livemode: subscription.livemode,
            currency: subscription.currency.as_deref(),
        };
        if let Some(invoice) = &subscription.latest_invoice {
            self.owe(&subscription.id, invoice);
        }
        let amount = self.amount(named.currency, subscription.discounts());
        self.take_subscription(&named, &Terms::from(subscription), amount);
    }

    /// Takes a subscription as Stripe's JSON, without copying it.
    ///
    /// # Errors
    /// When the text is no subscription; nothing was taken then.
    pub fn subscription_json(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let line: SubscriptionLine<'_> = line::read(text)?;
        self.items.clear();
        for item in line.items() {
            let Some(price) = self.shop.known_price(&item.price.0) else {
                // The catalogue does not have it: the whole object tells what it is.
                self.subscription(&serde_json::from_str(text)?);
                return Ok(());
            };
            self.items.push((price, item.quantity));
        }
        let named = Named {
            id: &line.id,
            customer: &line.customer.0,
            created: line.created,
            livemode: line.livemode,
            currency: line.currency.0.as_deref(),
        };
        if let Some(invoice) = &line.latest_invoice {
            self.owe(&line.id, invoice);
        }
        let amount = self.amount(named.currency, line.discounts());
        self.take_subscription(&named, &Terms::from(&line), amount);
        Ok(())
    }

    /// Takes an invoice, before or after its subscription. The oldest that is not paid begins the
    /// grace time of a `past_due` subscription; without one its period does.
    pub fn invoice(&mut self, invoice: &Invoice) {
        if let Some(subscription) = &invoice.subscription {
            self.owe(subscription, invoice);
        }
    }

    fn owe(&mut self, subscription: &str, invoice: &Invoice) {
        let Some(since) = invoice.unpaid_since() else {
            return;
        };
        let id = self.long.short(SUBSCRIPTION, subscription);
        let oldest = self.unpaid.entry(id).or_insert(since);
        *oldest = since.min(*oldest);
    }

    fn take_subscription(&mut self, named: &Named<'_>, terms: &Terms<'_>, amount: u32) {
        self.prices.clear();
        self.prices
            .extend(self.items.iter().map(|(price, _)| *price));
        let Some(deal) = self.shop.deal(&mut self.prices) else {
            return;
        };
        let customer = self.long.short(CUSTOMER, named.customer);
        let judgement = judge(terms, self.artifact.compiled(), self.as_of);
        let (standing, rule) = if self.is_foreign(named.livemode) {
            (Standing::Refuses, Rule::WrongMode)
        } else {
            (judgement.standing, judgement.rule)
        };
        self.has_unread_items |= rule == Rule::ItemsIncomplete;
        let id = self.long.short(SUBSCRIPTION, named.id);
        if let (Rule::UnknownState, Status::Other(name)) = (rule, terms.status) {
            self.states.insert(id, name.clone());
        }
        let record = Record {
            customer: NO_CUSTOMER,
            id,
            created: seconds(named.created),
            trial: (judgement.trial_end)
                .or(terms.period_start.filter(|_| rule == Rule::PastDueGrace))
                .map_or(0, seconds),
            seats: self.seats(deal),
            amount,
            deal,
            standing,
            rule,
        };
        self.arrive(customer, Object::Subscription(record));
    }

    /// Ends Stripe's side.
    pub fn seal(mut self) -> Join {
        self.settle_arrivals();
        self.keys.iter_mut().for_each(KeyIndex::seal);
        self.settle_grace();
        self.records.settle();
        let mut last = None;
        for (place, customer) in (0_u32..).zip(self.records.customers()) {
            if last != Some(customer)
                && let Some(slot) = self.slots.get_mut(index(customer))
            {
                slot.first = place;
            }
            last = Some(customer);
        }
        Join::new(self)
    }

    /// Judges what is past due: every open invoice is known now.
    fn settle_grace(&mut self) {
        let rules = &self.artifact.compiled().rules;
        let unpaid = std::mem::take(&mut self.unpaid);
        let as_of = self.as_of;
        self.records.change(|record| {
            if record.rule != Rule::PastDueGrace {
                return None;
            }
            let period = Some(i64::from(record.trial)).filter(|start| *start != 0);
            let since = unpaid.get(&record.id).copied().or(period);
            let (standing, rule) = if grace_is_over(since, rules, as_of) {
                (Standing::Refuses, Rule::PastDueOver)
            } else {
                (record.standing, record.rule)
            };
            Some(Record {
                trial: 0,
                standing,
                rule,
                ..*record
            })
        });
    }

    /// The number of a customer.
    pub(super) fn known(&self, id: &CustomerId) -> Option<u32> {
        let id_of = |number| self.slots.get(index(number)).map(|slot| slot.id);
        self.directory.find(id, id_of)
    }

    /// The number of a customer, entered if new.
    pub(super) fn number(&mut self, id: CustomerId) -> Option<u32> {
        if let Some(number) = self.known(&id) {
            return Some(number);
        }
        let number = u32::try_from(self.slots.len())
            .ok()
            .filter(|number| *number != u32::MAX)?;
        let keys = self.artifact.match_keys().iter().enumerate();
        let own_id = keys.filter(|(_, key)| key.source == MatchSource::CustomerId);
        let present = own_id.fold(0, |bits, (place, _)| bits | bit(place));
        self.slots.push(Slot {
            id,
            first: u32::MAX,
            flags: 0,
            present,
            best: NO_KEY,
        });
        let slots = &self.slots;
        self.directory.enter(&id, number, |number| {
            slots.get(index(number)).map(|slot| slot.id)
        });
        Some(number)
    }

    /// The largest quantity among the items that sell the deal's plan: a plan may be a basic fee
    /// and a price per seat.
    fn seats(&self, deal: DealId) -> u32 {
        let Some(plan) = self.shop.get(deal).and_then(|deal| deal.plan) else {
            return NO_SEATS;
        };
        let of_plan = self
            .items
            .iter()
            .filter(|(price, _)| self.shop.sells(*price, plan));
        of_plan
            .filter_map(|(_, quantity)| *quantity)
            .max()
            .unwrap_or(NO_SEATS)
    }

    /// The number of what the items with a fixed price cost per month, less the discounts: at least
    /// that is paid. A subscription is billed in one currency; a price that is sold in several tells
    /// its amount in the first one only, so an amount in another currency is not known.
    fn amount<'a>(
        &mut self,
        billed: Option<&str>,
        discounts: impl Iterator<Item = &'a Discount>,
    ) -> u32 {
        let items = self.items.iter();
        let costs = items.filter_map(|(price, count)| Some((self.shop.cost(*price)?, *count)));
        let mut currency = billed.unwrap_or_default();
        let (mut sum, mut cadence): (Option<i64>, Option<Cadence>) = (None, None);
        let mut mixed = false;
        for ((cost, of), count) in costs {
            if currency.is_empty() {
                currency = of;
            }
            mixed |= of != currency && !of.is_empty();
            let Some(cost) = cost else { continue };
            let part = cost.monthly(count.unwrap_or(1)).unwrap_or(i64::MAX);
            sum = Some(sum.unwrap_or_default().saturating_add(part));
            cadence = cadence.or(Some(cost.cadence()));
        }
        if mixed {
            sum = None;
            currency = billed.unwrap_or_default();
        }
        for discount in discounts.filter(|discount| discount.runs(self.as_of)) {
            if discount.is_whole() {
                sum = Some(0);
            }
            sum = sum.map(|sum| discount.apply(sum, currency, cadence));
        }
        match sum {
            Some(minor) if is_known_currency(currency) => self.amounts.number(minor, currency),
            _ => NO_AMOUNT,
        }
    }
}

fn seconds(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}
