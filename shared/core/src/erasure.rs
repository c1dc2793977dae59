//! Erasures as the state table holds them: how far each has come, so that it can go on after a
//! crash. Holds no personal data: a customer is named by pseudonym, and by Stripe id only until the
//! erasure is done.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{ExportId, RunId};
use crate::ports::EntryRef;
use crate::tenancy::Principal;
use crate::time::Timestamp;

/// What takes the place of a Stripe id in a record that stays.
pub const ERASED: &str = "erased";

/// Whose contents are erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum ErasureScope {
    /// One run's.
    Run {
        /// The run.
        run: RunId,
    },
    /// One customer's.
    Customer {
        /// The project's pseudonym of the customer.
        pseudonym: String,
        /// The Stripe id, until the erasure is done.
        customer: Option<String>,
    },
}

impl ErasureScope {
    /// The same without the Stripe id.
    #[must_use]
    pub fn without_id(self) -> Self {
        match self {
            Self::Customer { pseudonym, .. } => Self::Customer {
                pseudonym,
                customer: None,
            },
            run @ Self::Run { .. } => run,
        }
    }
}

/// How far an erasure has come. Each step is durable before the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// Decided; parts are being redacted.
    Redacting,
    /// Every part is gone; copies and records follow.
    Cleaning,
    /// Nothing is left.
    Done,
}

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// What is erased.
    pub scope: ErasureScope,
    /// The reason that its `redact` entries carry.
    pub reason: String,
    /// Who asked.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// The decision that allowed it; `None` in its first version, which that entry explains.
    pub decision: Option<EntryRef>,
    /// How far it is.
    pub state: ErasureState,
    /// Positions of its `redact` entries, ascending, without those of the transaction that wrote
    /// this version: their positions are not known inside it ([`Erasure::settled`]).
    pub entries: Vec<u64>,
    /// How many `redact` entries that transaction appended.
    pub appended: u64,
    /// Objects of the data bucket that were deleted.
    pub objects: u64,
    /// Runs whose snapshots are to go, found before anything that leads to them was removed.
    #[serde(default)]
    pub runs: BTreeSet<RunId>,
    /// Exports whose files are to go, those included that a worker may have been at meanwhile.
    #[serde(default)]
    pub exports: BTreeSet<ExportId>,
}

impl Erasure {
    /// The same with everything known that the entry behind this version tells. In the first version
    /// that is the decision, and `run.close` lies between it and the `redact` entries; in a later one
    /// it is the first `redact` entry.
    #[must_use]
    pub fn settled(mut self, behind: Option<&EntryRef>) -> Self {
        let Some(behind) = behind.filter(|_| self.appended > 0 || self.decision.is_none()) else {
            return self;
        };
        let first = if self.decision.is_none() {
            self.decision = Some(behind.clone());
            behind.seq.saturating_add(2)
        } else {
            behind.seq
        };
        self.entries
            .extend(first..first.saturating_add(self.appended));
        self.appended = 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erasure(appended: u64) -> Erasure {
        Erasure {
            scope: ErasureScope::Run {
                run: RunId::from_bits(1),
            },
            reason: "gdpr_art_17".to_owned(),
            by: Principal::System {
                duty: "test".to_owned(),
            },
            at: Timestamp::from_millis(0),
            decision: None,
            state: ErasureState::Redacting,
            entries: Vec::new(),
            appended,
            objects: 0,
            runs: BTreeSet::new(),
            exports: BTreeSet::new(),
        }
    }

    fn entry(seq: u64) -> EntryRef {
        EntryRef {
            stream: "s".to_owned(),
            seq,
            leaf: "l".to_owned(),
        }
    }

    #[test]
    fn what_a_transaction_appended_is_known_from_the_entry_behind_the_record() {
        let first = erasure(2).settled(Some(&entry(10)));
        assert_eq!(first.decision, Some(entry(10)));
        assert_eq!(first.entries, [12, 13], "after the decision and run.close");
        let same = first.clone().settled(Some(&entry(10)));
        assert_eq!(same, first, "once");
        let second = Erasure {
            appended: 3,
            ..first
        };
        let second = second.settled(Some(&entry(20)));
        assert_eq!(second.entries, [12, 13, 20, 21, 22]);
        assert_eq!(second.decision, Some(entry(10)));
    }

    #[test]
    fn nothing_is_appended_where_nothing_was_to_be_redacted() {
        let only = erasure(0).settled(Some(&entry(10)));
        assert_eq!((only.decision, only.entries), (Some(entry(10)), Vec::new()));
    }

    #[test]
    fn the_record_of_a_finished_erasure_names_nobody() {
        let scope = ErasureScope::Customer {
            pseudonym: "abc".to_owned(),
            customer: Some("cus_1".to_owned()),
        };
        let text = serde_json::to_string(&scope.without_id()).unwrap();
        assert!(text.contains("abc") && !text.contains("cus_1"), "{text}");
    }
}
