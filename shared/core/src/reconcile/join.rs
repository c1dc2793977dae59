//! The app's side: each row meets its customers.

use super::diff::{Presence, Subject};
use super::finding::{Finding, Identity, Outcome, Undecided};
use super::grant::Grant;
use super::held::{Held, Hit};
use super::ids::CustomerId;
use super::promised::promised;
use super::scan::Scan;
use super::store::{
    AMBIGUOUS, CONFLICT, DELETED, NO_KEY, READ, Record, Slot, WRONG_MODE, bit, index,
};
use super::wanted::Wanted;
use crate::cell::AppRow;
use crate::mapping::{Layout, MatchSource, Place};
use crate::promise::{Rule, Standing};

/// How many rows are looked up together; what they need fits into the fastest cache.
const TOGETHER: usize = 64;

/// Compares rows with the sealed Stripe side.
#[derive(Debug)]
pub struct Join {
    pub(super) scan: Scan,
    pub(super) layout: Layout,
    pub(super) held: Held,
    wanted: Vec<Wanted>,
    rows: u64,
    /// Rows without a difference wait for the end as well.
    pub(super) keeps_rows: bool,
}

impl Join {
    pub(super) fn new(scan: Scan) -> Self {
        let layout = scan.artifact.layout();
        Self {
            scan,
            layout,
            held: Held::default(),
            wanted: Vec::new(),
            rows: 0,
            keeps_rows: false,
        }
    }

    /// Takes one row; see [`Join::rows`].
    pub fn row(&mut self, row: &AppRow) {
        self.rows(std::slice::from_ref(row));
    }

    /// Takes rows of the app's table, with the cells of [`crate::mapping::Artifact::table`]. Many at
    /// a time take less time than one by one.
    pub fn rows(&mut self, rows: &[AppRow]) {
        let keys = self.layout.keys.len();
        let mut wanted = std::mem::take(&mut self.wanted);
        for rows in rows.chunks(TOGETHER) {
            self.look_up(rows, &mut wanted);
            for (place, row) in rows.iter().enumerate() {
                let own = place * keys..(place + 1) * keys;
                self.take(row, wanted.get(own).unwrap_or_default());
            }
        }
        self.wanted = wanted;
    }

    fn take(&mut self, row: &AppRow, wanted: &[Wanted]) {
        self.rows += 1;
        let hits = self.hits(wanted);
        // Who is in doubt is known only at the end, so findings are made there.
        if self.keeps_rows
            || self.is_unsettled(&hits)
            || self.has_unread_items(&hits)
            || !self.compare(row, &hits).is_empty()
        {
            let needed = self.needed_cells();
            self.held.push(row, &hits, |place| needed.contains(&place));
        }
    }

    /// Ends the run. Every row must have been handed over: a missing row looks like a lost user.
    pub fn finish(mut self) -> Outcome {
        // Makes room: from here on nothing is looked up by its value.
        self.scan.keys = Vec::new();
        let (mut findings, mut undecided) = (Vec::new(), Vec::new());
        for (row, hits) in self.held.rows() {
            // Of a customer who belongs to several rows, the customer is undecided.
            if let Some(subject) = self.subject(&row, &hits) {
                findings.extend(subject.findings());
                undecided.extend(subject.undecided());
            }
        }
        findings.extend(self.customers(&mut undecided));
        self.outcome(findings, undecided)
    }

    fn has_unread_items(&self, hits: &[Hit]) -> bool {
        let unread = |record: Record| record.rule == Rule::ItemsIncomplete;
        self.scan.has_unread_items && hits.iter().any(|(it, _)| self.records(*it).any(unread))
    }

    /// Whether a row with a better claim to one of these customers may still come.
    fn is_unsettled(&self, hits: &[Hit]) -> bool {
        hits.iter().any(|(customer, key)| {
            let earlier = bit(usize::from(*key)).wrapping_sub(1);
            let slot = self.scan.slots.get(index(*customer));
            slot.is_some_and(|slot| slot.best == *key && slot.present & earlier != 0)
        })
    }

    /// The customers who point to the row of these values, each by its first key, and marks them.
    fn hits(&mut self, wanted: &[Wanted]) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        let mut found = Vec::new();
        for (place, wanted) in wanted.iter().enumerate() {
            let Ok(key) = u8::try_from(place) else { break };
            self.find(wanted, place, &hits, &mut found);
            for customer in found.drain(..) {
                if hits.iter().all(|(known, _)| *known != customer) {
                    self.mark(customer, key);
                    hits.push((customer, key));
                }
            }
        }
        hits
    }

    /// Notes that a row was hit by this key. The compiler puts keys that only report last, so that
    /// the marks do not depend on the order of rows.
    fn mark(&mut self, customer: u32, key: u8) {
        let Some(slot) = self.scan.slots.get(index(customer)) else {
            return;
        };
        let best = slot.best;
        let conflict = best != key && best != NO_KEY && self.conflicting(best, key);
        let Some(slot) = self.scan.slots.get_mut(index(customer)) else {
            return;
        };
        if conflict {
            slot.flags |= CONFLICT;
        }
        if best == key {
            slot.flags |= AMBIGUOUS;
        } else if key < best {
            slot.flags &= !AMBIGUOUS;
            slot.best = key;
        }
    }

    /// Adds the customers whom a key of a row names, and who are not among `known`.
    fn find(&self, wanted: &Wanted, place: usize, known: &[Hit], found: &mut Vec<u32>) {
        match wanted {
            Wanted::Nothing | Wanted::Unknown => {}
            Wanted::Customer(id) => {
                // Most rows name the customer that is known already: no look at cold memory for them.
                if (known.iter()).all(|(number, _)| self.id_of(*number) != Some(*id)) {
                    found.extend(self.scan.directory.find(id, |number| self.id_of(number)));
                }
            }
            Wanted::Value(_, places) => {
                let keys = self.scan.keys.get(place);
                found.extend(keys.into_iter().flat_map(|keys| keys.customers(places)));
            }
        }
    }

    fn id_of(&self, number: u32) -> Option<CustomerId> {
        self.scan.slots.get(index(number)).map(|slot| slot.id)
    }

    /// Two keys that hit different rows contradict each other unless one of them only reports.
    fn conflicting(&self, first: u8, second: u8) -> bool {
        let keys = &self.scan.artifact.compiled().keys;
        let repairs = |key: u8| {
            keys.get(usize::from(key))
                .is_some_and(|key| !key.report_only)
        };
        repairs(first) && repairs(second)
    }

    /// The place of the key that compares Stripe's customer id.
    fn link(&self) -> Option<usize> {
        let keys = &self.scan.artifact.compiled().keys;
        keys.iter()
            .position(|key| key.source == MatchSource::CustomerId)
    }

    fn has_unknown_link(&self, row: &AppRow) -> bool {
        let Some(link) = self.link() else {
            return false;
        };
        match self.wanted(row, link) {
            Wanted::Unknown => true,
            Wanted::Customer(id) => {
                let known = self.scan.directory.find(&id, |number| self.id_of(number));
                known.is_none()
            }
            _ => false,
        }
    }

    /// The cells that a waiting row still needs.
    fn needed_cells(&self) -> Vec<usize> {
        let layout = &self.layout;
        let places = [
            layout.plan,
            layout.premium,
            layout.trial,
            layout.seats,
            layout.features,
            layout.comp,
            self.link().and_then(|place| match layout.keys.get(place) {
                Some(Place::Cell(cell)) => Some(*cell),
                _ => None,
            }),
        ];
        places.into_iter().flatten().collect()
    }

    fn compare(&self, row: &AppRow, hits: &[Hit]) -> Vec<Finding> {
        let subject = self.subject(row, hits);
        subject.map_or_else(Vec::new, |subject| subject.findings())
    }

    /// A row with its customers; `None` where what it is promised cannot be said.
    pub(super) fn subject<'a>(&'a self, row: &'a AppRow, hits: &[Hit]) -> Option<Subject<'a>> {
        let mapping = self.scan.artifact.compiled();
        let mut disputed = false;
        let mut own: Vec<Hit> = Vec::new();
        let mut records = Vec::new();
        for (customer, key) in hits {
            let Some(slot) = self.scan.slots.get(index(*customer)) else {
                continue;
            };
            if slot.best != *key {
                disputed |= self.conflicting(slot.best, *key);
                continue;
            }
            if slot.is(AMBIGUOUS) && self.contributes(*customer) {
                // The customer is reported.
                return None;
            }
            disputed |= slot.is(CONFLICT);
            own.push((*customer, *key));
            records.extend(self.records(*customer));
        }
        let slots = || {
            let slots = own.iter().map(|(customer, _)| index(*customer));
            slots.filter_map(|place| self.scan.slots.get(place))
        };
        Some(Subject {
            presence: match own.as_slice() {
                [] if self.has_unknown_link(row) => Presence::Dangling,
                [_, ..] if !slots().any(Slot::counts) => Presence::Vanished,
                _ => Presence::Plain,
            },
            wrong_mode: slots().any(|slot| slot.is(WRONG_MODE)),
            grant: Grant::read(row, &self.layout, mapping, self.scan.as_of),
            promise: promised(records, mapping, &self.scan.shop, &self.scan.long),
            customers: own.iter().map(|(customer, _)| *customer).collect(),
            identity: self.identity(&own),
            scan: &self.scan,
            layout: &self.layout,
            row,
            disputed,
        })
    }

    /// A customer's subscriptions; those of a deleted customer do not grant, nor do those of one of the other
    /// mode.
    pub(super) fn records(&self, customer: u32) -> impl Iterator<Item = Record> {
        let slot = self.scan.slots.get(index(customer));
        let instead = slot.and_then(|slot| match slot {
            slot if slot.is(WRONG_MODE) => Some(Rule::WrongMode),
            slot if slot.is(DELETED) => Some(Rule::CustomerDeleted),
            _ => None,
        });
        let records = self.scan.records.from(self.first_record(customer));
        records
            .take_while(move |record| record.customer == customer)
            .map(move |record| match instead {
                Some(rule) if record.standing != Standing::Refuses => Record {
                    standing: Standing::Refuses,
                    rule,
                    ..record
                },
                _ => record,
            })
    }

    /// A customer whose subscriptions promise something, or may.
    pub(super) fn contributes(&self, customer: u32) -> bool {
        self.records(customer)
            .any(|record| record.standing != Standing::Refuses)
    }

    /// As sure as the least sure customer who contributes; where none does, as the surest one: they
    /// all say the same.
    fn identity(&self, hits: &[Hit]) -> Option<Identity> {
        let keys = &self.scan.artifact.compiled().keys;
        let identity = |(_, key): &Hit| {
            keys.get(usize::from(*key)).map(|key| match key.source {
                _ if key.report_only => Identity::Email,
                MatchSource::Metadata(_) => Identity::Metadata,
                MatchSource::CustomerId => Identity::StoredId,
                MatchSource::Email => Identity::Email,
            })
        };
        let contributing = hits
            .iter()
            .filter(|(customer, _)| self.contributes(*customer));
        let weakest = contributing.filter_map(identity).max();
        weakest.or_else(|| hits.iter().filter_map(identity).min())
    }

    fn outcome(self, mut findings: Vec<Finding>, mut undecided: Vec<Undecided>) -> Outcome {
        let Self { scan, rows, .. } = self;
        undecided.sort_unstable();
        findings.sort_by(|a, b| {
            let (left, right) = ((a.kind.name(), &a.subject), (b.kind.name(), &b.subject));
            left.cmp(&right).then(a.field.cmp(&b.field))
        });
        let unread = scan.records.from(0).filter(|record| {
            let slot = scan.slots.get(index(record.customer));
            record.standing == Standing::Grants && slot.is_some_and(|slot| !slot.is(READ))
        });
        let incomplete = scan
            .records
            .from(0)
            .filter(|record| record.rule == Rule::ItemsIncomplete);
        Outcome {
            findings,
            customers: count(scan.slots.iter().filter(|slot| slot.counts())),
            subscriptions: count(scan.records.from(0)),
            rows,
            unread_customers: count(unread),
            incomplete_subscriptions: count(incomplete),
            undecided,
        }
    }
}

fn count(things: impl Iterator) -> u64 {
    u64::try_from(things.count()).unwrap_or(u64::MAX)
}
