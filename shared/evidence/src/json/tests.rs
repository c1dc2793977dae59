use super::*;

fn code(text: &[u8]) -> Code {
    Json::parse(text).unwrap_err().code
}

#[test]
fn canonical_form_sorts_keys_and_keeps_strings_raw() {
    let value = Json::parse("{ \"b\" : [1, -2, true, null], \"a\":\"caf\\u00e9/\\n\" }".as_bytes());
    assert_eq!(
        value.unwrap().canonical_text(),
        "{\"a\":\"café/\\n\",\"b\":[1,-2,true,null]}"
    );
}

#[test]
fn a_value_built_in_code_is_checked() {
    assert!(
        object([("a", Json::uint(MAX_UINT))])
            .check(MAX_DEPTH)
            .is_ok()
    );
    let big = object([("a", Json::uint(MAX_UINT + 1))]);
    assert_eq!(big.check(MAX_DEPTH).unwrap_err().code, Code::IntRange);
    let key = object([("Plan", Json::Null)]);
    assert_eq!(key.check(MAX_DEPTH).unwrap_err().code, Code::Key);
    let text = Json::from("a\u{7f}");
    assert_eq!(text.check(MAX_DEPTH).unwrap_err().code, Code::String);
    let deep = (0..17).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
    assert_eq!(deep.check(MAX_DEPTH).unwrap_err().code, Code::Depth);
    assert!(!deep.fits_depth(MAX_DEPTH));
    assert!(deep.fits_depth(MAX_DEPTH + 1));
}

#[test]
fn every_rule_has_its_code() {
    assert_eq!(code(b"{\"a\":01}"), Code::Json);
    assert_eq!(code(b"{\"a\":1,}"), Code::Json);
    assert_eq!(code(b"{\"a\":4.0}"), Code::Float);
    assert_eq!(code(b"{\"a\":-0}"), Code::IntRange);
    assert_eq!(code(b"{\"a\":\"\\ud800x\"}"), Code::Surrogate);
    assert_eq!(code(b"{\"a\":\"\\ud800\\u0041\"}"), Code::Surrogate);
    assert_eq!(code(b"{\"a\":\"\\u0000\"}"), Code::String);
    assert_eq!(code(b"{} {}"), Code::Json);
    assert_eq!(code("[".repeat(100_000).as_bytes()), Code::Depth);
}

#[test]
fn a_broken_rule_is_reported_before_the_form() {
    let fault = Json::parse_canonical(b"{\"a\":1, \"\\u0061\":2}").unwrap_err();
    assert_eq!(fault.code, Code::DupKey);
    let fault = Json::parse_canonical(b"{\"a\":1, \"b\":2}").unwrap_err();
    assert_eq!(fault.code, Code::Canon);
}
