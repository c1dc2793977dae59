//! Manifests and files that differ: everything at once.

use counterfoil_evidence::hash::digest_string;
use counterfoil_policy::check::Claim;
use serde_json::json;

use super::{RULES, TESTS, WORKSPACE, brought};

#[test]
fn every_file_that_differs_and_every_bad_field_is_said_at_once() {
    let mut it = brought(RULES, TESTS);
    let more = |name: &str| json!({"path": format!("tests/{name}.json"), "size": 2, "sha256": digest_string(b"[]")});
    let listed = it.manifest["files"].as_array_mut().unwrap();
    listed.extend(["b", "c", "d"].map(more));
    it.files.insert("tests/b.json".to_owned(), "[ ]".to_owned());
    it.files.insert("tests/c.json".to_owned(), "{}".to_owned());
    it.files.insert("tests/e.json".to_owned(), "[]".to_owned());
    it.version = 7;
    let findings = it.with("{}").map(drop).unwrap_err();
    for (file, words, help) in [
        ("tests/b.json", "has another size", "undo what was changed"),
        (
            "tests/c.json",
            "has another digest",
            "undo what was changed",
        ),
        ("tests/d.json", "is listed and missing", "bring it"),
        ("tests/e.json", "is not listed", "take it away"),
        ("manifest.json", "version 7 is active", "--version 8"),
        ("signature.json", "`payload` is missing", "add it"),
        ("signature.json", "`signatures` is missing", "add it"),
    ] {
        let found = findings
            .iter()
            .find(|it| it.file == file && it.detail.contains(words));
        let found = found.unwrap_or_else(|| panic!("{file} {words}: {findings:#?}"));
        assert!(found.help.contains(help), "{found:?}");
    }
    assert_eq!(findings.len(), 8, "{findings:#?}");

    it.manifest["version"] = json!("7");
    it.manifest["schema"] = json!("v2");
    it.manifest["cedar"]["lang"] = json!("four");
    it.manifest["summery"] = json!("");
    it.manifest.as_object_mut().unwrap().remove("created_by");
    it.manifest["files"][2]["path"] = json!("tests/B.json");
    let text = serde_json::to_string_pretty(&it.manifest).unwrap();
    let claim = Claim {
        manifest: &text,
        signature: "[",
        files: &it.files,
        workspace: WORKSPACE,
        keys: &it.keys,
        active_version: it.version,
        active: it.active.as_deref(),
    };
    let findings = claim.check().map(drop).unwrap_err();
    for (words, at) in [
        ("`version`: invalid type", "\"7\""),
        ("`schema` must be", "\"v2\""),
        ("`cedar` must name", "{"),
        ("there is no field `summery`", "\"summery\""),
        ("`created_by` is missing", "{"),
        ("`files/2/path` must be", "\"tests/B.json\""),
        ("`files/2/path` must come after", "\"tests/B.json\""),
    ] {
        let found = findings.iter().find(|it| it.detail.contains(words));
        let found = found.unwrap_or_else(|| panic!("{words}: {findings:#?}"));
        assert_eq!(found.file, "manifest.json");
        assert!(
            text.get(found.offset..).unwrap().starts_with(at),
            "{found:?}"
        );
        assert_eq!(
            Some(found.excerpt.as_str()),
            text.lines().nth(found.line - 1)
        );
        assert!(!found.help.is_empty(), "{found:?}");
    }
    let of_signature = findings.iter().find(|it| it.file == "signature.json");
    assert_eq!(of_signature.unwrap().excerpt, "[", "{findings:#?}");
    let versions = findings.iter().filter(|it| it.detail.contains("is active"));
    assert_eq!(
        versions.count(),
        0,
        "a bad field is not looked at: {findings:#?}"
    );
}

/// The form that bad fields are compared with is the form of a manifest.
#[test]
fn of_an_empty_manifest_every_field_is_missing() {
    let mut it = brought(RULES, TESTS);
    let signature = it.signature(1);
    let mut fields: Vec<String> = it.manifest.as_object().unwrap().keys().cloned().collect();
    fields.retain(|field| field != "workspace" && field != "previous");
    it.manifest = json!({});
    let findings = it.with(&signature).map(drop).unwrap_err();
    let missing = findings
        .iter()
        .filter_map(|it| it.detail.strip_suffix("` is missing"));
    let mut missing: Vec<&str> = missing.map(|it| it.trim_start_matches('`')).collect();
    missing.sort_unstable();
    fields.sort_unstable();
    assert_eq!(missing, fields);
    let others = findings
        .iter()
        .filter(|it| !it.detail.ends_with("is missing"));
    let others: Vec<&str> = others.map(|it| it.detail.as_str()).collect();
    assert_eq!(
        others,
        [
            "`previous` is not the digest that is active",
            "`workspace` names another workspace"
        ]
    );
}
