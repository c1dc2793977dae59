//! What an author is shown.

use super::{made, policy, rewrite};

/// Mistakes of every kind, each with its place, its line and what to do.
#[test]
fn every_mistake_is_shown_with_its_line_and_what_to_do() {
    let folder = made("old-incidents");
    rewrite(
        &folder,
        "rules/policies/rules.cedar",
        "ws.permit.all",
        "ws.all",
    );
    rewrite(
        &folder,
        "rules/policies/rules.cedar",
        "@role(\"approver\")",
        "@role(\"aprover\")",
    );
    let check = policy(&folder, &["check", "rules"]);
    assert_eq!(check.status, 1, "{}", check.err);
    for part in [
        "rules.cedar:1:1\n    1 | @id(\"ws.all\")\n      | ^^^^^^^^^^^^^\n      = help: write @id(\"ws.permit.all\")",
        "      = help: write @role(\"approver\"), or leave it out",
        "2 mistakes: nothing was tested",
    ] {
        assert!(check.out.contains(part), "{part}: {}", check.out);
    }
    let folder = made("old-incidents");
    let tests = "rules/tests/scenarios.json";
    rewrite(
        &folder,
        tests,
        "\"want\": \"REQUIRE(1)\"",
        "\"wand\": \"REQUIRE(1)\"",
    );
    rewrite(&folder, tests, "User/approver", "approver");
    for command in ["check", "test", "explain"] {
        let words = [command, "rules", "30 days"];
        let words = &words[..if command == "explain" { 3 } else { 2 }];
        let said = policy(&folder, words);
        assert_eq!(said.status, 1, "{command}: {}{}", said.out, said.err);
        for part in [
            "error: there is no field `wand`\n  --> rules/tests/scenarios.json:2:106",
            "      = help: write `want`, or take it away",
            "error: `principal` names approver, which does not exist here\n  --> rules/tests/scenarios.json:3:38",
            "      = help: write \"User/approver\"",
        ] {
            assert!(said.out.contains(part), "{command}: {part}: {}", said.out);
        }
        let marks = said
            .out
            .lines()
            .filter(|line| line.contains("| ") && line.contains('^'));
        assert_eq!(marks.count(), 2, "{command}: {}", said.out);
    }
}

/// A bundle that somebody else made says nothing to the terminal, not in the names of its files either.
#[test]
fn a_path_of_a_manifest_does_not_reach_the_terminal() {
    let folder = made("old-incidents");
    let digest = format!("sha256:{}", "0".repeat(64));
    let manifest = serde_json::json!({
        "schema": "counterfoil.policy-bundle/v1", "layer": "workspace", "version": 1,
        "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": digest,
        "files": [{"path": "\u{1b}]0;owned\u{7}", "size": 0, "sha256": digest}],
        "created_at": "2026-11-01T00:00:00Z", "created_by": "x", "summary": "",
    });
    let rules = folder.path().join("rules");
    std::fs::write(rules.join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(rules.join("signature.json"), "{}").unwrap();
    let said = policy(
        &folder,
        &["push", "rules", "--api", "https://nowhere.invalid"],
    );
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("\\u{1b}]0;owned\\u{7}:1:1"),
        "{}",
        said.out
    );
    let both = format!("{}{}", said.out, said.err);
    assert!(!both.contains(['\u{1b}', '\u{7}']), "{both:?}");
}

/// One that cannot be asked may be the one that is meant, also where others can.
#[test]
fn a_scenario_that_is_none_is_shown_where_it_is_to_be_explained() {
    let folder = made("old-incidents");
    let tests = "rules/tests/scenarios.json";
    rewrite(
        &folder,
        tests,
        "\"want\": \"REQUIRE(1)\"",
        "\"wand\": \"REQUIRE(1)\"",
    );
    let said = policy(&folder, &["explain", "rules", "31 days"]);
    assert_eq!(said.status, 1, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("there is no field `wand`"),
        "{}",
        said.out
    );
}
