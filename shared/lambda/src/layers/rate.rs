//! The rate limit as callers see it (draft-ietf-httpapi-ratelimit-headers-11).

use std::sync::{Arc, Mutex, PoisonError};

use axum::response::Response;
use counterfoil_core::ids::WorkspaceId;
use counterfoil_core::usecases::{Allowance, LimitRate};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::Problem;
use crate::telemetry::chain;

/// Headers that an extractor gives to the answer of its request.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbound(Arc<Mutex<HeaderMap>>);

impl Outbound {
    fn insert(&self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            let mut headers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            headers.insert(HeaderName::from_static(name), value);
        }
    }

    /// What is absent and what is not the caller's are answered alike to the last header, so a 404
    /// has none of these.
    pub(super) fn add_to(&self, mut response: Response) -> Response {
        if response.status() != StatusCode::NOT_FOUND {
            let headers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            response.headers_mut().extend(headers.clone());
        }
        response
    }
}

/// Counts a request of this credential.
pub(crate) async fn count(
    limit: &LimitRate,
    parts: &Parts,
    workspace: WorkspaceId,
    credential: &str,
) -> Result<(), Problem> {
    let quota = limit.rate().quota();
    let say = |left: u64, wait_s: u64| {
        if let Some(outbound) = parts.extensions.get::<Outbound>() {
            let policy = format!("\"credential\";q={quota};w=60");
            outbound.insert("ratelimit-policy", &policy);
            outbound.insert("ratelimit", &format!("\"credential\";r={left};t={wait_s}"));
        }
    };
    match limit.spend(workspace, credential).await {
        Allowance::Passed { left } => {
            let missing = quota.saturating_sub(left);
            say(left, missing.saturating_mul(60).div_ceil(quota));
            Ok(())
        }
        Allowance::Refused { wait_s } => {
            say(0, wait_s);
            Err(Problem::rate_limited(u32::try_from(wait_s).unwrap_or(60)))
        }
        Allowance::Uncounted(error) => {
            tracing::error!(cause = chain(&error), "a request was not counted");
            Ok(())
        }
    }
}
