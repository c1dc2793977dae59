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

/// Changes of a canonical text, each at one place.
fn damaged(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![text.to_vec()];
    for at in 0..text.len() {
        for byte in *b"\x00\x1f \"\\,:{}[]0a-.\x7f\x80\xc3eEtu+" {
            let mut changed = text.to_vec();
            changed[at] = byte;
            all.push(changed);
            let mut longer = text.to_vec();
            longer.insert(at, byte);
            all.push(longer);
        }
        let mut shorter = text.to_vec();
        shorter.remove(at);
        all.push(shorter);
    }
    all
}

#[test]
fn the_scanner_takes_exactly_what_the_strict_reader_takes_as_canonical() {
    let texts: [&[u8]; 6] = [
        b"{\"a\":[1,-2,0,9007199254740991],\"b\":{\"c\":null,\"d\":true},\"e\":\"plain text of some length\"}",
        "{\"a\":\"caf\u{e9} \u{1f9fe}\",\"b0_\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\"}".as_bytes(),
        b"[[],{},[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
        b"-9007199254740991",
        b"false",
        b"\"12345678\\n1234567\\u000b\"",
    ];
    let mut tape = Tape::new();
    let mut canonical = 0;
    for text in texts.iter().flat_map(|text| damaged(text)) {
        for depth in [3, MAX_DEPTH, MAX_DEPTH + 1] {
            let strict = Json::parse_canonical_to(&text, depth);
            let scanned = tape.scan(&text, depth);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(scanned.is_some(), strict.is_ok(), "{shown}: {strict:?}");
            if let (Some(value), Ok(json)) = (scanned, strict) {
                canonical += 1;
                same(View::Tape(value), &json);
            }
        }
    }
    assert!(canonical > 500, "{canonical}");
}

/// Both show the same value, all the way down.
fn same(view: View<'_>, json: &Json) {
    assert_eq!(view.canonical().as_ref(), json.canonical());
    assert_eq!(view.as_str().as_deref(), json.as_str());
    assert_eq!(view.as_int(), json.as_int());
    assert_eq!(view.as_bool(), json.as_bool());
    assert_eq!(view.members(), json.as_object().map(BTreeMap::len));
    for (key, value) in json.as_object().into_iter().flatten() {
        same(view.get(key).unwrap(), value);
        assert!(view.get("absent").is_none());
    }
    let items = view.items().map(Iterator::collect::<Vec<_>>);
    assert_eq!(
        items.as_ref().map(Vec::len),
        json.as_array().map(<[Json]>::len)
    );
    for (item, json) in items
        .into_iter()
        .flatten()
        .zip(json.as_array().into_iter().flatten())
    {
        same(item, json);
    }
}
