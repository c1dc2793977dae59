use axum::Json;
use axum::extract::Path;
use axum::routing::{get, post};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::*;

fn routes() -> Front {
    let panics = async || -> Response { panic!("canary-of-a-panic") };
    let number = async |Path(number): Path<u32>| Json(json!({ "number": number }));
    let echo = async |body: axum::body::Bytes| body;
    let routes = Router::new()
        .route("/panics", get(panics))
        .route("/numbers/{number}", get(number))
        .route("/echo", post(echo));
    Front::open(routes)
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// A problem with this status and code that names its request, with the headers of every answer.
    fn is_problem(&self, status: u16, code: &str) {
        let said = self.json();
        assert_eq!(self.status, status, "{said}");
        assert_eq!(said["status"], status);
        assert_eq!(said["code"], code, "{said}");
        assert!(
            said["type"]
                .as_str()
                .unwrap()
                .ends_with(&format!("/problems/{code}"))
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(said["request_id"], self.header("x-request-id"));
        self.has_headers();
    }

    fn has_headers(&self) {
        assert_ne!(self.header("x-request-id"), "");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert!(
            self.header("strict-transport-security")
                .starts_with("max-age=")
        );
    }
}

async fn send(request: http::request::Builder, body: impl Into<Body>) -> Answer {
    let request = request.body(body.into()).unwrap();
    let (parts, body) = routes().answer(request).await.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.to_vec(),
    }
}

fn to(method: Method, uri: &str) -> http::request::Builder {
    Request::builder().method(method).uri(uri)
}

#[tokio::test]
async fn an_answer_carries_the_request_id_and_the_security_headers() {
    let good = send(
        to(Method::GET, "/numbers/7").header("x-request-id", "build-17"),
        "",
    )
    .await;
    assert_eq!(good.status, 200);
    assert_eq!(good.header("x-request-id"), "build-17");
    good.has_headers();
    let replaced = send(
        to(Method::GET, "/numbers/7").header("x-request-id", "a b"),
        "",
    )
    .await;
    assert!(replaced.header("x-request-id").starts_with("req_"));
}

#[tokio::test]
async fn what_the_framework_refuses_is_a_problem_too() {
    send(to(Method::GET, "/nowhere"), "")
        .await
        .is_problem(404, "not-found");
    send(to(Method::GET, "/numbers/seven"), "")
        .await
        .is_problem(400, "invalid-request");
    let method = send(to(Method::DELETE, "/echo"), "").await;
    method.is_problem(405, "method-not-allowed");
    assert_eq!(method.header("allow"), "POST");
}

#[tokio::test]
async fn a_panic_is_a_500_that_says_nothing() {
    let answer = send(to(Method::GET, "/panics").header("x-request-id", "r1"), "").await;
    answer.is_problem(500, "internal");
    assert!(!String::from_utf8(answer.body).unwrap().contains("canary"));
}

#[tokio::test]
async fn a_body_of_256_kib_passes_and_one_byte_more_does_not() {
    let most = vec![b' '; MAX_BODY];
    let passes = send(to(Method::POST, "/echo"), most.clone()).await;
    assert_eq!((passes.status, passes.body.len()), (200, MAX_BODY));
    let mut more = most;
    more.push(b' ');
    send(to(Method::POST, "/echo"), more)
        .await
        .is_problem(413, "body-too-large");
}

#[tokio::test]
async fn ten_megabytes_are_refused_by_what_they_say_and_by_what_they_are() {
    let ten: usize = 10 * 1024 * 1024;
    let said = to(Method::POST, "/echo").header(CONTENT_LENGTH, ten.to_string());
    send(said, "{}").await.is_problem(413, "body-too-large");
    let unsaid = to(Method::POST, "/echo").header(CONTENT_TYPE, "application/json");
    send(unsaid, vec![b'x'; ten])
        .await
        .is_problem(413, "body-too-large");
    let lying = to(Method::POST, "/echo").header(CONTENT_LENGTH, "2");
    send(lying, vec![b'x'; ten])
        .await
        .is_problem(413, "body-too-large");
}

#[tokio::test]
async fn a_credential_in_a_url_is_refused_whatever_the_route_and_never_comes_back() {
    const KEY: &str = "cfk_test_0123456789_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Vcbjn";
    for uri in [
        format!("/numbers/7?key={KEY}"),
        format!("/numbers/{KEY}"),
        format!("/nowhere?x={KEY}"),
        "/echo?access_token=x".to_owned(),
    ] {
        let answer = send(to(Method::GET, &uri), "").await;
        answer.is_problem(400, "credential-in-url");
        let said = format!("{:?} {}", answer.headers, answer.json());
        assert!(!said.contains("AAAAAAAA"), "{said}");
        assert!(said.contains("revoke it"));
    }
}
