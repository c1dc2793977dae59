//! Each kind of bad input gets its documented problem, and nothing is written.

use http::Method;
use serde_json::json;

use super::stage::{Call, Stage};

const GOOD: &str = r#"{"name":"a"}"#;

fn media<'a>(media: Option<&'a str>, mut call: Call<'a>) -> Call<'a> {
    call.media = media;
    call
}

fn keyed<'a>(once: Option<&'a str>, mut call: Call<'a>) -> Call<'a> {
    call.once = once;
    call
}

fn by<'a>(key: &'a str, mut call: Call<'a>) -> Call<'a> {
    call.key = Some(key);
    call
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table, a row per kind")]
async fn each_kind_of_bad_input_gets_its_problem_and_writes_nothing() {
    let stage = Stage::new().await;
    let things = |body: &str| Call::post("/v1/things", body);
    let deep = format!(r#"{{"name":{}{}}}"#, "[".repeat(17), "]".repeat(17));
    let long = json!({ "name": "x".repeat(4_097) }).to_string();
    let huge = json!({ "name": "x".repeat(10 * 1024 * 1024) }).to_string();
    let long_key = "k".repeat(256);
    let in_url = format!("/v1/things?x={}", stage.key);
    let other_in_url = format!("/v1/things/{}", stage.other_key);
    let table: Vec<(&str, Call<'_>, u16, &str, &str)> = vec![
        (
            "unknown field",
            things(r#"{"name":"a","x":1}"#),
            400,
            "invalid-request",
            "/x",
        ),
        (
            "missing field",
            things("{}"),
            400,
            "invalid-request",
            "/name",
        ),
        (
            "no body",
            media(None, things("")),
            400,
            "invalid-request",
            "/name",
        ),
        (
            "wrong type",
            things(r#"{"name":7}"#),
            400,
            "invalid-request",
            "/name",
        ),
        (
            "unknown word",
            things(r#"{"name":"a","outcome":"x"}"#),
            400,
            "invalid-request",
            "/outcome",
        ),
        (
            "field twice",
            things(r#"{"name":"a","name":"b"}"#),
            400,
            "invalid-request",
            "/name",
        ),
        (
            "broken JSON",
            things(r#"{"name":"#),
            400,
            "invalid-request",
            "",
        ),
        ("no object", things("[]"), 400, "invalid-request", ""),
        (
            "too deep",
            things(&deep),
            400,
            "invalid-request",
            "/name/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0",
        ),
        ("too long", things(&long), 400, "invalid-request", "/name"),
        ("too large", things(&huge), 413, "body-too-large", "none"),
        (
            "no media type",
            media(None, things(GOOD)),
            415,
            "unsupported-media-type",
            "none",
        ),
        (
            "form",
            media(Some("text/plain"), things(GOOD)),
            415,
            "unsupported-media-type",
            "none",
        ),
        (
            "no key",
            keyed(None, things(GOOD)),
            400,
            "idempotency-key-missing",
            "none",
        ),
        (
            "empty key",
            keyed(Some(""), things(GOOD)),
            400,
            "idempotency-key-missing",
            "none",
        ),
        (
            "blank in key",
            keyed(Some("a b"), things(GOOD)),
            400,
            "idempotency-key-missing",
            "none",
        ),
        (
            "long key",
            keyed(Some(&long_key), things(GOOD)),
            400,
            "idempotency-key-missing",
            "none",
        ),
        (
            "unknown parameter",
            Call::get("/v1/things?lim=1"),
            400,
            "invalid-request",
            "/lim",
        ),
        (
            "bad parameter",
            Call::get("/v1/things?limit=x"),
            400,
            "invalid-request",
            "/limit",
        ),
        (
            "parameter where none is",
            Call::get("/v1/things/1?limit=1"),
            400,
            "invalid-request",
            "/limit",
        ),
        (
            "parameter and body",
            Call::post("/v1/things/1/copies?dry=1", GOOD),
            400,
            "invalid-request",
            "/dry",
        ),
        (
            "key in a query",
            Call::get(&in_url),
            400,
            "credential-in-url",
            "none",
        ),
        (
            "key in a path",
            Call::get(&other_in_url),
            400,
            "credential-in-url",
            "none",
        ),
        (
            "token parameter",
            Call::get("/v1/things?access_token=x"),
            400,
            "credential-in-url",
            "none",
        ),
        (
            "no credential",
            by("", things(GOOD)),
            401,
            "unauthenticated",
            "none",
        ),
        (
            "no key of ours",
            by("cfk_test_x", things("{")),
            401,
            "unauthenticated",
            "none",
        ),
        (
            "no credential, bad query",
            by("", Call::get("/v1/things?x=1")),
            401,
            "unauthenticated",
            "none",
        ),
        (
            "absent",
            Call::get("/v1/things/1"),
            404,
            "not-found",
            "none",
        ),
        (
            "no route",
            Call::get("/v1/nothing"),
            404,
            "not-found",
            "none",
        ),
        (
            "method",
            Call {
                method: Method::DELETE,
                ..Call::get("/v1/things")
            },
            405,
            "method-not-allowed",
            "none",
        ),
        (
            "JSON with charset",
            media(Some("application/json; charset=utf-8"), things("{}")),
            400,
            "invalid-request",
            "/name",
        ),
        (
            "panic",
            things(r#"{"name":"a","outcome":"panic"}"#),
            500,
            "internal",
            "none",
        ),
    ];
    for (what, call, status, code, pointer) in table {
        let before = stage.store.dump();
        let panics = status == 500;
        let answer = stage.send(call).await;
        assert_eq!(answer.body["code"], code, "{what}: {}", answer.body);
        answer.is(status, code);
        assert_eq!(answer.pointer(), pointer, "{what}: {}", answer.body);
        // A panic comes after the request was begun: its lease is what is left of it.
        assert!(
            panics || stage.store.dump() == before,
            "{what} wrote something"
        );
        assert!(!answer.body.to_string().contains("canary"), "{what}");
    }
    let good = keyed(Some("k2"), things(GOOD));
    assert_eq!(stage.send(good).await.status, 201);
}
