//! What the functions do, one folder or file per job.
//!
//! A use case is a plain struct that holds the few ports it needs. It decides purely, records the
//! decision, and calls the port that acts last.

mod create_project;
mod export_run;
pub mod facts;
mod receive_webhook;
mod reconcile;
mod repairs;
mod seal_stream;
mod vault;

pub use create_project::{CreateProject, CreateProjectError, NewProject, NewSecrets, NewWorkspace};
pub use export_run::{ExportRun, ExportRunError, Exported, LINK_VALID};
pub use receive_webhook::{Delivery, KnownProjects, ReceiveWebhook, Received, WebhookError};
pub use reconcile::{
    BillingAccounts, LookError, Reconcile, ReconcileError, RunSummary, Sources, flow_version,
    look_at_all,
};
pub use repairs::{
    ActionError, ProposeRepair, Proposed, ReadActions, RepairPorts, SWEEP_AFTER, SweepRepairs,
    VoteOnAction, Voted,
};
pub use seal_stream::{SealError, SealStream, Sealing};
pub use vault::{Vault, VaultError};
