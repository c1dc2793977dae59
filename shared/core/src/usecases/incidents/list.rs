//! The incidents of a project, a page at a time.

use counterfoil_evidence::hash::sha256;
use serde::{Deserialize, Serialize};

use super::{IncidentError, Incidents};
use crate::cursor::{CursorKey, CursorScope};
use crate::ids::{IncidentId, WorkspaceId};
use crate::incident::{Incident, IncidentState};
use crate::ports::{PortError, PortErrorKind, Random, State};
use crate::reconcile::FindingKind;
use crate::records::{Directory, RecordError, Records, Versioned};
use crate::tenancy::{Tenant, TenantCtx};
use crate::time::Timestamp;

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

/// A page.
#[derive(Debug, Clone)]
pub struct IncidentPage {
    /// The incidents.
    pub items: Vec<Versioned<Incident>>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
}

impl Incidents {
    /// The incidents of the caller's project, at most `limit`, after `cursor`.
    ///
    /// # Errors
    /// [`IncidentError::Invalid`] when the cursor is not of this list; when the table does not answer.
    pub async fn list(
        &self,
        ctx: &TenantCtx,
        filter: &IncidentFilter,
        order: IncidentOrder,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<IncidentPage, IncidentError> {
        let (tenant, digest) = (ctx.partition(), digest(filter, order));
        let scope = CursorScope {
            tenant: &tenant,
            route: ROUTE,
            filter: &digest,
        };
        let key = cursor_key(self.state.as_ref(), self.random.as_ref(), ctx.workspace());
        let key = key.await?;
        let after: Option<(i64, IncidentId)> = match cursor {
            None => None,
            Some(cursor) => Some(key.open(scope, cursor).ok_or(IncidentError::Invalid {
                field: "/cursor",
                rule: "must be `next_cursor` of the page before, with the same filter and order",
            })?),
        };
        let now = self.clock.now();
        let records = Records::of(self.state.as_ref(), ctx);
        let mut items = records.list::<Incident>().await?;
        items.retain(|found| {
            fits(&found.value, filter, now)
                && after.is_none_or(|after| order.place(&found.value) > after)
        });
        items.sort_by_key(|found| order.place(&found.value));
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next_cursor = last.and_then(|last| key.seal(scope, &order.place(&last.value)));
        Ok(IncidentPage { items, next_cursor })
    }
}

/// The key of a workspace's cursors, made when it is first asked for. Not evidence: it protects
/// nothing but the form of cursors.
pub(in crate::usecases) async fn cursor_key(
    state: &dyn State,
    random: &dyn Random,
    workspace: WorkspaceId,
) -> Result<CursorKey, RecordError> {
    let directory = Directory::of(state);
    let row = Directory::cursor_key(workspace);
    if let Some(found) = directory.find::<CursorKey>("setting", &row).await? {
        return Ok(found.value);
    }
    let made = CursorKey::new(random.bytes32());
    let write = Directory::write(row.clone(), None, &made)?;
    if state.write(vec![write]).await? {
        return Ok(made);
    }
    let found = directory.find::<CursorKey>("setting", &row).await?;
    let lost = || PortError::new(PortErrorKind::Corrupt, "reading the key of cursors");
    Ok(found.ok_or_else(lost)?.value)
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

/// Equal exactly where the lists are.
fn digest(filter: &IncidentFilter, order: IncidentOrder) -> String {
    let text = serde_json::to_vec(&(filter, order)).unwrap_or_default();
    sha256(&text).to_string()
}
