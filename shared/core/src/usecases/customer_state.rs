//! What is known about one customer, from what is stored: the last check's look at both sides, and
//! the incidents. Reads neither Stripe nor the app's database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::reconcile::Seen;
use crate::incident::{Incident, IncidentState};
use crate::ports::{Clock, State};
use crate::reconcile::Direction;
use crate::records::{RecordError, Records};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// How long a resolved incident is still shown.
const LATELY: Duration = Duration::from_hours(30 * 24);

/// Minor units a month, by currency.
type Sums = BTreeMap<String, i64>;

/// One customer as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerView {
    /// What the last complete check saw; `None` without one in the last 30 days.
    pub seen: Option<Seen>,
    /// Open ones and those that are being repaired or ignored, and those resolved in the last 30
    /// days; by id.
    pub incidents: Vec<Incident>,
    /// What is paid and not given, of open incidents and of those that are being repaired.
    pub owed: Sums,
    /// What is given without pay, of the same.
    pub leak: Sums,
    /// When this was read.
    pub now: Timestamp,
}

/// Reads what is stored about customers.
#[derive(Clone)]
pub struct ReadCustomers {
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ReadCustomers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadCustomers")
    }
}

impl ReadCustomers {
    /// One customer of the caller's project; `None` when nothing is stored about it, whether or not
    /// Stripe knows it.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn get(
        &self,
        ctx: &TenantCtx,
        customer: &str,
    ) -> Result<Option<CustomerView>, RecordError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let seen = records.get::<Seen>(&Seen::id_of(customer)).await?;
        let seen = seen
            .map(|seen| seen.value)
            .filter(|seen| seen.state.is_some());
        let now = self.clock.now();
        let late = |incident: &Incident| {
            let resolved = incident.resolved_at;
            resolved.is_some_and(|at| now.since(at) > LATELY)
        };
        let mut incidents: Vec<Incident> = (records.list::<Incident>().await?.into_iter())
            .map(|incident| incident.value)
            .filter(|incident| incident.concerns(customer) && !late(incident))
            .collect();
        incidents.sort_by_key(|incident| incident.id);
        if seen.is_none() && incidents.is_empty() {
            return Ok(None);
        }
        let (mut owed, mut leak) = (Sums::new(), Sums::new());
        for incident in &incidents {
            let counts = matches!(
                incident.state_at(now),
                IncidentState::Open | IncidentState::Repairing
            );
            let sums = match incident.finding.direction {
                Some(Direction::Owed) if counts => &mut owed,
                Some(Direction::Leak) if counts => &mut leak,
                _ => continue,
            };
            for amount in incident.finding.amounts() {
                let sum = sums.entry(amount.currency.clone()).or_default();
                *sum = sum.saturating_add(amount.minor);
            }
        }
        Ok(Some(CustomerView {
            seen,
            incidents,
            owed,
            leak,
            now,
        }))
    }
}
