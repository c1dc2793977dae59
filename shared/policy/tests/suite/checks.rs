//! What an author is told: file, line, column, and what would be right.

use counterfoil_policy::LayerName;
use counterfoil_policy::check::{Finding, Severity, check};

fn findings(text: &str) -> Vec<Finding> {
    match check(
        LayerName::Workspace,
        "sha256:00",
        1,
        &[("policies/a.cedar", text)],
    ) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    }
}

fn rule(body: &str) -> String {
    format!("// a comment\n@id(\"ws.forbid.x\") @why(\"x\")\n{body}")
}

#[test]
fn mistakes_are_found_where_they_stand() {
    let unknown_action =
        rule("forbid (principal, action == CF::Action::\"repair.exec\", resource);");
    let unknown_attribute = rule(
        "forbid (principal, action == CF::Action::\"repair.execute\", resource)\nwhen { resource.amount > 5 };",
    );
    let unguarded = rule(
        "forbid (principal, action == CF::Action::\"repair.execute\", resource)\nwhen { context.base.ip.isLoopback() };",
    );
    let impossible = rule(
        "forbid (principal is CF::Scheduler, action == CF::Action::\"secret.put\", resource);",
    );
    let broken = rule("forbid (principal, action, resource) when { 1 + };");
    for (text, line, said, helped) in [
        (
            &unknown_action,
            3,
            "repair.exec",
            "did you mean `CF::Action::\"repair.execute\"`",
        ),
        (&unknown_attribute, 4, "amount", "did you mean"),
        (&unguarded, 4, "ip", "has ip"),
        (&impossible, 2, "applicable action", "it would never apply"),
        (&broken, 3, "unexpected token", "expected"),
    ] {
        let findings = findings(text);
        let found = findings.iter().find(|finding| finding.line == line);
        let found = found.unwrap_or_else(|| panic!("nothing found in {text}: {findings:?}"));
        assert_eq!(found.severity, Severity::Error, "{found:?}");
        assert_eq!(found.file, "policies/a.cedar");
        assert!(found.detail.contains(said), "{found:?}");
        assert!(found.help.contains(helped), "{found:?}");
        assert_eq!(Some(found.excerpt.as_str()), text.lines().nth(line - 1));
    }
}

/// What stands there.
fn marked<'a>(text: &'a str, found: &Finding) -> &'a str {
    text.get(found.offset..found.offset + found.length).unwrap()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, a row per fault")]
fn every_rule_says_what_it_is_or_is_told_what_to_write() {
    let id = "@id(\"ws.forbid.x\")";
    let good = format!("{id} @why(\"x\")");
    let with = |more: &str| format!("{good} {more}");
    for (annotations, said, at, help) in [
        (
            "@why(\"x\")".to_owned(),
            "`@id` is missing",
            "@why",
            "write @id(\"ws.forbid.a\") before it",
        ),
        (
            id.to_owned(),
            "`@why` is missing",
            "@id",
            "write @why(\"...\"): one sentence",
        ),
        (
            format!("{id} // of no use\n@why(\" \")"),
            "`@why` is missing",
            "@why(\" \")",
            "write @why",
        ),
        (
            "@id(\"base.forbid.x\") @why(\"x\")".to_owned(),
            "must be ws.",
            "@id(\"base.forbid.x\")",
            "write @id(\"ws.forbid.x\")",
        ),
        (
            "@why(\"@id\") @id(\"ws.deny.x\")".to_owned(),
            "must be ws.",
            "@id(\"ws.deny.x\")",
            "write @id(\"ws.forbid.x\")",
        ),
        (
            "@id(\"ws.require.Two People\") @why(\"x\")".to_owned(),
            "must be ws.",
            "@id(",
            "write @id(\"ws.require.two-people\")",
        ),
        (
            "@id(\"ws.permit.x\") @why(\"x\")".to_owned(),
            "the id says permit and the policy is a forbid",
            "@id(",
            "write @id(\"ws.forbid.x\")",
        ),
        (
            with("@advice(\"allow\")"),
            "`@advice` is not",
            "@advice(\"allow\")",
            "take it away",
        ),
        (
            with("@rolle(\"owner\")"),
            "`@rolle` is not",
            "@rolle(\"owner\")",
            "write @role, or take it away",
        ),
        (
            with("@role(\"viewer\")"),
            "`@role` must be",
            "@role(\"viewer\")",
            "write @role(\"approver\"), or leave it out",
        ),
        (
            with("@role(\"admins\")"),
            "`@role` must be",
            "@role(",
            "write @role(\"admin\")",
        ),
        (
            with("@hold(\"31d\")"),
            "`@hold` must be",
            "@hold(\"31d\")",
            "write @hold(\"30d\")",
        ),
        (
            with("@hold(\"2w\")"),
            "`@hold` must be",
            "@hold(",
            "write @hold(\"14d\")",
        ),
        (
            with("@hold(\"90m\")"),
            "`@hold` must be",
            "@hold(",
            "write @hold(\"2h\")",
        ),
        (
            with("@hold(\"1.5d\")"),
            "`@hold` must be",
            "@hold(",
            "write @hold(\"2d\")",
        ),
        (
            with("@hold(\"0h\")"),
            "`@hold` must be",
            "@hold(",
            "write @hold(\"1h\")",
        ),
        (
            with("@hold(\"36\")"),
            "`@hold` must be",
            "@hold(",
            "write @hold(\"36h\")",
        ),
        (
            with("@hold(\"soon\")"),
            "`@hold` must be",
            "@hold(",
            "write @hold(\"24h\")",
        ),
    ] {
        let text = format!("// @role(\"x\")\n{annotations}\nforbid (principal, action, resource);");
        let findings = findings(&text);
        assert_eq!(findings.len(), 1, "{annotations}: {findings:?}");
        let found = &findings[0];
        assert!(found.detail.contains(said), "{annotations}: {found:?}");
        assert!(found.help.contains(help), "{annotations}: {found:?}");
        let marked = marked(&text, found);
        assert!(marked.starts_with(at), "{annotations}: {marked}");
        assert!(found.excerpt.contains(at), "{annotations}: {found:?}");
    }
    let long = "x".repeat(203);
    let findings = findings(&format!(
        "{id} @why(\"{long}\") forbid (principal, action, resource);"
    ));
    assert!(findings[0].detail.contains("200"), "{findings:?}");
    assert!(findings[0].help.contains("by 3 characters"), "{findings:?}");
}

#[test]
fn what_a_hint_offers_is_taken() {
    let rule = |annotations: &str| {
        format!("{annotations} @why(\"x\")\nforbid (principal, action, resource);\n")
    };
    let mut text = [
        "@id(\"ws.forbid.x\")",
        "@id(\"ws.forbid.x\")",
        "@id(\"ws.forbid.x\")",
        "@id(\"ws.deny.x-2\")",
        "@id(\"ws.permit.x\") @role(\"none\") @hold(\"9d9\")",
        "",
        "",
        "@id(\"ws.forbid.a\")",
    ]
    .map(rule)
    .concat();
    let first = findings(&text);
    let lines: Vec<usize> = first.iter().map(|it| it.line).collect();
    assert_eq!(lines, [3, 5, 7, 9, 9, 9, 11, 13], "{first:#?}");
    assert!(
        first[0]
            .detail
            .contains("`policies/a.cedar` already, line 1")
    );
    for found in first.iter().rev() {
        let offered = found.help.split_once("write ").unwrap().1;
        let end = offered.find(')').unwrap();
        let offered = offered.get(..=end).unwrap();
        let length = if found.detail.contains("is missing") {
            0
        } else {
            found.length
        };
        text.replace_range(found.offset..found.offset + length, offered);
    }
    assert_eq!(findings(&text), Vec::new(), "{text}");
}

#[test]
fn everything_is_said_at_once() {
    let one = "@id(\"ws.forbid.one\") @rank(\"1\") @role(\"none\") @hold(\"x\")\n\
        forbid (principal, action == CF::Action::\"repair.exec\", resource);\n";
    let files = [
        ("policies/a.cedar", one),
        ("policies/b.cedar", "forbid (\n\n"),
    ];
    let found = check(LayerName::Workspace, "sha256:00", 1, &files).unwrap_err();
    let said: Vec<&str> = found.iter().map(|it| it.detail.as_str()).collect();
    assert_eq!(found.len(), 6, "{said:#?}");
    for words in ["`@why` is", "`@rank`", "`@role`", "`@hold`", "repair.exec"] {
        assert!(
            said.iter().any(|it| it.contains(words)),
            "{words}: {said:#?}"
        );
    }
    // What ends too early is shown where it ends.
    let early = found.last().unwrap();
    assert_eq!(
        (early.line, early.column, early.excerpt.as_str()),
        (1, 9, "forbid (")
    );
    for found in found {
        assert!(
            !found.help.is_empty() && !found.excerpt.is_empty(),
            "{found:?}"
        );
    }
}

#[test]
fn one_mistake_of_a_rule_about_every_action_is_said_once() {
    let found = findings(&rule(
        "forbid (principal, action, resource)\nwhen { context.base.ip.isLoopback() };",
    ));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].detail.contains("`base.ip`"), "{found:?}");
    assert!(found[0].detail.ends_with(" more"), "{found:?}");
    assert_eq!((found[0].line, found[0].column), (4, 8));
}

#[test]
fn too_many_rules_are_told_from_which_on() {
    let rule = |number| {
        format!("@id(\"ws.forbid.n{number}\") @why(\"x\") forbid (principal, action, resource);\n")
    };
    let text: String = (1..=202).map(rule).collect();
    let found = findings(&text);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].detail.contains("202 rules"), "{found:?}");
    assert_eq!((found[0].line, found[0].column), (201, 1));
    assert!(found[0].help.contains("take 2 away"), "{found:?}");
}

#[test]
fn all_mistakes_of_a_stage_come_together() {
    let one = "@id(\"ws.forbid.x\") @why(\"x\") forbid (principal, action, resource);";
    let files = [
        ("policies/a.cedar", one),
        ("policies/b.cedar", one),
        (
            "policies/c.cedar",
            "@id(\"ws.forbid.y\")\nforbid (principal, action, resource);",
        ),
    ];
    let found = check(LayerName::Workspace, "sha256:00", 1, &files).unwrap_err();
    let places: Vec<&str> = found.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(places, ["policies/b.cedar", "policies/c.cedar"]);
    let broken = [
        ("policies/a.cedar", "forbid ("),
        ("policies/b.cedar", "permit {"),
    ];
    let found = check(LayerName::Workspace, "sha256:00", 1, &broken).unwrap_err();
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_template_is_no_policy() {
    let found = findings(
        "@id(\"ws.permit.x\") @why(\"x\")\npermit (principal == ?principal, action, resource);",
    );
    assert!(found[0].detail.contains("templates"), "{found:?}");
    assert_eq!(
        (found[0].line, found[0].column, found[0].length),
        (2, 22, 10)
    );
    assert!(found[0].help.contains("principal is CF::User"), "{found:?}");
}

#[test]
fn letters_that_look_like_others_are_refused() {
    // The second letter is Cyrillic.
    let found = findings(&rule(
        "forbid (principal, action == CF::Action::\"repair.execute\", resource)\nwhen { context.change.to == \"p\u{440}o\" };",
    ));
    assert!(
        found
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.help.contains("letters")),
        "{found:?}"
    );
}

#[test]
fn an_amount_without_its_currency_is_pointed_out() {
    let found = findings(&rule(
        "forbid (principal, action == CF::Action::\"repair.execute\", resource)\nwhen { resource.at_risk.minor > 500 };",
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].severity, found[0].line), (Severity::Warning, 2));
    assert!(found[0].help.contains("at_risk.currency =="), "{found:?}");
    let named = findings(&rule(
        "forbid (principal, action == CF::Action::\"repair.execute\", resource)\nwhen { resource.at_risk.currency == \"eur\" && resource.at_risk.minor > 500 };",
    ));
    assert_eq!(named, Vec::new());
}

#[test]
fn the_product_s_own_rules_are_good() {
    let files: Vec<_> = counterfoil_policy::baseline_files().collect();
    let (layer, warnings) = check(LayerName::Baseline, "sha256:00", 0, &files).unwrap();
    assert_eq!((layer.rules().len(), warnings), (67, Vec::new()));
    let (layer, warnings) = check(
        LayerName::Workspace,
        "sha256:00",
        1,
        &[("policies/a.cedar", include_str!("workspace.cedar"))],
    )
    .unwrap();
    assert_eq!((layer.rules().len(), warnings), (5, Vec::new()));
}

/// Two slashes in a sentence begin no comment; a rule in a comment is none.
#[test]
fn a_rule_behind_an_address_has_its_place() {
    let one = "forbid (principal, action, resource);";
    let bad = format!("@id(\"ws.bad\") @why(\"x\") {one}");
    let text = format!(
        "@id(\"ws.forbid.a\") @why(\"see https://x, {one}\") {one} {bad} // {bad}\r // {bad}\n{bad}"
    );
    let found = findings(&text);
    let all: Vec<&str> = found.iter().map(|it| marked(&text, it)).collect();
    assert_eq!(all, ["@id(\"ws.bad\")"; 2]);
    let places: Vec<usize> = text.match_indices(&bad).map(|(at, _)| at).collect();
    let offsets: Vec<usize> = found.iter().map(|it| it.offset).collect();
    assert_eq!(offsets, [places[0], places[3]], "{found:#?}");
}

/// Rules without ids on one line: each is told what is wrong with its types.
#[test]
fn rules_of_one_line_are_each_told_of_their_types() {
    let rule = "forbid (principal, action == CF::Action::\"repair.exec\", resource);";
    let text = [rule; 3].concat();
    let found = findings(&text);
    let unknown = found.iter().filter(|it| it.detail.contains("repair.exec"));
    assert_eq!(unknown.count(), 3, "{found:#?}");
}

#[test]
fn a_rule_that_could_never_apply_is_told_so_once() {
    let found = findings(&rule(
        "forbid (principal is CF::Scheduler, action == CF::Action::\"secret.put\", resource);",
    ));
    assert_eq!(found.len(), 1, "{found:#?}");
}
