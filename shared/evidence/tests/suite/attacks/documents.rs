//! The JSON document and its members.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Package;

use super::{Row, export, judge, pin, run, text};
use crate::forge::{at, check, fields, items, outcome, with};
use crate::rules::{base, seq};
use crate::second::verify;

pub(super) const ROWS: &[Row] = &[
    (
        "31",
        "duplicate JSON key",
        || text("\"v\":1", "\"v\":1,\"v\":1"),
        "E_DUP_KEY",
    ),
    ("32", "NaN", || text("\"v\":1", "\"v\":NaN"), "E_FLOAT"),
    ("33", "4.0", || text("\"v\":1", "\"v\":4.0"), "E_FLOAT"),
    (
        "34",
        "2^53+1",
        || text("\"v\":1", "\"v\":9007199254740993"),
        "E_INT_RANGE",
    ),
    ("35", "-0", || text("\"v\":1", "\"v\":-0"), "E_INT_RANGE"),
    (
        "36",
        "NFC to NFD",
        || text("caf\u{e9}", "cafe\u{301}"),
        "E_PART_HASH",
    ),
    (
        "37",
        "lone surrogate",
        || text("caf\u{e9}", "caf\\ud800"),
        "E_SURROGATE",
    ),
    ("38", "invalid UTF-8", invalid_utf8, "E_JSON"),
    ("39", "second document appended", appended, "E_JSON"),
    (
        "69",
        "upper-case key",
        || text("\"customer\"", "\"Customer\""),
        "E_KEY",
    ),
    (
        "70",
        "U+007F",
        || text("caf\u{e9}", "caf\u{7f}"),
        "E_STRING",
    ),
    (
        "70b",
        "U+0000",
        || text("caf\u{e9}", "caf\\u0000"),
        "E_STRING",
    ),
    (
        "71",
        "part nested 17 deep",
        || export(|p| nest(p, 17)),
        "E_DEPTH",
    ),
    (
        "71b",
        "document nested 10000 deep",
        deep_document,
        "E_DEPTH",
    ),
    (
        "67",
        "unknown format",
        || export(|p| set(p, "format", "counterfoil.export/2".into())),
        "E_FORMAT",
    ),
    (
        "67b",
        "unknown package field",
        || export(|p| set(p, "note", Json::Null)),
        "E_PACKAGE_FIELDS",
    ),
    (
        "67c",
        "unknown entry field",
        || export(|p| set(at(p, "entries/3"), "note", Json::Null)),
        "E_ENTRY_FIELDS",
    ),
    (
        "67d",
        "proof in a full export",
        || export(|p| set(at(p, "entries/3"), "proof", Json::Array(vec![]))),
        "E_ENTRY_FIELDS",
    ),
    (
        "68",
        "descriptor field added",
        || export(|p| set(at(p, "descriptor"), "note", Json::Null)),
        "E_DESCRIPTOR",
    ),
    (
        "17b",
        "package of another tenant, stream pinned",
        other_tenant,
        "E_STREAM_PIN",
    ),
    (
        "66",
        "output file swapped after the run",
        swapped_output,
        "E_OUTPUT_HASH",
    ),
    (
        "106",
        "unknown field in a consistency proof",
        || run(|p| consistency(p, &["note", "proof", "size"])),
        "E_PACKAGE_FIELDS",
    ),
    (
        "106b",
        "unknown field in a time-stamp",
        || export(|p| timestamp(p, &["note", "seal", "tsr"])),
        "E_PACKAGE_FIELDS",
    ),
    (
        "98c",
        "time-stamp of another seal",
        || export(|p| timestamp(p, &["seal", "tsr"])),
        "E_TIMESTAMP",
    ),
    (
        "",
        "consistency sizes do not ascend",
        || run(descending),
        "E_PACKAGE_FIELDS",
    ),
    (
        "",
        "consistency proof of 65 hashes",
        || run(long_consistency),
        "E_PROOF_LEN",
    ),
    (
        "",
        "entries are missing",
        || {
            export(|p| {
                fields(p).remove("entries");
            })
        },
        "E_FORMAT",
    ),
    (
        "",
        "a seal is a number",
        || export(|p| *at(p, "seals/0") = Json::Int(1)),
        "E_FORMAT",
    ),
    ("", "a document over the size limit", too_large, "E_LIMIT"),
];

#[test]
fn documents_are_refused() {
    judge(ROWS);
}

pub(super) fn set(json: &mut Json, name: &str, value: Json) {
    fields(json).insert(name.to_owned(), value);
}

fn invalid_utf8() -> counterfoil_evidence::verify::Verdict {
    let forge = base();
    let mut bytes = forge.export().canonical();
    let at = bytes
        .windows(2)
        .position(|pair| pair == [0xc3, 0xa9])
        .unwrap();
    bytes[at] = 0xff;
    verify(Package::Document(&bytes), &forge.trust())
}

fn appended() -> counterfoil_evidence::verify::Verdict {
    let forge = base();
    let bytes = [forge.export().canonical(), forge.export().canonical()].concat();
    verify(Package::Document(&bytes), &forge.trust())
}

fn deep_document() -> counterfoil_evidence::verify::Verdict {
    let bytes = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    verify(Package::Document(bytes.as_bytes()), &base().trust())
}

fn too_large() -> counterfoil_evidence::verify::Verdict {
    let forge = base();
    let mut trust = forge.trust();
    trust.limits.max_bytes = 1_000;
    check(&forge.export(), &trust)
}

fn nest(package: &mut Json, levels: usize) {
    let deep = (1..levels).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
    set(
        at(package, &format!("entries/{}/p/facts/d", seq::OPEN)),
        "deep",
        deep,
    );
}

fn other_tenant() -> counterfoil_evidence::verify::Verdict {
    let forge = base();
    let mut trust = forge.trust();
    trust.stream = counterfoil_evidence::hash::Hash::ZERO;
    check(&forge.export(), &trust)
}

fn swapped_output() -> counterfoil_evidence::verify::Verdict {
    let forge = base();
    let mut trust = forge.trust();
    let digest = counterfoil_evidence::hash::sha256(b"another report");
    trust.outputs = vec![("out/report".to_owned(), digest)];
    check(&forge.export(), &trust)
}

fn consistency(package: &mut Json, names: &[&str]) {
    let item = names.iter().map(|name| match *name {
        "size" => (*name, Json::uint(6)),
        name => (name, Json::Array(vec![])),
    });
    set(package, "consistency", Json::Array(vec![object(item)]));
}

fn descending(package: &mut Json) {
    consistency(package, &["proof", "size"]);
    let list = items(at(package, "consistency"));
    list.push(list[0].clone());
}

fn long_consistency(package: &mut Json) {
    consistency(package, &["proof", "size"]);
    let hash = Json::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    *at(package, "consistency/0/proof") = Json::Array(vec![hash; 65]);
}

fn timestamp(package: &mut Json, names: &[&str]) {
    let forge = base();
    let first = counterfoil_evidence::seal::Seal::parse(&forge.seals[0])
        .unwrap()
        .seal_hash();
    let item = names.iter().map(|name| match *name {
        "seal" => (*name, Json::from(first)),
        name => (name, "AAAA".into()),
    });
    set(package, "timestamps", Json::Array(vec![object(item)]));
}

#[test]
fn a_time_stamp_about_its_seal_is_taken_but_its_signature_is_not_checked() {
    use base64::Engine as _;
    let forge = base();
    let hash = counterfoil_evidence::seal::Seal::parse(&forge.seals[0])
        .unwrap()
        .seal_hash();
    let token = [b"token about ".as_slice(), hash.as_bytes()].concat();
    let token = base64::engine::general_purpose::STANDARD.encode(token);
    let item = object([("seal", Json::from(hash)), ("tsr", token.into())]);
    let package = with(forge.export(), "timestamps", Json::Array(vec![item]));
    let verdict = check(&package, &pin(&package, forge.trust()));
    let accepted = verdict.result.unwrap();
    assert!(!accepted.timestamp);
    assert!(
        accepted
            .not_checked
            .iter()
            .any(|what| what.contains("time-stamp authority"))
    );
}

#[test]
fn a_document_that_would_take_more_than_a_gibibyte_of_memory_is_refused_unread() {
    let many = "{\"a\":0},".repeat(1_500_000);
    let document = format!("{{\"x\":[{many}0]}}");
    let verdict = verify(Package::Document(document.as_bytes()), &base().trust());
    assert_eq!(outcome(&verdict), "E_LIMIT");
}
