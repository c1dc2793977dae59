//! What a person does to an incident: ignore it for a time, take that back, acknowledge a mass drift.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Incident, IncidentState};
use crate::ids::ActionId;
use crate::reconcile::{Finding, Symbol};
use crate::time::Timestamp;

/// The longest time for which an incident may be ignored: 180 days.
pub const MAX_IGNORE: Duration = Duration::from_hours(180 * 24);

/// Characters that a reason has at least.
pub const MIN_REASON: usize = 10;

/// Characters that a reason has at most.
pub const MAX_REASON: usize = 1_000;

/// On which terms a difference is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Opaque id of the person.
    pub by: String,
    /// When they decided.
    pub at: Timestamp,
    /// From this moment on it is open again.
    pub until: Timestamp,
    /// Their words.
    pub reason: String,
}

/// What a person asks for when they ignore an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreTerms {
    /// The end, exclusive.
    pub until: Timestamp,
    /// Why: [`MIN_REASON`] to [`MAX_REASON`] characters.
    pub reason: String,
}

/// That a person has looked at a mass drift and takes so many differences for real.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Opaque id of the person.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// As many differences were there; more of them are a new mass drift.
    pub differences: i64,
}

impl Acknowledged {
    /// Whether this mass drift is no larger than the one that was acknowledged.
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        matches!(finding.actual, Symbol::Count(now) if now <= self.differences)
    }
}

/// The newest act of somebody: its repeat is answered, not done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// SHA-256 over who, what and the caller's key, hex.
    pub key: String,
    /// SHA-256 of what was asked, hex.
    pub request: String,
    /// The action that waits for approvals because of it; `None` where it was done at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionId>,
}

/// Why an act does not fit the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// Only an open incident can be ignored.
    #[error("only an open incident can be ignored")]
    NotOpen,
    /// A mass drift is acknowledged, never ignored.
    #[error("a mass drift is acknowledged, not ignored")]
    MassDrift,
    /// Only an ignored incident can be opened again.
    #[error("only an ignored incident can be opened again by a person")]
    NotIgnored,
    /// Only an open mass drift that nobody has acknowledged can be acknowledged.
    #[error("only an open mass drift that nobody has acknowledged can be acknowledged")]
    NotBreaker,
    /// The end of the terms is not in the future, or too far away.
    #[error("the end must lie after now and at most 180 days away")]
    BadEnd,
    /// The reason is too short or too long.
    #[error("the reason must have 10 to 1,000 characters")]
    BadReason,
}

fn check_reason(reason: &str) -> Result<(), Refused> {
    let length = reason.trim().chars().count();
    if (MIN_REASON..=MAX_REASON).contains(&length) {
        Ok(())
    } else {
        Err(Refused::BadReason)
    }
}

impl Incident {
    /// Whether these terms may be set at `now`, whatever the incident is.
    ///
    /// # Errors
    /// [`Refused::BadReason`], [`Refused::BadEnd`].
    pub fn check_terms(terms: &IgnoreTerms, now: Timestamp) -> Result<(), Refused> {
        check_reason(&terms.reason)?;
        if terms.until <= now || terms.until > now.plus(MAX_IGNORE) {
            return Err(Refused::BadEnd);
        }
        Ok(())
    }

    /// Whether a person's words are a reason.
    ///
    /// # Errors
    /// [`Refused::BadReason`].
    pub fn check_words(reason: &str) -> Result<(), Refused> {
        check_reason(reason)
    }

    /// Accepts the difference, as it is, until the terms end.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn ignore(self, by: &str, terms: &IgnoreTerms, now: Timestamp) -> Result<Self, Refused> {
        Self::check_terms(terms, now)?;
        if self.finding.is_mass_drift() {
            return Err(Refused::MassDrift);
        }
        if self.state_at(now) != IncidentState::Open {
            return Err(Refused::NotOpen);
        }
        Ok(Self {
            state: IncidentState::Ignored,
            ignored: Some(Ignored {
                by: by.to_owned(),
                at: now,
                until: terms.until,
                reason: terms.reason.trim().to_owned(),
            }),
            ..self
        })
    }

    /// Takes an ignore back.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn unignore(self, now: Timestamp) -> Result<Self, Refused> {
        if self.state != IncidentState::Ignored {
            return Err(Refused::NotIgnored);
        }
        let run = self.opened_by;
        Ok(self.reopened(run, now))
    }

    /// Takes a mass drift for real: runs may open its differences one by one and propose again,
    /// while no more of them are there.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn acknowledge(self, by: &str, reason: &str, now: Timestamp) -> Result<Self, Refused> {
        check_reason(reason)?;
        if !self.is_breaker() {
            return Err(Refused::NotBreaker);
        }
        let differences = match self.finding.actual {
            Symbol::Count(differences) => differences,
            _ => 0,
        };
        Ok(Self {
            acknowledged: Some(Acknowledged {
                by: by.to_owned(),
                at: now,
                differences,
            }),
            ..self
        })
    }
}
