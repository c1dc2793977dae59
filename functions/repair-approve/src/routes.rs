//! The routes of `repair-approve`. Each is one use case.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use counterfoil_core::ports::{Clock, State as StatePort};
use counterfoil_core::repair::VoteKind;
use counterfoil_core::usecases::{ProposeRepair, ReadActions, RepairPorts, VoteOnAction, Voted};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Authenticates, Caller, body, if_match};
use serde::Deserialize;

use crate::answer;

#[derive(Clone)]
struct Routes(RepairPorts);

impl Authenticates for Routes {
    fn state(&self) -> Arc<dyn StatePort> {
        self.0.state.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }
}

/// Every route.
pub(crate) fn router(ports: RepairPorts) -> Router {
    Router::new()
        .route("/v1/incidents/{id}/repairs", post(propose))
        .route("/v1/actions/{id}", get(read))
        .route("/v1/actions/{id}/approvals", post(vote))
        .route("/v1/actions/{id}/execute", post(execute))
        .route("/v1/actions/{id}/cancel", post(cancel))
        .route("/v1/approvals", get(held))
        .fallback(async || Problem::not_found())
        .with_state(Routes(ports))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    reason: String,
    #[serde(default)]
    execute_on_approval: bool,
}

async fn propose(
    State(Routes(ports)): State<Routes>,
    Caller(ctx): Caller,
    Path(incident): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let proposal: Proposal = body(&bytes)?;
    if proposal.reason.trim().chars().count() < 10 {
        return Err(Problem::invalid(
            "/reason",
            "say in at least 10 characters why",
        ));
    }
    let propose = ProposeRepair { ports };
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
    State(Routes(ports)): State<Routes>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = ReadActions { ports }.get(&ctx, &id).await;
    let found = found.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &found.value, found.version))
}

async fn held(
    State(Routes(ports)): State<Routes>,
    Caller(ctx): Caller,
) -> Result<Response, Problem> {
    let held = ReadActions { ports }
        .held(&ctx)
        .await
        .map_err(|error| answer::problem(&error))?;
    Ok(answer::list(&held))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ballot {
    vote: VoteKind,
    reason: String,
    action_digest: String,
}

async fn vote(
    State(Routes(ports)): State<Routes>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let ballot: Ballot = body(&bytes)?;
    let version = if_match(&headers)?;
    if version.is_none() {
        let title = "Send `If-Match` with the ETag of the action that was displayed";
        let status = StatusCode::PRECONDITION_REQUIRED;
        return Err(Problem::new(status, "precondition-required", title));
    }
    let voted = Voted {
        kind: ballot.vote,
        digest: &ballot.action_digest,
        reason: ballot.reason.trim(),
        version,
    };
    let after = VoteOnAction { ports }.vote(&ctx, &id, &voted).await;
    let after = after.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &after.value, after.version))
}

async fn execute(
    State(Routes(ports)): State<Routes>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let after = VoteOnAction { ports }.execute(&ctx, &id).await;
    let after = after.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &after.value, after.version))
}

async fn cancel(
    State(Routes(ports)): State<Routes>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let after = VoteOnAction { ports }.cancel(&ctx, &id).await;
    let after = after.map_err(|error| answer::problem(&error))?;
    Ok(answer::action(StatusCode::OK, &after.value, after.version))
}
