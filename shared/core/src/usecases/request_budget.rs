//! The request budget in the state table: one row per Stripe account.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::budget::Budget;
use crate::ports::{
    Clock, Lease, PortError, PortErrorKind, RequestBudget, State, StateWrite, Urgency,
};
use crate::records::budget_key;
use crate::time::Timestamp;

/// Workers that ask at the same moment: all but one of them read again.
const ATTEMPTS: u32 = 50;

/// A row that nobody needed for so long may go.
const KEPT: Duration = Duration::from_hours(24);

/// A budget that every worker shares, whichever process it runs in.
#[derive(Clone)]
pub struct SharedBudget {
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    rate: u32,
}

impl std::fmt::Debug for SharedBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedBudget")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

impl SharedBudget {
    /// A budget of `rate` requests per second and account, kept in `state`.
    pub fn new(state: Arc<dyn State>, clock: Arc<dyn Clock>, rate: u32) -> Self {
        Self { state, clock, rate }
    }

    /// Changes the row of an account. Only who replaced the row has what it took.
    async fn change<T: Send>(
        &self,
        account: &str,
        change: impl Fn(&mut Budget, Timestamp) -> T + Send + Sync,
    ) -> Result<T, PortError> {
        let doing = "taking turns for requests to Stripe";
        let key = budget_key(account);
        for _ in 0..ATTEMPTS {
            let stored = self.state.get(&key).await?;
            let before = stored.as_ref().map(|stored| stored.doc.clone());
            let mut budget = match before.clone() {
                Some(doc) => serde_json::from_value::<Budget>(doc)
                    .map_err(|error| PortError::caused(PortErrorKind::Corrupt, doing, error))?
                    .at_rate(self.rate),
                None => Budget::new(self.rate),
            };
            let now = self.clock.now();
            let answer = change(&mut budget, now);
            let doc = serde_json::to_value(&budget)
                .map_err(|error| PortError::caused(PortErrorKind::Refused, doing, error))?;
            if Some(&doc) == before.as_ref() {
                return Ok(answer);
            }
            let write = match stored {
                Some(stored) => StateWrite::replace(key.clone(), stored.version, doc),
                None => StateWrite::create(key.clone(), doc),
            };
            match self.state.write(vec![write.until(now.plus(KEPT))]).await {
                Ok(true) => return Ok(answer),
                // Another was first, or nobody knows: the row is read again, and what may have
                // been taken then is nobody's.
                Ok(false) => {}
                Err(error) if error.kind == PortErrorKind::OutcomeUnknown => {}
                Err(error) => return Err(error),
            }
        }
        Err(PortError::new(PortErrorKind::Unavailable, doing))
    }
}

#[async_trait]
impl RequestBudget for SharedBudget {
    async fn lease(
        &self,
        account: &str,
        urgency: Urgency,
        lanes: usize,
    ) -> Result<Lease, PortError> {
        self.change(account, |budget, now| budget.lease(now, urgency, lanes))
            .await
    }

    async fn slow_down(&self, account: &str) -> Result<(), PortError> {
        self.change(account, Budget::slow_down).await
    }
}
