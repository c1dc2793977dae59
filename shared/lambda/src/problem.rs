//! Errors as answers: `application/problem+json` (RFC 9457).
//!
//! An answer never says why something is absent, and never repeats the text of an internal error.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, StatusCode};
use serde::Serialize;

/// Where the pages about problems are.
const BASE: &str = "https://counterfoil.example/problems/";

/// A problem to answer with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// JSON pointer to the field.
    pub pointer: String,
    /// The rule and the fix.
    pub detail: String,
}

impl Problem {
    /// A problem with a stable code and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self {
            kind: format!("{BASE}{code}"),
            title: title.into(),
            status: status.as_u16(),
            code,
            errors: Vec::new(),
            retry_after_s: None,
        }
    }

    /// Absent, or not yours: one answer for both.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here")
    }

    /// No credential that is valid.
    pub fn unauthenticated() -> Self {
        let title = "Send a valid API key as `Authorization: Bearer cfk_...`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", title)
    }

    /// Something behind the function did not answer; nothing was done.
    pub fn unavailable() -> Self {
        let title = "Nothing was done: a service did not answer. Try again";
        Self {
            retry_after_s: Some(2),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "evidence-unavailable",
                title,
            )
        }
    }

    /// Something was begun, and whether it took effect is not known yet.
    pub fn outcome_unknown() -> Self {
        let title = "It is not known yet whether this took effect: read the record again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", title)
    }

    /// Input that breaks a rule.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        };
        let title = "The request breaks a rule";
        Self {
            errors: vec![error],
            ..Self::new(StatusCode::BAD_REQUEST, "invalid-request", title)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderName::from_static("www-authenticate");
            headers.insert(challenge, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(
                HeaderName::from_static("retry-after"),
                HeaderValue::from(seconds),
            );
        }
        response
    }
}
