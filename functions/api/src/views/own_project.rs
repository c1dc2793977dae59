//! A project and what is still missing of it.

use counterfoil_core::connection::Standing;
use counterfoil_core::held_change::{HeldChange, MAPPING, UNFREEZE};
use counterfoil_core::ids::{ProjectId, SecretId, UserId, WorkspaceId};
use counterfoil_core::records;
use counterfoil_core::usecases::ProjectView;
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use utoipa::ToSchema;

use super::deletion::{Deletion, Endings};
use super::project::StandingWord;

open_words! {
    /// Whether a Stripe account, and what is for it, is live.
    pub(crate) EnvironmentWord: "live", "test";
}

/// Projects, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Projects {
    items: Vec<ListedProject>,
    next_cursor: Option<String>,
}

/// A project in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedProject {
    #[schema(value_type = schema::ProjectId)]
    id: ProjectId,
    name: String,
    #[schema(value_type = EnvironmentWord)]
    environment: &'static str,
    /// Whether it has all that a scan needs.
    complete: bool,
}

/// A project.
#[derive(Serialize, ToSchema)]
pub(crate) struct Project {
    #[schema(value_type = schema::ProjectId)]
    id: ProjectId,
    #[schema(value_type = schema::WorkspaceId)]
    workspace: WorkspaceId,
    name: String,
    #[schema(value_type = EnvironmentWord)]
    environment: &'static str,
    /// Whether scans propose repairs by themselves.
    auto_propose: bool,
    /// The emergency stop: nothing is repaired, ignored, erased, deleted or carried out.
    frozen: bool,
    /// That somebody wants to lift the emergency stop; it waits for a second person.
    unfreeze: Option<ProposedUnfreeze>,
    /// Hash of the active mapping.
    #[schema(value_type = Option<schema::MappingHash>)]
    mapping: Option<String>,
    /// The mapping that somebody wants to be active instead; it waits for a second person.
    proposed: Option<ProposedActivation>,
    connections: ProjectConnections,
    /// What is still missing before anything can be compared, in words.
    missing: Vec<&'static str>,
    /// That it is to be deleted; `null` while it stays.
    deletion: Option<Deletion>,
    /// That its workspace is to be deleted, and the project with it; `null` while it stays.
    workspace_deletion: Option<Deletion>,
}

/// An activation that waits for a second person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProposedActivation {
    #[schema(value_type = schema::MappingHash)]
    mapping: String,
    #[schema(value_type = schema::UserId)]
    by: UserId,
    #[schema(value_type = schema::Time)]
    at: String,
}

impl ProposedActivation {
    fn of(waits: &HeldChange) -> Option<Self> {
        Some(Self {
            mapping: waits.text("mapping")?.to_owned(),
            by: waits.by,
            at: waits.at.to_string(),
        })
    }
}

/// The end of an emergency stop that waits for a second person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProposedUnfreeze {
    #[schema(value_type = schema::UserId)]
    by: UserId,
    #[schema(value_type = schema::Time)]
    at: String,
    /// From then on it is proposed anew.
    #[schema(value_type = schema::Time)]
    lapses_at: String,
}

impl ProposedUnfreeze {
    fn of(waits: &HeldChange) -> Self {
        Self {
            by: waits.by,
            at: waits.at.to_string(),
            lapses_at: waits.expires_at.to_string(),
        }
    }
}

/// Which connections there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectConnections {
    stripe: Option<Connected>,
    database: Option<Connected>,
    repair: Option<Connected>,
    webhook_secrets: u64,
}

/// What is known of a connection.
#[derive(Serialize, ToSchema)]
pub(crate) struct Connected {
    /// What the last probe came to; `null` before the first.
    #[schema(value_type = Option<StandingWord>)]
    standing: Option<Standing>,
    #[schema(value_type = Option<schema::Time>)]
    probed_at: Option<String>,
}

const fn environment(project: &records::Project) -> &'static str {
    if project.livemode { "live" } else { "test" }
}

impl Projects {
    pub(crate) fn of(projects: &[records::Project]) -> Self {
        let items = projects.iter().map(|project| ListedProject {
            id: project.id,
            name: project.name.clone(),
            environment: environment(project),
            complete: project.missing().is_empty(),
        });
        Self {
            items: items.collect(),
            next_cursor: None,
        }
    }
}

impl Project {
    pub(crate) fn of(found: &ProjectView, endings: Endings) -> Self {
        let project = &found.project.value;
        let connected = |secret: Option<SecretId>| {
            let probed = found.probe_of(secret?);
            Some(Connected {
                standing: probed.map(|probed| probed.standing),
                probed_at: probed.map(|probed| probed.at.to_string()),
            })
        };
        let missing = project.missing().into_iter();
        Self {
            id: project.id,
            workspace: project.workspace,
            name: project.name.clone(),
            environment: environment(project),
            auto_propose: project.auto_propose,
            frozen: project.frozen,
            unfreeze: found.waiting(UNFREEZE).map(ProposedUnfreeze::of),
            mapping: project.mapping.clone(),
            proposed: found.waiting(MAPPING).and_then(ProposedActivation::of),
            connections: ProjectConnections {
                stripe: connected(project.stripe_key),
                database: connected(project.read_database),
                repair: connected(project.repair_database),
                webhook_secrets: u64::try_from(project.webhook_secrets.len()).unwrap_or(u64::MAX),
            },
            missing: missing.map(records::Missing::fix).collect(),
            deletion: endings.own,
            workspace_deletion: endings.of_workspace,
        }
    }
}
