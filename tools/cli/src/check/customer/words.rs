//! One customer in words: the promise and why, the grant, and what differs with its money.

use std::fmt::Write as _;

use counterfoil_core::mapping::Artifact;
use counterfoil_core::reconcile::{
    CustomerPresence, Direction, Finding, GrantState, PromiseState, RowState, SubscriptionState,
};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::CustomerLook;
use serde_json::{Value, json};

use super::super::report::words;

/// Everything there is to say.
pub(super) struct Words<'a> {
    pub(super) artifact: &'a Artifact,
    pub(super) as_of: Timestamp,
    pub(super) look: &'a CustomerLook,
    pub(super) livemode: Option<bool>,
    /// The rows came from a file, not from the database.
    pub(super) from_file: bool,
}

impl Words<'_> {
    /// For people.
    pub(super) fn text(&self) -> String {
        let state = &self.look.state;
        let mut text = String::new();
        line(
            &mut text,
            format_args!("{} as of {}", state.customer, self.as_of),
        );
        line(&mut text, format_args!("{}", self.presence()));
        match state.rows.as_slice() {
            [] => self.without_row(&mut text),
            rows => {
                for row in rows {
                    self.row(&mut text, row);
                }
            }
        }
        self.differences(&mut text);
        text
    }

    fn presence(&self) -> &'static str {
        match (self.look.state.presence, self.livemode) {
            (CustomerPresence::Known, _) => "Stripe knows this customer.",
            (CustomerPresence::Deleted, _) => {
                "Stripe has deleted this customer: nothing is promised any more."
            }
            (CustomerPresence::OtherMode, _) => {
                "This customer is of the other mode than the account: it backs nothing."
            }
            (CustomerPresence::Unknown, Some(true)) => {
                "Stripe does not know this customer in live mode of the account of this key: look at the \
                 id, the account and the mode."
            }
            (CustomerPresence::Unknown, _) => {
                "Stripe does not know this customer in test mode of the account of this key: look at the \
                 id, the account and the mode."
            }
        }
    }

    fn without_row(&self, text: &mut String) {
        let state = &self.look.state;
        if state.presence == CustomerPresence::Unknown {
            return;
        }
        text.push('\n');
        self.promise(text, &state.promise);
        let table = self.artifact.table();
        line(
            text,
            format_args!(
                "Granted: nothing that can be told. No one row of {}.{} belongs to this customer.",
                table.schema, table.table
            ),
        );
    }

    fn row(&self, text: &mut String, row: &RowState) {
        text.push('\n');
        self.promise(text, &row.promise);
        let table = self.artifact.table();
        line(
            text,
            format_args!(
                "Granted by row {} of {}.{}: {}.",
                row.row,
                table.schema,
                table.table,
                self.grant(&row.grant)
            ),
        );
        if row.grant.comped {
            line(
                text,
                format_args!(
                    "  The row is marked: what it gives beyond the promise is on purpose."
                ),
            );
        }
        let others: Vec<&str> = (row.customers.iter())
            .filter(|id| **id != self.look.state.customer)
            .map(String::as_str)
            .collect();
        if !others.is_empty() {
            line(
                text,
                format_args!("  The row belongs to {} as well.", others.join(", ")),
            );
        }
    }

    fn promise(&self, text: &mut String, promise: &PromiseState) {
        let what = if promise.access {
            self.parts(
                promise.plan.as_deref(),
                promise.access,
                promise.seats,
                promise.trial_end,
                Some(&promise.features),
            )
        } else {
            "no paid access".to_owned()
        };
        line(
            text,
            format_args!("Promised: {what}. {}", promise.rule.sentence()),
        );
        for subscription in &promise.subscriptions {
            line(text, format_args!("  {}", subscription_words(subscription)));
        }
        if !promise.certain {
            line(
                text,
                format_args!(
                    "  More may be promised: a price or a state has no rule in the mapping."
                ),
            );
        }
    }

    fn grant(&self, grant: &GrantState) -> String {
        self.parts(
            grant.plan.as_deref(),
            grant.access,
            grant.seats,
            grant.trial_end,
            grant.features.as_deref(),
        )
    }

    /// The parts that the mapping has a column for.
    fn parts(
        &self,
        plan: Option<&str>,
        access: bool,
        seats: Option<i64>,
        trial: Option<Timestamp>,
        features: Option<&[String]>,
    ) -> String {
        let columns = &self.artifact.compiled().access;
        let mut parts = Vec::new();
        if let Some(plan) = plan {
            parts.push(format!("plan {plan}"));
        }
        if columns.premium.is_some() || parts.is_empty() {
            let word = if access { "access" } else { "no paid access" };
            parts.push(word.to_owned());
        }
        if columns.seats.is_some()
            && let Some(seats) = seats
        {
            let word = if seats == 1 { "seat" } else { "seats" };
            parts.push(format!("{seats} {word}"));
        }
        if columns.trial.is_some()
            && let Some(end) = trial
        {
            parts.push(format!("trial until {end}"));
        }
        if columns.features.is_some() {
            let features = features.unwrap_or_default();
            parts.push(if features.is_empty() {
                "no features".to_owned()
            } else {
                format!("features {}", features.join(", "))
            });
        }
        parts.join(", ")
    }

    fn differences(&self, text: &mut String) {
        let (outcome, withheld) = (&self.look.outcome, self.look.withheld);
        text.push('\n');
        for finding in &outcome.findings {
            line(text, format_args!("{}", self.difference(finding)));
        }
        if outcome.incomplete_subscriptions > 0 {
            line(
                text,
                format_args!(
                    "A subscription has more items than were read: nothing is concluded from it."
                ),
            );
        }
        if withheld > 0 {
            line(
                text,
                format_args!(
                    "{withheld} more cannot be decided by looking at one customer, because another one may \
                     belong to the same row: run the check without --customer."
                ),
            );
        } else if outcome.findings.is_empty()
            && self.look.state.presence != CustomerPresence::Unknown
        {
            line(text, format_args!("Promise and grant do not differ."));
        }
    }

    fn difference(&self, finding: &Finding) -> String {
        let subject = self.artifact.compiled().subject;
        let mut sentence = format!(
            "{}: promised {}, granted {}",
            words(finding.kind, subject),
            finding.expected.text(),
            finding.actual.text()
        );
        for amount in finding.amounts() {
            let whose = match finding.direction {
                Some(Direction::Owed) => "paid, not given",
                Some(Direction::Leak) => "given without pay",
                None => "at risk",
            };
            let _ = write!(sentence, "; {amount} a month {whose}");
        }
        let columns: Vec<&str> = (finding.changes.iter())
            .map(|change| change.column.as_str())
            .collect();
        if self.from_file {
            sentence.push_str(". Nothing that a file leads to can be repaired.");
        } else if let Some(reason) = finding.not_repairable {
            let _ = write!(sentence, ". No repair: {}.", reason.name());
        } else {
            let _ = write!(sentence, ". A repair would set {}.", columns.join(", "));
        }
        sentence
    }

    /// For programs.
    pub(super) fn json(&self, result: &str) -> Value {
        json!({
            "result": result,
            "as_of": self.as_of.to_string(),
            "artifact": self.artifact.hash(),
            "rows_from": if self.from_file { "csv" } else { "database" },
            "state": self.look.state,
            "findings": self.look.outcome.findings,
            "left_to_a_full_check": self.look.withheld,
        })
    }
}

fn subscription_words(subscription: &SubscriptionState) -> String {
    let plan = subscription.plan.as_deref().unwrap_or("no plan");
    let verb = match subscription.grants {
        Some(true) => "grants",
        Some(false) => "does not grant",
        None => "says nothing",
    };
    let leads = if subscription.leads {
        " It sets the plan."
    } else {
        ""
    };
    format!(
        "{} of {} ({plan}) {verb}: {}.{leads}",
        subscription.id,
        subscription.customer,
        subscription.rule.name()
    )
}

fn line(text: &mut String, sentence: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{sentence}");
}
