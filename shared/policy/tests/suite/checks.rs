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
        (&unknown_action, 3, "repair.exec", "did you mean"),
        (&unknown_attribute, 4, "amount", "did you mean"),
        (&unguarded, 4, "ip", "has ip"),
        (&impossible, 2, "applicable action", ""),
        (&broken, 3, "unexpected token", "expected"),
    ] {
        let findings = findings(text);
        let found = findings.iter().find(|finding| finding.line == line);
        let found = found.unwrap_or_else(|| panic!("nothing found in {text}: {findings:?}"));
        assert_eq!(found.severity, Severity::Error, "{found:?}");
        assert_eq!(found.file, "policies/a.cedar");
        assert!(found.detail.contains(said), "{found:?}");
        assert!(
            found.help.clone().unwrap_or_default().contains(helped),
            "{found:?}"
        );
        assert_eq!(Some(found.excerpt.as_str()), text.lines().nth(line - 1));
    }
}

#[test]
fn every_rule_says_what_it_is() {
    for (annotations, said) in [
        ("@why(\"x\")", "`@id` is missing"),
        ("@id(\"ws.forbid.x\")", "`@why` is missing"),
        ("@id(\"ws.forbid.x\") @why(\" \")", "`@why` is missing"),
        ("@id(\"base.forbid.x\") @why(\"x\")", "must be ws."),
        ("@id(\"ws.deny.x\") @why(\"x\")", "must be ws."),
        ("@id(\"ws.forbid.X\") @why(\"x\")", "must be ws."),
        ("@id(\"ws.permit.x\") @why(\"x\")", "the id says permit"),
        (
            "@id(\"ws.forbid.x\") @why(\"x\") @advice(\"allow\")",
            "`@advice` is not",
        ),
        (
            "@id(\"ws.forbid.x\") @why(\"x\") @role(\"viewer\")",
            "`@role` must be",
        ),
        (
            "@id(\"ws.forbid.x\") @why(\"x\") @hold(\"31d\")",
            "`@hold` must be",
        ),
        (
            "@id(\"ws.forbid.x\") @why(\"x\") @hold(\"0h\")",
            "`@hold` must be",
        ),
        (
            "@id(\"ws.forbid.x\") @why(\"x\") @hold(\"soon\")",
            "`@hold` must be",
        ),
    ] {
        let findings = findings(&format!(
            "{annotations}\nforbid (principal, action, resource);"
        ));
        assert_eq!(findings.len(), 1, "{annotations}: {findings:?}");
        assert!(
            findings[0].detail.contains(said),
            "{annotations}: {findings:?}"
        );
    }
    let long = "x".repeat(201);
    let findings = findings(&format!(
        "@id(\"ws.forbid.x\") @why(\"{long}\") forbid (principal, action, resource);"
    ));
    assert!(findings[0].detail.contains("200"), "{findings:?}");
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
            .any(|finding| finding.severity == Severity::Error),
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
