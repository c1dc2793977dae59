//! Telling apart what a function was invoked with.
//!
//! A function may have an HTTP API in front of it and be invoked by a schedule or by another
//! function as well; API Gateway's events are recognised by their request context.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use axum::body::Body;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use serde_json::{Value, json};
use thiserror::Error;

use crate::Problem;
use crate::layers::Front;

/// The largest response body that is sent inline.
const MAX_RESPONSE: usize = 5 * 1024 * 1024;

/// What a function was invoked with.
#[derive(Debug)]
pub enum Incoming {
    /// A request through the HTTP API.
    Http(Box<Request<Body>>),
    /// Anything else, as it came.
    Other(Value),
}

/// An event that is not what it claims to be.
#[derive(Debug, Error)]
pub enum EventError {
    /// An HTTP event without the fields of payload format 2.0.
    #[error("the HTTP event cannot be read")]
    Shape(#[source] serde_json::Error),
    /// Its parts do not make a request.
    #[error("the HTTP event is not a request")]
    Request(#[source] http::Error),
    /// The body says that it is base64 and is not.
    #[error("the body is not base64")]
    Base64,
    /// The response could not be read.
    #[error("the response cannot be read")]
    Response,
}

/// Sorts an event.
///
/// # Errors
/// When an HTTP event is malformed.
pub fn read(event: Value) -> Result<Incoming, EventError> {
    if event.pointer("/requestContext/http").is_none() {
        return Ok(Incoming::Other(event));
    }
    let event: ApiGatewayV2httpRequest =
        serde_json::from_value(event).map_err(EventError::Shape)?;
    Ok(Incoming::Http(Box::new(request(&event)?)))
}

/// The raw body bytes of an HTTP event, exactly as they were sent.
fn body(event: &ApiGatewayV2httpRequest) -> Result<Vec<u8>, EventError> {
    match &event.body {
        None => Ok(Vec::new()),
        Some(text) if event.is_base64_encoded => {
            STANDARD.decode(text).map_err(|_| EventError::Base64)
        }
        Some(text) => Ok(text.clone().into_bytes()),
    }
}

fn request(event: &ApiGatewayV2httpRequest) -> Result<Request<Body>, EventError> {
    let bytes = body(event)?;
    let path = event.raw_path.as_deref().unwrap_or("/");
    // The gateway has decoded the path; what a URI cannot hold is encoded again.
    let mut uri: String = path.bytes().map(encode).collect();
    if let Some(query) = event
        .raw_query_string
        .as_deref()
        .filter(|query| !query.is_empty())
    {
        uri.push('?');
        uri.push_str(query);
    }
    let mut request = Request::builder()
        .method(event.request_context.http.method.clone())
        .uri(uri);
    if let Some(headers) = request.headers_mut() {
        headers.extend(event.headers.clone());
    }
    request.body(Body::from(bytes)).map_err(EventError::Request)
}

fn encode(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// Answers a request with routes, in the form that the HTTP API expects.
///
/// # Errors
/// When the response body cannot be read; the routes themselves do not fail.
pub async fn answer(routes: Front, request: Request<Body>) -> Result<Value, EventError> {
    payload(routes.answer(request).await).await
}

/// An answer that no route gives, in the same form.
///
/// # Errors
/// As [`answer`].
pub async fn told(problem: Problem) -> Result<Value, EventError> {
    payload(problem.into_response()).await
}

async fn payload(response: Response<Body>) -> Result<Value, EventError> {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, MAX_RESPONSE)
        .await
        .map_err(|_| EventError::Response)?;
    let headers: serde_json::Map<String, Value> = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), json!(value.to_str().ok()?))))
        .collect();
    let (body, encoded) = match String::from_utf8(bytes.to_vec()) {
        Ok(text) => (text, false),
        Err(binary) => (STANDARD.encode(binary.into_bytes()), true),
    };
    Ok(json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers,
        "body": body,
        "isBase64Encoded": encoded,
    }))
}
