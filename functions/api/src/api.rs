//! What the routes and the duty may do.

use counterfoil_core::usecases::{
    AskChecks, DeclareLost, Erase, Incidents, KeepRetention, KeepSchedule, LegalHolds,
    ReadCustomers, ReadRun, ReadWebhookHealth,
};

/// The use cases behind the routes.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) erase: Erase,
    pub(crate) incidents: Incidents,
    pub(crate) holds: LegalHolds,
    pub(crate) retention: KeepRetention,
    pub(crate) schedule: KeepSchedule,
    pub(crate) lost: DeclareLost,
    pub(crate) runs: ReadRun,
    pub(crate) customers: ReadCustomers,
    pub(crate) checks: AskChecks,
    pub(crate) webhooks: ReadWebhookHealth,
}
