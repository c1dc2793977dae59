//! Stripe's side of a run, in compact records.

use std::borrow::Cow;
use std::collections::BTreeMap;

use counterfoil_evidence::hash::sha256;

use super::directory::Directory;
use super::ids::{CUSTOMER, CustomerId, LongIds, SUBSCRIPTION, SubscriptionId};
use super::join::Join;
use crate::billing::{Catalog, Customer, Item, Status, Subscription};
use crate::mapping::{Artifact, MatchSource};
use crate::money::Money;
use crate::promise::{DealId, PriceId, Rule, Shop, Standing, Terms, judge};
use crate::time::Timestamp;

/// A customer was read, not only named by a subscription.
pub(super) const READ: u8 = 1;
/// Stripe says that it was deleted.
pub(super) const DELETED: u8 = 2;
/// Its best key hits several rows.
pub(super) const AMBIGUOUS: u8 = 4;
/// Its keys point to different rows.
pub(super) const CONFLICT: u8 = 8;
/// [`Slot::best`] before any row was hit.
pub(super) const NO_KEY: u8 = u8::MAX;
/// [`Record::seats`] where the quantity is not known.
pub(super) const NO_SEATS: u32 = u32::MAX;

/// One customer. 24 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) id: CustomerId,
    /// First of its records.
    pub(super) first: u32,
    pub(super) flags: u8,
    /// Which match keys it has a value for, one bit each.
    pub(super) present: u8,
    /// The first match key by which a row was hit.
    pub(super) best: u8,
}

impl Slot {
    pub(super) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// One subscription, judged. 52 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) customer: u32,
    pub(super) id: SubscriptionId,
    pub(super) created: u32,
    /// End of the running trial, 0 without one.
    pub(super) trial: u32,
    pub(super) seats: u32,
    pub(super) amount: u32,
    pub(super) deal: DealId,
    pub(super) standing: Standing,
    pub(super) rule: Rule,
}

/// A value of a match key. 96 bits of SHA-256: to hit one of a million customers by a made-up value
/// takes 2^76 attempts. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyEntry {
    pub(super) hash: KeyHash,
    pub(super) customer: u32,
}

pub(super) type KeyHash = [u8; 12];

/// Monthly amounts, each stored once.
#[derive(Debug, Clone, Default)]
pub(super) struct Amounts {
    values: Vec<(i64, u16)>,
    numbers: BTreeMap<(i64, u16), u32>,
    currencies: Vec<String>,
}

/// [`Record::amount`] where no amount is known.
const NO_AMOUNT: u32 = u32::MAX;

impl Amounts {
    fn number(&mut self, minor: i64, currency: &str) -> u32 {
        let place = self.currencies.iter().position(|known| known == currency);
        let place = place.unwrap_or_else(|| {
            self.currencies.push(currency.to_owned());
            self.currencies.len() - 1
        });
        let value = (minor, u16::try_from(place).unwrap_or(u16::MAX));
        let next = u32::try_from(self.values.len()).unwrap_or(NO_AMOUNT);
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            next
        })
    }

    pub(super) fn get(&self, number: u32) -> Option<Money> {
        let (minor, currency) = *self.values.get(usize::try_from(number).ok()?)?;
        Some(Money::new(
            minor,
            self.currencies.get(usize::from(currency))?.clone(),
        ))
    }
}

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
    pub(super) keys: Vec<Vec<KeyEntry>>,
    pub(super) records: Vec<Record>,
    pub(super) amounts: Amounts,
    pub(super) states: BTreeMap<SubscriptionId, String>,
    prices: Vec<PriceId>,
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
            keys: vec![Vec::new(); artifact.compiled().keys.len()],
            records: Vec::new(),
            amounts: Amounts::default(),
            states: BTreeMap::new(),
            prices: Vec::new(),
        }
    }

    /// Takes a customer.
    pub fn customer(&mut self, customer: &Customer) {
        let Some(number) = self.number(&customer.id) else {
            return;
        };
        let mut present = 0;
        for (place, key) in self.artifact.compiled().keys.iter().enumerate() {
            let value = match &key.source {
                MatchSource::Metadata(name) => customer.metadata.get(name),
                MatchSource::Email => customer.email.as_ref(),
                MatchSource::CustomerId => {
                    present |= bit(place);
                    None
                }
            };
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            present |= bit(place);
            if let Some(entries) = self.keys.get_mut(place) {
                entries.push(KeyEntry {
                    hash: key_hash(&key.source, value),
                    customer: number,
                });
            }
        }
        if let Some(slot) = self.slots.get_mut(index(number)) {
            slot.flags |= if customer.deleted {
                READ | DELETED
            } else {
                READ
            };
            slot.present |= present;
        }
    }

    /// Takes a subscription in any state; all its items must have been read.
    pub fn subscription(&mut self, subscription: &Subscription) {
        let terms = Terms::from(subscription);
        let items = &subscription.items.data;
        self.prices.clear();
        for item in items {
            self.prices.extend(self.shop.price(&item.price));
        }
        let mut prices = std::mem::take(&mut self.prices);
        let deal = self.shop.deal(&mut prices);
        self.prices = prices;
        let Some((deal, customer)) = deal.zip(self.number(&subscription.customer)) else {
            return;
        };
        let judgement = judge(&terms, self.artifact.compiled(), self.as_of);
        let foreign = self
            .livemode
            .zip(subscription.livemode)
            .is_some_and(|(own, its)| own != its);
        let (standing, rule) = if foreign {
            (Standing::Refuses, Rule::WrongMode)
        } else {
            (judgement.standing, judgement.rule)
        };
        let id = self.long.short(SUBSCRIPTION, &subscription.id);
        if let (Rule::UnknownState, Status::Other(name)) = (rule, &subscription.status) {
            self.states.insert(id, name.clone());
        }
        let amount = self.amount(items, subscription.is_free());
        self.records.push(Record {
            customer,
            id,
            created: seconds(subscription.created),
            trial: judgement.trial_end.map_or(0, seconds),
            seats: self.seats(deal, items),
            amount,
            deal,
            standing,
            rule,
        });
    }

    /// Ends Stripe's side.
    pub fn seal(mut self) -> Join {
        for entries in &mut self.keys {
            entries.sort_unstable();
            entries.dedup();
        }
        self.records.sort_unstable();
        // A subscription that was read twice counts once; the last in order stands for both.
        self.records.reverse();
        self.records
            .dedup_by_key(|record| (record.customer, record.id));
        self.records.reverse();
        let mut last = None;
        for (place, record) in self.records.iter().enumerate() {
            if last != Some(record.customer)
                && let Some(slot) = self.slots.get_mut(index(record.customer))
            {
                slot.first = u32::try_from(place).unwrap_or(u32::MAX);
            }
            last = Some(record.customer);
        }
        Join::new(self)
    }

    /// The number of a customer, entered if new.
    fn number(&mut self, id: &str) -> Option<u32> {
        let id: CustomerId = self.long.short(CUSTOMER, id);
        let slots = &self.slots;
        let id_of = |number| slots.get(index(number)).map(|slot| slot.id);
        if let Some(number) = self.directory.find(&id, id_of) {
            return Some(number);
        }
        let number = u32::try_from(self.slots.len())
            .ok()
            .filter(|number| *number != u32::MAX)?;
        let present = self.artifact.compiled().keys.iter().enumerate();
        let present = present.filter(|(_, key)| key.source == MatchSource::CustomerId);
        let present = present.fold(0, |bits, (place, _)| bits | bit(place));
        let slot = Slot {
            id,
            first: u32::MAX,
            flags: 0,
            present,
            best: NO_KEY,
        };
        self.slots.push(slot);
        let slots = &self.slots;
        self.directory.enter(&id, number, |number| {
            slots.get(index(number)).map(|slot| slot.id)
        });
        Some(number)
    }

    /// The largest quantity among the items that sell the deal's plan: a plan may be a basic fee
    /// and a price per seat.
    fn seats(&self, deal: DealId, items: &[Item]) -> u32 {
        let Some(plan) = self.shop.get(deal).and_then(|deal| deal.plan) else {
            return NO_SEATS;
        };
        items
            .iter()
            .filter(|item| {
                let price = self.shop.known_price(&item.price.id);
                price.is_some_and(|price| self.shop.sells(price, plan))
            })
            .filter_map(|item| item.quantity)
            .max()
            .unwrap_or(NO_SEATS)
    }

    /// Minor units per month of the items that have a fixed price.
    fn amount(&mut self, items: &[Item], free: bool) -> u32 {
        let mut sum: Option<(i64, String)> = None;
        for item in items {
            let Some(price) = self.shop.known_price(&item.price.id) else {
                continue;
            };
            let Some((unit, currency)) = self.shop.monthly(price) else {
                continue;
            };
            let part = unit.saturating_mul(i64::from(item.quantity.unwrap_or(1)));
            let part = if free { 0 } else { part };
            match &mut sum {
                Some((total, of)) if of == currency => *total = total.saturating_add(part),
                Some(_) => {}
                None => sum = Some((part, currency.to_owned())),
            }
        }
        sum.map_or(NO_AMOUNT, |(minor, currency)| {
            self.amounts.number(minor, &currency)
        })
    }
}

pub(super) const fn bit(place: usize) -> u8 {
    // The compiler of mappings allows 8 keys.
    1 << (place & 7)
}

/// A place in memory: `usize` has at least 32 bits wherever this runs.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn seconds(time: i64) -> u32 {
    u32::try_from(time.max(0)).unwrap_or(u32::MAX)
}

/// The hash under which a value is looked up.
pub(super) fn key_hash(source: &MatchSource, value: &str) -> KeyHash {
    let digest = sha256(folded(source, value).as_bytes());
    let mut hash = [0; 12];
    for (target, byte) in hash.iter_mut().zip(digest.as_bytes()) {
        *target = *byte;
    }
    hash
}

/// E-mail addresses are compared without case, and so are UUIDs, which Postgres prints in lower case.
fn folded<'a>(source: &MatchSource, value: &'a str) -> Cow<'a, str> {
    let fold = *source == MatchSource::Email || is_uuid(value);
    if fold
        && !value
            .bytes()
            .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
    {
        return Cow::Owned(value.to_lowercase());
    }
    Cow::Borrowed(value)
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
