//! The app's side: each row meets its customers.

use super::diff::{Subject, customer_ids, subscription_ids, unknown_state, unmapped_price};
use super::finding::{Direction, Finding, FindingKind, Identity, NotRepairable, Outcome, Symbol};
use super::grant::Grant;
use super::held::{Held, Hit};
use super::ids::CUSTOMER;
use super::key::{KeyEntry, key_hash};
use super::promised::{Promised, plan, promised};
use super::risk;
use super::scan::Scan;
use super::store::{AMBIGUOUS, CONFLICT, DELETED, NO_KEY, READ, Record, bit, index};
use crate::cell::{AppRow, Cell};
use crate::mapping::{Layout, MatchSource, Place};
use crate::promise::{Rule, Standing};

/// Compares rows with the sealed Stripe side.
#[derive(Debug)]
pub struct Join {
    scan: Scan,
    layout: Layout,
    held: Held,
    findings: Vec<Finding>,
    rows: u64,
}

impl Join {
    pub(super) fn new(scan: Scan) -> Self {
        let layout = scan.artifact.layout();
        Self {
            scan,
            layout,
            held: Held::default(),
            findings: Vec::new(),
            rows: 0,
        }
    }

    /// Takes one row of the app's table, with the cells of [`crate::mapping::Artifact::table`].
    pub fn row(&mut self, row: &AppRow) {
        self.rows += 1;
        let hits = self.hits(row);
        let doubtful = hits.iter().any(|(customer, key)| {
            let earlier = bit(usize::from(*key)).wrapping_sub(1);
            let slot = self.scan.slots.get(index(*customer));
            slot.is_some_and(|slot| slot.best == *key && slot.present & earlier != 0)
        });
        if doubtful {
            let needed = self.needed_cells();
            self.held.push(row, &hits, |place| needed.contains(&place));
        } else {
            let findings = self.compare(row, &hits);
            self.findings.extend(findings);
        }
    }

    /// Ends the run. Every row must have been handed over: a missing row looks like a lost user.
    pub fn finish(mut self) -> Outcome {
        let held = std::mem::take(&mut self.held);
        for (row, hits) in held.rows() {
            let findings = self.compare(&row, &hits);
            self.findings.extend(findings);
        }
        self.settle_doubts();
        self.customers();
        self.outcome()
    }

    /// The customers who point to this row, each by its first key, and marks them.
    fn hits(&mut self, row: &AppRow) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for place in 0..self.layout.keys.len() {
            let Ok(key) = u8::try_from(place) else { break };
            for customer in self.candidates(row, place) {
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

    /// Customers whose value of a key equals the row's.
    fn candidates(&self, row: &AppRow, place: usize) -> Vec<u32> {
        let Some(key) = self.scan.artifact.compiled().keys.get(place) else {
            return Vec::new();
        };
        let Some(cell) = self.key_cell(row, place) else {
            return Vec::new();
        };
        let owned;
        let value = match cell {
            Cell::Text(text) => text.as_str(),
            other => {
                owned = other.text();
                owned.as_str()
            }
        };
        if value.is_empty() {
            return Vec::new();
        }
        if key.source == MatchSource::CustomerId {
            let id_of = |number| self.scan.slots.get(index(number)).map(|slot| slot.id);
            let id = self.scan.long.find(CUSTOMER, value);
            return id
                .and_then(|id| self.scan.directory.find(&id, id_of))
                .into_iter()
                .collect();
        }
        let hash = key_hash(&key.source, value);
        let entries: &[KeyEntry] = self.scan.keys.get(place).map_or(&[], Vec::as_slice);
        let start = entries.partition_point(|entry| entry.hash < hash);
        let same = entries
            .iter()
            .skip(start)
            .take_while(|entry| entry.hash == hash);
        same.map(|entry| entry.customer).collect()
    }

    fn key_cell<'a>(&self, row: &'a AppRow, place: usize) -> Option<&'a Cell> {
        match self.layout.keys.get(place)? {
            Place::PrimaryKey => Some(&row.key),
            Place::Cell(cell) => row.cells.get(*cell),
        }
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
        let stored = self
            .key_cell(row, link)
            .is_some_and(|cell| !cell.text().is_empty());
        stored && self.candidates(row, link).is_empty()
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
        let mapping = self.scan.artifact.compiled();
        let mut disputed = false;
        let mut own: Vec<Hit> = Vec::new();
        let mut records = Vec::new();
        for (customer, key) in hits {
            let Some(slot) = self.scan.slots.get(index(*customer)) else {
                continue;
            };
            if slot.best == *key {
                own.push((*customer, *key));
                records.extend(self.records(*customer));
            } else {
                disputed |= self.conflicting(slot.best, *key);
            }
        }
        let subject = Subject {
            grant: Grant::read(row, &self.layout, mapping, self.scan.as_of),
            promise: promised(records, mapping, &self.scan.shop, &self.scan.long),
            customers: own.iter().map(|(customer, _)| *customer).collect(),
            identity: self.identity(&own),
            scan: &self.scan,
            layout: &self.layout,
            row,
            disputed,
            dangling: own.is_empty() && self.has_unknown_link(row),
        };
        subject.findings()
    }

    /// A customer's subscriptions; those of a deleted customer do not grant.
    fn records(&self, customer: u32) -> impl Iterator<Item = Record> {
        let slot = self.scan.slots.get(index(customer));
        let first = slot.map_or(usize::MAX, |slot| index(slot.first));
        let deleted = slot.is_some_and(|slot| slot.is(DELETED));
        let records = self.scan.records.iter().skip(first);
        records
            .take_while(move |record| record.customer == customer)
            .map(move |record| {
                if deleted && record.standing == Standing::Grants {
                    Record {
                        standing: Standing::Refuses,
                        rule: Rule::CustomerDeleted,
                        ..*record
                    }
                } else {
                    *record
                }
            })
    }

    /// A customer whose subscriptions promise something, or may.
    fn contributes(&self, customer: u32) -> bool {
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

    /// Takes back what was concluded about customers who turned out to be doubtful later.
    fn settle_doubts(&mut self) {
        let findings = std::mem::take(&mut self.findings);
        let settled = findings.into_iter().filter_map(|mut finding| {
            let numbers: Vec<u32> = finding
                .customers
                .iter()
                .filter_map(|id| self.customer_number(id))
                .collect();
            let marked = |number: u32, flag: u8| {
                self.scan
                    .slots
                    .get(index(number))
                    .is_some_and(|slot| slot.is(flag))
            };
            let ambiguous = |number: &u32| marked(*number, AMBIGUOUS);
            if numbers
                .iter()
                .any(|it| ambiguous(it) && self.contributes(*it))
            {
                return None;
            }
            if finding.kind == FindingKind::DuplicateCustomer && numbers.iter().any(ambiguous) {
                let certain: Vec<u32> = numbers
                    .iter()
                    .copied()
                    .filter(|it| !ambiguous(it))
                    .collect();
                finding.customers = customer_ids(&self.scan, &certain);
                finding.actual = Symbol::Count(i64::try_from(certain.len()).unwrap_or(i64::MAX));
                if certain.len() < 2 {
                    return None;
                }
            }
            if numbers.iter().any(|number| marked(*number, CONFLICT)) {
                finding.identity = Some(Identity::Ambiguous);
                finding.refuse_repair(NotRepairable::UncertainIdentity);
            }
            Some(finding)
        });
        self.findings = settled.collect();
    }

    fn customer_number(&self, id: &str) -> Option<u32> {
        let id_of = |number| self.scan.slots.get(index(number)).map(|slot| slot.id);
        self.scan
            .directory
            .find(&self.scan.long.find(CUSTOMER, id)?, id_of)
    }

    /// Findings about customers rather than rows.
    fn customers(&mut self) {
        let mut findings = Vec::new();
        for (place, slot) in self.scan.slots.iter().enumerate() {
            let Ok(number) = u32::try_from(place) else {
                break;
            };
            let doubtful = slot.is(AMBIGUOUS | CONFLICT);
            if !doubtful && (slot.best != NO_KEY || !slot.counts()) {
                continue;
            }
            let records: Vec<Record> = self.records(number).collect();
            if slot.is(AMBIGUOUS) && self.contributes(number) {
                let kind = FindingKind::AmbiguousCustomer;
                let report = self.about(kind, number, &records, Rule::SeveralRows, "several_rows");
                findings.push(report);
            }
            if slot.is(CONFLICT) && !records.is_empty() {
                let kind = FindingKind::MappingConflict;
                findings.push(self.about(
                    kind,
                    number,
                    &records,
                    Rule::KeysDisagree,
                    "different_rows",
                ));
            }
            if slot.best == NO_KEY {
                findings.extend(self.without_row(number, records));
            }
        }
        self.findings.extend(findings);
    }

    /// A finding about a customer whose row is in doubt.
    fn about(
        &self,
        kind: FindingKind,
        number: u32,
        records: &[Record],
        rule: Rule,
        actual: &str,
    ) -> Finding {
        Finding {
            expected: Symbol::name("one_row"),
            actual: Symbol::name(actual),
            identity: Some(Identity::Ambiguous),
            ..self.report(
                kind,
                number,
                records,
                rule,
                NotRepairable::UncertainIdentity,
            )
        }
    }

    fn report(
        &self,
        kind: FindingKind,
        number: u32,
        records: &[Record],
        rule: Rule,
        reason: NotRepairable,
    ) -> Finding {
        let customers = customer_ids(&self.scan, &[number]);
        let subject = customers.first().cloned().unwrap_or_default();
        Finding {
            customers,
            subscriptions: subscription_ids(&self.scan, records),
            backing: super::Backing::Subscription,
            livemode: self.scan.livemode,
            ..Finding::report(kind, subject, rule, reason)
        }
    }

    /// A customer who exists and belongs to no row.
    fn without_row(&self, number: u32, records: Vec<Record>) -> Vec<Finding> {
        let mapping = self.scan.artifact.compiled();
        let promise = promised(records, mapping, &self.scan.shop, &self.scan.long);
        let mut findings = Vec::new();
        if promise.granting > 0 {
            findings.push(self.unclaimed(number, &promise));
        }
        let report = |kind, rule, reason| self.report(kind, number, &promise.records, rule, reason);
        if !promise.unmapped.is_empty() {
            let kind = FindingKind::UnmappedPrice;
            let report = report(kind, Rule::UnmappedPrice, NotRepairable::UnmappedPrice);
            findings.push(unmapped_price(&self.scan, report, &promise));
        }
        if let Some(record) = promise
            .unknown
            .filter(|record| record.rule == Rule::UnknownState)
        {
            let kind = FindingKind::UnknownState;
            let report = report(kind, Rule::UnknownState, NotRepairable::UnknownState);
            findings.push(unknown_state(&self.scan, report, &record));
        }
        findings
    }

    /// A paying customer who names a user that is not there, or nobody at all.
    fn unclaimed(&self, number: u32, promise: &Promised) -> Finding {
        let mapping = self.scan.artifact.compiled();
        let named = mapping.keys.iter().enumerate().any(|(place, key)| {
            let slot = self.scan.slots.get(index(number));
            matches!(key.source, MatchSource::Metadata(_))
                && slot.is_some_and(|slot| slot.present & bit(place) != 0)
        });
        let kind = if named {
            FindingKind::MissingUserRow
        } else {
            FindingKind::OrphanCustomer
        };
        let report = self.report(
            kind,
            number,
            &promise.records,
            Rule::NoRow,
            NotRepairable::NoRow,
        );
        Finding {
            expected: plan(mapping, promise.plan).map_or(Symbol::name("access"), |plan| {
                Symbol::name(plan.name.clone())
            }),
            other_live_subscription: promise.granting > 1,
            at_risk: risk::paid(&self.scan, promise),
            direction: Some(Direction::Owed),
            ..report
        }
    }

    fn outcome(self) -> Outcome {
        let Self {
            scan,
            mut findings,
            rows,
            ..
        } = self;
        findings.sort_by(|a, b| {
            let (left, right) = ((a.kind.name(), &a.subject), (b.kind.name(), &b.subject));
            left.cmp(&right).then(a.field.cmp(&b.field))
        });
        let unread = scan.records.iter().filter(|record| {
            let slot = scan.slots.get(index(record.customer));
            record.standing == Standing::Grants && slot.is_some_and(|slot| !slot.is(READ))
        });
        let incomplete = scan
            .records
            .iter()
            .filter(|record| record.rule == Rule::ItemsIncomplete);
        Outcome {
            findings,
            customers: count(scan.slots.iter().filter(|slot| slot.counts())),
            subscriptions: count(scan.records.iter()),
            rows,
            unread_customers: count(unread),
            incomplete_subscriptions: count(incomplete),
        }
    }
}

fn count(things: impl Iterator) -> u64 {
    u64::try_from(things.count()).unwrap_or(u64::MAX)
}
