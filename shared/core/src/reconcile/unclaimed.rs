//! Customers rather than rows: who belongs to nobody, and whose row is in doubt.

use super::diff::{customer_ids, subscription_ids, unknown_state, unmapped_price};
use super::finding::{
    Backing, Doubt, Finding, FindingKind, Identity, NotRepairable, Symbol, Undecided,
};
use super::join::Join;
use super::promised::{Promised, plan, promised};
use super::risk;
use super::store::{AMBIGUOUS, CONFLICT, NO_KEY, Record, bit, index};
use crate::mapping::MatchSource;
use crate::promise::Rule;

impl Join {
    /// Findings about customers rather than rows, and about whom nothing can be said.
    pub(super) fn customers(&self, undecided: &mut Vec<Undecided>) -> Vec<Finding> {
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
                undecided.push(self.nothing_of(number, Doubt::UnclearPromise));
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
                let promise = self.promised(records);
                if let Some(doubt) = promise.doubt() {
                    undecided.push(self.nothing_of(number, doubt));
                }
                findings.extend(self.without_row(number, &promise));
            }
        }
        findings
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
            backing: Backing::Subscription,
            livemode: self.scan.livemode,
            ..Finding::report(kind, subject, rule, reason)
        }
    }

    fn promised(&self, records: Vec<Record>) -> Promised {
        let mapping = self.scan.artifact.compiled();
        promised(records, mapping, &self.scan.shop, &self.scan.long)
    }

    fn nothing_of(&self, number: u32, because: Doubt) -> Undecided {
        let customers = customer_ids(&self.scan, &[number]);
        Undecided {
            subject: customers.first().cloned().unwrap_or_default(),
            customers,
            because,
            difference: None,
        }
    }

    /// A customer who exists and belongs to no row.
    fn without_row(&self, number: u32, promise: &Promised) -> Vec<Finding> {
        let mut findings = Vec::new();
        if promise.granting > 0 {
            findings.push(self.unclaimed(number, promise));
        }
        let report = |kind, rule, reason| self.report(kind, number, &promise.records, rule, reason);
        if !promise.unmapped.is_empty() {
            let kind = FindingKind::UnmappedPrice;
            let report = report(kind, Rule::UnmappedPrice, NotRepairable::UnmappedPrice);
            findings.push(unmapped_price(&self.scan, report, promise));
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
            ..report
        }
        .with_risk(risk::owed(&self.scan, promise))
    }
}
