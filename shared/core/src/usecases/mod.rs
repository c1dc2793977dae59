//! What the functions do, one folder or file per job.
//!
//! A use case is a plain struct that holds the few ports it needs. It decides purely, records the
//! decision, and calls the port that acts last.

mod admin;
mod announced;
mod ask_checks;
mod connections;
mod create_project;
mod customer_state;
mod declare_lost;
mod deletion;
mod erase;
mod exports;
pub mod facts;
mod governed;
mod governed_runs;
mod grounds;
mod held_changes;
mod holds;
mod incidents;
mod keys;
mod limit_rate;
mod logins;
mod members;
mod pages;
mod policies;
mod projects;
mod proposal;
mod prune;
mod read_evidence;
mod read_run;
mod receive_webhook;
mod reconcile;
mod record_alarm;
mod record_leak;
mod rejudge;
mod repairs;
mod replay;
mod request_budget;
mod retention;
mod rewrap;
mod scan;
mod seal_stream;
mod second_person;
mod secrets;
mod seek;
mod vault;
mod webhook_health;
mod workspaces;

pub use admin::{Acted, AdminError, AdminPorts};
pub use announced::{Announced, Announcing};
pub use ask_checks::{AskChecks, AskError, Asked};
pub use connections::{ConnectionError, Connections, Probe, ProbeSummary, Probed};
pub use create_project::{CreateProject, CreateProjectError, NewProject, NewSecrets};
pub use customer_state::{CustomerView, ReadCustomers};
pub use declare_lost::{DeclareLost, Lost};
pub use deletion::{CarriedOut, Decided, Delete, DeletionError, DeletionOf};
pub use erase::{Erase, EraseError, EraseRequest, Erased};
pub use exports::{Accepted, ExportError, Exports, Fetched, LINK_VALID, WorkError, Worked};
pub use governed_runs::{
    Completion, DecisionRecord, FlowChange, GovernedRuns, HeldActions, NewAction, NewRun, Preview,
    ProposedInRun, ReportOf, RunError, SweepRuns, SweptRuns, Waiting,
};
pub use held_changes::{HeldChanges, Outcome};
pub use holds::{HoldError, LegalHolds, NewHold, Released};
pub use incidents::{
    IncidentAct, IncidentActed, IncidentError, IncidentFilter, IncidentOrder, Incidents,
};
pub use keys::{Keys, MadeKey, NewApiKey};
pub use limit_rate::{Allowance, LimitRate};
pub use members::{INVITATION_VALID, Invitations, Joined, Members, NewInvitation};
pub use pages::{Page, PageOf};
pub use policies::{
    ImpactReport, MOST_JUDGED, NewBundle, Policies, PolicyActed, PolicyError, PolicyFinding,
    PolicyView, Uploaded,
};
pub use projects::{
    Activation, ConnectionKind, ConnectionView, FreezeChange, MAX_MAPPING, MAX_MAPPINGS, MAX_NAME,
    NewConnection, NewEmptyProject, ProjectChange, ProjectError, ProjectView, Projects,
};
pub use prune::PruneError;
pub use read_evidence::{
    EntryContents, EntryLine, LayerSaid, LedgerRow, ListedRun, ReadEvidence, ReadEvidenceError,
    RecordedDecision, RecordedIn, RuleSaid, RunFilter, RunStatus, Span,
};
pub use read_run::{EntryView, ReadRun, ReadRunError, RunView};
pub use receive_webhook::{
    CatalogueChanged, Delivery, KnownProjects, ReceiveWebhook, Received, Tallies, WebhookError,
};
pub use reconcile::{
    BillingAccounts, CustomerLook, LookError, Reconcile, ReconcileError, RunSummary, Seen, Sides,
    Sources, confirm_each, flow_version, look_at_all, look_at_customer, open_snapshot,
};
pub use record_alarm::{Alarm, AlarmError, Change, Noted, RecordAlarm};
pub use record_leak::RecordLeak;
pub use repairs::{
    ActionError, Answered, Glass, Lapse, Lapsed, NewRepair, OVERDUE_TOPIC, Overdue, OverdueReviews,
    ProposeRepair, Proposed, ReadActions, RepairPorts, SWEEP_AFTER, SweepFailure, SweepRepairs,
    Swept, VoteOnAction, Voted,
};
pub use replay::{InForce, Inputs, RecordedRun, ReplayError, ReplayRuns, Replayed, replay_run};
pub use request_budget::SharedBudget;
pub use retention::{Enforced, KeepRetention, RetentionChange, RetentionError};
pub use rewrap::{REWRAP_EVERY, Rewrap, RewrapError, RewrapFailure, RewrapSummary, Rewrapped};
pub use scan::{KeepSchedule, Measured, ScanLimits, Scans, ScheduleError, ScheduleView};
pub use seal_stream::{
    ClockFault, Rechecked, RotateError, RotateKey, Rotated, SEGMENT, SealError, SealStream, Sealing,
};
pub use second_person::{ALONE_FOR, HELD, NotSecond, SOLO_AFTER};
pub use secrets::{Revoke, SecretChange, SecretError, SecretStep, Secrets, Tidied};
pub use vault::{Vault, VaultError};
pub use webhook_health::{
    HealthError, ReadWebhookHealth, RecordWebhookHealth, WebhookHealth, WebhookView,
};
pub use workspaces::{NewPerson, NewWorkspace, Reached, Workspaces};
