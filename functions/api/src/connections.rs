//! Routes of connections: credentials go in, are probed and stored; none ever comes out.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{ConnectionKind, NewConnection};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, admitted, body_with, demand_if_match};
use counterfoil_lambda::schema::{self, IfMatch};
use counterfoil_postgres::PostgresUrl;
use counterfoil_stripe::{Mode, RestrictedKey};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::answer::versioned;
use crate::api::Api;
use crate::project_problems::problem;
use crate::views;

/// A database URL may carry certificates behind it.
const LONGEST: usize = 32_768;

/// A credential.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewConnection)]
struct ConnectionBody {
    /// A restricted key (`rk_...`), a database URL (`postgres://...`) or a signing secret (`whsec_...`).
    /// No answer ever has it.
    #[schema(value_type = String, min_length = 1, max_length = 32768, write_only)]
    #[serde(deserialize_with = "redacted")]
    secret: Redacted<String>,
}

fn redacted<'de, D: Deserializer<'de>>(from: D) -> Result<Redacted<String>, D::Error> {
    String::deserialize(from).map(Redacted::new)
}

/// List the connections of a project
///
/// What may be shown of each credential, and what its last probe said.
#[utoipa::path(
    get, path = "/v1/projects/{project_id}/connections", operation_id = "listConnections", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project")),
    responses((status = OK, description = "The connections", body = views::Connections,
        headers(("ETag" = String, description = "Version of the project")))),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn list(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    left(&api, &ctx).await
}

/// Every connection, with the project's version as `ETag`. The version first: what changes in between
/// is refused by it.
async fn left(api: &Api, ctx: &TenantCtx) -> Result<Response, Problem> {
    let version = version(api, ctx).await?;
    let found = api.projects.connections(ctx).await;
    let found = found.map_err(|error| problem(&error))?;
    let view = views::Connections::of(&found);
    Ok(versioned(StatusCode::OK, &view, version))
}

async fn version(api: &Api, ctx: &TenantCtx) -> Result<u64, Problem> {
    let found = api.projects.read(ctx).await;
    Ok(found.map_err(|error| problem(&error))?.project.version)
}

/// Store a credential of a project
///
/// It is probed first; one that does not fit is not stored. It takes the place of the one before, which
/// is revoked. A signing secret is accepted beside the old ones for 24 hours.
#[utoipa::path(
    put, path = "/v1/projects/{project_id}/connections/{kind}", operation_id = "connect", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project"),
        ("kind" = views::ConnectionKindWord, Path, description = "Which credential"), IfMatch),
    request_body = ConnectionBody,
    responses((status = OK, description = "What may be shown of it", body = views::Connection,
        headers(("ETag" = String, description = "Version of the project")))),
    extensions(("x-problems" = json!([
        "connection-refused", "project-incomplete", "precondition-required", "precondition-failed",
        "action-denied", "not-finished",
    ]))),
)]
pub(crate) async fn connect(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(place): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let kind = ConnectionKind::of_name(&place.1).ok_or_else(Problem::not_found)?;
    let sent = read(kind, &bytes).and_then(|new| Ok((new, demand_if_match(&headers)?)));
    let may = api.projects.admit_secret(&ctx);
    let (new, shown) = admitted(sent, may, problem).await?;
    let stored = api
        .projects
        .connect(&ctx, &new, shown, &api.connections)
        .await;
    let stored = stored.map_err(|error| problem(&error))?;
    let version = version(&api, &ctx).await?;
    let view = views::Connection::of(&stored);
    Ok(versioned(StatusCode::OK, &view, version))
}

/// Take a credential of a project away
///
/// It is revoked: what was sealed of it opens nowhere any more, in no backup. For `webhook`, every
/// signing secret.
#[utoipa::path(
    delete, path = "/v1/projects/{project_id}/connections/{kind}", operation_id = "disconnect", tag = "projects",
    params(("project_id" = schema::ProjectId, Path, description = "The project"),
        ("kind" = views::ConnectionKindWord, Path, description = "Which credential"), IfMatch),
    responses((status = OK, description = "The connections that are left", body = views::Connections,
        headers(("ETag" = String, description = "Version of the project")))),
    extensions(("x-problems" = json!([
        "precondition-required", "precondition-failed", "wrong-state", "action-denied", "not-finished",
    ]))),
)]
pub(crate) async fn disconnect(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(place): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kind = ConnectionKind::of_name(&place.1).ok_or_else(Problem::not_found)?;
    let may = api.projects.admit_secret(&ctx);
    let shown = admitted(demand_if_match(&headers), may, problem).await?;
    let gone = api.projects.disconnect(&ctx, kind, shown).await;
    gone.map_err(|error| problem(&error))?;
    left(&api, &ctx).await
}

/// The credential, and what may be shown of it.
fn read(kind: ConnectionKind, bytes: &Bytes) -> Result<NewConnection, Problem> {
    let read: ConnectionBody = body_with(bytes, LONGEST)?;
    let hint = hint(kind, &read.secret)?;
    Ok(NewConnection {
        kind,
        secret: read.secret,
        hint,
    })
}

fn hint(kind: ConnectionKind, secret: &Redacted<String>) -> Result<String, Problem> {
    match kind {
        ConnectionKind::Stripe => match RestrictedKey::parse(secret).map(|key| key.mode()) {
            Ok(Mode::Live) => Ok("rk_live_…".to_owned()),
            Ok(Mode::Test) => Ok("rk_test_…".to_owned()),
            Err(error) => Err(Problem::invalid("/secret", error.to_string())),
        },
        ConnectionKind::Database | ConnectionKind::Repair => match PostgresUrl::parse(secret) {
            Ok(url) => Ok(format!("{}/{}", url.place(), url.database)),
            Err(error) => Err(Problem::invalid("/secret", error.to_string())),
        },
        ConnectionKind::Webhook => Ok("whsec_…".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: ConnectionKind, secret: &str) -> Result<String, String> {
        let bytes = serde_json::to_vec(&serde_json::json!({ "secret": secret })).unwrap();
        let read = read(kind, &Bytes::from(bytes));
        read.map(|new| new.hint).map_err(|bad| format!("{bad:?}"))
    }

    #[test]
    fn what_is_shown_of_a_credential_is_never_the_secret_part() {
        let url = "postgres://reader:hunter2secret@db.example.com/app";
        assert_eq!(
            shown(ConnectionKind::Database, url).unwrap(),
            "db.example.com:5432/app"
        );
        assert_eq!(
            shown(ConnectionKind::Stripe, "rk_live_hunter2").unwrap(),
            "rk_live_…"
        );
        assert_eq!(
            shown(ConnectionKind::Webhook, "whsec_hunter2").unwrap(),
            "whsec_…"
        );
    }

    #[test]
    fn a_credential_that_cannot_be_one_is_refused_without_being_quoted() {
        let table = [
            (ConnectionKind::Stripe, "sk_live_hunter2", "restricted key"),
            (ConnectionKind::Stripe, "postgres://hunter2@x/y", "rk_live_"),
            (ConnectionKind::Database, "mysql://a:hunter2@x/y", "scheme"),
            (ConnectionKind::Repair, "postgres://a:hunter2@x", "database"),
        ];
        for (kind, secret, rule) in table {
            let refused = shown(kind, secret).unwrap_err();
            assert!(
                refused.contains("/secret") && refused.contains(rule),
                "{refused}"
            );
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
