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
//! 3. A row in the table here (handlers of one path together), and the event in
//!    template.yaml.
//! 4. `COUNTERFOIL_UPDATE=1 cargo test -p counterfoil-tests --test document` writes
//!    docs/openapi.json.

use axum::extract::FromRef;
use counterfoil_lambda::Front;
use counterfoil_lambda::http::Authentication;

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

counterfoil_lambda::routes! { Api:
    evidence::runs, governed::open;
    governed::complete;
    flows::read, flows::register;
    governed::preview;
    governed::read;
    evidence::entries;
    evidence::entry;
    evidence::ledger;
    runs::read;
    runs::evidence;
    erasure::run;
    erasure::customer;
    customers::state;
    customers::check;
    erasure::lost;
    incidents::list;
    incidents::read;
    incidents::ignore;
    incidents::reopen;
    incidents::acknowledge;
    changes::list;
    changes::reject;
    holds::list, holds::set;
    holds::release;
    retention::read, retention::change;
    schedule::read, schedule::change;
    webhooks::health;
    login::place;
    security::contact;
    projects::list, projects::make;
    projects::read, projects::change;
    connections::list;
    connections::connect, connections::disconnect;
    mappings::list, mappings::add;
    mappings::read;
    mappings::activate;

    // Workspaces, people and keys.
    workspaces::me;
    workspaces::list, workspaces::found;
    workspaces::read, workspaces::rename;
    members::list;
    members::read, members::change, members::remove;
    invitations::list, invitations::make;
    invitations::revoke;
    invitations::accept;
    keys::list, keys::make;
    keys::read;
    keys::revoke;
    keys::rotate;

    // Deletion of projects and workspaces.
    deletion::of_project, deletion::propose_project, deletion::keep_project;
    deletion::confirm_project;
    deletion::of_workspace, deletion::propose_workspace, deletion::keep_workspace;
    deletion::confirm_workspace;

    // A workspace's own rules.
    policies::status;
    policies::register;
    policies::list, policies::upload;
    policies::read;
    policies::activate;
    policies::revoke;
    policy_trials::shadow;
    policy_trials::impact;
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
    Front::of(served(), api, QUERIES)
}
