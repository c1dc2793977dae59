//! Routes of projects: made, listed, read, changed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header::ETAG, header::LOCATION};
use axum::response::{IntoResponse, Response};
use counterfoil_core::usecases::{
    FreezeChange, NewEmptyProject, ProjectChange, ProjectError, ProjectView,
};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent, WorkspaceCaller, demand_if_match};
use counterfoil_lambda::schema::{self, IdempotencyKey, IfMatch, Name, Reason};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::reason;
use crate::api::Api;
use crate::deletion::waiting_of_project;
use crate::project_problems::{problem, unmade};
use crate::views;

/// Whether a Stripe account, and what is for it, is live.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Environment {
    Live,
    Test,
}

/// A project to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewProject)]
struct NewBody {
    #[schema(value_type = Name)]
    name: String,
    environment: Environment,
}

/// Make a project
///
/// It has no connections yet; `missing` says what comes next.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/projects", operation_id = "makeProject", tag = "projects",
    params(("workspace_id" = schema::WorkspaceId, Path, description = "The workspace"), IdempotencyKey),
    request_body = NewBody,
    responses((status = CREATED, description = "The project", body = views::Project,
        headers(("ETag" = String, description = "Version of the project"),
            ("Location" = String, description = "Its address")))),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "already-created",
        "action-denied", "not-finished",
    ]))),
)]
pub(crate) async fn make(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    sent: Sent,
) -> Result<Response, Problem> {
    let problem = |error: ProjectError| problem(&error);
    let wanted: NewBody = match sent.read() {
        Ok(wanted) => wanted,
        // Whether the caller may make projects comes before what they sent.
        Err(bad) => {
            let admitted = api.projects.admit(ctx.workspace(), ctx.principal()).await;
            return Err(admitted.map_or_else(problem, |()| bad));
        }
    };
    let new = NewEmptyProject {
        name: wanted.name,
        livemode: matches!(wanted.environment, Environment::Live),
    };
    let projects = &api.projects;
    let made = async |once| {
        let made = projects.make(&ctx, &new, &once).await;
        let made = made.map_err(|error| unmade(&error))?;
        let place = format!("/v1/projects/{}", made.value.id);
        let view = ProjectView {
            project: made,
            probed: Vec::new(),
            waits: Vec::new(),
        };
        let mut response = answer(StatusCode::CREATED, &view, views::Endings::default());
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(LOCATION, place);
        }
        Ok(response)
    };
    let may = async {
        let admitted = projects.admit(ctx.workspace(), ctx.principal()).await;
        admitted.map_err(problem)
    };
    sent.once(&api.repeats, &ctx, may, made).await
}

/// List the projects of a workspace
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/projects", operation_id = "listProjects", tag = "projects",
    params(("workspace_id" = schema::WorkspaceId, Path, description = "The workspace")),
    responses((status = OK, description = "The projects", body = views::Projects)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
) -> Result<Response, Problem> {
    let projects = api.projects.list(&ctx).await;
    let projects = projects.map_err(|error| problem(&error))?;
    Ok(Json(views::Projects::of(&projects)).into_response())
}

/// Read a project
#[utoipa::path(
    get, path = "/v1/projects/{project_id}", operation_id = "readProject", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project")),
    responses((status = OK, description = "The project", body = views::Project,
        headers(("ETag" = String, description = "Version of the project")))),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn read(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let found = api.projects.read(&ctx).await;
    let found = found.map_err(|error| problem(&error))?;
    let endings = waiting_of_project(&api, &ctx).await?;
    Ok(answer(StatusCode::OK, &found, endings))
}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProjectChange)]
struct ChangeBody {
    #[serde(default)]
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[serde(default)]
    auto_propose: Option<bool>,
    /// The emergency stop. `true` is in force at once: nothing is repaired, ignored, erased, deleted or
    /// carried out. `false` needs a second person, who sends the same. Sent alone.
    #[serde(default)]
    frozen: Option<bool>,
    /// Why, beside `frozen`: for whoever confirms it.
    #[serde(default)]
    #[schema(value_type = Option<Reason>)]
    reason: Option<String>,
}

impl ChangeBody {
    /// Two people may be needed for the one, and one for the others: a request is one act.
    fn check(&self) -> Result<(), Problem> {
        let others = self.name.is_some() || self.auto_propose.is_some();
        if self.frozen.is_some() && others {
            let rule = "must be sent alone: it is a decision of its own";
            return Err(Problem::invalid("/frozen", rule));
        }
        if self.reason.is_some() && self.frozen.is_none() {
            let rule = "must come with `frozen`: nothing else asks for one";
            return Err(Problem::invalid("/reason", rule));
        }
        self.reason.as_deref().map(reason).transpose()?;
        Ok(())
    }
}

/// Change the name of a project, whether scans propose repairs, or its emergency stop
#[utoipa::path(
    patch, path = "/v1/projects/{project_id}", operation_id = "changeProject", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project"), IfMatch),
    request_body = ChangeBody,
    responses((status = OK, description = "The project", body = views::Project,
        headers(("ETag" = String, description = "Version of the project"))),
        (status = ACCEPTED, description = "Still frozen: a second person is needed", body = views::Project,
            headers(("ETag" = String, description = "Version of the project")))),
    extensions(("x-problems" = json!([
        "precondition-required", "precondition-failed", "wrong-state", "action-denied",
        "insufficient_user_authentication", "not-finished",
    ]))),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let problem = |error: ProjectError| problem(&error);
    let read = sent.read().and_then(|wanted: ChangeBody| {
        wanted.check()?;
        Ok((wanted, demand_if_match(sent.headers())?))
    });
    let (wanted, version) = match read {
        Ok(read) => read,
        Err(bad) => {
            let admitted = api.projects.admit(ctx.workspace(), ctx.principal()).await;
            return Err(admitted.map_or_else(problem, |()| bad));
        }
    };
    let mut status = StatusCode::OK;
    if let Some(frozen) = wanted.frozen {
        let why = wanted.reason.as_deref().map(str::trim);
        let changed = api.projects.freeze(&ctx, frozen, why, version).await;
        if let FreezeChange::Held(_) = changed.map_err(problem)? {
            status = StatusCode::ACCEPTED;
        }
    } else {
        let wanted = ProjectChange {
            name: wanted.name,
            auto_propose: wanted.auto_propose,
        };
        let changed = api.projects.change(&ctx, &wanted, version).await;
        changed.map_err(problem)?;
    }
    let found = api.projects.read(&ctx).await.map_err(problem)?;
    let endings = waiting_of_project(&api, &ctx).await?;
    Ok(answer(status, &found, endings))
}

/// A project with its version as `ETag`.
pub(crate) fn answer(status: StatusCode, found: &ProjectView, endings: views::Endings) -> Response {
    let version = found.project.version;
    let view = views::Project::of(found, endings);
    let mut response = (status, Json(view)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
