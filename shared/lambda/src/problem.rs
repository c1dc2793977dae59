//! Errors as answers: `application/problem+json` (RFC 9457).
//!
//! An answer never says why something is absent, and never repeats the text of an internal error.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use counterfoil_core::policy::Judgement;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use serde::Serialize;
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema, ToSchema};

/// Where the pages about problems are.
const BASE: &str = "https://counterfoil.example/problems/";

/// A problem to answer with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Fields>);

/// What is wrong (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct Fields {
    /// Leads to the page about it.
    #[serde(rename = "type")]
    #[schema(format = "uri")]
    kind: String,
    /// A sentence for people. It may change.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Write programs against this.
    code: &'static str,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What to tell us.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The decision behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_id: Option<String>,
    #[serde(skip)]
    policy: Option<String>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
    #[serde(skip)]
    max_age_s: Option<u32>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer to the field.
    pub pointer: String,
    /// The rule and the fix.
    pub detail: String,
    /// Where in a document that the field holds: `plans[1].match.price`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The rule alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The line of the document, from 1, where the parser knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub line: Option<usize>,
    /// The column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub column: Option<usize>,
    /// Bytes that it covers from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// That line; of a long one what is around the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Fields::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Fields::schemas(schemas);
    }
}

impl Problem {
    /// A problem with a stable code and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self(Box::new(Fields {
            kind: format!("{BASE}{code}"),
            title: title.into(),
            status: status.as_u16(),
            code,
            errors: Vec::new(),
            request_id: None,
            decision_id: None,
            resource_id: None,
            policy: None,
            retry_after_s: None,
            max_age_s: None,
        }))
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

    /// The sign-in is older than `max_age_s` seconds: sign in again (RFC 9470).
    pub fn stale_login(max_age_s: u32) -> Self {
        let title = "The sign-in is too old for this: sign in again, and send the request again";
        let status = StatusCode::UNAUTHORIZED;
        let mut problem = Self::new(status, "insufficient_user_authentication", title);
        problem.0.max_age_s = Some(max_age_s);
        problem
    }

    /// Policy says no; where only the sign-in is too old, [`Problem::stale_login`].
    pub fn denied(judgement: &Judgement) -> Self {
        if let Some(seconds) = judgement.fresh_within_s {
            return Self::stale_login(seconds);
        }
        let title = format!("{} ({})", judgement.reason, judgement.rule);
        Self::new(StatusCode::FORBIDDEN, "action-denied", title)
    }

    /// Something behind the function did not answer; nothing was done.
    pub fn unavailable() -> Self {
        let title = "Nothing was done: a service did not answer. Try again";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "evidence-unavailable", title).retry_after(2)
    }

    /// Some of it may be done already; the same request goes on from there.
    pub fn unfinished() -> Self {
        let title = "This is not finished: send the same request again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-finished", title)
    }

    /// Something was begun, and whether it took effect is not known yet.
    pub fn outcome_unknown() -> Self {
        let title = "It is not known yet whether this took effect: read the record again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", title)
    }

    /// A defect of ours. The log has the cause; the answer does not.
    pub fn internal() -> Self {
        let title =
            "Something here is broken: try again, and tell us the request id if it stays so";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title)
    }

    /// Too much was asked for: when to ask again, in seconds.
    pub fn rate_limited(seconds: u32) -> Self {
        let title = "Too many requests with this credential: wait as `Retry-After` says";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", title).retry_after(seconds)
    }

    /// Names the decision behind this answer and the policy bundle that made it.
    #[must_use]
    pub fn decided(mut self, decision: &impl ToString, policy: impl Into<String>) -> Self {
        self.0.decision_id = Some(decision.to_string());
        self.0.policy = Some(policy.into());
        self
    }

    /// Names the resource that this is about.
    #[must_use]
    pub fn with_resource(mut self, id: impl Into<String>) -> Self {
        self.0.resource_id = Some(id.into());
        self
    }

    /// Says when to try again, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// What programs are written against.
    pub const fn code(&self) -> &'static str {
        self.0.code
    }

    /// Names the request.
    pub(crate) fn in_request(mut self, id: &str) -> Self {
        self.0.request_id = Some(id.to_owned());
        self
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Names a field and what is wrong with it: the rule and the fix.
    #[must_use]
    pub fn with_error(self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.with_field_error(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
            ..FieldError::default()
        })
    }

    /// Names what is wrong with a field, and where in it.
    #[must_use]
    pub fn with_field_error(mut self, error: FieldError) -> Self {
        self.0.errors.push(error);
        self
    }

    /// Input that breaks a rule.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let title = "The request breaks a rule";
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", title).with_error(pointer, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.to_bytes()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderName::from_static("www-authenticate");
            headers.insert(challenge, challenged(self.0.max_age_s));
        }
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        decision_headers(
            headers,
            self.0.decision_id.as_deref(),
            self.0.policy.as_deref(),
        );
        // The layers add the id of the request.
        response.extensions_mut().insert(self);
        response
    }
}

/// What a 401 asks for.
fn challenged(max_age_s: Option<u32>) -> HeaderValue {
    let again = max_age_s.map(|seconds| {
        let text =
            format!("Bearer error=\"insufficient_user_authentication\", max_age=\"{seconds}\"");
        HeaderValue::from_str(&text).ok()
    });
    let plain = HeaderValue::from_static("Bearer");
    again.flatten().unwrap_or(plain)
}

/// Says which decision an answer rests on and which policy bundle made it.
pub fn decision_headers(headers: &mut HeaderMap, decision: Option<&str>, policy: Option<&str>) {
    let named = [
        ("counterfoil-decision", decision),
        ("counterfoil-policy", policy),
    ];
    for (name, value) in named {
        let value = value.and_then(|value| HeaderValue::from_str(value).ok());
        if let Some(value) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
