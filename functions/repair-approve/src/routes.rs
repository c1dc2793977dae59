//! The routes of `repair-approve`. Each is one use case.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRef, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use counterfoil_core::repair::VoteKind;
use counterfoil_core::usecases::{ProposeRepair, ReadActions, RepairPorts, VoteOnAction, Voted};
use counterfoil_lambda::http::{Authentication, Caller, body, if_match};
use counterfoil_lambda::{Front, Problem};
use serde::Deserialize;

use crate::answer;

/// What the routes and the duties use.
#[derive(Debug, Clone)]
pub struct Service {
    /// Who is calling.
    pub authentication: Authentication,
    /// Ports of the use cases.
    pub ports: RepairPorts,
}

impl FromRef<Service> for Authentication {
    fn from_ref(service: &Service) -> Self {
        service.authentication.clone()
    }
}

/// Every route.
pub fn router(service: Service) -> Front {
    let routes = Router::new()
        .route("/v1/incidents/{id}/repairs", post(propose))
        .route("/v1/actions/{id}", get(read))
        .route("/v1/actions/{id}/approvals", post(vote))
        .route("/v1/actions/{id}/execute", post(execute))
        .route("/v1/actions/{id}/cancel", post(cancel))
        .route("/v1/approvals", get(inbox));
    Front::of(routes, service, &[])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    reason: String,
    #[serde(default)]
    execute_on_approval: bool,
}

impl Proposal {
    fn read(bytes: &Bytes) -> Result<Self, Problem> {
        let proposal: Self = body(bytes)?;
        if proposal.reason.trim().chars().count() < 10 {
            let rule = "say in at least 10 characters why";
            return Err(Problem::invalid("/reason", rule));
        }
        Ok(proposal)
    }
}

async fn propose(
    State(Service { ports, .. }): State<Service>,
    Caller(ctx): Caller,
    Path(incident): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let propose = ProposeRepair { ports };
    let proposal = match Proposal::read(&bytes) {
        Ok(proposal) => proposal,
        // Whether the caller may know the incident and propose comes before what they sent.
        Err(bad) => {
            let admitted = propose.admit(&ctx, &incident).await;
            return Err(admitted.map_or_else(|error| answer::problem(&error), |_| bad));
        }
    };
    let proposed = propose
        .propose(
            &ctx,
            &incident,
            Some(proposal.reason.trim()),
            proposal.execute_on_approval,
        )
        .await
        .map_err(|error| answer::problem(&error))?;
    Ok(answer::action(
        StatusCode::CREATED,
        &proposed.action,
        proposed.version,
    ))
}

async fn read(
    State(Service { ports, .. }): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = ReadActions { ports }.get(&ctx, &id).await;
    let found = found.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &found.value, found.version))
}

async fn inbox(
    State(Service { ports, .. }): State<Service>,
    Caller(ctx): Caller,
) -> Result<Response, Problem> {
    let waiting = ReadActions { ports }
        .waiting(&ctx)
        .await
        .map_err(|error| answer::problem(&error))?;
    Ok(answer::list(&waiting))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ballot {
    vote: VoteKind,
    reason: String,
    action_digest: String,
}

impl Ballot {
    /// The ballot, and the version of the action that was displayed.
    fn read(headers: &HeaderMap, bytes: &Bytes) -> Result<(Self, u64), Problem> {
        let ballot = body(bytes)?;
        let version = if_match(headers)?.ok_or_else(|| {
            let title = "Send `If-Match` with the ETag of the action that was displayed";
            let status = StatusCode::PRECONDITION_REQUIRED;
            Problem::new(status, "precondition-required", title)
        })?;
        Ok((ballot, version))
    }
}

async fn vote(
    State(Service { ports, .. }): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let (ballot, version) = match Ballot::read(&headers, &bytes) {
        Ok(read) => read,
        // Whether the caller may know the action comes before what they sent.
        Err(bad) => {
            let known = ReadActions { ports }.get(&ctx, &id).await;
            return Err(known.map_or_else(|error| answer::problem(&error), |_| bad));
        }
    };
    let voted = Voted {
        kind: ballot.vote,
        digest: &ballot.action_digest,
        reason: ballot.reason.trim(),
        version: Some(version),
    };
    let after = VoteOnAction { ports }.vote(&ctx, &id, &voted).await;
    let after = after.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &after.value, after.version))
}

async fn execute(
    State(Service { ports, .. }): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let after = VoteOnAction { ports }.execute(&ctx, &id).await;
    let after = after.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &after.value, after.version))
}

async fn cancel(
    State(Service { ports, .. }): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let after = VoteOnAction { ports }.cancel(&ctx, &id).await;
    let after = after.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &after.value, after.version))
}
