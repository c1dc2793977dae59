//! Incidents as people and programs see them.

use counterfoil_core::ids::{ActionId, IncidentId, RunId};
use counterfoil_core::incident::{self, IncidentState};
use counterfoil_core::money;
use counterfoil_core::reconcile::Field;
use counterfoil_core::records::Versioned;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::Page;
use serde::Serialize;
use utoipa::ToSchema;

use crate::open_words;
use crate::schema;
use crate::sight::Sight;

open_words! {
    /// Where an incident is in its life.
    pub(crate) IncidentStateWord: "open", "repairing", "ignored", "resolved";
}

/// A page of incidents.
#[derive(Serialize, ToSchema)]
pub struct Incidents {
    items: Vec<Incident>,
    /// Send it as `cursor` to read on; `null` on the last page.
    next_cursor: Option<String>,
}

/// A difference between what Stripe promises and what the app grants.
#[derive(Serialize, ToSchema)]
pub struct Incident {
    #[schema(value_type = schema::IncidentId)]
    id: IncidentId,
    #[schema(value_type = IncidentStateWord)]
    state: IncidentState,
    /// What differs.
    #[schema(examples("paid_no_access"))]
    kind: &'static str,
    /// The part of the access that differs.
    #[schema(examples("plan"))]
    field: Option<&'static str>,
    /// Stripe customers that it is about. Masked for viewers.
    #[schema(examples(json!(["cus_NffrFeUfNV2Hib"])))]
    customers: Vec<String>,
    /// What Stripe promises, in the mapping's names.
    promised: String,
    /// What the app grants, in the mapping's names.
    granted: String,
    /// The rule that led to it.
    rule: &'static str,
    /// A repair may be proposed.
    repairable: bool,
    /// A second look at both sides, after the mapping's `race_grace`, has seen the same. Nothing repairs
    /// what is not confirmed.
    confirmed: bool,
    /// Money at risk per month, at least; `null` where no amount is known.
    #[schema(value_type = Option<schema::Money>)]
    at_risk: Option<money::Money>,
    #[schema(value_type = schema::Time)]
    opened_at: String,
    /// The run that opened it, or opened it again.
    #[schema(value_type = schema::RunId)]
    opened_by: RunId,
    #[schema(value_type = schema::Time)]
    seen_at: String,
    /// The run that saw it last.
    #[schema(value_type = schema::RunId)]
    seen_by: RunId,
    #[schema(value_type = Option<schema::Time>)]
    resolved_at: Option<String>,
    /// The repair that is on its way, or the last one.
    #[schema(value_type = Option<schema::ActionId>)]
    action: Option<ActionId>,
    /// On which terms it is ignored.
    ignored: Option<Ignored>,
    /// Who takes a mass drift for real.
    acknowledged: Option<Acknowledged>,
}

/// On which terms an incident is ignored.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ignored {
    by: String,
    #[schema(value_type = schema::Time)]
    at: String,
    /// From this moment on it is open again.
    #[schema(value_type = schema::Time)]
    until: String,
    /// Their words. Addresses and ids of Stripe in them are masked for viewers.
    reason: String,
}

/// Who has looked at a mass drift and takes it for real.
#[derive(Serialize, ToSchema)]
pub(crate) struct Acknowledged {
    by: String,
    #[schema(value_type = schema::Time)]
    at: String,
    /// More differences than these are a new mass drift.
    differences: i64,
}

impl Incident {
    /// As whoever has `sight` sees it.
    pub fn of(incident: &incident::Incident, now: Timestamp, sight: Sight) -> Self {
        let finding = &incident.finding;
        let ignored = incident.ignored.as_ref().map(|terms| Ignored {
            by: terms.by.clone(),
            at: terms.at.to_string(),
            until: terms.until.to_string(),
            reason: sight.words(&terms.reason),
        });
        let acknowledged = incident.acknowledged.as_ref().map(|it| Acknowledged {
            by: it.by.clone(),
            at: it.at.to_string(),
            differences: it.differences,
        });
        Self {
            id: incident.id,
            state: incident.state_at(now),
            kind: finding.kind.name(),
            field: finding.field.map(Field::name),
            customers: sight.ids(&finding.customers),
            promised: finding.expected.text(),
            granted: finding.actual.text(),
            rule: finding.rule.name(),
            repairable: finding.not_repairable.is_none(),
            confirmed: incident.is_confirmed(),
            at_risk: finding.at_risk.clone(),
            opened_at: incident.opened_at.to_string(),
            opened_by: incident.opened_by,
            seen_at: incident.seen_at.to_string(),
            seen_by: incident.seen_by,
            resolved_at: incident.resolved_at.map(|at| at.to_string()),
            action: incident.action,
            ignored,
            acknowledged,
        }
    }
}

impl Incidents {
    /// A page, as whoever has `sight` sees it at `now`.
    pub fn of(page: Page<Versioned<incident::Incident>>, now: Timestamp, sight: Sight) -> Self {
        let items = page.items.iter();
        Self {
            items: items
                .map(|it| Incident::of(&it.value, now, sight))
                .collect(),
            next_cursor: page.next_cursor,
        }
    }
}

super::silent!(Incident, Incidents);
