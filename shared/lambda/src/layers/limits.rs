//! How large a request may be, and what no route takes.

use axum::body::{Body, Bytes, to_bytes};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use crate::Problem;

/// Bytes of a body, at most.
pub const MAX_BODY: usize = 256 * 1024;

/// What is wrong with a request whatever its route. In the request's extensions, and raised by the
/// extractors of [`crate::http`] once the caller and the tenant are known.
#[derive(Debug, Clone)]
pub struct InputFault(pub Problem);

/// The whole body, unless it is too large: said by `Content-Length`, or found while reading.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let said = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let most = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    if said.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    to_bytes(body, MAX_BODY).await.map_err(|_| too_large())
}

fn too_large() -> Problem {
    let title = "The body is larger than 256 KiB, the most that is taken: send less at once";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title)
}

/// A body that is not declared as JSON, or a query string where none is read.
pub(super) fn fault(parts: &Parts, body: &Bytes, takes_query: bool) -> Option<InputFault> {
    if !body.is_empty() && !is_json(&parts.headers) {
        let title = "The body must be JSON: send `Content-Type: application/json`";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let problem = Problem::new(status, "unsupported-media-type", title);
        return Some(InputFault(problem));
    }
    let query = parts.uri.query().filter(|query| !query.is_empty())?;
    if takes_query {
        return None;
    }
    let (name, _) = form_urlencoded::parse(query.as_bytes()).next()?;
    let name = name.replace('~', "~0").replace('/', "~1");
    let detail = "is not taken: this route has no query parameters, leave it out";
    Some(InputFault(Problem::invalid(format!("/{name}"), detail)))
}

/// `application/json`, with parameters or without (RFC 8259 section 11 defines none).
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = value.and_then(|value| value.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"))
}
