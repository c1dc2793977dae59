//! The routes of `api`. Each is one use case.
//!
//! How to add one:
//! 1. Bodies derive `ToSchema` with their bounds; answers are types of [`crate::views`] that derive
//!    `Serialize` and `ToSchema`. Fields of core types name a schema of `counterfoil_lambda::schema`
//!    with `#[schema(value_type = ...)]`; words of an open set are an `open_words!`.
//! 2. The handler has a doc comment (first line: the summary) and `#[utoipa::path]` with
//!    `operation_id`, `tag`, the answers that are no problems, and the codes of its own problems as
//!    `extensions(("x-problems" = json!(["wrong-state"])))`: codes of
//!    docs/problems.md. Problems of every route, the header
//!    `Counterfoil-Project` and the credentials are added to every route.
//! 3. `.routes(routes!(handler))` here (handlers of one path together), and the event in
//!    template.yaml.
//! 4. `COUNTERFOIL_UPDATE=1 cargo test -p counterfoil-tests --test document` writes
//!    docs/openapi.json.

use axum::extract::FromRef;
use counterfoil_lambda::Front;
use counterfoil_lambda::http::Authentication;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::changes;
use crate::connections;
use crate::customers;
use crate::deletion;
use crate::erasure;
use crate::evidence;
use crate::flows;
use crate::governed;
use crate::holds;
use crate::incidents;
use crate::invitations;
use crate::keys;
use crate::login;
use crate::mappings;
use crate::members;
use crate::policies;
use crate::policy_trials;
use crate::projects;
use crate::retention;
use crate::runs;
use crate::schedule;
use crate::security;
use crate::webhooks;
use crate::workspaces;

impl FromRef<Api> for Authentication {
    fn from_ref(api: &Api) -> Self {
        api.authentication.clone()
    }
}

/// The routes with what the document says of them.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(evidence::runs, governed::open))
        .routes(routes!(governed::complete))
        .routes(routes!(flows::read, flows::register))
        .routes(routes!(governed::preview))
        .routes(routes!(governed::read))
        .routes(routes!(evidence::entries))
        .routes(routes!(evidence::entry))
        .routes(routes!(evidence::ledger))
        .routes(routes!(runs::read))
        .routes(routes!(runs::evidence))
        .routes(routes!(erasure::run))
        .routes(routes!(erasure::customer))
        .routes(routes!(customers::state))
        .routes(routes!(customers::check))
        .routes(routes!(erasure::lost))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::read))
        .routes(routes!(incidents::ignore))
        .routes(routes!(incidents::reopen))
        .routes(routes!(incidents::acknowledge))
        .routes(routes!(changes::list))
        .routes(routes!(changes::reject))
        .routes(routes!(holds::list, holds::set))
        .routes(routes!(holds::release))
        .routes(routes!(retention::read, retention::change))
        .routes(routes!(schedule::read, schedule::change))
        .routes(routes!(webhooks::health))
        .routes(routes!(login::place))
        .routes(routes!(security::contact))
        .routes(routes!(projects::list, projects::make))
        .routes(routes!(projects::read, projects::change))
        .routes(routes!(connections::list))
        .routes(routes!(connections::connect, connections::disconnect))
        .routes(routes!(mappings::list, mappings::add))
        .routes(routes!(mappings::read))
        .routes(routes!(mappings::activate))
        .merge(tenants())
        .merge(deletions())
        .merge(policies())
}

/// Workspaces, people and keys.
fn tenants() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(workspaces::me))
        .routes(routes!(workspaces::list, workspaces::found))
        .routes(routes!(workspaces::read, workspaces::rename))
        .routes(routes!(members::list))
        .routes(routes!(members::read, members::change, members::remove))
        .routes(routes!(invitations::list, invitations::make))
        .routes(routes!(invitations::revoke))
        .routes(routes!(invitations::accept))
        .routes(routes!(keys::list, keys::make))
        .routes(routes!(keys::read))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
}

/// A workspace's own rules.
fn policies() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(policies::status))
        .routes(routes!(policies::register))
        .routes(routes!(policies::list, policies::upload))
        .routes(routes!(policies::read))
        .routes(routes!(policies::activate))
        .routes(routes!(policies::revoke))
        .routes(routes!(policy_trials::shadow))
        .routes(routes!(policy_trials::impact))
}

/// Deletion of projects and workspaces.
fn deletions() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(
            deletion::of_project,
            deletion::propose_project,
            deletion::keep_project
        ))
        .routes(routes!(deletion::confirm_project))
        .routes(routes!(
            deletion::of_workspace,
            deletion::propose_workspace,
            deletion::keep_workspace
        ))
        .routes(routes!(deletion::confirm_workspace))
}

/// Routes that read a query string; `tests/document` compares them with the document.
pub const QUERIES: &[&str] = &[
    "/v1/customers/{id}/ledger",
    "/v1/customers/{id}/state",
    "/v1/entries",
    "/v1/incidents",
    "/v1/projects/{project_id}/mappings",
    "/v1/runs",
    "/v1/workspaces/{workspace_id}/invitations",
    "/v1/workspaces/{workspace_id}/keys",
    "/v1/workspaces/{workspace_id}/members",
];

/// Every route; made once, and cloned for each request.
pub fn router(api: Api) -> Front {
    let (router, _) = routes().split_for_parts();
    Front::of(router, api, QUERIES)
}

/// What the routes say of themselves, before all functions are put together (`tests/document`).
pub fn document() -> OpenApi {
    routes().split_for_parts().1
}
