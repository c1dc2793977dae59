//! What is deeper than the engine can follow is refused before anybody parses it. Parsing it would end the
//! process, and the engine's validator would find nothing wrong with it.

use counterfoil_policy::check::{Finding, check};
use counterfoil_policy::{Layer, LayerName};

/// What may be within one another (`docs/policies.md`, "What a rule can read").
const BRACKETS: usize = 30;
const OPERATORS: usize = 200;

fn rule(condition: &str) -> String {
    format!(
        "@id(\"ws.forbid.x\") @why(\"x\") forbid(principal, action == CF::Action::\"repair.execute\", resource) when {{ {condition} }};"
    )
}

fn checked(text: &str) -> Result<(), Vec<Finding>> {
    let files = [("policies/a.cedar", text)];
    let layer = Layer::of(LayerName::Workspace, "sha256:00", 1, &files);
    let checked = check(LayerName::Workspace, "sha256:00", 1, &files).map(drop);
    // Nobody loads what cannot be parsed.
    assert!(checked.is_err() || layer.is_ok(), "{layer:?}");
    checked
}

#[track_caller]
fn refused(condition: &str) -> Finding {
    let mut findings = checked(&rule(condition)).unwrap_err();
    assert_eq!(findings.len(), 1, "{findings:?}");
    let found = findings.remove(0);
    assert!(found.detail.contains("within one another"), "{found:?}");
    assert!(found.help.contains(".contains("), "{found:?}");
    found
}

fn around(open: &str, close: &str, times: usize) -> String {
    format!(
        "{}resource.legal_hold{}",
        open.repeat(times),
        close.repeat(times)
    )
}

/// Everything that brackets can be within one another.
const NESTED: [(&str, &str); 7] = [
    ("(", ")"),
    ("!(", ")"),
    ("(true || ", ")"),
    ("[true].contains(", ")"),
    ("{a: ", "}.a"),
    ("if true then ", " else false"),
    ("if ", " then true else false"),
];

#[test]
fn as_deep_as_is_allowed_and_one_deeper() {
    for (open, close) in NESTED {
        // The condition itself is in brackets.
        let most = BRACKETS - 1;
        assert_eq!(checked(&rule(&around(open, close, most))), Ok(()), "{open}");
        let deeper = format!("false || {}", around(open, close, most + 1));
        let found = refused(&deeper);
        let marked = rule(&deeper);
        let marked = marked.get(found.offset..).unwrap();
        let opens = ["(", "[", "{", "if"]
            .iter()
            .any(|it| marked.starts_with(it));
        assert!(opens && marked.len() < deeper.len(), "{marked} {found:?}");
    }
    for operator in [" || ", " && "] {
        // The bracket of the condition counts as one.
        let terms = |many| vec!["true"; many].join(operator);
        assert_eq!(checked(&rule(&terms(OPERATORS))), Ok(()), "{operator}");
        refused(&terms(OPERATORS + 1));
    }
}

/// A thread of tests has 2 MiB, as one that answers requests.
#[test]
fn however_deep_it_is() {
    for (open, close) in NESTED {
        refused(&around(open, close, 10_000));
        refused(&open.repeat(10_000));
    }
    for many in [
        "true || ",
        "true && ",
        "1 + ",
        "principal.",
        "principal[\"a\"]",
        "- ",
        "!",
        "f(x).",
    ] {
        refused(&many.repeat(10_000));
    }
    // Brackets that close nothing open nothing.
    refused(&"(]".repeat(10_000));
    let clauses = format!("true }} {} when {{ true", "when { true } ".repeat(10_000));
    refused(&clauses);
}

/// What is not within one another is not counted: values of a list, rules of a file, annotations, texts
/// and comments.
#[test]
fn as_much_as_there_is_side_by_side() {
    let values: Vec<String> = (0..5_000)
        .map(|number| format!("\"a || ({number}\""))
        .collect();
    let condition = format!("[{}].contains(resource.kind)", values.join(", "));
    assert_eq!(checked(&rule(&condition)), Ok(()));
    let terms: Vec<&str> = vec!["if true || false then [1] else [2]"; 500];
    let condition = format!("[{}].contains([1])", terms.join(", "));
    assert_eq!(checked(&rule(&condition)), Ok(()));
    let comment = format!("true // {}\n", "((((if ||".repeat(500));
    assert_eq!(checked(&rule(&comment)), Ok(()));
    let rules = (0..199).map(|number| {
        rule("(true || false) && true").replace("forbid.x", &format!("forbid.x{number}"))
    });
    assert_eq!(checked(&rules.collect::<String>()), Ok(()));
}

/// What is wrong with the types of the deepest that is allowed is found.
#[test]
fn types_of_the_deepest() {
    // An attribute takes an operator of its own.
    let most = OPERATORS / 2;
    for operator in [" || ", " && "] {
        for place in [0, most - 1] {
            let mut terms = vec!["resource.legal_hold"; most];
            assert_eq!(checked(&rule(&terms.join(operator))), Ok(()));
            terms[place] = "resource.nonsense";
            let findings = checked(&rule(&terms.join(operator))).unwrap_err();
            assert!(findings[0].detail.contains("nonsense"), "{findings:?}");
        }
    }
    let inner = around("(", ")", BRACKETS - 1).replace("legal_hold", "nonsense");
    let findings = checked(&rule(&inner)).unwrap_err();
    assert!(findings[0].detail.contains("nonsense"), "{findings:?}");
}
