//! How many differences could be repaired, and why the others could not.

use std::collections::BTreeMap;

use counterfoil_core::mapping::Artifact;
use counterfoil_core::reconcile::{Finding, NotRepairable};

use super::report::grouped;

/// The sentences for people; the database is where the rows came from.
pub(super) fn sentences(findings: &[Finding], artifact: &Artifact) -> Vec<String> {
    let mut kept: BTreeMap<NotRepairable, u64> = BTreeMap::new();
    let mut repairable = 0_u64;
    for finding in findings {
        match finding.not_repairable {
            None => repairable += 1,
            Some(reason) => *kept.entry(reason).or_default() += 1,
        }
    }
    let all = u64::try_from(findings.len()).unwrap_or(u64::MAX);
    let mut sentences = vec![match repairable {
        0 => "None of these differences can be repaired as things are. Nothing was changed."
            .to_owned(),
        some => format!(
            "{} of {} differences could be repaired, one approved row at a time. Nothing was changed.",
            grouped(some),
            grouped(all)
        ),
    }];
    let mut kept: Vec<(NotRepairable, u64)> = kept.into_iter().collect();
    kept.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in kept {
        let why = why(reason, artifact);
        sentences.push(format!(
            "Not repairable: {}, because {why}.",
            grouped(count)
        ));
    }
    sentences
}

/// Why no repair is offered, and what would change that.
fn why(reason: NotRepairable, artifact: &Artifact) -> &'static str {
    match reason {
        NotRepairable::ReadOnlyColumn if artifact.repairable_columns().is_empty() => {
            "the mapping marks no column as repairable: `repairable = true` lets a repair write it"
        }
        NotRepairable::ReadOnlyColumn => {
            "the mapping does not mark the column that differs as repairable"
        }
        NotRepairable::ReportOnlyMatch => "the customer was matched by a key that only reports",
        NotRepairable::UncertainIdentity => "it is not certain whose row it is: a person must tell",
        NotRepairable::UnmappedPrice => "a price has no rule: add it to the mapping",
        NotRepairable::UnknownState => "a subscription is in a state without a rule",
        NotRepairable::UnknownCustomer => {
            "Stripe has no such customer, or not any more, and why is not known"
        }
        NotRepairable::WrongMode => "test and live objects are mixed",
        NotRepairable::OneCustomer => "only one customer was read",
        NotRepairable::NoRow => "there is no row: a person must find or create it",
        NotRepairable::NoColumn => "the difference is not in a column: a person must look at it",
        NotRepairable::UnmappedValue => {
            "the column has a value that the mapping does not know: somebody gave it for a reason"
        }
        NotRepairable::NoDatabase => "the row was read from a file",
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_core::mapping::{Mapping, compile};

    use super::*;

    fn artifact(repairable: bool) -> Artifact {
        let mapping = format!(
            r#"
            match = {{ table = "public.users", primary_key = "id", keys = [
                {{ stripe = "customer.id", column = "stripe_customer_id" }} ] }}
            access = {{ plan = {{ column = "plan", repairable = {repairable}, none = "free" }} }}
            plans = [{{ name = "pro", rank = 1, match = {{ price = ["price_1"] }} }}]"#
        );
        compile(&Mapping::from_toml(&mapping).unwrap()).unwrap()
    }

    fn findings(reasons: &[Option<NotRepairable>]) -> Vec<Finding> {
        let one = |reason: &Option<NotRepairable>| Finding {
            not_repairable: *reason,
            ..Finding::mass_drift(1, 1)
        };
        reasons.iter().map(one).collect()
    }

    fn told(reasons: &[Option<NotRepairable>], repairable: bool) -> String {
        sentences(&findings(reasons), &artifact(repairable)).join("\n")
    }

    #[test]
    fn a_mapping_without_a_repairable_column_is_named_as_the_reason() {
        let reasons = [Some(NotRepairable::ReadOnlyColumn); 2];
        assert_eq!(
            told(&reasons, false),
            "None of these differences can be repaired as things are. Nothing was changed.\n\
             Not repairable: 2, because the mapping marks no column as repairable: `repairable = \
             true` lets a repair write it."
        );
        let other = told(&reasons, true);
        assert!(
            other.contains("does not mark the column that differs"),
            "{other}"
        );
    }

    #[test]
    fn ambiguity_needs_a_person_and_says_so() {
        let text = told(&[Some(NotRepairable::UncertainIdentity)], true);
        assert!(text.contains("None of these differences"), "{text}");
        assert!(
            text.contains("1, because it is not certain whose row it is"),
            "{text}"
        );
    }

    #[test]
    fn the_most_frequent_reason_comes_first_and_what_can_be_repaired_before_it() {
        let (price, row) = (NotRepairable::UnmappedPrice, NotRepairable::NoRow);
        let text = told(&[None, Some(row), Some(price), Some(price)], true);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("1 of 4 differences could be repaired"),
            "{text}"
        );
        assert!(
            lines[1].starts_with("Not repairable: 2, because a price"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("Not repairable: 1, because there is no row"),
            "{text}"
        );
    }

    #[test]
    fn where_everything_can_be_repaired_no_reason_is_given() {
        let text = told(&[None, None], true);
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with("2 of 2 "), "{text}");
    }
}
