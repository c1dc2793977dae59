//! What the routes and the duty may do.

use counterfoil_core::usecases::{
    AskChecks, Connections, DeclareLost, Delete, Erase, GovernedRuns, HeldChanges, Incidents,
    Invitations, KeepRetention, KeepSchedule, Keys, LegalHolds, Members, Policies, Projects,
    ReadCustomers, ReadEvidence, ReadRun, ReadWebhookHealth, Secrets, Workspaces,
};
use counterfoil_lambda::http::{Authentication, Repeats};
use counterfoil_lambda::oidc::SignInPlace;

/// The use cases behind the routes.
#[derive(Debug, Clone)]
pub struct Api {
    /// Who is calling.
    pub authentication: Authentication,
    /// What doing requests once needs.
    pub repeats: Repeats,
    /// Where people sign in; `None` where only keys are accepted.
    pub sign_in: Option<SignInPlace>,
    /// Projects.
    pub projects: Projects,
    /// Workspaces.
    pub workspaces: Workspaces,
    /// People.
    pub members: Members,
    /// Invitations.
    pub invitations: Invitations,
    /// API keys.
    pub keys: Keys,
    /// Policy bundles.
    pub policies: Policies,
    /// What new credentials may do.
    pub connections: Connections,
    /// Erasure of runs and customers.
    pub erase: Erase,
    /// Deletion of projects and workspaces.
    pub delete: Delete,
    /// Incidents.
    pub incidents: Incidents,
    /// Changes that wait for further people.
    pub changes: HeldChanges,
    /// Legal holds.
    pub holds: LegalHolds,
    /// How long snapshots are kept.
    pub retention: KeepRetention,
    /// How often a project is scanned.
    pub schedule: KeepSchedule,
    /// Entries whose contents are gone.
    pub lost: DeclareLost,
    /// Runs.
    pub runs: ReadRun,
    /// Governed runs.
    pub governed: GovernedRuns,
    /// Lists of what is recorded.
    pub evidence: ReadEvidence,
    /// What both sides said of a customer.
    pub customers: ReadCustomers,
    /// Checks that somebody asks for.
    pub checks: AskChecks,
    /// How deliveries of Stripe do.
    pub webhooks: ReadWebhookHealth,
    /// Versions of secrets whose time is over.
    pub secrets: Secrets,
}
