//! Routes of mappings: stored, listed, read, activated.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header::LOCATION};
use axum::response::{IntoResponse, Response};
use counterfoil_core::mapping::MappingFormat;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{Activation, MAX_MAPPING, Projects};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Asked, Caller, Sent, admitted, allowed, demand_if_match, judged};
use counterfoil_lambda::refusals;
use counterfoil_lambda::schema::{self, IdempotencyKey, IfMatch};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::deletion::waiting_of_project;
use crate::project_problems::{problem, unmade};
use crate::projects::answer;
use crate::views;
use counterfoil_lambda::pages::Pages;

/// List the mappings of a project
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/projects/{project_id}/mappings", operation_id = "listMappings", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project"), Pages),
    responses((status = OK, description = "A page of mappings", body = views::Mappings)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Asked(pages): Asked<Pages>,
) -> Result<Response, Problem> {
    let found = api.evidence.mappings(&ctx, pages.page()?).await;
    let (project, found) = found.map_err(|error| refusals::evidence(&error))?;
    let active = project.mapping.as_deref();
    Ok(Json(views::Mappings::of(found.items, active, found.next_cursor)).into_response())
}

/// Read a mapping
#[utoipa::path(
    get, path = "/v1/projects/{project_id}/mappings/{hash}", operation_id = "readMapping", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project"),
        ("hash" = schema::MappingHash, Path, description = "The mapping")),
    responses((status = OK, description = "The mapping", body = views::Mapping)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(place): Path<(String, String)>,
) -> Result<Response, Problem> {
    shown(&api, &ctx, hash(&place)?, StatusCode::OK).await
}

/// How the mapping is written.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NewMappingFormat)]
enum Format {
    Toml,
    Json,
}

/// A mapping to store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMapping)]
struct NewBody {
    format: Format,
    /// The document.
    #[schema(max_length = 131_072)]
    text: String,
}

/// Store a mapping
///
/// It is compiled, and stored by the hash of that; it counts when it is activated. `errors` of a
/// `mapping-invalid` say all that is wrong, each with its place, rule and fix.
#[utoipa::path(
    post, path = "/v1/projects/{project_id}/mappings", operation_id = "addMapping", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project"), IdempotencyKey),
    request_body = NewBody,
    responses(
        (status = CREATED, description = "The mapping", body = views::Mapping,
            headers(("Location" = String, description = "Its address"))),
        (status = OK, description = "It was stored before", body = views::Mapping),
    ),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "already-created",
        "wrong-state", "mapping-invalid", "action-denied", "not-finished",
    ]))),
)]
pub(crate) async fn add(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let read = sent.key().and_then(|_| sent.read_with(MAX_MAPPING));
    let may = api.projects.admit(ctx.workspace(), ctx.principal());
    let wanted: NewBody = admitted(read, may, problem).await?;
    let format = match wanted.format {
        Format::Toml => MappingFormat::Toml,
        Format::Json => MappingFormat::Json,
    };
    let may = allowed(
        api.projects.admit(ctx.workspace(), ctx.principal()),
        problem,
    );
    sent.once(&api.repeats, &ctx, may, async |once| {
        let done = (once, Makes::New("mapping"));
        judged(
            &api.projects.create.evidence,
            Some(done),
            async |evidence| {
                let stored = with(&api.projects, evidence);
                let stored = stored.add_mapping(&ctx, &wanted.text, format).await;
                let (stored, new) = stored.map_err(|error| unmade(&error))?;
                let hash = &stored.value.hash;
                if !new {
                    return shown(&api, &ctx, hash, StatusCode::OK).await;
                }
                let place = format!("/v1/projects/{}/mappings/{hash}", ctx.project());
                let mut response = shown(&api, &ctx, hash, StatusCode::CREATED).await?;
                if let Ok(place) = HeaderValue::from_str(&place) {
                    response.headers_mut().insert(LOCATION, place);
                }
                Ok(response)
            },
        )
        .await
    })
    .await
}

/// Activate a mapping
///
/// New runs use it; runs at work keep theirs. `If-Match` names the version of the project. A mapping
/// that lets repairs do more than the active one needs a second person: the first request proposes,
/// another person's activates.
#[utoipa::path(
    post, path = "/v1/projects/{project_id}/mappings/{hash}/activate", operation_id = "activateMapping",
    tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project"),
        ("hash" = schema::MappingHash, Path, description = "The mapping"), IfMatch, IdempotencyKey),
    responses(
        (status = OK, description = "It is active", body = views::Project,
            headers(("ETag" = String, description = "Version of the project"))),
        (status = ACCEPTED, description = "A second person is needed", body = views::Project,
            headers(("ETag" = String, description = "Version of the project"))),
    ),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight",
        "precondition-required", "precondition-failed", "wrong-state", "action-denied",
        "insufficient_user_authentication", "not-finished",
    ]))),
)]
pub(crate) async fn activate(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(place): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let hash = hash(&place)?;
    let read = sent.key().and_then(|_| demand_if_match(sent.headers()));
    let may = async {
        api.projects.mapping(&ctx, hash).await?;
        api.projects.admit_activation(&ctx).await
    };
    let version = admitted(read, may, problem).await?;
    // What one person has proposed they cannot confirm, and what is active already stays so: a repeat
    // does nothing twice.
    let may = api.projects.admit_activation(&ctx);
    let may = allowed(may, problem);
    sent.once(&api.repeats, &ctx, may, async |_| {
        judged(&api.projects.create.evidence, None, async |evidence| {
            let asked = with(&api.projects, evidence);
            let asked = asked.activate(&ctx, hash, version).await;
            let status = match asked.map_err(|error| problem(&error))? {
                Activation::Held(_) => StatusCode::ACCEPTED,
                Activation::Done(_) => StatusCode::OK,
            };
            let found = api.projects.read(&ctx).await;
            let found = found.map_err(|error| problem(&error))?;
            let endings = waiting_of_project(&api, &ctx).await?;
            Ok(answer(status, &found, endings))
        })
        .await
    })
    .await
}

/// The same use case on evidence that notes decisions.
fn with(
    projects: &Projects,
    evidence: std::sync::Arc<dyn counterfoil_core::ports::EvidenceAppend>,
) -> Projects {
    let mut projects = projects.clone();
    projects.create.evidence = evidence;
    projects
}

async fn shown(
    api: &Api,
    ctx: &TenantCtx,
    hash: &str,
    status: StatusCode,
) -> Result<Response, Problem> {
    let found = api.projects.mapping(ctx, hash).await;
    let found = found.map_err(|error| problem(&error))?;
    let project = api.projects.read(ctx).await;
    let project = project.map_err(|error| problem(&error))?;
    let active = project.project.value.mapping.as_deref();
    Ok((status, Json(views::Mapping::of(&found.value, active))).into_response())
}

/// The hash in a path; what has not its form cannot be there.
fn hash(place: &(String, String)) -> Result<&str, Problem> {
    digest(&place.1)
}

/// A digest in a path; what has not its form cannot be there.
pub(crate) fn digest(text: &str) -> Result<&str, Problem> {
    let digits = text.strip_prefix("sha256:");
    let is_digest = digits.is_some_and(|it| {
        it.len() == 64
            && it
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    is_digest.then_some(text).ok_or_else(Problem::not_found)
}
