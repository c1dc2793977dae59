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
