//! What a check of one customer may say.
//!
//! It reads that customer, the rows that its values lead to, and the customers whose ids these rows
//! have stored. A second customer who names the same row by a value of its own, in its metadata or
//! its address, cannot be found by reading: Stripe's search is behind by up to an hour. More
//! customers only add to a promise. So a check says what is missing and would only add; that a row
//! gives too much, and what would take something away, is left to scans, which see every customer
//! (docs/decision-table.md).

use crate::cell::Cell;
use crate::mapping::{Artifact, Compiled, FeaturesFrom, MatchSource};
use crate::reconcile::{Direction, Finding, FindingKind, NotRepairable, Outcome};
use crate::repair::ColumnChange;

/// Keeps of a look at one customer what is true whoever else there is.
pub(super) fn of_customer(outcome: Outcome, customer: &str, artifact: &Artifact) -> Outcome {
    let findings = outcome.findings.into_iter();
    let own = findings.filter(|finding| finding.customers.iter().any(|it| it == customer));
    let findings = own.filter_map(|finding| sure(finding, artifact)).collect();
    Outcome {
        findings,
        ..outcome
    }
}

/// The finding as far as it is true whoever else there is.
pub(super) fn sure(mut finding: Finding, artifact: &Artifact) -> Option<Finding> {
    let mapping = artifact.compiled();
    // The row's stored id names all its customers.
    let by_id_only = |key: &crate::mapping::MatchKey| key.source == MatchSource::CustomerId;
    if finding.row.is_none() || mapping.keys.iter().all(by_id_only) {
        return Some(finding);
    }
    let features_add_up = mapping.rules.features_from == FeaturesFrom::All;
    let kept = match finding.kind {
        FindingKind::WrongFeatures => owed(&finding) && features_add_up,
        _ => can_be_said(&finding),
    };
    if finding.changes.iter().any(|change| takes(change, mapping)) {
        finding.changes.clear();
        finding.not_repairable = Some(NotRepairable::OneCustomer);
    }
    kept.then_some(finding)
}

/// Whether the repair of this finding is right whoever else there is.
pub(super) fn only_adds(finding: &Finding, artifact: &Artifact) -> bool {
    let sure = sure(finding.clone(), artifact);
    sure.is_some_and(|sure| sure.changes == finding.changes)
}

/// Whether a look at one customer would have seen this if it were still there: what came from
/// several customers may be left of one that was not read.
pub(super) fn would_be_seen(finding: &Finding, customer: &str) -> bool {
    let alone = matches!(finding.customers.as_slice(), [only] if only == customer);
    alone && can_be_said(finding)
}

fn can_be_said(finding: &Finding) -> bool {
    match finding.kind {
        FindingKind::PaidNoAccess
        | FindingKind::MissingUserRow
        | FindingKind::OrphanCustomer
        | FindingKind::AmbiguousCustomer
        | FindingKind::MappingConflict
        | FindingKind::UnmappedPrice
        | FindingKind::UnknownState
        | FindingKind::DuplicateCustomer => true,
        FindingKind::WrongPlan => owed(finding),
        FindingKind::AccessWithoutPayment
        | FindingKind::WrongTrialEnd
        | FindingKind::WrongSeats
        | FindingKind::WrongFeatures
        | FindingKind::TestModeBacking
        | FindingKind::MassDrift => false,
    }
}

fn owed(finding: &Finding) -> bool {
    finding.direction == Some(Direction::Owed)
}

/// Whether a change takes away something that another customer may have paid for.
fn takes(change: &ColumnChange, mapping: &Compiled) -> bool {
    let none = mapping.access.plan.as_ref().map(|plan| plan.none.as_str());
    let rank = |name: &str| {
        let plan = mapping.plans.iter().find(|plan| plan.name == name);
        plan.map(|plan| plan.rank)
    };
    match (&change.before, &change.after) {
        (Cell::Null, _) | (Cell::Bool(false), Cell::Bool(_)) => false,
        (Cell::Text(before), Cell::Text(_)) if Some(before.as_str()) == none => false,
        // A plan that the mapping does not know may be worth anything.
        (Cell::Text(before), Cell::Text(after)) => {
            rank(before).is_none_or(|before| Some(before) > rank(after))
        }
        (Cell::List(before), Cell::List(after)) => before.iter().any(|name| !after.contains(name)),
        (before, after) => before > after,
    }
}
