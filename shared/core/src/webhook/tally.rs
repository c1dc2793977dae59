//! What came of the deliveries of one project on one day: the numbers behind its webhook health.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What became of a delivery. Deliveries to projects that do not exist are counted nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A check was asked for.
    Queued,
    /// The event was seen before.
    Duplicate,
    /// Prices, products or features changed.
    Catalogue,
    /// Stripe ended the connection.
    Connection,
    /// Of interest to rules about money only.
    Policy,
    /// Of a type that matters, about no customer that it names.
    Nobody,
    /// Of a type that is ignored.
    Ignored,
    /// Refused: not signed by this project's endpoint, or not fresh.
    BadSignature,
    /// Refused: signed, and not an event.
    NotAnEvent,
    /// Refused: of the other mode.
    WrongMode,
    /// Refused: of another account.
    WrongAccount,
}

impl Outcome {
    /// Its name in evidence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Duplicate => "duplicate",
            Self::Catalogue => "catalogue",
            Self::Connection => "connection",
            Self::Policy => "policy",
            Self::Nobody => "nobody",
            Self::Ignored => "ignored",
            Self::BadSignature => "bad_signature",
            Self::NotAnEvent => "not_an_event",
            Self::WrongMode => "wrong_mode",
            Self::WrongAccount => "wrong_account",
        }
    }

    /// Whether the delivery was refused.
    pub const fn refused(self) -> bool {
        matches!(
            self,
            Self::BadSignature | Self::NotAnEvent | Self::WrongMode | Self::WrongAccount
        )
    }
}

/// Counts of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Deliveries by outcome.
    pub counts: BTreeMap<Outcome, u64>,
    /// When the last authentic one came.
    pub last_at: Option<Timestamp>,
    /// The longest time between Stripe's making an event and its first delivery here, in
    /// milliseconds.
    pub max_lag_ms: u64,
    /// When Stripe said that the connection ended.
    pub deauthorized_at: Option<Timestamp>,
}

impl Tally {
    /// Counts a delivery. `created` is when Stripe made its event, where it could be read.
    pub fn count(&mut self, outcome: Outcome, now: Timestamp, created: Option<Timestamp>) {
        let count = self.counts.entry(outcome).or_default();
        *count = count.saturating_add(1);
        if outcome.refused() {
            return;
        }
        self.last_at = self.last_at.max(Some(now));
        if outcome == Outcome::Connection {
            self.deauthorized_at = self.deauthorized_at.max(Some(now));
        }
        // A repetition is late by its nature.
        if let Some(created) = created.filter(|_| outcome != Outcome::Duplicate) {
            self.max_lag_ms = self.max_lag_ms.max(millis(now.since(created)));
        }
    }

    /// Adds what another process counted.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (outcome, more) in &other.counts {
            let count = self.counts.entry(*outcome).or_default();
            *count = count.saturating_add(*more);
        }
        self.last_at = self.last_at.max(other.last_at);
        self.max_lag_ms = self.max_lag_ms.max(other.max_lag_ms);
        self.deauthorized_at = self.deauthorized_at.max(other.deauthorized_at);
        self
    }

    /// How many deliveries were taken or refused.
    pub fn total(&self, refused: bool) -> u64 {
        let kept = self.counts.iter().filter(|(it, _)| it.refused() == refused);
        kept.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The day of a time: whole days since 1970, UTC.
pub const fn day_of(at: Timestamp) -> u64 {
    at.as_millis() / 86_400_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_processes_counted_is_what_one_would_have() {
        let at = Timestamp::from_secs;
        let deliveries = [
            (Outcome::Queued, at(100), Some(at(97))),
            (Outcome::Duplicate, at(900), Some(at(97))),
            (Outcome::BadSignature, at(950), None),
            (Outcome::Connection, at(200), Some(at(150))),
            (Outcome::Ignored, at(300), None),
        ];
        let mut whole = Tally::default();
        let mut parts = [Tally::default(), Tally::default()];
        for (index, (outcome, now, created)) in deliveries.into_iter().enumerate() {
            whole.count(outcome, now, created);
            parts[index % 2].count(outcome, now, created);
        }
        assert_eq!(parts[1].clone().with(&parts[0]), whole);
        assert_eq!((whole.total(false), whole.total(true)), (4, 1));
        assert_eq!(whole.last_at, Some(at(900)));
        assert_eq!(whole.max_lag_ms, 50_000);
        assert_eq!(whole.deauthorized_at, Some(at(200)));
    }
}
