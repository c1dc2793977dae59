//! What the command says: a table, the money, plain sentences.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use counterfoil_core::mapping::{Artifact, Subject};
use counterfoil_core::reconcile::{Direction, FindingKind, Outcome};
use counterfoil_core::time::Timestamp;
use serde_json::{Value, json};

use super::again::Again;
use super::evidence::Recorded;
use super::repairs::sentences;
use crate::money::{amounts, sums};

/// Everything there is to say.
pub(super) struct Report<'a> {
    pub(super) artifact: &'a Artifact,
    pub(super) as_of: Timestamp,
    pub(super) outcome: &'a Outcome,
    pub(super) again: Again,
    pub(super) recorded: Option<&'a Recorded>,
    /// The rows came from a file, not from the database.
    pub(super) from_file: bool,
    /// The findings were written to a file.
    pub(super) listed: bool,
}

impl Report<'_> {
    /// The report for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let table = self.artifact.table();
        line(
            &mut text,
            format_args!(
                "Compared {} Stripe customers ({} subscriptions) with {} rows of {}.{} as of {}.",
                grouped(self.outcome.customers),
                grouped(self.outcome.subscriptions),
                grouped(self.outcome.rows),
                table.schema,
                table.table,
                self.as_of,
            ),
        );
        if self.outcome.findings.is_empty() {
            let answer = if self.outcome.is_whole() && !self.again.is_open() {
                "Every customer has exactly the access that was paid for."
            } else {
                "No difference was found in what could be read."
            };
            line(&mut text, format_args!("{answer}"));
        } else {
            text.push('\n');
            self.table(&mut text);
            self.summary(&mut text);
        }
        self.notes(&mut text);
        text
    }

    fn subject(&self) -> Subject {
        self.artifact.compiled().subject
    }

    fn table(&self, text: &mut String) {
        let findings = &self.outcome.findings;
        let of = |kind: FindingKind| findings.iter().filter(move |finding| finding.kind == kind);
        let mut rows = vec![[
            "finding".to_owned(),
            "count".to_owned(),
            "given without pay".to_owned(),
            "paid, not given".to_owned(),
        ]];
        for (kind, count) in self.outcome.by_kind() {
            rows.push([
                words(kind, self.subject()).to_owned(),
                grouped(count),
                amounts(&sums(of(kind), Direction::Leak)),
                amounts(&sums(of(kind), Direction::Owed)),
            ]);
        }
        let all = || findings.iter();
        let total = u64::try_from(findings.len()).unwrap_or(u64::MAX);
        rows.push([
            "together".to_owned(),
            grouped(total),
            amounts(&sums(all(), Direction::Leak)),
            amounts(&sums(all(), Direction::Owed)),
        ]);
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|it| width(it).unwrap_or_default());
        for [kind, count, leak, owed] in &rows {
            line(
                text,
                format_args!("  {kind:first$}  {count:>second$}  {leak:>third$}  {owed:>fourth$}"),
            );
        }
        text.push('\n');
    }

    fn summary(&self, text: &mut String) {
        let outcome = self.outcome;
        line(
            text,
            format_args!(
                "{} of {} customers and {} differ; the amounts are per month.",
                grouped(outcome.differing()),
                grouped(outcome.customers.max(outcome.rows)),
                self.subject().plural(),
            ),
        );
        if self.from_file {
            line(
                text,
                format_args!(
                    "The rows came from a file, so none of this can be repaired from here: run the same \
                     check against the database first."
                ),
            );
        } else {
            for sentence in sentences(&outcome.findings, self.artifact) {
                line(text, format_args!("{sentence}"));
            }
        }
        if !self.listed {
            line(
                text,
                format_args!(
                    "Who differs in what: --findings drift.ndjson writes a line for each, --customer \
                     cus_... shows one."
                ),
            );
        }
        if outcome.is_mass_drift(self.artifact.max_drift_permille()) {
            line(
                text,
                format_args!(
                    "More customers differ than the mapping's limit allows: almost always the mapping \
                 or a source is wrong, so look there first."
                ),
            );
        }
        let unmapped: std::collections::BTreeSet<&String> = outcome
            .findings
            .iter()
            .flat_map(|finding| &finding.prices)
            .collect();
        if !unmapped.is_empty() {
            let prices: Vec<&str> = unmapped.into_iter().map(String::as_str).collect();
            line(
                text,
                format_args!(
                    "Prices that the mapping does not know: {}.",
                    prices.join(", ")
                ),
            );
        }
    }

    fn notes(&self, text: &mut String) {
        let outcome = self.outcome;
        if self.again != Again::Nothing {
            line(text, format_args!("{}", self.again));
        }
        if outcome.incomplete_subscriptions > 0 {
            line(
                text,
                format_args!(
                    "{} subscriptions have more items than were read: nothing is concluded from them.",
                    grouped(outcome.incomplete_subscriptions)
                ),
            );
        }
        if outcome.unread_customers > 0 {
            line(
                text,
                format_args!(
                    "{} paid subscriptions belong to customers who were not read: no {} is called \
                 missing because of them.",
                    grouped(outcome.unread_customers),
                    self.subject().name(),
                ),
            );
        }
        if let Some(recorded) = self.recorded {
            line(text, format_args!("\n{}", recorded.text()));
        }
    }

    /// The report for programs.
    pub(super) fn json(&self) -> Value {
        let outcome = self.outcome;
        let kinds: BTreeMap<&str, u64> = outcome
            .by_kind()
            .into_iter()
            .map(|(kind, count)| (kind.name(), count))
            .collect();
        let all = || outcome.findings.iter();
        json!({
            "result": match (outcome.findings.is_empty(), outcome.is_whole() && !self.again.is_open()) {
                (false, _) => "drift",
                (true, true) => "no_drift",
                (true, false) => "could_not_tell",
            },
            "as_of": self.as_of.to_string(),
            "artifact": self.artifact.hash(),
            "subject": self.subject().name(),
            "customers": outcome.customers,
            "subscriptions": outcome.subscriptions,
            "rows": outcome.rows,
            "rows_from": if self.from_file { "csv" } else { "database" },
            "findings": outcome.findings.len(),
            "by_kind": kinds,
            "differing": outcome.differing(),
            "drift_permille": outcome.drift_permille(),
            "mass_drift": outcome.is_mass_drift(self.artifact.max_drift_permille()),
            "leak_per_month": sums(all(), Direction::Leak),
            "owed_per_month": sums(all(), Direction::Owed),
            "incomplete_subscriptions": outcome.incomplete_subscriptions,
            "unread_customers": outcome.unread_customers,
            "second_look": self.again.json(),
            "evidence": self.recorded.map(Recorded::json),
        })
    }
}

/// A kind in plain words, for the kind of subject that the rows are.
pub(super) const fn words(kind: FindingKind, subject: Subject) -> &'static str {
    let user = matches!(subject, Subject::User);
    match kind {
        FindingKind::MissingUserRow if user => "paying customer names a user who is not there",
        FindingKind::MissingUserRow => "paying customer names an organization that is not there",
        FindingKind::DuplicateCustomer if user => "several Stripe customers for one user",
        FindingKind::DuplicateCustomer => "several Stripe customers for one organization",
        FindingKind::AmbiguousCustomer if user => "customer matches several users",
        FindingKind::AmbiguousCustomer => "customer matches several organizations",
        FindingKind::MappingConflict if user => "customer's keys point to different users",
        FindingKind::MappingConflict => "customer's keys point to different organizations",
        FindingKind::PaidNoAccess => "paid, but no access",
        FindingKind::AccessWithoutPayment => "access without payment",
        FindingKind::WrongPlan => "wrong plan",
        FindingKind::WrongTrialEnd => "wrong end of trial",
        FindingKind::WrongSeats => "wrong number of seats",
        FindingKind::WrongFeatures => "wrong features",
        FindingKind::OrphanCustomer => "paying customer belongs to nobody",
        FindingKind::UnmappedPrice => "price without a rule",
        FindingKind::UnknownState => "subscription state without a rule",
        FindingKind::TestModeBacking => "access backed by a test object",
        FindingKind::MassDrift => "too many differences to be believed",
    }
}

fn line(text: &mut String, sentence: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{sentence}");
}

/// A number with thousands separated.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use counterfoil_core::mapping::{Mapping, compile};
    use counterfoil_core::reconcile::Finding;

    use super::*;

    fn finding(kind: &str, direction: &str, minor: i64) -> Finding {
        serde_json::from_value(json!({
            "kind": kind, "subject": "1", "field": null, "expected": true, "actual": false,
            "foreign": [], "customers": [], "subscriptions": [], "prices": ["price_9"],
            "row": null, "changes": [], "not_repairable": null, "identity": null,
            "backing": "none", "other_live_subscription": false, "rule": "active",
            "at_risk": { "minor": minor, "currency": "usd" }, "direction": direction,
            "livemode": null,
        }))
        .unwrap()
    }

    fn report(findings: Vec<Finding>) -> (String, Value) {
        report_of(findings, 0)
    }

    fn report_of(findings: Vec<Finding>, unread_customers: u64) -> (String, Value) {
        let mapping = r#"
            match = { table = "public.users", primary_key = "id", keys = [
                { stripe = "customer.id", column = "stripe_customer_id" } ] }
            access = { plan = { column = "plan" } }
            plans = [{ name = "pro", rank = 1, match = { price = ["price_1"] } }]"#;
        let artifact = compile(&Mapping::from_toml(mapping).unwrap()).unwrap();
        let outcome = Outcome {
            findings,
            customers: 1_200,
            subscriptions: 2,
            rows: 4,
            unread_customers,
            incomplete_subscriptions: 0,
            undecided: Vec::new(),
        };
        let as_of = Timestamp::from_secs(1_795_392_000);
        let report = Report {
            artifact: &artifact,
            as_of,
            outcome: &outcome,
            again: Again::Nothing,
            recorded: None,
            from_file: false,
            listed: false,
        };
        (report.text(), report.json())
    }

    #[test]
    fn money_is_added_up_by_direction() {
        let (text, json) = report(vec![
            finding("paid_no_access", "owed", 2_900),
            finding("access_without_payment", "leak", 100_000),
            finding("access_without_payment", "leak", 23_456),
        ]);
        assert!(text.contains("1,234.56 USD"), "{text}");
        assert!(text.contains("29.00 USD"), "{text}");
        assert!(
            text.contains("Prices that the mapping does not know: price_9."),
            "{text}"
        );
        assert_eq!(json["leak_per_month"]["usd"], 123_456);
        assert_eq!(json["by_kind"]["access_without_payment"], 2);
        assert_eq!(json["result"], "drift");
    }

    #[test]
    fn what_was_not_read_whole_is_never_called_clean() {
        let (text, json) = report_of(Vec::new(), 2);
        assert!(!text.contains("Every customer"), "{text}");
        assert!(text.contains("in what could be read"), "{text}");
        assert_eq!(json["result"], "could_not_tell");
    }

    #[test]
    fn no_drift_is_said_in_one_sentence() {
        let (text, json) = report(Vec::new());
        assert!(text.contains("1,200 Stripe customers"), "{text}");
        assert!(text.ends_with("Every customer has exactly the access that was paid for.\n"));
        assert_eq!(json["result"], "no_drift");
    }
}
