//! Shapes of answers that many routes share.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header::ETAG};
use axum::response::{IntoResponse, Response};
use counterfoil_core::incident::{MAX_REASON, MIN_REASON};
use counterfoil_lambda::Problem;
use serde::Serialize;

/// A record with its version as `ETag`.
pub(crate) fn versioned(status: StatusCode, view: &impl Serialize, version: u64) -> Response {
    let mut response = (status, Json(view)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

pub(crate) fn conflict(code: &'static str, title: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, title)
}

/// The words of a person who says why.
pub(crate) fn reason(words: &str) -> Result<String, Problem> {
    let words = words.trim();
    if (MIN_REASON..=MAX_REASON).contains(&words.chars().count()) {
        return Ok(words.to_owned());
    }
    let rule = "must say in 10 to 1,000 characters why";
    Err(Problem::invalid("/reason", rule))
}
