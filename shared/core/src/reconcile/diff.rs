//! One subject: what its promise and its grant differ in.

use super::finding::{
    Backing, Direction, Field, Finding, FindingKind, Identity, NotRepairable, Symbol, Undecided,
};
use super::grant::Grant;
use super::ids::{CUSTOMER, SUBSCRIPTION};
use super::promised::Promised;
use super::risk::{self, Risk};
use super::scan::Scan;
use super::store::{AMBIGUOUS, Record, Slot, index};
use crate::cell::AppRow;
use crate::mapping::Layout;
use crate::promise::Rule;
use crate::repair::ColumnChange;
use crate::time::Timestamp;

/// Whether the customers of a row exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// One does, or the row names none.
    Plain,
    /// The row has a Stripe customer id stored that this account does not know.
    Dangling,
    /// None does: deleted, or named by a subscription only.
    Vanished,
}

/// A row with everything that is known about it.
pub(super) struct Subject<'a> {
    pub(super) scan: &'a Scan,
    pub(super) layout: &'a Layout,
    pub(super) row: &'a AppRow,
    pub(super) grant: Grant<'a>,
    pub(super) promise: Promised,
    /// Numbers of the customers that belong to it.
    pub(super) customers: Vec<u32>,
    /// How surely they do; `None` without customers.
    pub(super) identity: Option<Identity>,
    /// A customer who points here has keys that point to another row too.
    pub(super) disputed: bool,
    /// Whether its customers exist.
    pub(super) presence: Presence,
    /// One of its customers is of the other mode.
    pub(super) wrong_mode: bool,
}

impl Subject<'_> {
    /// All findings of the subject.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.duplicate());
        findings.extend(self.unknown());
        findings.extend(self.unmapped());
        let paid_no_access = self.promise.premium && !self.grant.access;
        if paid_no_access {
            findings.push(self.paid_no_access());
        } else if self.promise.is_certain() {
            if self.grant.access && !self.promise.premium {
                findings.extend(self.access_without_payment());
            } else {
                findings.extend(self.columns());
            }
        }
        for finding in &mut findings {
            if let Some(reason) = self.doubt() {
                finding.refuse_repair(reason);
            }
        }
        findings
    }

    /// What cannot be concluded about it.
    pub(super) fn undecided(&self) -> Option<Undecided> {
        Some(Undecided {
            because: self.promise.doubt()?,
            subject: self.row.key.text(),
            customers: customer_ids(self.scan, &self.customers),
            difference: None,
        })
    }

    /// What makes every repair of this subject a guess.
    fn doubt(&self) -> Option<NotRepairable> {
        if self.disputed || self.identity == Some(Identity::Ambiguous) {
            Some(NotRepairable::UncertainIdentity)
        } else if self.identity == Some(Identity::Email) {
            Some(NotRepairable::ReportOnlyMatch)
        } else if self.presence != Presence::Plain {
            Some(NotRepairable::UnknownCustomer)
        } else if self.promise.unknown.is_some() {
            Some(NotRepairable::UnknownState)
        } else if !self.promise.unmapped.is_empty() {
            Some(NotRepairable::UnmappedPrice)
        } else {
            None
        }
    }

    pub(super) fn rule(&self) -> Rule {
        self.promise
            .rule
            .unwrap_or(match self.customers.as_slice() {
                [] if self.disputed => Rule::KeysDisagree,
                [] if self.presence == Presence::Dangling => Rule::LinkUnknown,
                [] => Rule::NoCustomer,
                _ => Rule::NoSubscription,
            })
    }

    /// A finding about this row, without a repair.
    fn report(&self, kind: FindingKind, rule: Rule, reason: NotRepairable) -> Finding {
        let backing = if self.grant.comped {
            Backing::Comp
        } else if self.promise.records.is_empty() {
            Backing::None
        } else {
            Backing::Subscription
        };
        let identity = if self.disputed {
            Some(Identity::Ambiguous)
        } else {
            self.identity
        };
        Finding {
            customers: customer_ids(self.scan, &self.customers),
            subscriptions: subscription_ids(self.scan, &self.promise.records),
            row: Some(self.row.key.clone()),
            identity,
            backing,
            other_live_subscription: self.promise.granting > 1,
            livemode: self.scan.livemode,
            ..Finding::report(kind, self.row.key.text(), rule, reason)
        }
    }

    fn duplicate(&self) -> Option<Finding> {
        let slot = |number: &u32| self.scan.slots.get(index(*number));
        // Whoever belongs to several rows is reported as such.
        let certain: Vec<u32> = (self.customers.iter().copied())
            .filter(|number| slot(number).is_some_and(|slot| !slot.is(AMBIGUOUS)))
            .collect();
        let live = |number: &&u32| slot(number).is_some_and(Slot::counts);
        let count = certain.iter().filter(live).count();
        if count < 2 {
            return None;
        }
        let report = Finding {
            expected: Symbol::Count(1),
            actual: Symbol::Count(i64::try_from(count).unwrap_or(i64::MAX)),
            customers: customer_ids(self.scan, &certain),
            ..self.report(
                FindingKind::DuplicateCustomer,
                Rule::SeveralCustomers,
                NotRepairable::NoColumn,
            )
        };
        Some(report.with_risk(risk::paid_twice(self.scan, &self.promise)))
    }

    fn unknown(&self) -> Option<Finding> {
        let record = self
            .promise
            .unknown
            .filter(|record| record.rule == Rule::UnknownState)?;
        let report = self.report(
            FindingKind::UnknownState,
            record.rule,
            NotRepairable::UnknownState,
        );
        Some(unknown_state(self.scan, report, &record))
    }

    fn unmapped(&self) -> Option<Finding> {
        if self.promise.unmapped.is_empty() {
            return None;
        }
        let report = self.report(
            FindingKind::UnmappedPrice,
            Rule::UnmappedPrice,
            NotRepairable::UnmappedPrice,
        );
        Some(unmapped_price(self.scan, report, &self.promise))
    }

    fn paid_no_access(&self) -> Finding {
        let risk = risk::owed(self.scan, &self.promise);
        self.whole(FindingKind::PaidNoAccess, risk)
    }

    fn access_without_payment(&self) -> Option<Finding> {
        if self.grant.comped {
            return None;
        }
        let risk = risk::unpaid(self.scan, &self.promise, self.grant.plan);
        let test = |record: &Record| record.rule == Rule::WrongMode;
        if self.wrong_mode || self.promise.records.iter().any(test) {
            let (live, test) = (Symbol::name("live"), Symbol::name("test"));
            let own_is_live = self.scan.livemode != Some(false);
            let (expected, actual) = if own_is_live {
                (live, test)
            } else {
                (test, live)
            };
            let kind = FindingKind::TestModeBacking;
            let report = Finding {
                expected,
                actual,
                ..self.report(kind, Rule::WrongMode, NotRepairable::WrongMode)
            };
            return Some(report.with_risk(risk));
        }
        let finding = self.whole(FindingKind::AccessWithoutPayment, risk);
        Some(with_foreign(finding, self.foreign_plan()))
    }

    /// Access as a whole differs: a repair writes every column that does.
    fn whole(&self, kind: FindingKind, risk: Risk) -> Finding {
        let by_flag = self.scan.artifact.compiled().access.premium.is_some();
        let (field, expected, actual) = if by_flag {
            let flag = Symbol::Flag;
            (
                Field::Premium,
                flag(self.promise.premium),
                flag(self.grant.access),
            )
        } else {
            (
                Field::Plan,
                Symbol::name(self.promised_plan()),
                self.granted_plan_symbol(),
            )
        };
        let fields = [
            Field::Plan,
            Field::Premium,
            Field::Trial,
            Field::Seats,
            Field::Features,
        ];
        let differing: Vec<Field> = fields
            .into_iter()
            .filter(|other| *other == field || self.differs(*other))
            .collect();
        self.column_finding(kind, field, (expected, actual), &differing, risk)
    }

    fn columns(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let one =
            |kind, field, symbols, risk| self.column_finding(kind, field, symbols, &[field], risk);
        if self.differs(Field::Plan) && !self.covered(self.plan_exceeds()) {
            let symbols = (
                Symbol::name(self.promised_plan()),
                self.granted_plan_symbol(),
            );
            let foreign = !self.foreign_plan().is_empty();
            let risk = risk::plans(self.scan, &self.promise, self.granted_plan(), foreign);
            let finding = one(FindingKind::WrongPlan, Field::Plan, symbols, risk);
            findings.push(with_foreign(finding, self.foreign_plan()));
        }
        if self.differs(Field::Trial) && !self.covered(true) {
            let (promised, granted) = (self.promise.trial(), self.grant.trial);
            let risk = risk::trial(self.scan, &self.promise, granted);
            let symbols = (time_symbol(promised), time_symbol(granted));
            findings.push(one(FindingKind::WrongTrialEnd, Field::Trial, symbols, risk));
        }
        if self.differs(Field::Seats)
            && let Some((promised, granted)) = self.promised_seats().zip(self.grant.seats)
            && !self.covered(granted > promised)
        {
            let risk = risk::seats(self.scan, &self.promise, promised, granted);
            let symbols = (Symbol::Count(promised), Symbol::Count(granted));
            findings.push(one(FindingKind::WrongSeats, Field::Seats, symbols, risk));
        }
        if self.differs(Field::Features) {
            let (promised, granted) = (self.promised_features(), self.granted_features());
            let lacking = promised.iter().any(|name| !granted.contains(name));
            if !self.covered(!lacking) {
                let direction = if lacking {
                    Direction::Owed
                } else {
                    Direction::Leak
                };
                let (known, foreign): (Vec<String>, Vec<String>) = granted
                    .into_iter()
                    .partition(|name| self.scan.shop.has_feature(name));
                let unmapped = (!foreign.is_empty()).then(|| "unmapped".to_owned());
                let granted = Symbol::Set(known.into_iter().chain(unmapped).collect());
                // A feature alone has no price.
                let risk = Risk {
                    direction: Some(direction),
                    ..Risk::default()
                };
                let symbols = (Symbol::Set(promised), granted);
                let finding = one(FindingKind::WrongFeatures, Field::Features, symbols, risk);
                findings.push(with_foreign(finding, foreign));
            }
        }
        findings
    }

    /// More than promised, on purpose.
    fn covered(&self, exceeds: bool) -> bool {
        exceeds && self.grant.comped
    }

    fn column_finding(
        &self,
        kind: FindingKind,
        field: Field,
        (expected, actual): (Symbol, Symbol),
        differing: &[Field],
        risk: Risk,
    ) -> Finding {
        let mut changes: Vec<ColumnChange> = differing
            .iter()
            .filter_map(|field| self.change(*field))
            .collect();
        changes.sort_unstable_by(|a, b| a.column.cmp(&b.column));
        let decisive = self.change(field).is_some();
        if !decisive {
            changes.clear();
        }
        let finding = Finding {
            field: Some(field),
            expected,
            actual,
            changes,
            not_repairable: (!decisive).then_some(NotRepairable::ReadOnlyColumn),
            ..self.report(kind, self.rule(), NotRepairable::NoColumn)
        };
        finding.with_risk(risk)
    }
}

/// What the mapping does not know was given by somebody for some reason: no repair takes it away.
fn with_foreign(mut finding: Finding, foreign: Vec<String>) -> Finding {
    if !foreign.is_empty() {
        finding.foreign = foreign;
        finding.refuse_repair(NotRepairable::UnmappedValue);
    }
    finding
}

fn time_symbol(time: Option<i64>) -> Symbol {
    time.map_or(Symbol::Nothing, |at| {
        Symbol::name(Timestamp::from_secs(at).to_string())
    })
}

pub(super) fn unknown_state(scan: &Scan, report: Finding, record: &Record) -> Finding {
    Finding {
        expected: Symbol::name("known_state"),
        actual: Symbol::name("unmapped"),
        foreign: scan.states.get(&record.id).cloned().into_iter().collect(),
        ..report
    }
}

pub(super) fn unmapped_price(scan: &Scan, report: Finding, promise: &Promised) -> Finding {
    let price = |id: &u32| scan.shop.price_id(*id).map(str::to_owned);
    let mut prices: Vec<String> = promise.unmapped.iter().filter_map(price).collect();
    prices.sort_unstable();
    let mapped = |id: &u32| scan.shop.is_mapped(*id);
    let rule = if promise.unmapped.iter().all(mapped) {
        Rule::UnknownCurrency
    } else {
        Rule::UnmappedPrice
    };
    Finding {
        rule,
        expected: Symbol::name("mapped"),
        actual: Symbol::name("unmapped"),
        prices,
        ..report
    }
    .with_risk(risk::unclear(scan, promise))
}

pub(super) fn customer_ids(scan: &Scan, numbers: &[u32]) -> Vec<String> {
    let id = |number: &u32| {
        Some(
            scan.slots
                .get(index(*number))?
                .id
                .text(CUSTOMER, &scan.long),
        )
    };
    let mut ids: Vec<String> = numbers.iter().filter_map(id).collect();
    ids.sort_unstable();
    ids
}

pub(super) fn subscription_ids(scan: &Scan, records: &[Record]) -> Vec<String> {
    let mut ids: Vec<String> = records
        .iter()
        .map(|record| record.id.text(SUBSCRIPTION, &scan.long))
        .collect();
    ids.sort_unstable();
    ids
}
