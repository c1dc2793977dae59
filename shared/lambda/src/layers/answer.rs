//! What every answer carries: the request id, security headers, and a problem as its body when it
//! is an error.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    ALLOW, CACHE_CONTROL, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};

use super::once::Replayed;
use super::request_id::{REQUEST_ID, RequestId};
use crate::Problem;

/// Two years, as browsers' preload lists ask for.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// In the extensions of a response: its errors have the form of another protocol.
#[derive(Debug, Clone, Copy)]
pub struct AsItIs;

/// The answer as it goes out.
pub(super) fn finish(response: Response, id: &RequestId) -> Response {
    let mut response = named(as_problem(response), id);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    response
}

/// An error that the framework made has no body of ours: it gets one. Its text is not repeated.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    let extensions = response.extensions();
    let ours = extensions.get::<Problem>().is_some()
        || extensions.get::<Replayed>().is_some()
        || extensions.get::<AsItIs>().is_some();
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let allow = response.headers().get(ALLOW).cloned();
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => {
            let title = "This route does not take this method: `Allow` names those that it takes";
            Problem::new(status, "method-not-allowed", title)
        }
        status if status.is_client_error() => {
            Problem::invalid("", "the path or the query string cannot be read")
        }
        _ => Problem::internal(),
    };
    let mut response = problem.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The problem once more, with the id of the request.
fn named(mut response: Response, id: &RequestId) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let body = problem.in_request(id.as_str()).to_bytes();
    *response.body_mut() = Body::from(body);
    response
}
