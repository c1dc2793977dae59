use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Owner,
    Viewer,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Person {
    name: String,
    role: Role,
    #[serde(default)]
    age: Option<u64>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Tag {
    word: String,
}

fn refused(text: &str) -> (String, String) {
    let problem = body::<Person>(text.as_bytes()).unwrap_err();
    let said = serde_json::to_value(&problem).unwrap();
    assert_eq!(said["status"], 400, "{text}");
    assert_eq!(said["code"], "invalid-request", "{text}");
    let error = &said["errors"][0];
    let words = |of: &Value| of.as_str().unwrap().to_owned();
    (words(&error["pointer"]), words(&error["detail"]))
}

#[test]
fn each_defect_names_its_field_its_rule_and_its_fix() {
    let deep = "[".repeat(17) + &"]".repeat(17);
    let table = [
        ("", "/name", "is missing"),
        (r#"{"name":"a"}"#, "/role", "is missing"),
        (r#"{"name":1,"role":"owner"}"#, "/name", "a string"),
        (
            r#"{"name":"a","role":"king"}"#,
            "/role",
            "`owner` or `viewer`",
        ),
        (
            r#"{"name":"a","role":"owner","age":"7"}"#,
            "/age",
            "whole number",
        ),
        (
            r#"{"name":"a","role":"owner","age":-7}"#,
            "/age",
            "whole number",
        ),
        (r#"{"name":"a","role":"owner","x":1}"#, "/x", "`name`"),
        (
            r#"{"name":"a","name":"b","role":"owner"}"#,
            "/name",
            "twice",
        ),
        (
            r#"{"name":"a","role":"owner","tags":[{"word":"w"},{"word":7}]}"#,
            "/tags/1/word",
            "string",
        ),
        (
            r#"{"name":"a","role":"owner","tags":[{"word":"w","a/b":7}]}"#,
            "/tags/0/a~1b",
            "`word`",
        ),
        (
            r#"{"name":"a","role":"owner","tags":{}}"#,
            "/tags",
            "a list",
        ),
        ("[]", "", "must be"),
        ("7", "", "must be"),
        ("{", "", "not JSON"),
        (r#"{"name":"a"} {}"#, "", "not JSON"),
        ("{\"name\":\"\u{1}\"}", "", "not JSON"),
        (&format!(r#"{{"tags":{deep}}}"#), "/tags", "deeper than 16"),
    ];
    for (text, pointer, words) in table {
        let (at, detail) = refused(text);
        if words.starts_with("deeper") {
            assert!(at.starts_with(pointer), "{text}: {at}");
        } else {
            assert_eq!(at, pointer, "{text}: {detail}");
        }
        assert!(detail.contains(words), "{text}: {detail}");
    }
}

#[test]
fn a_long_text_is_refused_and_a_route_may_take_longer_ones() {
    let text = json!({"name": "x".repeat(4_097), "role": "owner"}).to_string();
    let (at, detail) = refused(&text);
    assert_eq!(at, "/name");
    assert!(detail.contains("4096 bytes"), "{detail}");
    assert!(body_with::<Person>(text.as_bytes(), 5_000).is_ok());
    let fits = json!({"name": "x".repeat(4_096), "role": "owner"}).to_string();
    assert!(body::<Person>(fits.as_bytes()).is_ok());
}

#[test]
fn sixteen_levels_are_taken() {
    let deep = "[".repeat(16) + &"]".repeat(16);
    assert!(shape::check(deep.as_bytes(), 10).is_ok());
    let deeper = "[".repeat(17) + &"]".repeat(17);
    assert!(shape::check(deeper.as_bytes(), 10).is_err());
}

#[test]
fn no_value_that_was_sent_comes_back() {
    for text in [
        r#"{"name":"a","role":"canary-7351"}"#,
        r#"{"name":"a","role":"owner","age":"canary-7351"}"#,
        r#"{"name":"a","role":"owner","tags":"canary-7351"}"#,
        r#"{"name":["canary-7351"],"role":"owner"}"#,
        r#""canary-7351""#,
    ] {
        let (_, detail) = refused(text);
        assert!(!detail.contains("canary"), "{detail}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let problem = body::<Person>(b"{\"name\":\"\xff\"}").unwrap_err();
    let said = serde_json::to_string(&problem).unwrap();
    assert!(said.contains("not JSON"), "{said}");
}
