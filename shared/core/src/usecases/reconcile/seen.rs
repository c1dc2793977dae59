//! What the last complete check of a customer saw on both sides.
//!
//! Written in the transaction that closes the check, so that nothing is shown that no record backs,
//! and before the run is done, so that an erasure which waits for the run finds it. It is one row per
//! customer, and it goes after a while: what was true a month ago answers nothing.

use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use serde::{Deserialize, Serialize};

use super::{CustomerLook, Reconcile, ReconcileError, Work};
use crate::ids::RunId;
use crate::ports::{Expect, StateWrite};
use crate::reconcile::CustomerState;
use crate::records::{Record, Records};
use crate::time::Timestamp;

/// How long it is kept.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// The most bytes of one row: a customer with thousands of subscriptions must not keep a run from
/// being closed.
const LARGEST: usize = 64 * 1024;

/// The row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// SHA-256 of the customer's id: what is left after an erasure names nobody.
    id: String,
    /// Both sides; `None` when they were erased, or too large to keep.
    pub state: Option<CustomerState>,
    /// Subscriptions were left out because there are too many of them.
    pub shortened: bool,
    /// Differences that only a scan can decide.
    pub left_to_scan: u64,
    /// The check.
    pub run: RunId,
    /// When it looked.
    pub looked_at: Timestamp,
}

impl Record for Seen {
    const FAMILY: &'static str = "seen";

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Seen {
    /// The id of a customer's row.
    pub fn id_of(customer: &str) -> String {
        hex::encode(sha256(customer.as_bytes()).as_bytes())
    }

    fn new(look: CustomerLook, run: RunId, looked_at: Timestamp) -> Self {
        let mut seen = Self {
            id: Self::id_of(&look.state.customer),
            state: Some(look.state),
            shortened: false,
            left_to_scan: look.withheld,
            run,
            looked_at,
        };
        if !seen.fits() {
            seen.shortened = true;
            if let Some(state) = &mut seen.state {
                state.promise.subscriptions.clear();
                for row in &mut state.rows {
                    row.promise.subscriptions.clear();
                }
            }
        }
        if !seen.fits() {
            seen.state = None;
        }
        seen
    }

    fn fits(&self) -> bool {
        serde_json::to_vec(self).is_ok_and(|bytes| bytes.len() <= LARGEST)
    }

    /// Whether something in it is about this customer: as its own, or as another one of its row.
    pub fn concerns(&self, customer: &str) -> bool {
        self.state.as_ref().is_some_and(|state| {
            let of_row = |ids: &[String]| ids.iter().any(|id| id == customer);
            state.customer == customer || state.rows.iter().any(|row| of_row(&row.customers))
        })
    }

    /// When the row goes.
    pub fn kept_until(&self) -> Timestamp {
        self.looked_at.plus(KEPT)
    }

    /// Without what it says about anybody.
    #[must_use]
    pub fn erased(self) -> Self {
        Self {
            state: None,
            left_to_scan: 0,
            ..self
        }
    }
}

impl Reconcile {
    /// The write that keeps a look with its run. A newer look stays.
    pub(super) async fn keep_seen(
        &self,
        work: &Work<'_>,
        look: Option<CustomerLook>,
        looked_at: Timestamp,
    ) -> Result<Vec<StateWrite>, ReconcileError> {
        let Some(look) = look else {
            return Ok(Vec::new());
        };
        let records = Records::of(self.state.as_ref(), work.ctx);
        let seen = Seen::new(look, work.run.value.id, looked_at);
        let before = records.get::<Seen>(&seen.id).await?;
        if before.is_some_and(|before| before.value.looked_at > looked_at) {
            return Ok(Vec::new());
        }
        let mut write = records.create(&seen)?.until(seen.kept_until());
        // Two checks that close at the same moment saw the same, or nearly.
        write.expect = Expect::Anything;
        Ok(vec![write])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promise::Rule;
    use crate::reconcile::{CustomerPresence, PromiseState, SubscriptionState};

    fn look(subscriptions: usize, feature: &str) -> CustomerLook {
        let subscription = |number: usize| SubscriptionState {
            id: format!("sub_{number:020}"),
            customer: "cus_1".to_owned(),
            plan: None,
            grants: Some(false),
            leads: false,
            rule: Rule::Canceled,
        };
        CustomerLook {
            state: CustomerState {
                customer: "cus_1".to_owned(),
                presence: CustomerPresence::Known,
                promise: PromiseState {
                    access: false,
                    plan: None,
                    seats: None,
                    trial_end: None,
                    features: vec![feature.to_owned()],
                    certain: true,
                    rule: Rule::Canceled,
                    subscriptions: (0..subscriptions).map(subscription).collect(),
                },
                rows: Vec::new(),
            },
            outcome: crate::reconcile::Outcome {
                findings: Vec::new(),
                customers: 1,
                subscriptions: 0,
                rows: 0,
                unread_customers: 0,
                incomplete_subscriptions: 0,
                undecided: Vec::new(),
            },
            withheld: 0,
        }
    }

    fn seen(subscriptions: usize, feature: &str) -> Seen {
        let run = RunId::from_bits(1);
        Seen::new(look(subscriptions, feature), run, Timestamp::from_secs(1))
    }

    #[test]
    fn a_row_stays_small_however_much_there_is() {
        let some = seen(3, "sso");
        assert!(!some.shortened && some.fits());
        assert_eq!(some.state.unwrap().promise.subscriptions.len(), 3);
        let many = seen(3_000, "sso");
        assert!(many.shortened && many.fits());
        assert!(many.state.unwrap().promise.subscriptions.is_empty());
        let huge = seen(1, &"x".repeat(LARGEST));
        assert!(huge.state.is_none() && huge.fits());
    }

    #[test]
    fn an_erased_row_names_nobody() {
        let erased = seen(3, "sso").erased();
        assert!(!erased.concerns("cus_1"));
        assert!(!serde_json::to_string(&erased).unwrap().contains("cus_1"));
    }
}
