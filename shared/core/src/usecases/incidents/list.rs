//! The incidents of a project, a page at a time.

use serde::{Deserialize, Serialize};

use super::{IncidentError, Incidents};
use crate::ids::IncidentId;
use crate::incident::{Incident, IncidentState};
use crate::reconcile::FindingKind;
use crate::records::{Records, Versioned};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::pages::{Cursors, Page, PageOf};

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/incidents";

/// Which incidents to list. Every condition must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IncidentFilter {
    /// In this state now.
    pub state: Option<IncidentState>,
    /// Of this kind.
    pub kind: Option<FindingKind>,
    /// About this Stripe customer.
    pub customer: Option<String>,
}

/// In which order. Incidents that are equal in it follow each other by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IncidentOrder {
    /// The newest first.
    #[default]
    #[serde(rename = "-opened_at")]
    NewestFirst,
    /// The oldest first.
    #[serde(rename = "opened_at")]
    OldestFirst,
    /// The largest amount at risk first. Minor units are compared, not converted.
    #[serde(rename = "-at_risk")]
    LargestFirst,
    /// The smallest amount at risk first.
    #[serde(rename = "at_risk")]
    SmallestFirst,
}

impl IncidentOrder {
    /// What an incident is ordered by: the smaller comes first.
    fn place(self, incident: &Incident) -> (i64, IncidentId) {
        let opened = i64::try_from(incident.opened_at.as_millis()).unwrap_or(i64::MAX);
        let at_risk = incident.finding.at_risk.as_ref();
        let at_risk = at_risk.map_or(0, |money| money.minor);
        let place = match self {
            Self::NewestFirst => opened.saturating_neg(),
            Self::OldestFirst => opened,
            Self::LargestFirst => at_risk.saturating_neg(),
            Self::SmallestFirst => at_risk,
        };
        (place, incident.id)
    }
}

impl Incidents {
    /// The incidents of the caller's project.
    ///
    /// # Errors
    /// [`IncidentError::Invalid`] when the cursor is not of this list; when the table does not answer.
    pub async fn list(
        &self,
        ctx: &TenantCtx,
        filter: &IncidentFilter,
        order: IncidentOrder,
        page: PageOf<'_>,
    ) -> Result<Page<Versioned<Incident>>, IncidentError> {
        let ports = (self.state.as_ref(), self.random.as_ref());
        let cursors = Cursors::of(ports, ctx, ROUTE, &(filter, order)).await?;
        let now = self.clock.now();
        let records = Records::of(self.state.as_ref(), ctx);
        let mut items = records.list::<Incident>().await?;
        items.retain(|found| fits(&found.value, filter, now));
        let place = |found: &Versioned<Incident>| order.place(&found.value);
        Ok(cursors.page(items, place, page)?)
    }
}

fn fits(incident: &Incident, filter: &IncidentFilter, now: Timestamp) -> bool {
    let IncidentFilter {
        state,
        kind,
        customer,
    } = filter;
    state.is_none_or(|state| incident.state_at(now) == state)
        && kind.is_none_or(|kind| incident.finding.kind == kind)
        && (customer.as_ref()).is_none_or(|customer| incident.concerns(customer))
}
