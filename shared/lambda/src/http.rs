//! What handlers of HTTP routes share: the caller, and strict JSON bodies.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use counterfoil_core::auth::{AuthError, authenticate};
use counterfoil_core::ports::{Clock, State};
use counterfoil_core::tenancy::TenantCtx;
use http::HeaderMap;
use http::header::{AUTHORIZATION, IF_MATCH};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Problem;
use crate::telemetry::chain;

/// What authentication needs; the router's state must offer it.
pub trait Authenticates {
    /// The state table.
    fn state(&self) -> Arc<dyn State>;

    /// Time.
    fn clock(&self) -> Arc<dyn Clock>;
}

/// Whoever presented a valid key, with the tenant it is for. As an argument of a handler it makes
/// every request without one a 401 before the body is looked at.
#[derive(Debug, Clone)]
pub struct Caller(pub TenantCtx);

impl<S: Authenticates + Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let key = header.and_then(|value| value.strip_prefix("Bearer "));
        let key = key.ok_or_else(Problem::unauthenticated)?;
        let (table, clock) = (state.state(), state.clock());
        match authenticate(table.as_ref(), key, clock.now()).await {
            Ok(ctx) => Ok(Self(ctx)),
            Err(AuthError::Unauthenticated) => Err(Problem::unauthenticated()),
            Err(error @ AuthError::Unavailable(_)) => {
                tracing::error!(cause = chain(&error), "authentication was not possible");
                Err(Problem::unavailable())
            }
        }
    }
}

/// Reads a JSON body strictly; an empty body is `{}`.
///
/// # Errors
/// A 400 that says where and why.
pub fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::invalid(
            "",
            format!("the body is not what this route takes: {error}"),
        )
    })
}

/// The version that `If-Match` names, if it is there.
///
/// # Errors
/// When the header is not an `ETag` of this API (`"7"`).
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let tag = value.to_str().ok().map(|text| text.trim_matches('"'));
    let version = tag.and_then(|tag| tag.parse().ok());
    version.map(Some).ok_or_else(|| {
        Problem::invalid(
            "",
            "`If-Match` must be the ETag of the record, for example \"3\"",
        )
    })
}

/// The `Idempotency-Key`, which routes that change something demand.
///
/// # Errors
/// A 400 when it is missing or not 1 to 255 characters long.
pub fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .filter(|key| (1..=255).contains(&key.len()));
    key.map(str::to_owned).ok_or_else(|| {
        let title = "Send `Idempotency-Key` with 1 to 255 characters of your own choice";
        let status = http::StatusCode::BAD_REQUEST;
        Problem::new(status, "idempotency-key-missing", title)
    })
}
