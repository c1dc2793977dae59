//! However much is wrong with what somebody brings, what is said about it is bounded.

use std::collections::BTreeMap;

use counterfoil_policy::LayerName;
use counterfoil_policy::check::{Claim, Finding, Severity, answers, check, read};
use serde_json::{Value, json};

use crate::world::workspace;

const MOST: usize = 100;

/// That there are as many as are told, that the last says that there are more, and that all of them
/// together are short.
#[track_caller]
fn bounded(findings: &[Finding]) -> u64 {
    assert_eq!(findings.len(), MOST + 1, "{:#?}", findings.first());
    for it in findings {
        assert!(it.excerpt.chars().count() <= 240, "{it:?}");
    }
    let said = serde_json::to_string(findings).unwrap().len();
    assert!(said < 400_000, "{said} bytes: {:?}", findings.first());
    let last = findings.last().unwrap();
    let more = last.detail.split(' ').find_map(|it| it.parse().ok());
    assert!(last.file.is_empty() && !last.help.is_empty(), "{last:?}");
    more.unwrap_or_else(|| panic!("how many more is not said: {last:?}"))
}

fn manifest(files: &[Value]) -> String {
    let digest = format!("sha256:{}", "0".repeat(64));
    json!({
        "schema": "counterfoil.policy-bundle/v1", "layer": "workspace", "version": 1,
        "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": digest, "files": files,
        "created_at": "2026-11-01T00:00:00Z", "created_by": "x", "summary": "",
    })
    .to_string()
}

#[test]
fn a_manifest_of_thousands_of_bad_entries() {
    let bad = json!({"path": "", "size": 0, "sha256": ""});
    let text = manifest(&vec![bad; 6_082]);
    assert!(text.len() > 190_000 && text.lines().count() == 1);
    let findings = read(&text, &BTreeMap::new()).unwrap_err();
    bounded(&findings);
    // Who brings it need not have signed anything.
    let claim = Claim {
        manifest: &text,
        signature: "{}",
        files: &BTreeMap::new(),
        workspace: "ws_01J00000000000000000000000",
        keys: &[],
        active_version: 0,
        active: None,
    };
    bounded(&claim.check().unwrap_err());
}

#[test]
fn entries_and_signatures_of_another_form() {
    let text = manifest(&vec![json!({"x": 0}); 20_000]);
    let signature =
        json!({"payloadType": "", "payload": "", "signatures": vec![json!({}); 80_000]});
    let claim = Claim {
        manifest: &text,
        signature: &signature.to_string(),
        files: &BTreeMap::new(),
        workspace: "ws_01J00000000000000000000000",
        keys: &[],
        active_version: 0,
        active: None,
    };
    let findings = claim.check().unwrap_err();
    assert!(findings.len() <= MOST + 1, "{}", findings.len());
    let last = findings.last().unwrap();
    assert!(last.detail.contains("more mistakes"), "{last:?}");
    for file in ["manifest.json", "signature.json"] {
        assert!(findings.iter().any(|it| it.file == file), "{file}");
    }
    let said = serde_json::to_string(&findings).unwrap().len();
    assert!(said < 400_000, "{said}");
}

#[test]
fn thousands_of_files_that_are_not_listed() {
    let files = (0..20_000).map(|number| (format!("f{number}"), String::new()));
    let long = ("x".repeat(100_000), String::new());
    let files: BTreeMap<String, String> = files.chain([long]).collect();
    let one = json!({"path": "policies/a.cedar", "size": 0, "sha256": ""});
    assert!(bounded(&read(&manifest(&[one]), &files).unwrap_err()) > 19_900);
}

fn checked(text: &str) -> Vec<Finding> {
    let files = [("policies/a.cedar", text)];
    match check(LayerName::Workspace, "sha256:00", 1, &files) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    }
}

#[test]
fn thousands_of_rules_without_ids() {
    let findings = checked(&"permit(principal,action,resource);".repeat(3_800));
    // Of 200 two mistakes each, and that there are too many.
    assert_eq!(bounded(&findings), 301);
    let all = findings.iter();
    let too_many = all.filter(|it| it.detail.contains("3800 rules"));
    assert_eq!(too_many.count(), 1);
}

#[test]
fn one_rule_of_thousands_of_annotations() {
    let unknown = (0..10_000).map(|number| format!("@a{number} "));
    let text = format!(
        "{}permit(principal,action,resource);",
        unknown.collect::<String>()
    );
    assert!(bounded(&checked(&text)) > 9_900);
}

#[test]
fn a_rule_of_thousands_of_facts_that_do_not_exist() {
    let facts = vec!["context.base.x"; 3_000].join(", ");
    let text = format!(
        "@id(\"ws.forbid.x\") @why(\"x\") forbid(principal, action == CF::Action::\"repair.execute\", resource) when {{ [{facts}].contains(1) }};"
    );
    let findings = checked(&text);
    assert!(bounded(&findings) >= 2_900);
    assert_eq!(
        findings,
        checked(&text),
        "what comes first is not left to chance"
    );
}

/// Warnings do not push mistakes out.
#[test]
fn rules_that_are_all_to_be_looked_at() {
    let rule = |number| {
        format!(
            "@id(\"ws.forbid.n{number}\") @why(\"x\") forbid(principal, action == CF::Action::\"repair.execute\", resource) when {{ resource.at_risk.minor > 500 }}; "
        )
    };
    let mut text: String = (0..199).map(rule).collect();
    let findings = checked(&text);
    assert_eq!(bounded(&findings), 99);
    assert!(findings.iter().all(|it| it.severity == Severity::Warning));
    text.push_str("permit(principal, action, resource);");
    let findings = checked(&text);
    let errors = findings.iter().filter(|it| it.severity == Severity::Error);
    assert_eq!(errors.count(), 2);
    bounded(&findings);
}

#[test]
fn thousands_of_scenarios_that_are_none() {
    for one in ["{}", "0"] {
        let text = format!("[{}]", vec![one; 40_000].join(","));
        let (answers, findings) = answers(&workspace(), [("tests/a.json", text.as_str())]);
        assert!(answers.is_empty());
        assert!(bounded(&findings) > 39_000, "{one}");
    }
}

#[test]
fn a_scenario_of_long_words_and_of_thousands_of_names() {
    let long = "x".repeat(60_000);
    let names = (0..5_000).map(|number| (format!("n{number}"), json!(null)));
    let text = json!([
        {"name": long, "principal": "User/viewer", "action": "repair.execute", "resource": "Incident/inc",
         "want": "DENY", "why": long},
        {"name": "", "principal": long, "action": long, "resource": "Incident/inc", "want": "DENY",
         "entities": names.collect::<serde_json::Map<_, _>>()},
    ])
    .to_string();
    let (_, findings) = answers(&workspace(), [("tests/a.json", text.as_str())]);
    assert!(bounded(&findings) > 4_900);
    let first = &findings[0];
    assert!(first.detail.contains("got DENY by"), "{first:?}");
    assert!(first.help.contains("write \"why\""), "{first:?}");
}

/// What is marked stands in the part of the line that is shown.
#[test]
fn a_long_line_is_shown_around_what_is_wrong() {
    let before = "@id(\"ws.forbid.x\") @why(\"ä\") forbid(principal, action, resource); ";
    let text = format!(
        "{}{before}permit (principal, action == , resource);",
        " ".repeat(9_000)
    );
    let findings = checked(&text);
    let found = findings.first().unwrap();
    assert!(
        found.column > 9_000 && found.excerpt.chars().count() <= 240,
        "{found:?}"
    );
    for most in [120, 200, 1_000] {
        let (line, before) = found.window(most);
        assert!(line.chars().count() <= most);
        let marked = line.chars().nth(before);
        assert_eq!(marked, text.get(found.offset..).unwrap().chars().next());
    }
}
