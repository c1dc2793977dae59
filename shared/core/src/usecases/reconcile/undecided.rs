//! What a run leaves alone: a difference that it did not find, about somebody of whom it concluded
//! nothing, may still be there.

use std::collections::BTreeSet;

use crate::incident::Incident;
use crate::reconcile::{Doubt, Field, FindingKind, Undecided};
use crate::run::LeftOut;

/// Everybody of whom a run concluded nothing, or not everything.
#[derive(Debug, Default)]
pub(super) struct InDoubt<'a> {
    /// Rows and customers whose promise is not known to the end.
    promise: BTreeSet<&'a str>,
    /// Differences that were left out of the second look, by subject, kind and field.
    left_out: BTreeSet<(&'a str, FindingKind, Option<Field>)>,
}

impl<'a> InDoubt<'a> {
    pub(super) fn of(undecided: &'a [Undecided]) -> Self {
        let mut doubt = Self::default();
        for one in undecided {
            if let Some((kind, field)) = one.difference {
                doubt.left_out.insert((&one.subject, kind, field));
            } else {
                doubt.promise.insert(&one.subject);
                doubt
                    .promise
                    .extend(one.customers.iter().map(String::as_str));
            }
        }
        doubt
    }

    /// Whether the run cannot tell that this incident is over.
    pub(super) fn keeps(&self, incident: &Incident) -> bool {
        let finding = &incident.finding;
        let named = || {
            let customers = finding.customers.iter().map(String::as_str);
            customers.chain([finding.subject.as_str()])
        };
        let left_out = (finding.subject.as_str(), finding.kind, finding.field);
        self.left_out.contains(&left_out)
            || is_about_the_promise(finding.kind) && named().any(|name| self.promise.contains(name))
    }
}

/// Whether a difference of this kind can only be seen where everything that is promised is known.
const fn is_about_the_promise(kind: FindingKind) -> bool {
    match kind {
        FindingKind::PaidNoAccess
        | FindingKind::AccessWithoutPayment
        | FindingKind::WrongPlan
        | FindingKind::WrongTrialEnd
        | FindingKind::WrongSeats
        | FindingKind::WrongFeatures
        | FindingKind::MissingUserRow
        | FindingKind::OrphanCustomer
        | FindingKind::UnmappedPrice
        | FindingKind::TestModeBacking => true,
        FindingKind::DuplicateCustomer
        | FindingKind::AmbiguousCustomer
        | FindingKind::MappingConflict
        | FindingKind::UnknownState
        | FindingKind::MassDrift => false,
    }
}

/// How many were left out, by why. Where a finding says why, it is not counted here.
pub(super) fn left_out(undecided: &[Undecided]) -> LeftOut {
    let of = |because| {
        let subjects = undecided.iter().filter(|one| one.because == because);
        let subjects: BTreeSet<&str> = subjects.map(|one| one.subject.as_str()).collect();
        u64::try_from(subjects.len()).unwrap_or(u64::MAX)
    };
    LeftOut {
        unread_items: of(Doubt::UnreadItems),
        too_many_customers: of(Doubt::TooManyCustomers),
        still_changing: of(Doubt::StillChanging),
    }
}
